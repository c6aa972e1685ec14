"""Operators that only move values, in one spelling: by the shape that they make, whichever way they say it."""

from typing import Final

from vggc.importing.normal_form.builder import Builder, Rule, axis_of, constant, given, integers
from vggc.importing.reading.graph_values import Operand, Step, UnreadableError


def _reshape(step: Step, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    """Whatever only changes the shape: a flatten where the batch stays and all else becomes one axis."""
    x, y = builder.shape(inputs[0]), step.shape
    if x == y:
        builder.same(step, inputs[0])
    elif len(y) == 2 and y[0] == x[0]:
        builder.emit(step, "Flatten", inputs[:1])
    else:
        builder.emit(step, "Reshape", inputs[:1], {"shape": y})


def _transpose(step: Step, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    """Moving axes of one element to where they leave the shape as it is changes nothing."""
    x = builder.shape(inputs[0])
    order = tuple(step.attributes.get("perm", range(len(x))[::-1]))
    moved = [axis for axis in order if x[axis] != 1]
    if moved == sorted(moved) and x == step.shape:
        builder.same(step, inputs[0])
    else:
        builder.emit(step, "Transpose", inputs[:1], {"perm": order})


def _slice(step: Step, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    x = builder.shape(inputs[0])
    starts, ends = given(step, 1, "starts"), given(step, 2, "ends")
    axes, strides = given(step, 3, "axes"), given(step, 4, "steps")
    if starts is None or ends is None:
        raise UnreadableError("it does not say what it cuts out")
    order = integers(axes) if axes is not None else tuple(range(len(starts)))
    by = integers(strides) if strides is not None else (1,) * len(starts)
    cuts = []
    for axis, start, end, stride in zip(order, integers(starts), integers(ends), by, strict=True):
        found = range(x[axis])[slice(start, end, stride)]
        if found != range(x[axis]):
            cuts.append((axis % len(x), found.start, found.stop, found.step))
    if cuts:
        builder.emit(step, "Slice", inputs[:1], {"cuts": tuple(sorted(cuts))})
    else:
        builder.same(step, inputs[0])


def _concat(step: Step, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    if len(inputs) == 1:
        builder.same(step, inputs[0])
    else:
        builder.emit(step, "Concat", inputs, {"axis": axis_of(step, "axis", len(step.shape), 1)})


def _gather(step: Step, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    axis = axis_of(step, "axis", len(builder.shape(inputs[0])), 0)
    builder.emit(step, "Gather", (inputs[0], constant(inputs[1], "index")), {"axis": axis})


RULES: Final[dict[str, Rule]] = {
    "Flatten": _reshape,
    "Reshape": _reshape,
    "Squeeze": _reshape,
    "Unsqueeze": _reshape,
    "Transpose": _transpose,
    "Slice": _slice,
    "Concat": _concat,
    "Gather": _gather,
}
