"""Arithmetic in normal form: products and sums for quotients and differences, linear layers as torch's, norms."""

from math import inf, prod
from typing import Final

import numpy as np

from vggc.importing.normal_form.builder import (
    Builder,
    Rule,
    aligned,
    axis_of,
    constant,
    input_or_attribute,
    scalar,
    with_defaults,
)
from vggc.importing.reading.graph_values import FoldedConstant, FoldedNode, Operand, UnreadableError

_LARGEST: Final = 3e38  # a larger bound is none: a Clip could not leave it out


def _elementwise(step: FoldedNode, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    rank = len(step.shape) if step.shapes[0] is not None else 0
    builder.emit(step, step.op, tuple(aligned(operand, rank) for operand in inputs))


def _several(step: FoldedNode, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    """Sum, Mean, Max and Min of one value are the value; a maximum with a number is a Clip."""
    if len(inputs) == 1:
        builder.same(step, inputs[0])
        return
    bound = next((scalar(operand) for operand in inputs if scalar(operand) is not None), None)
    data = next((operand for operand in inputs if isinstance(operand, str)), "")
    if step.op in ("Max", "Min") and len(inputs) == 2 and bound is not None:
        _clipped(step, builder, data, *((bound, inf) if step.op == "Max" else (-inf, bound)))
    elif step.op == "Sum" and len(inputs) == 2:
        builder.emit(step, "Add", tuple(aligned(operand, len(step.shape)) for operand in inputs))
    else:
        builder.emit(step, step.op, inputs)


def _subtract(step: FoldedNode, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    left, right = (aligned(operand, len(step.shape)) for operand in inputs)
    if isinstance(right, FoldedConstant):
        builder.emit(step, "Add", (left, FoldedConstant(-right.array)))
    else:
        builder.emit(step, "Sub", (left, right))


def _divide(step: FoldedNode, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    left, right = (aligned(operand, len(step.shape)) for operand in inputs)
    if isinstance(right, FoldedConstant):
        if not right.array.all():
            raise UnreadableError("it divides by 0")
        builder.emit(step, "Mul", (left, FoldedConstant(1 / right.array.astype(np.float64))))
    else:
        builder.emit(step, "Div", (left, right))


def _power(step: FoldedNode, builder: Builder, inputs: tuple[Operand, ...]) -> None:
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
        builder.emit(step, "Pow", tuple(aligned(operand, len(step.shape)) for operand in inputs))


def _clip(step: FoldedNode, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    least, most = input_or_attribute(step, 1, "min"), input_or_attribute(step, 2, "max")
    low = -inf if least is None or float(least) < -_LARGEST else float(least)
    high = inf if most is None or float(most) > _LARGEST else float(most)
    _clipped(step, builder, inputs[0], low, high)


def _clipped(step: FoldedNode, builder: Builder, x: Operand, low: float, high: float) -> None:
    if (low, high) == (0, inf):
        builder.emit(step, "Relu", (x,))
    else:
        builder.emit(step, "Clip", (x,), {"min": low, "max": high})


def _swish(step: FoldedNode, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    if step.attributes.get("alpha", 1.0) != 1:
        raise UnreadableError("its alpha is not 1")
    gate = builder.emit(step, "Sigmoid", inputs[:1], local="gate")
    builder.emit(step, "Mul", (inputs[0], gate))


# --- matrices ---


def _gemm(step: FoldedNode, builder: Builder, inputs: tuple[Operand, ...]) -> None:
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
        bias = FoldedConstant(np.full(features, bias.array.reshape(())))
    else:
        raise UnreadableError("its bias differs between the images of a batch")
    builder.emit(step, "Gemm", (inputs[0], weight, bias))


def _scaled(values: FoldedConstant, factor: float, name: str) -> FoldedConstant:
    if factor == 1:
        return values
    exact = values.array.astype(np.float64) * factor
    scaled = exact.astype(np.float32)
    if not np.array_equal(exact, scaled.astype(np.float64)):
        raise UnreadableError(f"{name} is {factor:g}, and folding it into the weights would round them")
    return FoldedConstant(scaled)


def _matrix_product(step: FoldedNode, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    left, right = inputs
    if isinstance(left, str) and isinstance(right, FoldedConstant) and right.array.ndim == 2 and len(step.shape) == 2:
        builder.emit(step, "Gemm", (left, right.transposed((1, 0))))
    else:
        builder.emit(step, "MatMul", inputs)


# --- norms and softmax: axes from the front, what is left out written out ---


def _batch_norm(step: FoldedNode, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    if not step.attributes.get("spatial", 1):
        raise UnreadableError("spatial is 0: it has statistics for every pixel")
    if step.attributes.get("training_mode", 0):
        raise UnreadableError("it takes its statistics from the batch")
    attributes = with_defaults(step)
    names = ("scale", "bias", "mean", "variance")
    tensors = [constant(operand, name) for operand, name in zip(inputs[1:5], names, strict=True)]
    chosen = {"epsilon": attributes["epsilon"], "momentum": attributes["momentum"]}
    builder.emit(step, "BatchNormalization", (inputs[0], *tensors), chosen)


def _layer_norm(step: FoldedNode, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    axis = axis_of(step, len(step.shape), -1)
    scale = constant(inputs[1], "scale")
    bias = inputs[2] if len(inputs) > 2 and inputs[2] != "" else FoldedConstant(np.zeros(scale.shape, np.float32))
    attributes = {"axis": axis, "epsilon": float(step.attributes.get("epsilon", 1e-5))}
    builder.emit(step, "LayerNormalization", (inputs[0], scale, bias), attributes)


def _group_norm(step: FoldedNode, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    """Before opset 21 there was a scale for every group; for every channel it says the same."""
    if len(inputs) != 3 or step.attributes.get("num_groups", 0) < 1:
        raise UnreadableError("its groups, scale or bias are left out")
    groups, channels = int(step.attributes["num_groups"]), builder.shape(inputs[0])[1]
    tensors = [constant(operand, name) for operand, name in zip(inputs[1:], ("scale", "bias"), strict=True)]
    if step.opset < 21 and groups != channels:
        tensors = [FoldedConstant(np.repeat(tensor.array, channels // groups)) for tensor in tensors]
    attributes = {"num_groups": groups, "epsilon": float(step.attributes.get("epsilon", 1e-5))}
    builder.emit(step, "GroupNormalization", (inputs[0], *tensors), attributes)


def _softmax(step: FoldedNode, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    """Before opset 13 all axes from the given one on were one."""
    rank = len(step.shape)
    axis = axis_of(step, rank, -1 if step.opset >= 13 else 1)
    if step.opset < 13 and prod(step.shape[axis + 1 :]) != 1:
        raise UnreadableError(f"before opset 13 it is a softmax over all axes from {axis} on")
    builder.emit(step, step.op, inputs[:1], {"axis": axis})


RULES: Final[dict[str, Rule]] = {
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
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm,
    "GroupNormalization": _group_norm,
    "Softmax": _softmax,
    "LogSoftmax": _softmax,
}
