"""The ways back of everything with windows and borders, and of the linear layer."""

from collections.abc import Iterator
from typing import Any, Final

from vggc.importing.reading.graph_values import Constant, Operation
from vggc.importing.recognition.views import Stack, View, Way, sides, size
from vggc.layers import adaptive_pool, conv, linear, padding, pool, reshape


def convolution(view: View) -> Iterator[Stack]:
    """Padding that is not the same on both sides is torch's `same`, or a border of zeros before."""
    attributes = view.first.attributes
    if len(attributes["kernel"]) != 2:
        return
    options = _conv_options(view.first)
    top, left = (before for before, _ in attributes["pads"])
    yield (conv.Conv2d(**options, padding=size((top, left))),)
    yield (conv.Conv2d(**options, padding="same"),)
    yield padding.ZeroPad2d(padding=sides(attributes["pads"])), conv.Conv2d(**options)


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


def padded_convolution(view: View) -> Iterator[Stack]:
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


def linear_layer(view: View) -> Iterator[Stack]:
    """A product with a constant matrix."""
    weight = view.first.inputs[1]
    assert isinstance(weight, Constant)
    bias = {} if len(view.first.inputs) == 3 else {"bias": False}
    yield (linear.Linear(out_features=weight.shape[0], **bias),)


# --- pools and borders ---


def max_pool(view: View) -> Iterator[Stack]:
    """MaxPool; padding behind may be that of ceil mode."""
    if len(view.first.attributes["kernel"]) == 2:
        options = _pool_options(view.first)
        if options == {"kernel_size": 2}:
            options["stride"] = 2  # as `M` has it
        dilation = size(view.first.attributes["dilations"])
        if dilation != 1:
            options["dilation"] = dilation
        for ceil in ({}, {"ceil_mode": True}):
            yield (pool.MaxPool2d(**options, **_own_border(view.first), **ceil),)


def average_pool(view: View) -> Iterator[Stack]:
    """Padding that counts was made a border of zeros, so that what is left over does not count."""
    average = view.find("AveragePool")
    if average is None or len(average.attributes["kernel"]) != 2 or len(view.x) != 4:
        return
    options = _pool_options(average)
    if view.first.op == "Pad":
        border = size(tuple(before for before, _ in view.first.attributes["pads"][2:]))
        kept: dict[str, Any] = {"padding": border}
    else:
        kept = _own_border(average)
        if kept:
            kept["count_include_pad"] = False
    for ceil in ({}, {"ceil_mode": True}):
        yield (pool.AvgPool2d(**options, **kept, **ceil),)


def _pool_options(operation: Operation) -> dict[str, Any]:
    """A window that moves by its own size leaves the stride out."""
    kernel, stride = size(operation.attributes["kernel"]), size(operation.attributes["strides"])
    return {"kernel_size": kernel} | ({"stride": stride} if stride != kernel else {})


def _own_border(operation: Operation) -> dict[str, Any]:
    border = size(tuple(before for before, _ in operation.attributes["pads"]))
    return {"padding": border} if border != 0 else {}


def uneven_pool(kind: type[adaptive_pool.AdaptiveAvgPool2d] | type[adaptive_pool.AdaptiveMaxPool2d], op: str) -> Way:
    """An adaptive pool whose windows differ: two products, or two maxima over gathered windows."""

    def way(view: View) -> Iterator[Stack]:
        steps = [each for each in view.operations if each.op == op][:2]
        if len(steps) == 2 and len(view.x) == len(steps[1].shape) == 4:
            output = steps[1].shape[2:]
            enlarges = any(out > extent for out, extent in zip(output, view.x[2:], strict=True))
            yield (kind(output_size=size(output), **({"allow_enlarge": True} if enlarges else {})),)

    return way


def border(view: View) -> Iterator[Stack]:
    """A border of zeros, or a mirrored one."""
    pads = view.first.attributes["pads"]
    kinds = {"constant": padding.ZeroPad2d, "reflect": padding.ReflectionPad2d}
    kind = kinds.get(view.first.attributes["mode"])
    if kind is not None and len(pads) == 4:
        yield (kind(padding=sides(pads[2:])),)


# --- enlargements ---


def pixel_shuffle(view: View) -> Iterator[Stack]:
    """DepthToSpace, or its three steps."""
    if view.first.op == "DepthToSpace":
        yield (reshape.PixelShuffle(upscale_factor=int(view.first.attributes["blocksize"])),)
    elif len(view.first.shape) == 6:
        yield (reshape.PixelShuffle(upscale_factor=view.first.shape[2]),)


def upsample(view: View) -> Iterator[Stack]:
    """Resize by whole factors."""
    attributes = view.first.attributes
    options: dict[str, Any] = {"scale_factor": size(attributes["factors"])}
    mode = {"linear": "bilinear", "cubic": "bicubic"}.get(attributes["mode"])
    if mode is not None:
        options["mode"] = mode
    if attributes["rule"] == "align_corners":
        options["align_corners"] = True
    yield (reshape.Upsample(**options),)
