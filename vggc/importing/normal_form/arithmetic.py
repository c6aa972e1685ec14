"""Arithmetic in one spelling: products and sums instead of quotients and differences, linear layers as torch's."""

from math import inf
from typing import Final

import numpy as np

from vggc.importing.normal_form.builder import Builder, Rule, aligned, constant, given, scalar
from vggc.importing.reading.graph_values import Constant, Operand, Step, UnreadableError

_LARGEST: Final = 3e38  # what stands for no bound where a Clip cannot leave it out


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
}
