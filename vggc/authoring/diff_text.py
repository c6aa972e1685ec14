"""A difference as text for a terminal: figures, keys, and layers as in a patch, with runs of equal layers between."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from vggc.authoring.diffing import Difference, LayerChange, State
from vggc.authoring.network_figures import file_of
from vggc.backends.text import yaml_spec
from vggc.backends.text.text_summary import aligned, title
from vggc.base.words import dimensions, plural, styled
from vggc.ir.network import Network

SIGNS: Final[dict[State, str]] = {"inserted": "+", "removed": "-", "changed": "~"}
MAX_GROUPS: Final = 6

_STYLES: Final[dict[State, str]] = {"inserted": "32", "removed": "31", "changed": "33"}


def emit(difference: Difference) -> str:
    """The whole text, with a terminal's colours; `click.echo` removes them where the output is no terminal."""
    return "\n".join(_lines(difference)) + "\n"


def _painted(state: State, text: str) -> str:
    return styled(_STYLES[state], text)


def _lines(difference: Difference) -> Iterator[str]:
    yield _painted("removed", f"--- {_headline(difference.before)}")
    yield _painted("inserted", f"+++ {_headline(difference.after)}")
    if difference.equal:
        yield "no difference"
        return
    yield from _figures(difference)
    if difference.keys:
        yield ""
        yield from _keys(difference)
    yield ""
    yield from _layers(difference)


def _headline(network: Network) -> str:
    return f"{title(network)}  ({file_of(network)})"


def _figures(difference: Difference) -> Iterator[str]:
    differing = difference.figure_rows()
    if differing:
        yield ""
        yield from aligned([("", *difference.names, "change"), *differing], (False, True, True, True))
    equal = [figure.label for figure, before, after in difference.figures if before == after]
    if equal:
        yield f"{'' if differing else chr(10)}equal: {', '.join(equal)}"


def _keys(difference: Difference) -> Iterator[str]:
    for key, before, after in difference.keys:
        if before is None or after is None:
            state: State = "inserted" if before is None else "removed"
            yield _painted(state, f"{SIGNS[state]} {key}: {after if before is None else before}")
        else:
            yield _painted("changed", f"~ {key}: {before} -> {after}")


def _layers(difference: Difference) -> Iterator[str]:
    groups = in_short(difference)
    if not groups:
        yield f"layers  {_as_before(difference.layers, first=True)}"
        return
    for position, words in enumerate(groups):
        yield f"{'' if position else 'layers':6}  {words}"
    width = max(len(change.alias) for change in difference.layers if change.state != "same")
    same_shapes = True  # so far
    for differ, run in difference.runs():
        if differ:
            yield from (_painted(change.state, f"  {_line(change, width)}") for change in run)
        else:
            yield f"    ... {_as_before(run, first=same_shapes)}"
        same_shapes = same_shapes and not any(change.reshaped for change in run)


def in_short(difference: Difference, marked: Callable[[str], str] = str) -> list[str]:
    """How many layers changed in which way; of many ways, the most frequent."""
    groups = difference.groups()
    first = sorted(groups, key=lambda change: -groups[change])[:MAX_GROUPS]
    texts = [f"{groups[change]} x {marked(change)}" for change in groups if change in first]
    rest = len(groups) - len(first)
    return [*texts, plural(rest, "other change")] if rest else texts


def _line(change: LayerChange, width: int) -> str:
    return f"{SIGNS[change.state]} {change.alias:{width}}  {what(change)}  {output(change)}"


def what(change: LayerChange) -> str:
    """An inserted or removed layer as an item of a spec; of a changed one, the change."""
    if change.state == "changed":
        return f"{change.kind}  {change.words}".rstrip()
    return yaml_spec.layer_text(change.layer.layer)


def output(change: LayerChange) -> str:
    """The shape of the layer's output; both shapes if they differ."""
    after = dimensions(change.layer.output)
    if change.before is None or change.after is None or change.before.output == change.after.output:
        return after
    return f"{dimensions(change.before.output)} -> {after}"


def _as_before(run: Sequence[LayerChange], first: bool) -> str:
    """A run of equal layers, and the first of them that has another shape."""
    count = f"{plural(len(run), 'layer')} as before"
    reshaped = next((change for change in run if change.reshaped), None)
    if reshaped is None:
        return count
    return f"{count}, {_shapes(reshaped) if first else 'of other shapes'}"


def _shapes(change: LayerChange) -> str:
    assert change.before is not None
    assert change.after is not None
    side = "output" if change.before.output != change.after.output else "input"
    before, after = getattr(change.before, side), getattr(change.after, side)
    return f"shapes differ from the {side} of {change.alias} on: {dimensions(before)} -> {dimensions(after)}"
