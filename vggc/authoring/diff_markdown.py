"""A difference as GitHub's Markdown, for a pull request: a compact table, and the layers behind a click."""

import re
from collections.abc import Iterable, Iterator

from vggc.authoring.diff_text import SIGNS, in_short, output, what
from vggc.authoring.diffing import Difference, Pair
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
        rows = ((code(key), _said(old), _said(new)) for key, old, new in difference.keys)
        count = len(difference.keys)
        yield from _folded(f"{plural(count, 'key')} besides the layers", ("key", "before", "after"), rows)


def _said(value: str | None) -> str:
    return "" if value is None else code(value)


def _layers(difference: Difference) -> Iterator[str]:
    differing = [pair for pair in difference.layers if pair.state != "same"]
    if not differing:
        reshaped = any(pair.reshaped for pair in difference.layers)
        yield f"The layers are the same{', of other shapes' if reshaped else ''}."
        return
    yield f"Layers: {'; '.join(in_short(difference, _marked))}."
    yield ""
    rows = (_row(pair) for pair in differing)
    count = len(differing)
    yield from _folded(
        f"{plural(count, 'layer')} that differ{'s' * (count == 1)}", ("", "layer", "what", "output"), rows
    )


def _marked(words: str) -> str:
    """A change in words, with what changed as code."""
    kind, _, rest = words.partition(" (")
    return f"{kind} ({code(rest.removesuffix(')'))})" if rest else kind.replace("_", "\\_")


def _row(pair: Pair) -> tuple[str, ...]:
    return code(SIGNS[pair.state]), code(pair.alias), code(what(pair)), output(pair)


def _folded(summary: str, heading: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    yield f"<details><summary>{summary}</summary>"
    yield ""
    yield from table(heading, rows)
    yield ""
    yield "</details>"
    yield ""


def table(heading: Iterable[str], rows: Iterable[Iterable[str]], alignment: str = "") -> Iterator[str]:
    """A table; `alignment` has an `r` for every column that is aligned to the right."""
    names = list(heading)
    yield f"| {' | '.join(names)} |"
    yield f"|{'|'.join('---:' if alignment[i : i + 1] == 'r' else '---' for i in range(len(names)))}|"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def code(text: str) -> str:
    """A text of the author's as code, in which Markdown and HTML mean nothing; it may stand in a table."""
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{space}{text.replace('|', chr(92) + '|')}{space}{fence}"
