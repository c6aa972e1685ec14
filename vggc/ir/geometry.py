"""What the algebra of extents says of a whole network: formulas, the smallest input, receptive fields."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from math import gcd, prod
from typing import NamedTuple

from vggc.ir.graph import INPUT, Node
from vggc.ir.network import Network, ShapedLayer
from vggc.ir.walk import walk
from vggc.layers.extent import Axis, Extent, least_through


class ReceptiveField(NamedTuple):
    """What one value of a map sees of the input along one axis: `extent` pixels, `stride` pixels to its neighbour.

    The extent is None where a value sees everything, after a flatten or a linear layer.
    """

    extent: int | None
    stride: float


Extents = tuple[Extent, Extent]  # height and width as formulas in those of the input


def extents(nodes: Sequence[Node]) -> dict[str, Extents]:
    """The height and width of every value that is an image, as formulas in the input's.

    The branches of a join must have the same formulas; where they do not, its own is not known.
    """
    whole: Extents | None = (Extent(), Extent())
    return {node.value: formulas for node, formulas in walk(nodes, whole, _through) if formulas is not None}


def _through(node: Node, inputs: tuple[Extents | None, ...]) -> Extents | None:
    axes = node.layer.axes()
    first = inputs[0]
    if axes is None or first is None or any(formulas != first for formulas in inputs):
        return None
    return first[0].then(axes[0].map), first[1].then(axes[1].map)


def smallest_input(nodes: Sequence[Node]) -> tuple[int, int] | None:
    """The smallest height and width that pass all nodes up to the first flatten; None where none do."""
    needs = _Needs()
    for _ in walk(nodes, needs.whole, needs.step):
        pass
    height, width = needs.least
    return None if height is None or width is None else (height, width)


class _Needs:
    """What the input must be at least, for all nodes so far; None where no input is large enough."""

    def __init__(self) -> None:
        self.least: list[int | None] = [1, 1]
        self.whole: Extents | None = (Extent(), Extent())

    def step(self, node: Node, inputs: tuple[Extents | None, ...]) -> Extents | None:
        axes = node.layer.axes()
        for extents in inputs if axes is not None else ():
            for i, extent in enumerate(extents or ()):
                assert axes is not None
                least, needed = self.least[i], least_through(extent, axes[i].minimum)
                self.least[i] = None if least is None or needed is None else max(least, needed)
        return _through(node, inputs)


def receptive_fields(network: Network) -> tuple[tuple[ReceptiveField, ReceptiveField], ...]:
    """What one value of each layer's output sees of the input; near the border that reaches into the padding.

    A window of w with stride s sees s (k - 1) + w of its input under k neighbouring outputs, and such layers compose
    (Araujo et al., 2019, Computing Receptive Fields of Convolutional Neural Networks). Where a layer enlarges its map,
    and for adaptive pools, the number under k outputs depends on where they lie, and the largest is taken: an upper
    bound that a later stride may keep from being reached, and exact otherwise.
    """
    whole = _Sight(Seen(), Seen(), everything=False)
    return tuple(sight.fields for _, sight in walk(network.layers, whole, _sight))


class _Sight(NamedTuple):
    """What a value sees along both axes; `everything` after a layer that mixes all places of the map."""

    height: "Seen"
    width: "Seen"
    everything: bool

    @property
    def fields(self) -> tuple[ReceptiveField, ReceptiveField]:
        height, width = (None if self.everything else seen.extent(1) for seen in self[:2])
        return ReceptiveField(height, float(self.height.stride)), ReceptiveField(width, float(self.width.stride))


def _sight(layer: ShapedLayer, inputs: tuple[_Sight, ...]) -> _Sight:
    """At a join the branch that sees most counts."""
    widest = inputs[0] if len(inputs) == 1 else max(inputs, key=_sees)
    axes = layer.layer.axes()
    if axes is None or widest.everything:
        return widest._replace(everything=True)
    _, height, width = layer.input
    return _Sight(widest.height.then(axes[0], height), widest.width.then(axes[1], width), everything=False)


def _sees(sight: _Sight) -> tuple[bool, int, int]:
    return sight.everything, sight.height.extent(1), sight.width.extent(1)


def features_field(network: Network) -> tuple[int, int] | None:
    """The height and width of the input that one value at the end of the features sees; None where that is all."""
    height, width = receptive_fields(network)[_last_feature(network)]
    return None if height.extent is None or width.extent is None else (height.extent, width.extent)


def _last_feature(network: Network) -> int:
    return max(i for i, layer in enumerate(network.layers) if layer.node.section == "features")


Step = Callable[[int], int]


@dataclass(frozen=True, slots=True)
class Seen:
    """How much of the input k neighbouring outputs of a stack see: an affine function, after steps that are none."""

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
            return self._after(partial(_under_adaptive, extent, outputs), Fraction(extent, outputs))
        factor = axis.map.multiply
        if factor > 1:
            return self._after(partial(_under_enlarged, factor, axis.window), Fraction(axis.map.divide, factor))
        stride = axis.map.divide
        window = self.jump * (axis.window - 1) + self.window
        return Seen(self.inner, self.jump * stride, window, self.stride * stride)

    def _after(self, step: Step, stride: Fraction) -> "Seen":
        closed = partial(_under_window, self.jump, self.window)
        return Seen((*self.inner, closed, step), 1, 1, self.stride * stride)


def _under_window(jump: int, window: int, outputs: int) -> int:
    return jump * (outputs - 1) + window


def _under_enlarged(factor: int, window: int, outputs: int) -> int:
    """So many neighbouring windows over a map whose own values are `factor` places apart."""
    return -(-(outputs - 1 + window) // factor)


def _under_adaptive(extent: int, total: int, outputs: int) -> int:
    """Window i of m over n is [floor(i n / m), ceil((i + 1) n / m)); i n mod m runs over multiples of their gcd."""
    if outputs >= total:
        return extent
    return min(extent, -(-(outputs * extent + total - gcd(extent, total)) // total))


def flatten_formula(network: Network) -> str | None:
    """The number of features after the first flatten, as a formula in the input's height H and width W."""
    flatten = network.flatten_layer
    if flatten is None or len(flatten.input) != 3:
        return None
    formulas = {INPUT: (Extent(), Extent())} | extents(network.graph.nodes)
    if flatten.inputs[0] not in formulas:
        return None
    height, width = formulas[flatten.inputs[0]]
    return f"{flatten.input[0]} * {height.formula('H')} * {width.formula('W')}"


def map_formula(network: Network) -> str:
    """Channels, height and width at the end of the features, as formulas."""
    formulas = extents(network.graph.nodes)
    images = [layer for layer in network.layers[: _last_feature(network) + 1] if layer.path in formulas]
    if not images:
        return str(prod(network.input))
    height, width = formulas[images[-1].path]
    return f"{images[-1].output[0]} x {height.formula('H')} x {width.formula('W')}"
