"""The operations of an ONNX file in normal form, as a kind reads them to say which of its layers they may be."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from struct import pack, unpack
from typing import Any, Protocol

Extents = tuple[int, ...]  # with the batch axis


class Constant(Protocol):
    """A constant operand: a weight of the file, or a number that the graph computes with."""

    @property
    def shape(self) -> Extents:
        """The extents of all axes."""

    @property
    def number(self) -> float | None:
        """The only number in it; None where there are several."""

    @property
    def is_stored(self) -> bool:
        """Whether it is a tensor of the file, and not computed from others."""

    def is_full_of(self, value: float) -> bool:
        """Whether all its numbers are that value."""


class Operation(Protocol):
    """An operation in normal form (`vggc.importing.normal_form` says how each operator is written there)."""

    @property
    def op(self) -> str:
        """The operator."""

    @property
    def attributes(self) -> Mapping[str, Any]:
        """All attributes, those with ONNX's defaults included."""

    @property
    def constants(self) -> Sequence[Constant]:
        """The constant operands in order."""

    @property
    def shape(self) -> Extents:
        """The shape of the output, with the batch axis."""


@dataclass(frozen=True, eq=False)
class Lookahead:
    """What follows a value: its shape `x` with the batch axis, and the next operations in order.

    `start` is the operation that takes the value; others may take it as well.
    """

    x: Extents
    start: Operation
    operations: Sequence[Operation]

    def find(self, *operators: str) -> Operation | None:
        """The start, or the nearest operation, with one of these operators."""
        return next((operation for operation in (self.start, *self.operations) if operation.op in operators), None)

    def after(self, operation: Operation) -> Iterator[Operation]:
        """The operations after one of them."""
        rest = iter(self.operations)
        for other in rest:
            if other is operation:
                break
        return rest


def decimal(value: float) -> float:
    """A float32 as the shortest decimal that rounds to it; a whole number as an int."""
    try:
        single = unpack("f", pack("f", value))[0]
    except OverflowError:
        return value
    texts = (f"{single:.{digits}g}" for digits in range(1, 10))
    shortest = next((float(text) for text in texts if _rounds_to(float(text), single)), float(single))
    return int(shortest) if shortest.is_integer() else shortest


def _rounds_to(value: float, single: float) -> bool:
    try:
        return bool(unpack("f", pack("f", value))[0] == single)
    except OverflowError:
        return False


def collapsed(values: Sequence[int]) -> Any:
    """Sizes along several axes as a spec has them: one number where all are the same."""
    sizes = tuple(int(value) for value in values)
    return sizes[0] if len(set(sizes)) == 1 else sizes


def border(pads: Sequence[tuple[int, int]]) -> Any:
    """ONNX's (before, after) of height and width as [left, right, top, bottom], or as one number."""
    (top, bottom), (left, right) = pads
    return collapsed((left, right, top, bottom))
