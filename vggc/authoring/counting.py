"""Counting many networks that share most of their layers: what a layer costs for a shape is worked out once."""

from collections.abc import Iterable
from math import prod
from typing import NamedTuple

from vggc.ir.naming import Placed
from vggc.layers.layer import Layer, Shape, ShapeError


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
        for _, layer, _ in layers:
            key = id(layer), shape
            if key not in self.known:
                self.known[key] = layer, _counted(layer, shape)
            found = self.known[key][1]
            if found is None:
                return None
            shape, counts = found
            params += counts.params
            macs += counts.macs
            weight_bytes += counts.weight_bytes
            peak = max(peak, counts.peak_activation_bytes)
        return Counts(params, macs, weight_bytes, peak)


def _counted(layer: Layer, x: Shape) -> tuple[Shape, Counts] | None:
    try:
        output = layer.shape(x)
    except ShapeError:
        return None
    moved = 4 * (prod(x) + prod(output))
    return output, Counts(layer.params(x), layer.macs(x), layer.weight_bytes(x), moved)
