"""Convolutions, pools and borders in normal form: explicit padding, no more of it than the windows reach."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from vggc.importing.normal_form.builder import Builder, Rule, constant, input_or_attribute, integers, scalar
from vggc.importing.reading.graph_values import FoldedConstant, FoldedNode, Operand, UnreadableError
from vggc.layers.answers import Shape

Pads = tuple[tuple[int, int], ...]  # before and after, axis by axis


def _window(step: FoldedNode, kernel: Shape, x: Shape) -> dict[str, Any]:
    """The kernel, strides, dilations and padding of a node, however it expresses them."""
    axes = len(kernel)
    strides = tuple(step.attributes.get("strides", (1,) * axes))
    dilations = tuple(step.attributes.get("dilations", (1,) * axes))
    window = {"kernel": kernel, "strides": strides, "dilations": dilations}
    pads = tuple(step.attributes.get("pads", (0,) * (2 * axes)))
    if not axes == len(strides) == len(dilations) == len(pads) // 2 == len(x) - 2 == len(step.shape) - 2:
        raise UnreadableError("its kernel, strides and padding are not of as many axes as its input")
    mode = step.attributes.get("auto_pad", "NOTSET")
    if mode == "VALID":
        return window | {"pads": ((0, 0),) * axes}
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        needed = [sum(pad) for pad in reached(window | {"pads": ((0, 0),) * axes}, x, step.shape)]
        halves = [(total // 2, total - total // 2) for total in needed]
        return window | {"pads": tuple(half if mode == "SAME_UPPER" else half[::-1] for half in halves)}
    return window | {"pads": as_pairs(pads)}


def as_pairs(pads: Sequence[int]) -> Pads:
    """ONNX's order, all begins and then all ends, axis by axis."""
    half = len(pads) // 2
    return tuple((int(pads[i]), int(pads[half + i])) for i in range(half))


def reached(window: Mapping[str, Any], x: Shape, y: Shape) -> Pads:
    """The padding that the windows reach: all of it before, and after as far as the last window goes."""
    pads = []
    for i, (before, _) in enumerate(window["pads"]):
        span = window["dilations"][i] * (window["kernel"][i] - 1) + 1
        end = (y[i + 2] - 1) * window["strides"][i] + span
        pads.append((before, max(0, end - x[i + 2] - before)))
    return tuple(pads)


def _conv(step: FoldedNode, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    """Conv: the kernel's size is that of the weight."""
    weight = constant(inputs[1], "weight")
    x = builder.shape(inputs[0])
    window = _window(step, weight.shape[2:], x)
    builder.emit(step, "Conv", (inputs[0], weight, *_bias(inputs)), window | {"group": _group(step)})


def _bias(inputs: tuple[Operand, ...]) -> list[FoldedConstant]:
    return [constant(bias, "bias") for bias in inputs[2:3] if bias != ""]


def _group(step: FoldedNode) -> int:
    return int(step.attributes.get("group", 1))


def _conv_transpose(step: FoldedNode, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    """ConvTranspose: padding is what it cuts off its output, and what it adds to the end is cut off by so much less."""
    weight = constant(inputs[1], "weight")
    if step.attributes.get("output_shape") or step.attributes.get("auto_pad", "NOTSET") != "NOTSET":
        raise UnreadableError("it gives the size of its output instead of its padding")
    window = _window(step, weight.shape[2:], builder.shape(inputs[0]))
    pads = window.pop("pads")
    added = step.attributes.get("output_padding", (0,) * len(pads))
    cut = tuple((start, end - more) for (start, end), more in zip(pads, added, strict=True))
    attributes = window | {"cut": cut, "group": _group(step)}
    builder.emit(step, "ConvTranspose", (inputs[0], weight, *_bias(inputs)), attributes)


def _max_pool(step: FoldedNode, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    """MaxPool: ceil mode is padding after the map."""
    builder.emit(step, "MaxPool", inputs[:1], _window(step, _kernel(step), builder.shape(inputs[0])))


def _average_pool(step: FoldedNode, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    """AveragePool: padding that counts in the mean becomes zeros of the map."""
    x = builder.shape(inputs[0])
    window = _window(step, _kernel(step), x)
    pads = window["pads"]
    value = inputs[0]
    if step.attributes.get("count_include_pad", 0) and any(map(any, pads)):
        padded = tuple(extent + sum(pad) for extent, pad in zip(x, ((0, 0), (0, 0), *pads), strict=True))
        border = {"pads": ((0, 0), (0, 0), *pads), "mode": "constant", "value": 0.0}
        value = builder.emit(step, "Pad", (value,), border, shape=padded, local="padded")
        window["pads"] = ((0, 0),) * len(pads)
    builder.emit(step, "AveragePool", (value,), window)


def _kernel(step: FoldedNode) -> Shape:
    return tuple(step.attributes["kernel_shape"])


def _pad(step: FoldedNode, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    """Pad: sizes, value and axes are inputs in later opsets and attributes in earlier ones."""
    x = builder.shape(inputs[0])
    pads = input_or_attribute(step, 1, "pads")
    if pads is None:
        raise UnreadableError("it does not say how much")
    axes = input_or_attribute(step, 3, "axes")
    order = [axis % len(x) for axis in integers(axes)] if axes is not None else list(range(len(x)))
    pairs = [(0, 0)] * len(x)
    for axis, pair in zip(order, as_pairs(integers(pads)), strict=True):
        pairs[axis] = pair
    if any(size < 0 for pair in pairs for size in pair):
        raise UnreadableError("it crops the map")
    if not any(map(any, pairs)):
        builder.same(step, inputs[0])
        return
    value = scalar(step.input(2)) if step.input(2) else float(step.attributes.get("value", 0.0))
    mode = step.attributes.get("mode", "constant")
    builder.emit(step, "Pad", inputs[:1], {"pads": tuple(pairs), "mode": mode, "value": value})


def _global_pool(op: str, step: FoldedNode, builder: Builder, value: Operand, *, keep: bool) -> None:
    """A global pool, and where the axes do not stay the flatten that is the same."""
    x = builder.shape(value)
    if keep:
        builder.emit(step, op, (value,), shape=(*x[:2], 1, 1))
        return
    pooled = builder.emit(step, op, (value,), shape=(*x[:2], 1, 1), local="pooled")
    builder.emit(step, "Flatten", (pooled,))


def _global(step: FoldedNode, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    if len(builder.shape(inputs[0])) != 4:
        raise UnreadableError("its input is no batch of images")
    _global_pool(step.op, step, builder, inputs[0], keep=True)


def _reduction(step: FoldedNode, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    """ReduceMean and ReduceMax: over height and width, at once or one after the other, they are global pools."""
    x = builder.shape(inputs[0])
    given_axes = input_or_attribute(step, 1, "axes")
    if given_axes is None or not given_axes.size:
        if step.attributes.get("noop_with_empty_axes", 0):
            builder.same(step, inputs[0])
            return
        axes = tuple(range(len(x)))
    else:
        axes = tuple(sorted(axis % len(x) for axis in integers(given_axes)))
    keep = int(step.attributes.get("keepdims", 1))
    reduced = _both_reduced(step, builder, inputs[0], axes)
    pools = {"ReduceMean": "GlobalAveragePool", "ReduceMax": "GlobalMaxPool"}
    if len(builder.shape(reduced[0])) == 4 and reduced[1] == (2, 3) and len(step.shape) in (2, 4) and step.op in pools:
        _global_pool(pools[step.op], step, builder, reduced[0], keep=len(step.shape) == 4)
    else:
        builder.emit(step, step.op, inputs[:1], {"axes": axes, "keepdims": keep})


def _both_reduced(step: FoldedNode, builder: Builder, value: Operand, axes: Shape) -> tuple[Operand, Shape]:
    """What is reduced over which axes, where the value was so reduced over others before; else both as they are."""
    before = builder.source(value)
    if before is None or before.op != step.op:
        return value, axes
    first = before.attributes["axes"]
    source = before.inputs[0]
    left = [axis for axis in range(len(builder.shape(source))) if before.attributes["keepdims"] or axis not in first]
    return source, tuple(sorted({*first, *(left[axis] for axis in axes)}))


def _resize(step: FoldedNode, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    """Resize, and Upsample of old opsets: factors instead of sizes, and one name for rules that agree on them."""
    x, y = builder.shape(inputs[0]), step.shape
    if len(x) != 4 or x[:2] != y[:2] or any(out % size for size, out in zip(x, y, strict=True)):
        raise UnreadableError(
            f"it enlarges {list(x[1:])} to {list(y[1:])}, which is not by whole factors of height and width"
        )
    old = step.op == "Upsample" or step.opset < 11
    mode = step.attributes.get("mode", "nearest")
    rule = "asymmetric" if old else step.attributes.get("coordinate_transformation_mode", "half_pixel")
    nearest = "floor" if old else step.attributes.get("nearest_mode", "round_prefer_floor")
    attributes: dict[str, Any] = {"factors": (y[2] // x[2], y[3] // x[3]), "mode": mode, "rule": rule}
    if mode == "nearest" and (rule, nearest) in _NEAREST:
        attributes["rule"] = "nearest"
    elif mode == "nearest":
        attributes["rule"] = f"{rule}, {nearest}"
    if mode in ("linear", "cubic") and rule == "pytorch_half_pixel" and min(y[2:]) > 1:
        attributes["rule"] = "half_pixel"
    if mode == "cubic":
        attributes["cubic_coeff_a"] = float(step.attributes.get("cubic_coeff_a", -0.75))
    for name in ("antialias", "exclude_outside"):
        if step.attributes.get(name, 0):
            attributes[name] = 1
    builder.emit(step, "Resize", inputs[:1], attributes)


# For a whole factor s every one of these takes the pixel floor(x / s).
_NEAREST = (
    *(("asymmetric", "floor"), ("tf_half_pixel_for_nn", "floor")),
    *((rule, f"round_prefer_{side}") for rule in ("half_pixel", "pytorch_half_pixel") for side in ("floor", "ceil")),
)


RULES: Final[dict[str, Rule]] = {
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "GlobalAveragePool": _global,
    "GlobalMaxPool": _global,
    "ReduceMean": _reduction,
    "ReduceMax": _reduction,
    "Pad": _pad,
    "Resize": _resize,
    "Upsample": _resize,
}
