"""The ways back, by the operator that a layer begins with: what it might be, as candidates that are then compared.

A candidate may be wrong: `matching` holds what it lowers to against the file. So all that stands here is where a
layer's options are to be read from.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isclose
from typing import Any, Final

import numpy as np

from vggc.importing.values import Constant, Operation
from vggc.layers import activation, conv, linear, norm, padding, pool, reshape
from vggc.layers.base import Layer, Shape, Size

Stack = tuple[Layer, ...]
AHEAD: Final = 16  # operations that a candidate may look at; the longest lowering has fewer


@dataclass(frozen=True, eq=False)
class View:
    """What lies ahead: the shape of the value (with the batch axis) and the operations from there on."""

    x: Shape
    operations: tuple[Operation, ...]

    @property
    def first(self) -> Operation:
        """The next operation."""
        return self.operations[0]

    def find(self, *ops: str) -> Operation | None:
        """The nearest operation of one of these kinds."""
        return next((each for each in self.operations if each.op in ops), None)


Way = Callable[[View], Iterator[Stack]]


def candidates(x: Shape, operations: tuple[Operation, ...], starts: set[str]) -> Iterator[Stack]:
    """The stacks of layers that may begin with an operation, each in the shape of the language.

    Args:
        x: the shape of the value, with the batch axis.
        operations: the next `AHEAD` of them.
        starts: the kinds of the operations that take the value.
    """
    view = View(x, operations)
    for op in starts:
        for way in WAYS.get(op, ()):
            yield from way(view)


def number(value: float) -> float:
    """A float32 as the shortest decimal that is it; a whole number as one."""
    shortest = float(str(np.float32(value)))
    return int(shortest) if shortest.is_integer() else shortest


def size(values: tuple[int, ...]) -> Size:
    """A pair as one number where both are the same."""
    height, width = values
    return height if height == width else (height, width)


def _sides(pads: tuple[tuple[int, int], ...]) -> int | tuple[int, int, int, int]:
    """Borders of height and width as [left, right, top, bottom], or as one number."""
    (top, bottom), (left, right) = pads
    return top if top == bottom == left == right else (left, right, top, bottom)


# --- convolutions and linear layers ---


def _conv(view: View) -> Iterator[Stack]:
    """Padding that is not the same on both sides is torch's `same`, or a border of zeros before."""
    attributes = view.first.attributes
    if len(attributes["kernel"]) != 2:
        return
    options = _conv_options(view.first)
    top, left = (before for before, _ in attributes["pads"])
    yield (conv.Conv2d(**options, padding=size((top, left))),)
    yield (conv.Conv2d(**options, padding="same"),)
    yield padding.ZeroPad2d(padding=_sides(attributes["pads"])), conv.Conv2d(**options)


def _conv_options(operation: Operation) -> dict[str, Any]:
    attributes = operation.attributes
    weight = operation.inputs[1]
    assert isinstance(weight, Constant)
    found = {
        "out_channels": weight.shape[0],
        "kernel_size": size(attributes["kernel"]),
        "stride": size(attributes["strides"]),
        "dilation": size(attributes["dilations"]),
        "groups": attributes["group"],
        "bias": len(operation.inputs) == 3,
    }
    return {name: value for name, value in found.items() if value != conv.Conv2d.default(name)}


_MODES: Final = {onnx: torch for torch, onnx in padding.ONNX_PAD_MODES.items() if torch != "zeros"}


def _padded_conv(view: View) -> Iterator[Stack]:
    """A border that is not of zeros, as one Pad or in pieces, and the convolution behind it."""
    convolution = view.find("Conv")
    if convolution is None or len(view.x) != 4 or len(convolution.attributes["kernel"]) != 2:
        return
    mode = _MODES.get(view.first.attributes["mode"]) if view.first.op == "Pad" else "circular"
    if mode is None:
        return
    options = {**_conv_options(convolution), "padding_mode": mode}
    if view.first.op == "Pad":
        borders = tuple(before for before, _ in view.first.attributes["pads"][2:])
    else:
        padded = [each.shape for each in view.operations if each.op == "Concat"][-1:] or [view.x]
        borders = tuple((now - before) // 2 for now, before in zip(padded[0][2:], view.x[2:], strict=True))
    yield (conv.Conv2d(**options, padding=size(borders)),)
    yield (conv.Conv2d(**options, padding="same"),)


def _linear(view: View) -> Iterator[Stack]:
    weight = view.first.inputs[1]
    assert isinstance(weight, Constant)
    bias = {} if len(view.first.inputs) == 3 else {"bias": False}
    yield (linear.Linear(out_features=weight.shape[0], **bias),)


# --- pools and borders ---


def _max_pool(view: View) -> Iterator[Stack]:
    if len(view.first.attributes["kernel"]) == 2:
        options = _pool_options(view.first)
        dilation = size(view.first.attributes["dilations"])
        if dilation != 1:
            options["dilation"] = dilation
        for ceil in ({}, {"ceil_mode": True}):
            yield (pool.MaxPool2d(**options, **_border(view.first), **ceil),)


def _average_pool(view: View) -> Iterator[Stack]:
    """Padding that counts was made a border of zeros, so that what is left over does not count."""
    average = view.find("AveragePool")
    if average is None or len(average.attributes["kernel"]) != 2 or len(view.x) != 4:
        return
    options = _pool_options(average)
    if view.first.op == "Pad":
        border = size(tuple(before for before, _ in view.first.attributes["pads"][2:]))
        kept: dict[str, Any] = {"padding": border}
    else:
        kept = _border(average)
        if kept:
            kept["count_include_pad"] = False
    for ceil in ({}, {"ceil_mode": True}):
        yield (pool.AvgPool2d(**options, **kept, **ceil),)


def _pool_options(operation: Operation) -> dict[str, Any]:
    kernel, stride = size(operation.attributes["kernel"]), size(operation.attributes["strides"])
    # `M` has a stride of 2; any other window that moves by its own size leaves it out.
    return {"kernel_size": kernel} | ({"stride": stride} if stride != kernel or kernel == 2 else {})


def _border(operation: Operation) -> dict[str, Any]:
    border = size(tuple(before for before, _ in operation.attributes["pads"]))
    return {"padding": border} if border != 0 else {}


def _uneven(kind: type[pool.AdaptiveAvgPool2d] | type[pool.AdaptiveMaxPool2d], op: str) -> Way:
    """An adaptive pool whose windows differ: two products, or two maxima over gathered windows."""

    def way(view: View) -> Iterator[Stack]:
        steps = [each for each in view.operations if each.op == op][:2]
        if len(steps) == 2 and len(view.x) == len(steps[1].shape) == 4:
            output = steps[1].shape[2:]
            enlarges = any(out > extent for out, extent in zip(output, view.x[2:], strict=True))
            yield (kind(output_size=size(output), **({"allow_enlarge": True} if enlarges else {})),)

    return way


def _pad(view: View) -> Iterator[Stack]:
    pads = view.first.attributes["pads"]
    kinds = {"constant": padding.ZeroPad2d, "reflect": padding.ReflectionPad2d}
    kind = kinds.get(view.first.attributes["mode"])
    if kind is not None and len(pads) == 4:
        yield (kind(padding=_sides(pads[2:])),)


# --- norms ---


def _unit(operation: Operation, written: bool) -> bool:
    """Whether scale and bias are 1 and 0; where `written`, only if they are no tensors of the file's own."""
    scale, bias = (each for each in operation.inputs[1:3] if isinstance(each, Constant))
    if written and (scale.origin is not None or bias.origin is not None):
        return False
    return bool((scale.array == 1).all() and not bias.array.any())


def _eps(operation: Operation) -> dict[str, Any]:
    eps = number(operation.attributes["epsilon"])
    return {} if eps == 1e-5 else {"eps": eps}


def _batch_norm(view: View) -> Iterator[Stack]:
    """ONNX's momentum weighs the old statistics, torch's the new ones."""
    options: dict[str, Any] = _eps(view.first)
    momentum = round(1 - number(view.first.attributes["momentum"]), 6)
    if not isclose(momentum, 0.1):
        options["momentum"] = momentum
    if _unit(view.first, written=True):
        yield (norm.BatchNorm(**options, affine=False),)
    yield (norm.BatchNorm(**options),)


def _instance_norm(view: View) -> Iterator[Stack]:
    if _unit(view.first, written=False):
        yield (norm.InstanceNorm(**_eps(view.first)),)
    yield (norm.InstanceNorm(**_eps(view.first), affine=True),)


def _group_norm(view: View) -> Iterator[Stack]:
    grouped = view.find("InstanceNormalization", "GroupNormalization")
    if grouped is None:
        return
    groups = grouped.attributes.get("num_groups", view.first.shape[1] if len(view.first.shape) > 1 else 1)
    yield (norm.GroupNorm(num_groups=groups, **_eps(grouped)),)
    yield (norm.GroupNorm(num_groups=groups, **_eps(grouped), affine=False),)


def _layer_norm(view: View) -> Iterator[Stack]:
    if view.first.op == "LayerNormalization":
        yield (norm.LayerNorm(**_eps(view.first)),)
        return
    added = view.find("Add")
    if added is not None and added.constants and added.constants[0].size == 1:
        eps = number(added.constants[0].item())
        options: dict[str, Any] = {} if eps == 1e-5 else {"eps": eps}
        yield (norm.LayerNorm(**options),)
        yield (norm.LayerNorm(**options, elementwise_affine=False),)


def _response(view: View) -> Iterator[Stack]:
    attributes = view.first.attributes
    found = {"alpha": attributes["alpha"], "beta": attributes["beta"], "k": attributes["bias"]}
    yield (_local_response(int(attributes["size"]), **found),)


def _local_response(width: int, **found: float) -> norm.LocalResponseNorm:
    options = {name: number(value) for name, value in found.items()}
    changed = {name: value for name, value in options.items() if value != norm.LocalResponseNorm.default(name)}
    return norm.LocalResponseNorm(size=width, **changed)


def _spelled_response(view: View) -> Iterator[Stack]:
    """Squares, their mean over the neighbours, `(alpha * mean + k) ** beta`; beta may have been spelled out."""
    average = view.find("AveragePool")
    if average is None or len(view.x) != 4:
        return
    behind = view.operations[view.operations.index(average) + 1 :]
    alpha = next((each.constants[0] for each in behind if each.op == "Mul" and each.constants), None)
    k = next((each.constants[0] for each in behind if each.op == "Add" and each.constants), None)
    power = next((each.constants[0] for each in behind if each.op == "Pow" and each.constants), None)
    if alpha is None or k is None or not alpha.size == k.size == 1:
        return
    width = max(average.attributes["kernel"])
    betas = (power.item(),) if power is not None and power.size == 1 else (0.5, 1.0, 2.0, 3.0)
    for beta in betas:
        yield (_local_response(width, alpha=alpha.item(), beta=beta, k=k.item()),)


# --- activations ---


def _as(*layers: Layer) -> Way:
    """Kinds that have nothing to read."""

    def way(_: View) -> Iterator[Stack]:
        yield from ((layer,) for layer in layers)

    return way


def _by_alpha(kind: type[Layer], option: str) -> Way:
    """An activation with one number."""

    def way(view: View) -> Iterator[Stack]:
        value = number(view.first.attributes["alpha"])
        yield (kind(**({} if value == kind.default(option) else {option: value})),)

    return way


def _prelu(view: View) -> Iterator[Stack]:
    count = view.first.constants[0].size if view.first.constants else 1
    yield (activation.PReLU(**({} if count == 1 else {"num_parameters": count})),)


def _softplus(view: View) -> Iterator[Stack]:
    """Behind a product with beta, or plain."""
    if view.first.op == "Mul" and view.first.constants and view.first.constants[0].size == 1:
        beta = number(view.first.constants[0].item())
        if beta > 0:
            yield (activation.Softplus(beta=beta),)
    else:
        yield (activation.Softplus(),)


def _gelu(view: View) -> Iterator[Stack]:
    yield (activation.GELU(approximate=str(view.first.attributes["approximate"])),)  # type: ignore[arg-type]


# --- shapes ---


def _pixel_shuffle(view: View) -> Iterator[Stack]:
    if view.first.op == "DepthToSpace":
        yield (reshape.PixelShuffle(upscale_factor=int(view.first.attributes["blocksize"])),)
    elif len(view.first.shape) == 6:
        yield (reshape.PixelShuffle(upscale_factor=view.first.shape[2]),)


def _upsample(view: View) -> Iterator[Stack]:
    attributes = view.first.attributes
    options: dict[str, Any] = {"scale_factor": size(attributes["factors"])}
    mode = {"linear": "bilinear", "cubic": "bicubic"}.get(attributes["mode"])
    if mode is not None:
        options["mode"] = mode
    if attributes["rule"] == "align_corners":
        options["align_corners"] = True
    yield (reshape.Upsample(**options),)


_GELUS: Final = _as(activation.GELU(), activation.GELU(approximate="tanh"))
_HARDSWISH: Final = _as(activation.Hardswish())
_UNEVEN_MEAN: Final = _uneven(pool.AdaptiveAvgPool2d, "MatMul")
_UNEVEN_MAX: Final = _uneven(pool.AdaptiveMaxPool2d, "ReduceMax")

WAYS: Final[dict[str, tuple[Way, ...]]] = {
    "Conv": (_conv,),
    "Gemm": (_linear,),
    "Pad": (_padded_conv, _average_pool, _pad),
    "Slice": (_padded_conv,),
    "Concat": (_padded_conv,),
    "MaxPool": (_max_pool,),
    "AveragePool": (_average_pool,),
    "GlobalAveragePool": (_as(pool.GlobalAvgPool2d()),),
    "GlobalMaxPool": (_as(pool.AdaptiveMaxPool2d(output_size=1)),),
    "MatMul": (_UNEVEN_MEAN,),
    "Gather": (_UNEVEN_MAX,),
    "BatchNormalization": (_batch_norm,),
    "InstanceNormalization": (_instance_norm,),
    "GroupNormalization": (_group_norm,),
    "LayerNormalization": (_layer_norm,),
    "ReduceMean": (_layer_norm,),
    "LRN": (_response,),
    "Relu": (_as(activation.ReLU()),),
    "Clip": (_as(activation.ReLU6()),),
    "LeakyRelu": (_by_alpha(activation.LeakyReLU, "negative_slope"),),
    "Elu": (_by_alpha(activation.ELU, "alpha"),),
    "Selu": (_as(activation.SELU()),),
    "PRelu": (_prelu,),
    "Gelu": (_gelu,),
    "Mul": (_GELUS, _as(activation.SiLU(), activation.Mish()), _HARDSWISH, _softplus, _spelled_response),
    "Add": (_HARDSWISH,),
    "Sigmoid": (_as(activation.Sigmoid(), activation.SiLU()),),
    "Mish": (_as(activation.Mish()),),
    "Softplus": (_softplus, _as(activation.Mish())),
    "HardSwish": (_HARDSWISH,),
    "HardSigmoid": (_as(activation.Hardsigmoid()), _HARDSWISH),
    "Tanh": (_as(activation.Tanh()),),
    "Softmax": (_as(activation.Softmax()),),
    "LogSoftmax": (_as(activation.LogSoftmax()),),
    "Flatten": (_as(reshape.Flatten()),),
    "Reshape": (_group_norm, _pixel_shuffle),
    "DepthToSpace": (_pixel_shuffle,),
    "Resize": (_upsample,),
}
