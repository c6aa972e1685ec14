"""Network -> a table: one line a layer, then the totals, the flatten size with its derivation, the smallest input."""

from collections.abc import Iterator, Sequence
from math import prod
from typing import Final, NamedTuple

from vggc.base.words import dimensions, in_bytes
from vggc.ir import geometry
from vggc.ir.geometry import ReceptiveField
from vggc.ir.network import Network, ShapedLayer

HEADER: Final = ("layer", "alias", "kind", "output", "params", "MACs", "sees")
RIGHT: Final = (False, False, False, True, True, True, True)
LABEL_WIDTH: Final = 17  # columns of the labels of the totals


def emit(network: Network) -> str:
    """The text of the table; shapes without the batch axis, counts per sample."""
    lines = (f"{label:{LABEL_WIDTH}}{words}" for label, words in totals(network))
    return "\n".join([title(network), "", *aligned(rows(network), RIGHT), "", *lines]) + "\n"


def title(network: Network) -> str:
    """The network in a line."""
    return f"{network.name}: {dimensions(network.input)} -> {dimensions(network.output)}"


def rows(network: Network) -> list[tuple[str, ...]]:
    """The heading, and a row of words for every layer."""
    fields = geometry.receptive_fields(network)
    return [HEADER, *(_row(layer, field) for layer, field in zip(network.layers, fields, strict=True))]


def aligned(rows: Sequence[Sequence[str]], right: Sequence[bool]) -> Iterator[str]:
    """Rows as lines, the first underlined; columns are as wide as their widest cell."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(right))]
    for position, row in enumerate(rows):
        cells = [cell.rjust(w) if r else cell.ljust(w) for cell, w, r in zip(row, widths, right, strict=True)]
        yield "  ".join(cells).rstrip()
        if position == 0:
            yield "  ".join("-" * width for width in widths)


def _row(layer: ShapedLayer, field: tuple[ReceptiveField, ReceptiveField]) -> tuple[str, ...]:
    return (
        layer.path,
        layer.alias,
        layer.kind,
        dimensions(layer.output),
        f"{layer.params:,}" if layer.params else "",
        f"{layer.macs:,}" if layer.macs else "",
        seen(field),
    )


def seen(field: tuple[ReceptiveField, ReceptiveField]) -> str:
    """A receptive field in words: `212`, `3x7`, or `all`."""
    height, width = (sight.extent for sight in field)
    if height is None or width is None:
        return "all"
    return str(height) if height == width else f"{height}x{width}"


def totals(network: Network) -> Iterator[tuple[str, str]]:
    """What is counted of the whole network, and how much it is in words."""
    yield "params", f"{network.params:,}{_head_share(network)}"
    if network.buffers:
        yield "buffers", f"{network.buffers:,}"
    yield "MACs", f"{network.macs:,} per sample, bias excluded; FLOPs are twice that: {network.flops:,}"
    yield "torchinfo", _torchinfo(network)
    yield "weights", f"{in_bytes(network.weight_bytes)} as float32"
    peak = f"{in_bytes(network.peak_activation_bytes)} at the peak of inference"
    yield "activations", f"{in_bytes(network.activation_bytes)} per sample over all layers, {peak}"
    yield from _flatten(network)
    yield "smallest input", _smallest(network)


def _head_share(network: Network) -> str:
    head = sum(layer.params for layer in network.layers if layer.node.section == "classifier")
    if not head or not network.params:
        return ""
    return f", of them {head:,} ({100 * head / network.params:.1f} %) in the classifier"


class TorchinfoCount(NamedTuple):
    """What torchinfo counts per sample: our MACs, and what it counts besides or otherwise.

    As in torchinfo 1.8, `LayerInfo.calculate_macs`: every parameter of a convolution counts once for each position of
    the output, every other parameter once. A transposed convolution uses its weights once for each position of the
    input, and `transposed` is the difference.
    """

    macs: int
    bias: int
    transposed: int
    other: int

    @classmethod
    def of(cls, network: Network) -> "TorchinfoCount":
        """The count for a network."""
        bias = transposed = other = 0
        for layer in network.layers:
            positions = prod(layer.output[1:])
            biases = prod(layer.state.get("bias", (0,)))
            if layer.layer.is_weight_layer:
                bias += positions * biases
                transposed += positions * (layer.params - biases) - layer.macs
            else:
                other += layer.params
        return cls(network.macs, bias, transposed, other)


def _torchinfo(network: Network) -> str:
    count = TorchinfoCount.of(network)
    parts = []
    if count.bias:
        parts.append(f"{count.bias:,} for biases, one for each output element")
    if count.transposed:
        parts.append(f"{count.transposed:,} for transposed convolutions, by the positions of the output")
    if count.other:
        parts.append(f"{count.other:,} for the parameters of other layers")
    more = f": our MACs and {' and '.join(parts)}" if parts else ": our MACs"
    return f"{sum(count):,} mult-adds{more}"


def _flatten(network: Network) -> Iterator[tuple[str, str]]:
    formula = geometry.flatten_formula(network)
    yield "features end at", geometry.map_formula(network)
    if network.flatten_layer is not None and formula is not None:
        before = dimensions(network.flatten_layer.input)
        yield "flatten", f"{before} = {network.flatten:,}; for any input: {formula}"


def _smallest(network: Network) -> str:
    least = geometry.smallest_input(network.graph.nodes)
    if least is None:
        return "none: an adaptive pool gives less than a later layer needs"
    text = f"{least[0]}x{least[1]}"
    alone = geometry.smallest_input(network.graph.section("features"))
    if alone is not None and alone != least:
        text += (
            f"; the features alone take {alone[0]}x{alone[1]}, and below {least[0]}x{least[1]} the pool would enlarge"
        )
    return text
