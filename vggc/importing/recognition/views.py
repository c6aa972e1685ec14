"""What lies ahead in a chain, and what the ways back share: numbers, sizes and borders as the language has them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from vggc.importing.reading.graph_values import Operation
from vggc.layers.layer import Layer, Shape, Size

Stack = tuple[Layer, ...]
AHEAD: Final = 16  # operations that a candidate may look at; the longest lowering has fewer


@dataclass(frozen=True, eq=False)
class View:
    """What lies ahead: the shape of the value (with the batch axis) and the operations from there on."""

    x: Shape
    operations: tuple[Operation, ...]

    @property
    def first(self) -> Operation:
        """The next operation."""
        return self.operations[0]

    def find(self, *ops: str) -> Operation | None:
        """The nearest operation of one of these kinds."""
        return next((each for each in self.operations if each.op in ops), None)


Way = Callable[[View], Iterator[Stack]]


def number(value: float) -> float:
    """A float32 as the shortest decimal that is it; a whole number as one."""
    shortest = float(str(np.float32(value)))
    return int(shortest) if shortest.is_integer() else shortest


def size(values: tuple[int, ...]) -> Size:
    """A pair as one number where both are the same."""
    height, width = values
    return height if height == width else (height, width)


def sides(pads: tuple[tuple[int, int], ...]) -> int | tuple[int, int, int, int]:
    """Borders of height and width as [left, right, top, bottom], or as one number."""
    (top, bottom), (left, right) = pads
    return top if top == bottom == left == right else (left, right, top, bottom)


def always(*layers: Layer) -> Way:
    """Kinds that have nothing to read."""

    def way(_: View) -> Iterator[Stack]:
        yield from ((layer,) for layer in layers)

    return way
