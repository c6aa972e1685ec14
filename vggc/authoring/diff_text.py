"""A difference as text for people: figures, keys, and layers as in a patch, with what did not change in between."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from vggc.authoring.diffing import Difference, Pair, State
from vggc.authoring.network_figures import file_of
from vggc.backends.text import yaml_spec
from vggc.backends.text.text_summary import aligned, title
from vggc.base.words import dimensions, plural
from vggc.ir.network import Network

SIGNS: Final[dict[State, str]] = {"inserted": "+", "removed": "-", "changed": "~"}
MAX_GROUPS: Final = 6

Paint = Callable[[State, str], str]

_COLORS: Final[dict[State, str]] = {"inserted": "\x1b[32m", "removed": "\x1b[31m", "changed": "\x1b[33m"}


def _paint(state: State, words: str) -> str:
    return f"{_COLORS[state]}{words}\x1b[0m"


def _plain(_: State, words: str) -> str:
    return words


def emit(difference: Difference, color: bool = False) -> str:
    """The whole text."""
    return "\n".join(_lines(difference, _paint if color else _plain)) + "\n"


def _lines(difference: Difference, paint: Paint) -> Iterator[str]:
    yield paint("removed", f"--- {_headline(difference.before)}")
    yield paint("inserted", f"+++ {_headline(difference.after)}")
    if difference.equal:
        yield "no difference"
        return
    yield from _figures(difference)
    if difference.keys:
        yield ""
        yield from _keys(difference, paint)
    yield ""
    yield from _layers(difference, paint)


def _headline(network: Network) -> str:
    return f"{title(network)}  ({file_of(network)})"


def _figures(difference: Difference) -> Iterator[str]:
    differing = difference.figure_rows()
    if differing:
        yield ""
        yield from aligned([("", *difference.names, "change"), *differing], (False, True, True, True))
    equal = [each.figure.label for each in difference.figures if each.before == each.after]
    if equal:
        yield f"{'' if differing else chr(10)}equal: {', '.join(equal)}"


def _keys(difference: Difference, paint: Paint) -> Iterator[str]:
    for key, before, after in difference.keys:
        if before is None or after is None:
            state: State = "inserted" if before is None else "removed"
            yield paint(state, f"{SIGNS[state]} {key}: {after if before is None else before}")
        else:
            yield paint("changed", f"~ {key}: {before} -> {after}")


def _layers(difference: Difference, paint: Paint) -> Iterator[str]:
    groups = in_short(difference)
    if not groups:
        yield f"layers  {_as_before(difference.layers, first=True)}"
        return
    for position, words in enumerate(groups):
        yield f"{'' if position else 'layers':6}  {words}"
    width = max(len(pair.alias) for pair in difference.layers if pair.state != "same")
    fresh = True  # whether no shape has differed so far
    for differ, run in difference.runs():
        if differ:
            yield from (paint(pair.state, f"  {_line(pair, width)}") for pair in run)
        else:
            yield f"    ... {_as_before(run, fresh)}"
        fresh = fresh and not any(pair.reshaped for pair in run)


def in_short(difference: Difference, marked: Callable[[str], str] = str) -> list[str]:
    """What happened to how many layers, the commonest changes alone where there are many."""
    groups = difference.groups()
    first = sorted(groups, key=lambda what: -groups[what])[:MAX_GROUPS]
    words = [f"{groups[what]} x {marked(what)}" for what in groups if what in first]
    rest = len(groups) - len(first)
    return [*words, f"{plural(rest, 'other change')}"] if rest else words


def _line(pair: Pair, width: int) -> str:
    return f"{SIGNS[pair.state]} {pair.alias:{width}}  {what(pair)}  {output(pair)}"


def what(pair: Pair) -> str:
    """A layer that came or went, as an item of a spec; of one that changed, how."""
    if pair.state == "changed":
        return f"{pair.kind}  {pair.words}".rstrip()
    return yaml_spec.layer_text(pair.layer.layer)


def output(pair: Pair) -> str:
    """The shape of its output: both, where it differs."""
    after = dimensions(pair.layer.output)
    if pair.before is None or pair.after is None or pair.before.output == pair.after.output:
        return after
    return f"{dimensions(pair.before.output)} -> {after}"


def _as_before(run: Sequence[Pair], first: bool) -> str:
    """A run of layers that are as before, and the first of them whose shape is not."""
    count = f"{plural(len(run), 'layer')} as before"
    reshaped = next((pair for pair in run if pair.reshaped), None)
    if reshaped is None:
        return count
    return f"{count}, {_shapes(reshaped) if first else 'of other shapes'}"


def _shapes(pair: Pair) -> str:
    assert pair.before is not None
    assert pair.after is not None
    side = "output" if pair.before.output != pair.after.output else "input"
    before, after = getattr(pair.before, side), getattr(pair.after, side)
    return f"shapes differ from the {side} of {pair.alias} on: {dimensions(before)} -> {dimensions(after)}"
