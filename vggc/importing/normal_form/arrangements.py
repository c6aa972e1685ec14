"""How a value is another one rearranged: its axes in another order, and then under another shape."""

from dataclasses import dataclass, replace

import numpy as np

from vggc.importing.reading.graph_values import FoldedConstant
from vggc.layers.answers import Shape


@dataclass(frozen=True)
class Arrangement:
    """`value.transpose(order).reshape(shape)` for a value of shape `x`; all shapes are with the batch axis."""

    x: Shape
    order: Shape
    shape: Shape

    @property
    def ordered(self) -> Shape:
        """The shape once the axes are moved."""
        return tuple(self.x[axis] for axis in self.order)

    @property
    def does_nothing(self) -> bool:
        """Whether the value stays what it is."""
        return self.shape == self.x and not self.mixes

    @property
    def mixes(self) -> bool:
        """Whether the numbers come in another order: moving axes of one element changes none."""
        moved = [axis for axis in self.order if self.x[axis] != 1]
        return moved != sorted(moved)

    @property
    def only_moves(self) -> bool:
        """Whether axes are moved, and that is all."""
        return self.shape == self.ordered and self.order != tuple(range(len(self.x)))

    @property
    def flattens(self) -> bool:
        """Whether maps become one axis of features in another order."""
        return len(self.x) == 4 and len(self.shape) == 2 and self.order[0] == 0 and self.mixes

    @property
    def spreads(self) -> bool:
        """Whether a flat vector becomes a map of one pixel."""
        return len(self.x) == 2 and self.shape == (*self.x, 1, 1)

    # --- one after the other ---

    def moved(self, order: Shape) -> "Arrangement | None":
        """The axes moved once more; None where that is more than an arrangement."""
        if self.shape != self.ordered:
            return None
        return in_order(self.x, tuple(self.order[axis] for axis in order))

    def viewed(self, shape: Shape) -> "Arrangement | None":
        """Another shape after it: axes of one element more or less, or all after the batch as one."""
        flat = len(self.x) == 4 and self.order[0] == 0 and len(shape) == 2 and shape[0] == self.x[0]
        return replace(self, shape=shape) if flat or same_but_for_ones(self.shape, shape) else None

    # --- operands of an operation that is done before the arrangement ---

    def constant(self, values: FoldedConstant) -> FoldedConstant:
        """A constant that is combined with the arranged value, and has as many axes, for the value itself."""
        if values.array.size == 1:
            return values.reshaped((1,) * len(self.x))
        if self.spreads:
            return values.reshaped(values.shape[:2])
        if self.flattens:
            values = values.reshaped((values.shape[0], *self.ordered[1:]))
        return values.transposed(_inverse(self.order))

    def weight(self, values: FoldedConstant) -> FoldedConstant:
        """The weight, (out, in), of a linear layer after maps flattened in this order, for one after a flatten."""
        rows = values.reshaped((values.shape[0], *self.ordered[1:]))
        return rows.transposed(_inverse(self.order)).reshaped(values.shape)


def in_order(x: Shape, order: Shape) -> Arrangement:
    """A value with its axes moved, and no more."""
    return Arrangement(x, order, tuple(x[axis] for axis in order))


def reshaped(x: Shape, shape: Shape) -> Arrangement:
    """A value under another shape."""
    return Arrangement(x, tuple(range(len(x))), shape)


def same_but_for_ones(left: Shape, right: Shape) -> bool:
    """Whether two shapes differ by axes of one element alone."""
    return [extent for extent in left if extent != 1] == [extent for extent in right if extent != 1]


def _inverse(order: Shape) -> Shape:
    return tuple(int(axis) for axis in np.argsort(order))
