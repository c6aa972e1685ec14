"""A difference as GitHub's Markdown, for a pull request: a compact table, and the layers in a folded section."""

from collections.abc import Iterable, Iterator

from vggc.authoring.diff_text import SIGNS, in_short, output, what
from vggc.authoring.diffing import Difference, LayerChange
from vggc.authoring.markdown import code, table
from vggc.base.words import plural


def emit(difference: Difference) -> str:
    """The whole text."""
    return "\n".join(_lines(difference)).rstrip() + "\n"


def _lines(difference: Difference) -> Iterator[str]:
    before, after = code(difference.before.name), code(difference.after.name)
    yield f"### {before} → {after}"
    yield ""
    if difference.equal:
        yield "No difference."
        return
    differing = difference.figure_rows()
    if differing:
        yield from table(("", *map(code, difference.names), "change"), differing, "-rrr")
    else:
        yield "No figure differs."
    yield ""
    yield from _keys(difference)
    yield from _layers(difference)


def _keys(difference: Difference) -> Iterator[str]:
    if difference.keys:
        rows = ((code(key), _value(old), _value(new)) for key, old, new in difference.keys)
        yield from _folded(
            f"{plural(len(difference.keys), 'key')} besides the layers", ("key", "before", "after"), rows
        )


def _value(value: str | None) -> str:
    return "" if value is None else code(value)


def _layers(difference: Difference) -> Iterator[str]:
    differing = [change for change in difference.layers if change.state != "same"]
    if not differing:
        reshaped = any(change.reshaped for change in difference.layers)
        yield f"The layers are the same{', of other shapes' if reshaped else ''}."
        return
    yield f"Layers: {'; '.join(in_short(difference, _marked))}."
    yield ""
    rows = (_row(change) for change in differing)
    summary = f"{plural(len(differing), 'layer')} that differ{'s' * (len(differing) == 1)}"
    yield from _folded(summary, ("", "layer", "what", "output"), rows)


def _marked(words: str) -> str:
    """A change in words, with what changed as code."""
    kind, _, rest = words.partition(" (")
    return f"{kind} ({code(rest.removesuffix(')'))})" if rest else kind.replace("_", "\\_")


def _row(change: LayerChange) -> tuple[str, ...]:
    return code(SIGNS[change.state]), code(change.alias), code(what(change)), output(change)


def _folded(summary: str, heading: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    yield f"<details><summary>{summary}</summary>"
    yield ""
    yield from table(heading, rows)
    yield ""
    yield "</details>"
    yield ""
