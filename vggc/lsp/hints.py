"""What is shown at the end of a line: the shape that leaves its layers.

One hint a line, however many items stand on it: a shape behind every number of `[64, 64, M, ...]` would tear the list
apart. Such a line ends with the sizes on the way and the shape at the end; the hover over an item says the rest.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, takewhile

from vggc.base.words import TIMES, typeset
from vggc.frontend.text.document import Table
from vggc.ir.network import Network, ShapedLayer
from vggc.lsp.analysis import Analysis, span_of
from vggc.lsp.occurrences import counted

ARROW = " \N{RIGHTWARDS ARROW} "


@dataclass(frozen=True, slots=True)
class Hint:
    """A text at the end of a line."""

    line: int
    text: str


def hints(analysis: Analysis, sound: Analysis | None, first: int, last: int) -> list[Hint]:
    """The hints of the lines from `first` to `last`, which may be the same.

    Where the text is of no use at the moment, those above the first line that has changed since `sound` was read stay:
    the shapes there do not depend on what is being written.
    """
    found: dict[int, list[str]] = {}
    for line, text in (*_whole(analysis), *_lines(analysis), *_classifier(analysis)):
        found.setdefault(line, []).append(text)
    if not analysis.layers and sound is not None:
        unchanged = _unchanged(analysis, sound)
        found = {line: [text] for line, text in _lines(sound) if line < unchanged}
    return [Hint(line, ", ".join(texts)) for line, texts in sorted(found.items()) if first <= line <= last]


def _unchanged(analysis: Analysis, sound: Analysis) -> int:
    """How many lines are the same from the beginning."""
    pairs = zip(analysis.source.lines, sound.source.lines, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _whole(analysis: Analysis) -> Iterator[tuple[int, str]]:
    """Behind `extends`, what the network has become; its layers stand elsewhere."""
    network, entries = analysis.network, _entries(analysis)
    if network is not None and "extends" in entries:
        yield (
            entries["extends"],
            f"{typeset(network.input)}{ARROW}{typeset(network.output)}, {counted(network.layers)}",
        )


def _entries(analysis: Analysis) -> dict[str, int]:
    """The line of every key at the top of the text."""
    tree = analysis.tree
    return {name: entry.key.line for name, entry in tree.entries.items()} if isinstance(tree, Table) else {}


def _classifier(analysis: Analysis) -> Iterator[tuple[int, str]]:
    """On the classifier's line what enters it, unless the list does not begin there, and what it learns."""
    network, line = analysis.network, _entries(analysis).get("classifier")
    if network is None or line is None or not network.graph.section("classifier"):
        return
    layers = [layer for layer in network.layers if layer.node.section == "classifier"]
    begins_here = any(span_of(layer).line == line and _own(analysis, layer) for layer in layers)
    if not begins_here:
        yield line, _flattened(network)
    yield line, counted(layers)


def _flattened(network: Network) -> str:
    flatten = network.flatten_layer
    return (
        f"{typeset(flatten.input)} = {flatten.output[0]} features" if flatten is not None else typeset(network.output)
    )


def _own(analysis: Analysis, layer: ShapedLayer) -> bool:
    return span_of(layer).source is analysis.source and layer.node.section != "flatten"


def _lines(analysis: Analysis) -> Iterator[tuple[int, str]]:
    own = [layer for layer in analysis.layers if _own(analysis, layer)]
    own.sort(key=lambda layer: span_of(layer).line)  # stable: the layers of a line stay in the order of the data
    for line, group in groupby(own, key=lambda layer: span_of(layer).line):
        layers = list(group)
        items = {(span_of(layer).column, span_of(layer).end_column) for layer in layers}
        yield line, _way(layers) if len(items) > 1 else _item(layers)


def _item(layers: Sequence[ShapedLayer]) -> str:
    """What leaves an item, each time that it is repeated."""
    last = layers[-1].node.origin
    outputs = [layer.output for layer in layers if layer.node.origin is last]
    if len(outputs) == 1:
        return typeset(outputs[0])
    if len(set(outputs)) == 1:
        return f"{typeset(outputs[0])} ({len(outputs)} times)"
    return f"{typeset(outputs[0])} to {typeset(outputs[-1])} ({len(outputs)} times)"


def _way(layers: Sequence[ShapedLayer]) -> str:
    """What leaves several items: the sizes of the maps on the way, the widths of the linear layers."""
    sizes = [_size(layers[0].input)]
    for layer in layers:
        if layer.layer.group == "linear" or _size(layer.output) != sizes[-1]:
            sizes.append(_size(layer.output))
    last = layers[-1].output
    if len(sizes) == 1:
        return typeset(last)
    shown = sizes if len(sizes) <= 12 else [*sizes[:6], "...", *sizes[-5:]]
    return ARROW.join(shown) + (f", {typeset(last)}" if len(last) == 3 else "")


def _size(shape: tuple[int, ...]) -> str:
    if len(shape) != 3:
        return typeset(shape)
    _, height, width = shape
    return str(height) if height == width else f"{height}{TIMES}{width}"
