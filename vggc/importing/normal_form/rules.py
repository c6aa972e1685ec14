"""Steps -> operations in normal form, operator by operator: the forms of all opsets and exporters become one.

The nodes that a layer lowers to are brought to it as well, so that comparing the two needs no knowledge of who wrote a
file.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from vggc.importing.normal_form import arithmetic, windows
from vggc.importing.normal_form.builder import (
    Builder,
    Rule,
    axis_of,
    constant,
    input_or_attribute,
    integers,
    with_defaults,
)
from vggc.importing.reading.graph_values import FoldedConstant, FoldedNode, NormalOperation, Operand, UnreadableError
from vggc.layers import all_kinds
from vggc.layers.answers import Shape

_INNER: Final = ("Erf", "Sqrt")  # no kind begins with them, and some have them in the middle


def normalize(
    steps: Iterable[FoldedNode], shapes: Mapping[str, Shape], output: str
) -> tuple[list[NormalOperation], str]:
    """The operations of a graph, and the name of its output."""
    builder = Builder(shapes)
    steps = list(steps)
    used = {output, *(operand for step in steps for operand in step.inputs if isinstance(operand, str))} - {""}
    for step in steps:
        inputs = tuple(builder.value(operand) for operand in step.inputs)
        try:
            if step.flaw:
                raise UnreadableError(step.flaw)
            if used.intersection(step.outputs[1:]):
                raise UnreadableError("another output than its first is used")
            rule = _foreign if step.domain else RULES.get(step.op, _keep)
            rule(step, builder, inputs)
        except UnreadableError as error:
            builder.refuse(step, error)
    return builder.operations, builder.aliases.get(output, output)


def _foreign(step: FoldedNode, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    raise UnreadableError(f"an operator of the domain `{step.domain}`")


def _keep(step: FoldedNode, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    if step.op not in _INNER and not any(step.op in kind.onnx_operators for kind in all_kinds().values()):
        raise UnreadableError("no layer of vggc")
    attributes = with_defaults(step)
    while inputs and inputs[-1] == "":
        inputs = inputs[:-1]
    builder.emit(step, step.op, inputs, attributes)


def _gathered(step: FoldedNode, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    """How torch's newer exporter begins an adaptive pool with uneven windows, of dozens of nodes."""
    raise UnreadableError(
        "no layer of vggc; where this begins an adaptive pool that does not divide its map, "
        "import the torch model itself with --torch"
    )


def _same(step: FoldedNode, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    builder.same(step, inputs[0])


def _cast(step: FoldedNode, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    if step.attributes.get("to") not in (1, None):
        raise UnreadableError("it casts to another type than float")
    builder.same(step, inputs[0])


def _dropout(step: FoldedNode, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    if len(inputs) > 2 and not isinstance(inputs[2], FoldedConstant) and inputs[2]:
        raise UnreadableError("whether it drops depends on an input")
    ratio = input_or_attribute(step, 1, "ratio")
    builder.emit(step, "Dropout", inputs[:1], {"ratio": 0.5 if ratio is None else float(ratio)}, shape=step.shapes[0])


# --- operators that only move values, by the shape of their output ---


def _reshape(step: FoldedNode, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    """Whatever only changes the shape: a flatten where the batch stays and all else becomes one axis."""
    x, y = builder.shape(inputs[0]), step.shape
    if x == y:
        builder.same(step, inputs[0])
    elif len(y) == 2 and y[0] == x[0]:
        builder.emit(step, "Flatten", inputs[:1])
    else:
        builder.emit(step, "Reshape", inputs[:1], {"shape": y})


def _transpose(step: FoldedNode, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    """Moving axes of one element to where they leave the shape as it is changes nothing."""
    x = builder.shape(inputs[0])
    order = tuple(step.attributes.get("perm", range(len(x))[::-1]))
    moved = [axis for axis in order if x[axis] != 1]
    if moved == sorted(moved) and x == step.shape:
        builder.same(step, inputs[0])
    else:
        builder.emit(step, "Transpose", inputs[:1], {"perm": order})


def _slice(step: FoldedNode, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    x = builder.shape(inputs[0])
    starts, ends = input_or_attribute(step, 1, "starts"), input_or_attribute(step, 2, "ends")
    axes, strides = input_or_attribute(step, 3, "axes"), input_or_attribute(step, 4, "steps")
    if starts is None or ends is None:
        raise UnreadableError("it does not say what it cuts out")
    order = integers(axes) if axes is not None else tuple(range(len(starts)))
    by = integers(strides) if strides is not None else (1,) * len(starts)
    cuts = []
    for axis, start, end, stride in zip(order, integers(starts), integers(ends), by, strict=True):
        cut = range(x[axis])[slice(start, end, stride)]
        if cut != range(x[axis]):
            cuts.append((axis % len(x), cut.start, cut.stop, cut.step))
    if cuts:
        builder.emit(step, "Slice", inputs[:1], {"cuts": tuple(sorted(cuts))})
    else:
        builder.same(step, inputs[0])


def _concat(step: FoldedNode, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    if len(inputs) == 1:
        builder.same(step, inputs[0])
    else:
        builder.emit(step, "Concat", inputs, {"axis": axis_of(step, len(step.shape), 1)})


def _gather(step: FoldedNode, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    axis = axis_of(step, len(builder.shape(inputs[0])), 0)
    builder.emit(step, "Gather", (inputs[0], constant(inputs[1], "index")), {"axis": axis})


RULES: Final[dict[str, Rule]] = {
    **arithmetic.RULES,
    **windows.RULES,
    "Flatten": _reshape,
    "Reshape": _reshape,
    "Squeeze": _reshape,
    "Unsqueeze": _reshape,
    "Transpose": _transpose,
    "Slice": _slice,
    "Concat": _concat,
    "Gather": _gather,
    "GatherND": _gathered,
    "Identity": _same,
    "Cast": _cast,
    "CastLike": _same,
    "Dropout": _dropout,
}
