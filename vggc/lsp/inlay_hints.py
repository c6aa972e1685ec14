"""Inlay hints: the shape after the layers of a line, at its end.

There is one hint for each line: a shape after every number of `[64, 64, M, ...]` would make the list unreadable. On
such a line it has the sizes of the maps and the last shape; the hover over an item has the rest.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby, takewhile

from vggc.base.words import TIMES, typeset
from vggc.ir.network import Network, ShapedLayer
from vggc.lsp.item_layers import params_text
from vggc.lsp.spec_analysis import Analysis, span_of

ARROW = " \N{RIGHTWARDS ARROW} "
MAX_SIZES = 12  # of one hint; the middle of a longer one is left out


def inlay_hints(analysis: Analysis, last_valid: Analysis | None, first: int, last: int) -> dict[int, str]:
    """The hints of the lines from `first` to `last`, by line.

    While the text has no layers because of an error, the hints above the first line that has changed since
    `last_valid` remain.
    """
    texts: dict[int, list[str]] = {}
    for line, text in (*_network_hints(analysis), *_layer_hints(analysis), *_classifier_hints(analysis)):
        texts.setdefault(line, []).append(text)
    if not analysis.layers and last_valid is not None:
        unchanged = _unchanged_lines(analysis, last_valid)
        texts = {line: [text] for line, text in _layer_hints(last_valid) if line < unchanged}
    return {line: ", ".join(parts) for line, parts in sorted(texts.items()) if first <= line <= last}


def _unchanged_lines(analysis: Analysis, other: Analysis) -> int:
    pairs = zip(analysis.source.lines, other.source.lines, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _key_lines(analysis: Analysis) -> dict[str, int]:
    return {name: entry.key.line for name, entry in analysis.tree.entries.items()} if analysis.tree is not None else {}


def _network_hints(analysis: Analysis) -> Iterator[tuple[int, str]]:
    """After `extends`, the shapes of the whole network."""
    network, line = analysis.network, _key_lines(analysis).get("extends")
    if network is not None and line is not None:
        yield line, f"{typeset(network.input)}{ARROW}{typeset(network.output)}, {params_text(network.layers)}"


def _classifier_hints(analysis: Analysis) -> Iterator[tuple[int, str]]:
    """On the line of `classifier` its parameters, and before them its input if the list begins on another line."""
    network, line = analysis.network, _key_lines(analysis).get("classifier")
    if network is None or line is None or not network.graph.section("classifier"):
        return
    layers = [layer for layer in network.layers if layer.node.section == "classifier"]
    if not any(span_of(layer).line == line and _is_written_here(analysis, layer) for layer in layers):
        yield line, _classifier_input(network)
    yield line, params_text(layers)


def _classifier_input(network: Network) -> str:
    flatten = network.flatten_layer
    return f"{typeset(flatten.input)} = {flatten.output[0]} features" if flatten else typeset(network.output)


def _is_written_here(analysis: Analysis, layer: ShapedLayer) -> bool:
    return span_of(layer).source is analysis.source and layer.node.section != "flatten"


def _layer_hints(analysis: Analysis) -> Iterator[tuple[int, str]]:
    layers = [layer for layer in analysis.layers if _is_written_here(analysis, layer)]
    layers.sort(key=lambda layer: span_of(layer).line)  # stable: the layers of a line stay in the order of the data
    for line, group in groupby(layers, key=lambda layer: span_of(layer).line):
        on_line = list(group)
        items = {(span_of(layer).column, span_of(layer).end_column) for layer in on_line}
        yield line, _several_items(on_line) if len(items) > 1 else _one_item(on_line)


def _one_item(layers: Sequence[ShapedLayer]) -> str:
    """The output of an item, for every time that it is repeated."""
    last = layers[-1].node.origin
    outputs = [layer.output for layer in layers if layer.node.origin is last]
    if len(outputs) == 1:
        return typeset(outputs[0])
    if len(set(outputs)) == 1:
        return f"{typeset(outputs[0])} ({len(outputs)} times)"
    return f"{typeset(outputs[0])} to {typeset(outputs[-1])} ({len(outputs)} times)"


def _several_items(layers: Sequence[ShapedLayer]) -> str:
    """The sizes of the maps and the widths of the linear layers, then the last shape."""
    sizes = [_size(layers[0].input)]
    for layer in layers:
        if layer.layer.group == "linear" or _size(layer.output) != sizes[-1]:
            sizes.append(_size(layer.output))
    last = layers[-1].output
    if len(sizes) == 1:
        return typeset(last)
    if len(sizes) > MAX_SIZES:
        sizes = [*sizes[:6], "...", *sizes[-5:]]
    return ARROW.join(sizes) + (f", {typeset(last)}" if len(last) == 3 else "")


def _size(shape: tuple[int, ...]) -> str:
    if len(shape) != 3:
        return typeset(shape)
    _, height, width = shape
    return str(height) if height == width else f"{height}{TIMES}{width}"
