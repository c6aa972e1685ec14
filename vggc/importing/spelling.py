"""Steps -> operations in one spelling, operator by operator: what opsets and exporters say in several ways is one.

The nodes that a layer lowers to go the same way, so that comparing the two needs no knowledge of who wrote a file.
"""

from collections.abc import Iterable, Mapping
from math import inf, prod
from typing import Final

import numpy as np

from vggc.importing.builder import (
    Builder,
    Rule,
    aligned,
    axis_of,
    constant,
    given,
    integers,
    scalar,
    with_defaults,
)
from vggc.importing.values import Constant, Operand, Operation, Step, UnreadableError
from vggc.importing.windows import average_pool, conv, global_pool, max_pool, pad, reduction, resize
from vggc.layers.base import Shape

_LARGEST: Final = 3e38  # what stands for no bound where a Clip cannot leave it out


_ONE_SPELLING: Final = frozenset((
    "DepthToSpace", "Elu", "Erf", "Gelu", "HardSigmoid", "HardSwish", "InstanceNormalization", "LRN", "LeakyRelu",
    "Mish", "Relu", "Selu", "Sigmoid", "Softplus", "Sqrt", "Tanh",
))  # fmt: skip


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
    if step.op not in _ONE_SPELLING:
        raise UnreadableError("no layer of vggc")
    attributes = with_defaults(step)
    while inputs and inputs[-1] == "":
        inputs = inputs[:-1]
    builder.emit(step, step.op, inputs, attributes)


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
    builder.emit(step, "Dropout", inputs[:1], {"p": 0.5 if ratio is None else float(ratio)}, shape=step.shapes[0])


# --- arithmetic ---


def _elementwise(step: Step, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    rank = len(step.shape) if step.shapes[0] is not None else 0
    builder.emit(step, step.op, tuple(aligned(each, rank) for each in inputs))


def _several(step: Step, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    """Sum, Mean, Max and Min of one value are the value; a maximum with a number is a Clip."""
    if len(inputs) == 1:
        builder.same(step, inputs[0])
        return
    bound = next((scalar(each) for each in inputs if scalar(each) is not None), None)
    data = next((each for each in inputs if isinstance(each, str)), "")
    if step.op in ("Max", "Min") and len(inputs) == 2 and bound is not None:
        _clipped(step, builder, data, *((bound, inf) if step.op == "Max" else (-inf, bound)))
    elif step.op == "Sum" and len(inputs) == 2:
        builder.emit(step, "Add", tuple(aligned(each, len(step.shape)) for each in inputs))
    else:
        builder.emit(step, step.op, inputs)


def _subtract(step: Step, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    left, right = (aligned(each, len(step.shape)) for each in inputs)
    if isinstance(right, Constant):
        builder.emit(step, "Add", (left, right.changed(np.negative)))
    else:
        builder.emit(step, "Sub", (left, right))


def _divide(step: Step, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    left, right = (aligned(each, len(step.shape)) for each in inputs)
    if isinstance(right, Constant):
        if not right.array.all():
            raise UnreadableError("it divides by 0")
        builder.emit(step, "Mul", (left, right.changed(lambda array: 1 / array.astype(np.float64))))
    else:
        builder.emit(step, "Div", (left, right))


def _power(step: Step, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    exponent = scalar(inputs[1])
    x = inputs[0]
    if exponent == 1:
        builder.same(step, x)
    elif exponent == 2:
        builder.emit(step, "Mul", (x, x))
    elif exponent == 3:
        square = builder.emit(step, "Mul", (x, x), local="square")
        builder.emit(step, "Mul", (square, x))
    elif exponent == 0.5:
        builder.emit(step, "Sqrt", (x,))
    else:
        builder.emit(step, "Pow", tuple(aligned(each, len(step.shape)) for each in inputs))


def _clip(step: Step, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    least, most = given(step, 1, "min"), given(step, 2, "max")
    low = -inf if least is None or float(least) < -_LARGEST else float(least)
    high = inf if most is None or float(most) > _LARGEST else float(most)
    _clipped(step, builder, inputs[0], low, high)


def _clipped(step: Step, builder: Builder, x: Operand, low: float, high: float) -> None:
    if (low, high) == (0, inf):
        builder.emit(step, "Relu", (x,))
    else:
        builder.emit(step, "Clip", (x,), {"min": low, "max": high})


def _swish(step: Step, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    if step.attributes.get("alpha", 1.0) != 1:
        raise UnreadableError("its alpha is not 1")
    gate = builder.emit(step, "Sigmoid", inputs[:1], local="gate")
    builder.emit(step, "Mul", (inputs[0], gate))


# --- matrices ---


def _gemm(step: Step, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    """A linear layer with torch's layout of its weight; factors go into the weights where that is exact."""
    weight = constant(inputs[1], "weight")
    if weight.array.ndim != 2:
        raise UnreadableError("its weight is no matrix")
    if step.attributes.get("transA", 0):
        raise UnreadableError("transA is set: it mixes the images of a batch")
    if not step.attributes.get("transB", 0):
        weight = weight.transposed((1, 0))
    weight = _scaled(weight, step.attributes.get("alpha", 1.0), "alpha")
    if len(inputs) < 3 or inputs[2] == "" or step.attributes.get("beta", 1.0) == 0:
        builder.emit(step, "Gemm", (inputs[0], weight))
        return
    bias = _scaled(constant(inputs[2], "bias"), step.attributes.get("beta", 1.0), "beta")
    features = weight.shape[0]
    if bias.array.size == features:
        bias = bias.reshaped((features,))
    elif bias.array.size == 1:
        bias = bias.changed(lambda array: np.full(features, array.reshape(())))
    else:
        raise UnreadableError("its bias differs between the images of a batch")
    builder.emit(step, "Gemm", (inputs[0], weight, bias))


def _scaled(values: Constant, factor: float, name: str) -> Constant:
    if factor == 1:
        return values
    exact = values.array.astype(np.float64) * factor
    scaled = exact.astype(np.float32)
    if not np.array_equal(exact, scaled.astype(np.float64)):
        raise UnreadableError(f"{name} is {factor:g}, and folding it into the weights would round them")
    return values.changed(lambda _: scaled)


def _matrix_product(step: Step, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    left, right = inputs
    if isinstance(left, str) and isinstance(right, Constant) and right.array.ndim == 2 and len(step.shape) == 2:
        builder.emit(step, "Gemm", (left, right.transposed((1, 0))))
    else:
        builder.emit(step, "MatMul", inputs)


# --- norms ---


def _batch_norm(step: Step, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    if not step.attributes.get("spatial", 1):
        raise UnreadableError("spatial is 0: it has statistics for every pixel")
    if step.attributes.get("training_mode", 0):
        raise UnreadableError("it takes its statistics from the batch")
    attributes = with_defaults(step)
    names = ("scale", "bias", "mean", "variance")
    tensors = [constant(each, name) for each, name in zip(inputs[1:5], names, strict=True)]
    chosen = {"epsilon": attributes["epsilon"], "momentum": attributes["momentum"]}
    builder.emit(step, "BatchNormalization", (inputs[0], *tensors), chosen)


def _layer_norm(step: Step, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    axis = axis_of(step, "axis", len(step.shape), -1)
    scale = constant(inputs[1], "scale")
    bias = inputs[2] if len(inputs) > 2 and inputs[2] != "" else Constant(np.zeros(scale.shape, np.float32))
    attributes = {"axis": axis, "epsilon": float(step.attributes.get("epsilon", 1e-5))}
    builder.emit(step, "LayerNormalization", (inputs[0], scale, bias), attributes)


def _group_norm(step: Step, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    """Before opset 21 there was a scale for every group; for every channel it says the same."""
    if len(inputs) != 3 or step.attributes.get("num_groups", 0) < 1:
        raise UnreadableError("its groups, scale or bias are left out")
    groups, channels = int(step.attributes["num_groups"]), builder.shape(inputs[0])[1]
    tensors = [constant(each, name) for each, name in zip(inputs[1:], ("scale", "bias"), strict=True)]
    if step.opset < 21 and groups != channels:
        tensors = [each.changed(lambda array: np.repeat(array, channels // groups)) for each in tensors]
    attributes = {"num_groups": groups, "epsilon": float(step.attributes.get("epsilon", 1e-5))}
    builder.emit(step, "GroupNormalization", (inputs[0], *tensors), attributes)


def _softmax(step: Step, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    """Before opset 13 all axes from the given one on were one."""
    rank = len(step.shape)
    axis = axis_of(step, "axis", rank, -1 if step.opset >= 13 else 1)
    if step.opset < 13 and prod(step.shape[axis + 1 :]) != 1:
        raise UnreadableError(f"before opset 13 it is a softmax over all axes from {axis} on")
    builder.emit(step, step.op, inputs[:1], {"axis": axis})


# --- shapes ---


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
    """Moving axes of one element is a reshape."""
    x = builder.shape(inputs[0])
    order = tuple(step.attributes.get("perm", range(len(x))[::-1]))
    moved = [axis for axis in order if x[axis] != 1]
    if moved == sorted(moved):
        _reshape(step, builder, inputs)
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


def _global(step: Step, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    if len(builder.shape(inputs[0])) != 4:
        raise UnreadableError("its input is no batch of images")
    global_pool(step.op, step, builder, inputs[0], keep=True)


RULES: Final[dict[str, Rule]] = {
    "Identity": _same,
    "Cast": _cast,
    "CastLike": _same,
    "Dropout": _dropout,
    "Add": _elementwise,
    "Mul": _elementwise,
    "PRelu": _elementwise,
    "Greater": _elementwise,
    "Where": _elementwise,
    "Sub": _subtract,
    "Div": _divide,
    "Pow": _power,
    "Sum": _several,
    "Mean": _several,
    "Max": _several,
    "Min": _several,
    "Clip": _clip,
    "Swish": _swish,
    "Gemm": _gemm,
    "MatMul": _matrix_product,
    "Conv": conv,
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "GlobalAveragePool": _global,
    "GlobalMaxPool": _global,
    "ReduceMean": reduction,
    "ReduceMax": reduction,
    "Pad": pad,
    "Resize": resize,
    "Upsample": resize,
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm,
    "GroupNormalization": _group_norm,
    "Softmax": _softmax,
    "LogSoftmax": _softmax,
    "Flatten": _reshape,
    "Reshape": _reshape,
    "Squeeze": _reshape,
    "Unsqueeze": _reshape,
    "Transpose": _transpose,
    "Slice": _slice,
    "Concat": _concat,
    "Gather": _gather,
}
