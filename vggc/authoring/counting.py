"""Counting many networks that share most of their layers: what a layer costs for a shape is worked out once."""

from collections.abc import Iterable
from typing import NamedTuple

from vggc.frontend.items import Written
from vggc.ir import Node, Section, ShapedLayer
from vggc.layers.base import Layer, Shape, ShapeError
from vggc.unroll import Placed


class Counts(NamedTuple):
    """The figures of a network that a budget can limit, by their keys."""

    params: int
    macs: int
    weight_bytes: int
    peak_activation_bytes: int


class Counter:
    """Counts networks without making them; the figures are those that `Network` has."""

    def __init__(self) -> None:
        # By the identity of the layer, which is quicker to ask for than its value; keeping the layer keeps it unique.
        self.known: dict[tuple[int, Shape], tuple[Layer, tuple[Shape, Counts] | None]] = {}

    def count(self, layers: Iterable[Placed], input: Shape) -> Counts | None:
        """The figures of layers in a row for an input (C, H, W); None where one cannot take what it is given."""
        params = macs = weight_bytes = peak = 0
        shape = input
        for section, written in layers:
            key = id(written.layer), shape
            if key not in self.known:
                self.known[key] = written.layer, _counted(section, written, shape)
            found = self.known[key][1]
            if found is None:
                return None
            shape, counts = found
            params += counts.params
            macs += counts.macs
            weight_bytes += counts.weight_bytes
            peak = max(peak, counts.peak_activation_bytes)
        return Counts(params, macs, weight_bytes, peak)


def _counted(section: Section, written: Written, input: Shape) -> tuple[Shape, Counts] | None:
    try:
        shaped = ShapedLayer(Node("", "", section, written), input, written.layer.shape(input))
    except ShapeError:
        return None
    return shaped.output, Counts(shaped.params, shaped.macs, shaped.weight_bytes, shaped.moved_bytes)
