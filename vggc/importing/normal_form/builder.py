"""The operations of a graph as they are being spelled, and what the rules of spelling share."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import onnx

from vggc.importing.reading.graph_values import (
    Array,
    Constant,
    Operand,
    Operation,
    Step,
    UnknownShapeError,
    UnreadableError,
)
from vggc.layers.layer import Shape

REFUSED = ""  # the operator of what nothing can be made of: no rule and no layer knows it


class Builder:
    """Operations in the order of the data; values that are only other names are gone."""

    def __init__(self, shapes: Mapping[str, Shape]) -> None:
        self.operations: list[Operation] = []
        self.aliases: dict[str, str] = {}
        self.constants: dict[str, Constant] = {}
        self.shapes: dict[str, Shape] = dict(shapes)

    def value(self, operand: Operand) -> Operand:
        """An operand by the one name that its value has."""
        if isinstance(operand, Constant):
            return operand
        return self.aliases.get(operand, operand)

    def shape(self, operand: Operand) -> Shape:
        """The shape of an operand, with the batch axis.

        Raises:
            UnknownShapeError: nobody knows it.
        """
        if isinstance(operand, Constant):
            return operand.shape
        if operand not in self.shapes:
            raise UnknownShapeError("the shape of its input is not known")
        return self.shapes[operand]

    def made(self, operand: Operand) -> Operation | None:
        """The operation whose output an operand is."""
        return next((each for each in reversed(self.operations) if each.output == operand), None)

    def same(self, step: Step, value: Operand) -> None:
        """The step does nothing: its output is another name of the value."""
        assert isinstance(value, str)
        self.aliases[step.outputs[0]] = value

    def emit(
        self,
        step: Step,
        op: str,
        inputs: Iterable[Operand],
        attributes: Mapping[str, Any] | None = None,
        *,
        shape: Shape | None = None,
        local: str = "",
    ) -> str:
        """Add an operation that stands for the step, or with a `local` name for a part of it; its output."""
        output = f"{step.outputs[0]}/{local}" if local else step.outputs[0]
        shape = shape if shape is not None else step.shape
        self.shapes[output] = shape
        made_of = ((step.label, step.op),)
        self.operations.append(Operation(op, tuple(inputs), output, shape, dict(attributes or {}), made_of))
        return output

    def refuse(self, step: Step, error: UnreadableError) -> None:
        """Keep the step as a node that nothing can be made of, and why."""
        inputs = tuple(self.value(each) for each in step.inputs)
        if step.shapes[0] is not None:
            self.shapes[step.outputs[0]] = step.shapes[0]
        first, *others = step.outputs
        self.aliases.update(dict.fromkeys(others, first))  # so that whatever uses them hangs on it
        made_of = ((step.label, step.op),)
        self.operations.append(Operation(REFUSED, inputs, first, step.shapes[0] or (), {"why": error}, made_of))


Rule = Callable[[Step, Builder, tuple[Operand, ...]], None]


def with_defaults(step: Step) -> dict[str, Any]:
    """The attributes of a step, and what the operator says where they are silent."""
    try:
        schema = onnx.defs.get_schema(step.op, step.opset, step.domain)
    except onnx.defs.SchemaError:
        return dict(step.attributes)
    found: dict[str, Any] = {}
    for name, attribute in schema.attributes.items():
        default = attribute.default_value
        if default.name:
            value = onnx.helper.get_attribute_value(default)
            found[name] = value.decode() if isinstance(value, bytes) else value
    return {**found, **step.attributes}


def given(step: Step, position: int, attribute: str) -> Array | None:
    """What later opsets give as a constant input and earlier ones as an attribute; None where it is left out.

    Raises:
        UnreadableError: it is computed from the input.
    """
    operand = step.input(position)
    if isinstance(operand, Constant):
        return operand.array
    if operand:
        raise UnreadableError(f"its {attribute} depend on the input")
    if attribute in step.attributes:
        return np.asarray(step.attributes[attribute])
    return None


def integers(array: Array) -> tuple[int, ...]:
    """Whole numbers as a tuple."""
    return tuple(int(each) for each in array.ravel())


def scalar(operand: Operand) -> float | None:
    """The one number that a constant is; None where it is more, or no constant."""
    if isinstance(operand, Constant) and operand.array.size == 1:
        return float(operand.array.reshape(()))
    return None


def aligned(operand: Operand, rank: int) -> Operand:
    """A constant with as many axes as what it is broadcast to."""
    if isinstance(operand, Constant) and operand.array.ndim < rank:
        return operand.reshaped((1,) * (rank - operand.array.ndim) + operand.shape)
    return operand


def constant(operand: Operand, what: str) -> Constant:
    """The operand, which must be known.

    Raises:
        UnreadableError: it is computed from the input.
    """
    if not isinstance(operand, Constant):
        raise UnreadableError(f"its {what} is no constant")
    return operand


def axis_of(step: Step, name: str, rank: int, default: int) -> int:
    """An axis counted from the front."""
    axis = int(step.attributes.get(name, default))
    return axis + rank if axis < 0 else axis
