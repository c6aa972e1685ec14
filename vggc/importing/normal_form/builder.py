"""What the rules of the normal form share: the operations that they add to, and how they read a step's operands."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import onnx

from vggc.importing.reading.graph_values import (
    Array,
    FoldedConstant,
    FoldedNode,
    NormalOperation,
    Operand,
    UnknownShapeError,
    UnreadableError,
)
from vggc.layers.answers import Shape

REFUSED = ""  # the operator of a step that no rule can read: no kind knows it


class Builder:
    """Operations in the order of the data; `aliases` are values that are only other names of a value."""

    def __init__(self, shapes: Mapping[str, Shape]) -> None:
        self.operations: list[NormalOperation] = []
        self.aliases: dict[str, str] = {}
        self.shapes: dict[str, Shape] = dict(shapes)

    def value(self, operand: Operand) -> Operand:
        """An operand by the one name that its value has."""
        return self.aliases.get(operand, operand) if isinstance(operand, str) else operand

    def shape(self, operand: Operand) -> Shape:
        """The shape of an operand, with the batch axis.

        Raises:
            UnknownShapeError: it is not known.
        """
        if isinstance(operand, FoldedConstant):
            return operand.shape
        if operand not in self.shapes:
            raise UnknownShapeError("the shape of its input is not known")
        return self.shapes[operand]

    def source(self, operand: Operand) -> NormalOperation | None:
        """The operation whose output an operand is."""
        return next((operation for operation in reversed(self.operations) if operation.output == operand), None)

    def same(self, step: FoldedNode, value: Operand) -> None:
        """The step does nothing: its output is another name of the value."""
        assert isinstance(value, str)
        self.aliases[step.outputs[0]] = value

    def emit(
        self,
        step: FoldedNode,
        op: str,
        inputs: Iterable[Operand],
        attributes: Mapping[str, Any] | None = None,
        *,
        shape: Shape | None = None,
        local: str = "",
    ) -> str:
        """Add an operation for the step, or with a `local` name one for a part of it; its output."""
        output = f"{step.outputs[0]}/{local}" if local else step.outputs[0]
        shape = shape if shape is not None else step.shape
        return self.append(NormalOperation(op, tuple(inputs), output, shape, attributes or {}, (step.node,)))

    def append(self, operation: NormalOperation) -> str:
        """Add an operation; its output."""
        self.shapes[operation.output] = operation.shape
        self.operations.append(operation)
        return operation.output

    def refuse(self, step: FoldedNode, error: UnreadableError) -> None:
        """Keep the step as an operation that no layer has, and why."""
        first, *others = step.outputs
        self.aliases.update(dict.fromkeys(others, first))  # so that whatever uses them depends on it
        if step.shapes[0] is not None:
            self.shapes[first] = step.shapes[0]
        inputs = tuple(self.value(operand) for operand in step.inputs)
        self.operations.append(
            NormalOperation(REFUSED, inputs, first, step.shapes[0] or (), {"why": error}, (step.node,))
        )


Rule = Callable[[FoldedNode, Builder, tuple[Operand, ...]], None]


def with_defaults(step: FoldedNode) -> dict[str, Any]:
    """The attributes of a step, and the operator's defaults for those that are left out."""
    try:
        schema = onnx.defs.get_schema(step.op, step.opset, step.domain)
    except onnx.defs.SchemaError:
        return dict(step.attributes)
    defaults: dict[str, Any] = {}
    for name, attribute in schema.attributes.items():
        if attribute.default_value.name:
            value = onnx.helper.get_attribute_value(attribute.default_value)
            defaults[name] = value.decode() if isinstance(value, bytes) else value
    return {**defaults, **step.attributes}


def input_or_attribute(step: FoldedNode, position: int, name: str) -> Array | None:
    """What later opsets have as a constant input and earlier ones as an attribute; None where it is left out.

    Raises:
        UnreadableError: it is computed from the input.
    """
    operand = step.input(position)
    if isinstance(operand, FoldedConstant):
        return operand.array
    if operand:
        raise UnreadableError(f"its {name} depend on the input")
    return np.asarray(step.attributes[name]) if name in step.attributes else None


def integers(array: Array) -> tuple[int, ...]:
    """Whole numbers as a tuple."""
    return tuple(int(number) for number in array.ravel())


def scalar(operand: Operand) -> float | None:
    """The one number that a constant is; None where it has several, or is no constant."""
    return operand.number if isinstance(operand, FoldedConstant) else None


def aligned(operand: Operand, rank: int) -> Operand:
    """A constant with as many axes as what it is broadcast to."""
    if isinstance(operand, FoldedConstant) and operand.array.ndim < rank:
        return operand.reshaped((1,) * (rank - operand.array.ndim) + operand.shape)
    return operand


def constant(operand: Operand, what: str) -> FoldedConstant:
    """The operand, which must be known.

    Raises:
        UnreadableError: it is computed from the input.
    """
    if not isinstance(operand, FoldedConstant):
        raise UnreadableError(f"its {what} is no constant")
    return operand


def axis_of(step: FoldedNode, rank: int, default: int) -> int:
    """The attribute `axis`, counted from the front."""
    axis = int(step.attributes.get("axis", default))
    return axis + rank if axis < 0 else axis
