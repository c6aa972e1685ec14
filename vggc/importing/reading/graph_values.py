"""What flows through a graph that is being read: shapes, constants, and nodes with both."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np

from vggc.layers.answers import Shape

Array = np.ndarray[Any, np.dtype[Any]]

# The batch where a file leaves it open: a prime that no product of channels, heights and widths is likely to be, so
# that a value whose first extent it is has the batch there, and nothing else.
OPEN_BATCH: Final = 7919


class UnreadableError(ValueError):
    """A node that no spec can express; the message says why."""


class UnknownShapeError(UnreadableError):
    """A node that cannot be read because a node before it is unreadable."""


class TensorOrigin(NamedTuple):
    """The tensor that a constant is after transposes and reshapes; `back` undoes them."""

    name: str
    back: Callable[[Array], Array]


@dataclass(frozen=True, slots=True, eq=False)
class FoldedConstant:
    """A value that is known before the graph runs."""

    array: Array
    origin: TensorOrigin | None = None

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

    def reshaped(self, shape: Shape) -> "FoldedConstant":
        """The same numbers under another shape."""
        old = self.shape
        return self._rearranged(self.array.reshape(shape), lambda array: array.reshape(old))

    def transposed(self, order: tuple[int, ...]) -> "FoldedConstant":
        """The same numbers with the axes in another order."""
        inverse = tuple(int(axis) for axis in np.argsort(order))
        return self._rearranged(self.array.transpose(order), lambda array: array.transpose(inverse))

    def _rearranged(self, array: Array, back: Callable[[Array], Array]) -> "FoldedConstant":
        before = self.origin
        return FoldedConstant(array, before and TensorOrigin(before.name, lambda values: before.back(back(values))))


def original(name: str, array: Array) -> FoldedConstant:
    """A tensor of the file."""
    return FoldedConstant(array, TensorOrigin(name, lambda array: array))


Operand = str | FoldedConstant  # a value by its name, or a constant; an input that is left out is the empty name


@dataclass(frozen=True, slots=True, eq=False)
class FoldedNode:
    """A node of the file with its operands, and the shapes of its outputs (with the batch axis).

    A shape is None where it is not known. `opset` is that of the node's own domain. `flaw` is what is wrong
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
    def node(self) -> tuple[str, str]:
        """The label and operator of the node."""
        return self.label, self.op

    @property
    def shape(self) -> Shape:
        """The shape of the first output.

        Raises:
            UnknownShapeError: it is not known.
        """
        if self.shapes[0] is None:
            raise UnknownShapeError("the shape of its output is not known")
        return self.shapes[0]

    def input(self, position: int) -> Operand:
        """An input by its position; the empty name where it is left out."""
        return self.inputs[position] if position < len(self.inputs) else ""


@dataclass(frozen=True, slots=True, eq=False)
class NormalOperation:
    """An operation in normal form: the one form to which those of all opsets and exporters are brought.

    `shape` is that of its output, with the batch axis. `nodes` are the labels and operators of the file's nodes.
    """

    op: str
    inputs: tuple[Operand, ...]
    output: str
    shape: Shape
    attributes: Mapping[str, Any] = field(default_factory=dict)
    nodes: tuple[tuple[str, str], ...] = ()

    @property
    def data(self) -> list[str]:
        """The names of the values that it works on."""
        return [operand for operand in self.inputs if isinstance(operand, str) and operand]

    @property
    def constants(self) -> list[FoldedConstant]:
        """The constants that it works with."""
        return [operand for operand in self.inputs if isinstance(operand, FoldedConstant)]
