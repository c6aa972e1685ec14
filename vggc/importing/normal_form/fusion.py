"""Operations that are parts of the one before or after them: borders, biases and bounds."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from math import inf

from vggc.importing.normal_form.windows import Pads, reached
from vggc.importing.reading.graph_values import Constant, Operand, Operation
from vggc.layers.layer import Shape


def fuse(operations: list[Operation], output: str, inputs: Mapping[str, Shape]) -> list[Operation]:
    """With borders and biases inside the operations that they belong to, where nothing else takes the value between."""
    uses = Counter(name for each in operations for name in each.data)
    uses[output] += 1
    shapes = {**inputs, **{each.output: each.shape for each in operations}}
    done: dict[str, Operation] = {}
    for operation in operations:
        before = done.get(operation.data[0]) if operation.data else None
        joined = None
        if before is not None and uses[before.output] == 1:
            joined = _with_border(before, operation) or _with_added(before, operation) or _with_bound(before, operation)
        if joined is not None and before is not None:
            del done[before.output]
            operation = replace(joined, made_of=before.made_of + operation.made_of)
        done[operation.output] = operation
    return [
        _trimmed(each, shapes[each.data[0]]) if each.data and {"pads", "kernel"} <= each.attributes.keys() else each
        for each in done.values()
    ]


def _with_border(before: Operation, operation: Operation) -> Operation | None:
    """Zeros around a convolution and minus infinity around a maximum are their own padding."""
    held = {"Conv": 0.0, "ConvTranspose": 0.0, "MaxPool": -inf}.get(operation.op)
    if before.op != "Pad" or held is None or before.attributes["mode"] != "constant":
        return None
    pads = before.attributes["pads"]
    if before.attributes["value"] != held or any(map(any, pads[:2])):
        return None
    with_pads = _with_zeros if operation.op == "ConvTranspose" else _with_padding
    return with_pads(pads[2:], operation, before.inputs[0])


def _with_added(before: Operation, operation: Operation) -> Operation | None:
    """What is added to every channel behind a convolution or linear layer without a bias is one."""
    if before.op not in ("Conv", "ConvTranspose", "Gemm") or len(before.inputs) != 2 or operation.op != "Add":
        return None
    added = next((each for each in operation.inputs if isinstance(each, Constant)), None)
    channels = (1, before.shape[1], *(1,) * (len(before.shape) - 2))
    if added is None or added.shape != channels or operation.shape != before.shape:
        return None
    return _with_bias(before, added, operation.output)


def _with_bound(before: Operation, operation: Operation) -> Operation | None:
    """A bound above behind a relu is a Clip."""
    if before.op != "Relu" or operation.op != "Clip" or operation.attributes["min"] > 0:
        return None
    return replace(operation, inputs=before.inputs, attributes={"min": 0.0, "max": operation.attributes["max"]})


def _with_padding(pads: Pads, operation: Operation, value: Operand) -> Operation:
    """The operation with a border that stood before it as its own padding."""
    own = operation.attributes["pads"]
    summed = tuple((a + c, b + d) for (a, b), (c, d) in zip(pads, own, strict=True))
    attributes = {**operation.attributes, "pads": summed}
    return replace(operation, inputs=(value, *operation.inputs[1:]), attributes=attributes)


def _with_zeros(pads: Pads, operation: Operation, value: Operand) -> Operation:
    """A transposed convolution that cuts off less of its output, because the zeros around its input only enlarge it."""
    steps = zip(pads, operation.attributes["strides"], operation.attributes["cut"], strict=True)
    cut = tuple((start - a * stride, end - b * stride) for (a, b), stride, (start, end) in steps)
    return replace(operation, inputs=(value, *operation.inputs[1:]), attributes={**operation.attributes, "cut": cut})


def _with_bias(operation: Operation, added: Constant, output: str) -> Operation:
    """A convolution or matrix product with what was added behind it as its bias."""
    bias = added.reshaped((added.array.size,))
    return replace(operation, inputs=(*operation.inputs, bias), output=output)


def _trimmed(operation: Operation, x: Shape) -> Operation:
    """The operation with no more padding than its windows reach."""
    attributes = dict(operation.attributes)
    return replace(operation, attributes=attributes | {"pads": reached(attributes, x, operation.shape)})
