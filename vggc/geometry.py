"""What the algebra of extents says of a whole network: formulas, the smallest input, receptive fields."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from math import gcd, prod
from typing import NamedTuple

from vggc.ir import Graph, Network
from vggc.layers.extent import Axis, Extent, least_input


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
    """What one value of each layer's output sees of the input; near the border that reaches into the padding.

    A window of w with stride s sees s (k - 1) + w of its input under k neighbouring outputs, and such layers compose
    (Araujo et al., 2019, Computing Receptive Fields of Convolutional Neural Networks). Where a layer enlarges its map,
    and for adaptive pools, the number under k outputs depends on where they lie, and the largest is taken: an upper
    bound that a later stride may keep from being reached, and exact otherwise.
    """
    height, width = (_along(network, axis) for axis in (0, 1))
    return tuple(zip(height, width, strict=True))


def features_field(network: Network) -> tuple[int, int] | None:
    """The height and width of the input that one value at the end of the features sees; None where that is all."""
    height, width = receptive_fields(network)[_last_feature(network)]
    return None if height.extent is None or width.extent is None else (height.extent, width.extent)


def _last_feature(network: Network) -> int:
    return max(i for i, layer in enumerate(network.layers) if layer.node.section == "features")


def _along(network: Network, axis: int) -> Iterator[ReceptiveField]:
    seen = Seen()
    everything = False
    for layer in network.layers:
        axes = layer.layer.axes()
        everything = everything or axes is None
        if axes is not None and not everything:
            seen = seen.then(axes[axis], layer.input[axis + 1])
        yield ReceptiveField(None if everything else seen.extent(1), float(seen.stride))


Step = Callable[[int], int]


@dataclass(frozen=True, slots=True)
class Seen:
    """How much of the input lies under k neighbouring outputs of a stack: windows, closed, behind what is not."""

    inner: tuple[Step, ...] = ()  # innermost first
    jump: int = 1
    window: int = 1
    stride: Fraction = Fraction(1)

    def extent(self, outputs: int) -> int:
        """The extent of the input under so many neighbouring outputs."""
        extent = self.jump * (outputs - 1) + self.window
        for step in reversed(self.inner):
            extent = step(extent)
        return extent

    def then(self, axis: Axis, extent: int) -> "Seen":
        """With one more layer, which takes a map of that extent."""
        if axis.window is None:
            outputs = axis.map(extent)
            return self._behind(partial(_under_adaptive, extent, outputs), Fraction(extent, outputs))
        factor = axis.map.multiply
        if factor > 1:
            return self._behind(partial(_under_enlarged, factor, axis.window), Fraction(axis.map.divide, factor))
        stride = axis.map.divide
        window = self.jump * (axis.window - 1) + self.window
        return Seen(self.inner, self.jump * stride, window, self.stride * stride)

    def _behind(self, step: Step, stride: Fraction) -> "Seen":
        closed = partial(_under_window, self.jump, self.window)
        return Seen((*self.inner, closed, step), 1, 1, self.stride * stride)


def _under_window(jump: int, window: int, outputs: int) -> int:
    return jump * (outputs - 1) + window


def _under_enlarged(factor: int, window: int, outputs: int) -> int:
    """Each value stands `factor` times in a row, and each output looks at `window` neighbours."""
    return (1 if outputs == 1 else (outputs - 2) // factor + 2) + window - 1


def _under_adaptive(extent: int, total: int, outputs: int) -> int:
    """Window i of m over n is [floor(i n / m), ceil((i + 1) n / m)); i n mod m runs over multiples of their gcd."""
    if outputs >= total:
        return extent
    return min(extent, -(-(outputs * extent + total - gcd(extent, total)) // total))


def flatten_formula(network: Network) -> str | None:
    """The number of features after the first flatten, as a formula in the input's height H and width W."""
    position = next((i for i, layer in enumerate(network.layers) if layer.kind == "flatten"), None)
    if position is None or len(network.layers[position].input) != 3:
        return None
    height, width = network.extents[position - 1] if position else (Extent(), Extent())
    return f"{network.layers[position].input[0]} * {height.formula('H')} * {width.formula('W')}"


def map_formula(network: Network) -> str:
    """Channels, height and width at the end of the features, as formulas."""
    position = min(_last_feature(network), len(network.extents) - 1)
    if position < 0:
        return str(prod(network.input))
    height, width = network.extents[position]
    return f"{network.layers[position].output[0]} x {height.formula('H')} x {width.formula('W')}"
