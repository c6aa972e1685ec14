"""What the algebra of extents says of a whole network: formulas, the smallest input, receptive fields."""

from fractions import Fraction
from math import ceil, prod
from typing import NamedTuple

from vggc.ir import Graph, Network
from vggc.layers.extent import Axis, Extent, least_input
from vggc.layers.pool import adaptive_windows


class ReceptiveField(NamedTuple):
    """What one value of a map sees of the input along one axis: `extent` pixels, `stride` pixels to its neighbour.

    The extent is None where a value sees everything, after a flatten or a linear layer.
    """

    extent: int | None
    stride: float


def _spatial(graph: Graph) -> list[tuple[Axis, Axis]]:
    """The axes of the layers up to the first that leaves images behind."""
    found = []
    for node in graph.nodes:
        axes = node.layer.axes()
        if axes is None:
            break
        found.append(axes)
    return found


def smallest_input(graph: Graph, section: str | None = None) -> tuple[int, int] | None:
    """The smallest height and width that pass all layers, or those of one section; None where none do."""
    axes = _spatial(graph)
    if section is not None:
        axes = axes[: sum(node.section == section for node in graph.nodes)]
    height, width = (least_input([each[i] for each in axes]) for i in (0, 1))
    return None if height is None or width is None else (height, width)


def receptive_fields(network: Network) -> tuple[tuple[ReceptiveField, ReceptiveField], ...]:
    """What one value of each layer's output sees of the input.

    The field grows by (window - 1) steps of the accumulated stride, and the stride multiplies (Araujo et al., 2019,
    Computing Receptive Fields of Convolutional Neural Networks, eq. 2). An adaptive pool counts with its largest
    window; near the border a field reaches into the padding, so it may be larger than the input.
    """
    pairs = []
    for i in (0, 1):
        extent, stride = Fraction(1), Fraction(1)
        fields = []
        everything = False
        for layer in network.layers:
            axes = layer.layer.axes()
            everything = everything or axes is None
            if not everything and axes is not None:
                window, step = _window(axes[i], layer.input[i + 1])
                extent, stride = extent + (window - 1) * stride, stride * step
            fields.append(ReceptiveField(None if everything else ceil(extent), float(stride)))
        pairs.append(fields)
    return tuple(zip(*pairs, strict=True))


def _window(axis: Axis, extent: int) -> tuple[int, Fraction]:
    """How many of the input's values one output sees, and how far apart two outputs are in it."""
    if axis.window is not None:
        return axis.window, Fraction(axis.map.divide, axis.map.multiply)
    outputs = axis.map(extent)
    return max(end - start for start, end in adaptive_windows(extent, outputs)), Fraction(extent, outputs)


def flatten_formula(network: Network) -> str | None:
    """The number of features after the first flatten, as a formula in the input's height H and width W."""
    position = next((i for i, layer in enumerate(network.layers) if layer.kind == "flatten"), None)
    if position is None or len(network.layers[position].input) != 3:
        return None
    height, width = network.extents[position - 1] if position else (Extent(), Extent())
    return f"{network.layers[position].input[0]} * {height.formula('H')} * {width.formula('W')}"


def map_formula(network: Network) -> str:
    """Channels, height and width at the end of the features, as formulas."""
    position = max(i for i, layer in enumerate(network.layers) if layer.node.section == "features")
    position = min(position, len(network.extents) - 1)
    if position < 0:
        return str(prod(network.input))
    height, width = network.extents[position]
    return f"{network.layers[position].output[0]} x {height.formula('H')} x {width.formula('W')}"
