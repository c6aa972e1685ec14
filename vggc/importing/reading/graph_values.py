"""What flows through a graph that is being read: shapes, constants, and nodes with both."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np

from vggc.layers.layer import Shape

Array = np.ndarray[Any, np.dtype[Any]]

# The batch where a file leaves it open: a prime that no product of channels, heights and widths is likely to be, so
# that a value whose first extent it is has the batch there, and nothing else.
OPEN_BATCH: Final = 7919


class UnreadableError(ValueError):
    """A node that stands for nothing in the language; the message says why."""


class UnknownShapeError(UnreadableError):
    """A node of which nothing can be said, because something before it is unreadable."""


class Origin(NamedTuple):
    """The tensor that a constant is, seen through transposes and reshapes; `back` undoes them."""

    name: str
    back: Callable[[Array], Array]


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """A value that is known before the graph runs."""

    array: Array
    origin: Origin | None = None

    @property
    def shape(self) -> Shape:
        """The extents of all axes."""
        return tuple(self.array.shape)

    @property
    def number(self) -> float | None:
        """The only number in it; None where there are several."""
        return float(self.array.reshape(())) if self.array.size == 1 else None

    @property
    def is_stored(self) -> bool:
        """Whether it is a tensor of the file."""
        return self.origin is not None

    def is_full_of(self, value: float) -> bool:
        """Whether all its numbers are that value."""
        return bool((self.array == value).all())

    def seen(self, forward: Callable[[Array], Array], back: Callable[[Array], Array]) -> "Constant":
        """The same numbers in another arrangement, which `back` undoes."""
        before = self.origin
        origin = None if before is None else Origin(before.name, lambda array: before.back(back(array)))
        return Constant(forward(self.array), origin)

    def reshaped(self, shape: Shape) -> "Constant":
        """The same numbers under another shape."""
        old = self.shape
        return self.seen(lambda array: array.reshape(shape), lambda array: array.reshape(old))

    def transposed(self, order: tuple[int, ...]) -> "Constant":
        """The same numbers with the axes in another order."""
        inverse = tuple(int(axis) for axis in np.argsort(order))
        return self.seen(lambda array: array.transpose(order), lambda array: array.transpose(inverse))

    def changed(self, change: Callable[[Array], Array]) -> "Constant":
        """Other numbers: no tensor of the file is this one any more."""
        return Constant(change(self.array))


def original(name: str, array: Array) -> Constant:
    """A tensor as it is."""
    return Constant(array, Origin(name, lambda array: array))


Operand = str | Constant  # a value by its name, or a constant; an input that is left out is the empty name


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """A node of the file at work: what it is given, and the shapes of what it gives (with the batch axis).

    `shapes` is None where nobody knows the shape. `opset` is that of the node's own domain. `flaw` is what is wrong
    with the node, where onnx itself does not take it.
    """

    label: str
    op: str
    domain: str
    opset: int
    inputs: tuple[Operand, ...]
    attributes: Mapping[str, Any]
    outputs: tuple[str, ...]
    shapes: tuple[Shape | None, ...]
    flaw: str = ""

    @property
    def shape(self) -> Shape:
        """The shape of the first output.

        Raises:
            UnknownShapeError: nobody knows it.
        """
        if self.shapes[0] is None:
            raise UnknownShapeError("the shape of its output is not known")
        return self.shapes[0]

    def input(self, position: int) -> Operand:
        """An input by its position; the empty name where it is left out."""
        return self.inputs[position] if position < len(self.inputs) else ""


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """A node in the one spelling that all exporters' spellings are brought to.

    `shape` is that of its output, with the batch axis. `made_of` are the labels and operators of the file's nodes.
    """

    op: str
    inputs: tuple[Operand, ...]
    output: str
    shape: Shape
    attributes: Mapping[str, Any] = field(default_factory=dict)
    made_of: tuple[tuple[str, str], ...] = ()

    @property
    def data(self) -> list[str]:
        """The names of the values that it works on."""
        return [each for each in self.inputs if isinstance(each, str) and each]

    @property
    def constants(self) -> list[Constant]:
        """The constants that it works with."""
        return [operand for operand in self.inputs if isinstance(operand, Constant)]
