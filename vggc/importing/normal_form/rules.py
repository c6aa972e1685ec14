"""Steps -> operations in one spelling, operator by operator: what opsets and exporters say in several ways is one.

The nodes that a layer lowers to go the same way, so that comparing the two needs no knowledge of who wrote a file.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from vggc.importing.normal_form import arithmetic, data_movement, norms
from vggc.importing.normal_form.builder import Builder, Rule, given, with_defaults
from vggc.importing.normal_form.windows import (
    average_pool,
    conv,
    conv_transpose,
    global_pool,
    max_pool,
    pad,
    reduction,
    resize,
)
from vggc.importing.reading.graph_values import Constant, Operand, Operation, Step, UnreadableError
from vggc.layers import all_kinds
from vggc.layers.layer import Shape

_INNER: Final = ("Erf", "Sqrt")  # no kind begins with them, and some have them in the middle


def spell(steps: Iterable[Step], shapes: Mapping[str, Shape], output: str) -> tuple[list[Operation], str]:
    """The operations of a graph, and the name of its output."""
    builder = Builder(shapes)
    steps = list(steps)
    used = {output, *(each for step in steps for each in step.inputs if isinstance(each, str))} - {""}
    for step in steps:
        inputs = tuple(builder.value(each) for each in step.inputs)
        try:
            if step.flaw:
                raise UnreadableError(step.flaw)
            if used.intersection(step.outputs[1:]):
                raise UnreadableError("another output than its first is used")
            rule = _foreign if step.domain else RULES.get(step.op, _as_it_is)
            rule(step, builder, inputs)
        except UnreadableError as error:
            builder.refuse(step, error)
    return builder.operations, builder.aliases.get(output, output)


def _foreign(step: Step, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    raise UnreadableError(f"an operator of the domain `{step.domain}`")


def _as_it_is(step: Step, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    if step.op not in _INNER and not any(step.op in kind.onnx_operators for kind in all_kinds().values()):
        raise UnreadableError("no layer of vggc")
    attributes = with_defaults(step)
    while inputs and inputs[-1] == "":
        inputs = inputs[:-1]
    builder.emit(step, step.op, inputs, attributes)


def _gathered(step: Step, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    """What torch's newer exporter makes of an adaptive pool with uneven windows, and dozens of nodes behind it."""
    raise UnreadableError(
        "no layer of vggc; where this begins an adaptive pool that does not divide its map, "
        "import the torch model itself with --torch"
    )


def _same(step: Step, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    builder.same(step, inputs[0])


def _cast(step: Step, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    if step.attributes.get("to") not in (1, None):
        raise UnreadableError("it casts to another type than float")
    builder.same(step, inputs[0])


def _dropout(step: Step, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    if len(inputs) > 2 and not isinstance(inputs[2], Constant) and inputs[2]:
        raise UnreadableError("whether it drops depends on an input")
    ratio = given(step, 1, "ratio")
    builder.emit(step, "Dropout", inputs[:1], {"ratio": 0.5 if ratio is None else float(ratio)}, shape=step.shapes[0])


def _global(step: Step, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    if len(builder.shape(inputs[0])) != 4:
        raise UnreadableError("its input is no batch of images")
    global_pool(step.op, step, builder, inputs[0], keep=True)


RULES: Final[dict[str, Rule]] = {
    **arithmetic.RULES,
    **norms.RULES,
    **data_movement.RULES,
    "GatherND": _gathered,
    "Identity": _same,
    "Cast": _cast,
    "CastLike": _same,
    "Dropout": _dropout,
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "GlobalAveragePool": _global,
    "GlobalMaxPool": _global,
    "ReduceMean": reduction,
    "ReduceMax": reduction,
    "Pad": pad,
    "Resize": resize,
    "Upsample": resize,
}
