"""The classes of torch.nn -> layers. What a class says besides the language is refused, never left out."""

from collections.abc import Callable, Mapping
from math import prod
from typing import Any, Final

from torch import nn

from vggc.layers import activation, adaptive_pool, conv, dropout, linear, norm, padding, pool, reshape
from vggc.layers.layer import Layer, Shape, Size


class UnsupportedError(ValueError):
    """A module that stands for nothing in the language; the message says why."""


def _size(value: Any) -> Size:
    """A size as torch keeps it, once where height and width agree."""
    if isinstance(value, int):
        return value
    height, width = (int(each) for each in value)
    return height if height == width else (height, width)


def _chosen(kind: type[Layer], **options: Any) -> Layer:
    """A layer with those options that are not its defaults."""
    return kind(**{name: value for name, value in options.items() if value != kind.default(name)})


class MisfitError(UnsupportedError):
    """A module that does not fit what the modules before it give."""


def _takes(count: int, given: int, what: str) -> None:
    if count != given:
        raise MisfitError(f"it takes {count} {what}, and what stands before it gives {given}")


def _must(holds: bool, why: str) -> None:
    if not holds:
        raise UnsupportedError(why)


def _numbers(kind: type[Layer], *names: str) -> Callable[[Any, Shape], Layer]:
    """A class whose options have the same names in torch."""
    return lambda module, _: _chosen(kind, **{name: getattr(module, name) for name in names})


# --- class by class ---


def _conv2d(module: nn.Conv2d, x: Shape) -> Layer:
    _takes(module.in_channels, x[0], "channels")
    border = module.padding if isinstance(module.padding, str) else _size(module.padding)
    return _chosen(
        conv.Conv2d,
        out_channels=module.out_channels,
        kernel_size=_size(module.kernel_size),
        stride=_size(module.stride),
        padding=0 if border == "valid" else border,
        dilation=_size(module.dilation),
        groups=module.groups,
        bias=module.bias is not None,
        padding_mode=module.padding_mode,
    )


def _linear(module: nn.Linear, x: Shape) -> Layer:
    _takes(module.in_features, prod(x), "features")
    return _chosen(linear.Linear, out_features=module.out_features, bias=module.bias is not None)


def _window(module: Any) -> dict[str, Any]:
    """A window that moves by its own size leaves the stride out."""
    kernel, stride = _size(module.kernel_size), _size(module.stride)
    moved = {"stride": stride} if stride != kernel else {}
    return {"kernel_size": kernel, **moved, "padding": _size(module.padding), "ceil_mode": module.ceil_mode}


def _max_pool2d(module: nn.MaxPool2d, x: Shape) -> Layer:
    _must(not module.return_indices, "return_indices is set")
    window = _window(module)
    if window["kernel_size"] == 2:
        window.setdefault("stride", 2)  # as `M` has it
    return _chosen(pool.MaxPool2d, **window, dilation=_size(module.dilation))


def _avg_pool2d(module: nn.AvgPool2d, x: Shape) -> Layer:
    _must(module.divisor_override is None, "divisor_override is set")
    counted = module.count_include_pad or not any(_pair(module.padding))
    return _chosen(pool.AvgPool2d, **_window(module), count_include_pad=counted)


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def _adaptive(kind: type[Layer]) -> Callable[[Any, Shape], Layer]:
    """An output size of None is that of the input; an enlargement is one that the model asks for."""

    def read(module: Any, x: Shape) -> Layer:
        wanted = module.output_size if isinstance(module.output_size, tuple) else (module.output_size,) * 2
        _must(len(x) == 3, "its input is no image")
        output = tuple(extent if size is None else size for size, extent in zip(wanted, x[1:], strict=True))
        enlarges = any(size > extent for size, extent in zip(output, x[1:], strict=True))
        return _chosen(kind, output_size=_size(output), allow_enlarge=enlarges)

    return read


def _batch_norm(module: Any, x: Shape) -> Layer:
    _must(module.track_running_stats, "track_running_stats is off: it takes its statistics from the batch")
    _must(module.momentum is not None, "momentum is None")
    _takes(module.num_features, x[0], "channels")
    return _chosen(norm.BatchNorm, eps=module.eps, momentum=module.momentum, affine=module.affine)


def _group_norm(module: nn.GroupNorm, x: Shape) -> Layer:
    _takes(module.num_channels, x[0], "channels")
    return _chosen(norm.GroupNorm, num_groups=module.num_groups, eps=module.eps, affine=module.affine)


def _instance_norm(module: nn.InstanceNorm2d, x: Shape) -> Layer:
    _takes(module.num_features, x[0], "channels")
    _must(not module.track_running_stats, "track_running_stats is set")
    return _chosen(norm.InstanceNorm, eps=module.eps, affine=module.affine)


def _layer_norm(module: nn.LayerNorm, x: Shape) -> Layer:
    _must(tuple(module.normalized_shape) == x, f"it normalises {list(module.normalized_shape)} of {list(x)}")
    _must(not module.elementwise_affine or module.bias is not None, "it has a scale and no bias")
    return _chosen(norm.LayerNorm, eps=module.eps, elementwise_affine=module.elementwise_affine)


def _softplus(module: nn.Softplus, x: Shape) -> Layer:
    _must(module.threshold == 20, f"its threshold is {module.threshold}, not 20")
    return _chosen(activation.Softplus, beta=module.beta)


def _over_channels(kind: type[Layer]) -> Callable[[Any, Shape], Layer]:
    def read(module: Any, x: Shape) -> Layer:
        _must(module.dim in (1, -len(x)), f"it is over axis {module.dim}, not over the channels")
        return kind()

    return read


def _softmax2d(module: nn.Softmax2d, x: Shape) -> Layer:
    _must(len(x) == 3, "its input is no image")
    return activation.Softmax()


def _flatten(module: nn.Flatten, x: Shape) -> Layer:
    _must(module.start_dim == 1 and module.end_dim in (-1, len(x)), "it flattens other axes than all behind the batch")
    return reshape.Flatten()


def _upsample(module: nn.Upsample, x: Shape) -> Layer:
    """By factors, or to a size that is a multiple of the input's."""
    if module.size is not None:
        _must(len(x) == 3, "its input is no image")
        pairs = list(zip(_pair(module.size), x[1:], strict=True))
        _must(all(size % extent == 0 for size, extent in pairs), "its size is no multiple of the input's")
        factors = tuple(size // extent for size, extent in pairs)
    else:
        scale: Any = module.scale_factor
        given = scale if isinstance(scale, tuple) else (scale, scale)
        _must(all(float(each).is_integer() for each in given), "its scale_factor is no whole number")
        factors = tuple(int(each) for each in given)
    _must(module.mode in ("nearest", "bilinear", "bicubic"), f"its mode is {module.mode}")
    return _chosen(
        reshape.Upsample, scale_factor=_size(factors), mode=module.mode, align_corners=bool(module.align_corners)
    )


def _border(kind: type[Layer]) -> Callable[[Any, Shape], Layer]:
    def read(module: Any, x: Shape) -> Layer:
        sides = tuple(module.padding)
        _must(min(sides) >= 0, "it crops the map")
        return kind(padding=sides[0] if len(set(sides)) == 1 else sides)

    return read


def _constant_pad(module: nn.ConstantPad2d, x: Shape) -> Layer:
    _must(module.value == 0, f"its border is of {module.value}, not of zeros")
    return _border(padding.ZeroPad2d)(module, x)


CLASSES: Final[Mapping[type[nn.Module], Callable[[Any, Shape], Layer]]] = {
    nn.Conv2d: _conv2d,
    nn.MaxPool2d: _max_pool2d,
    nn.AvgPool2d: _avg_pool2d,
    nn.AdaptiveAvgPool2d: _adaptive(adaptive_pool.AdaptiveAvgPool2d),
    nn.AdaptiveMaxPool2d: _adaptive(adaptive_pool.AdaptiveMaxPool2d),
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.GroupNorm: _group_norm,
    nn.InstanceNorm2d: _instance_norm,
    nn.LayerNorm: _layer_norm,
    nn.LocalResponseNorm: _numbers(norm.LocalResponseNorm, "size", "alpha", "beta", "k"),
    nn.ReLU: _numbers(activation.ReLU),
    nn.ReLU6: _numbers(activation.ReLU6),
    nn.LeakyReLU: _numbers(activation.LeakyReLU, "negative_slope"),
    nn.PReLU: _numbers(activation.PReLU, "num_parameters"),
    nn.ELU: _numbers(activation.ELU, "alpha"),
    nn.SELU: _numbers(activation.SELU),
    nn.GELU: _numbers(activation.GELU, "approximate"),
    nn.SiLU: _numbers(activation.SiLU),
    nn.Mish: _numbers(activation.Mish),
    nn.Hardswish: _numbers(activation.Hardswish),
    nn.Hardsigmoid: _numbers(activation.Hardsigmoid),
    nn.Sigmoid: _numbers(activation.Sigmoid),
    nn.Tanh: _numbers(activation.Tanh),
    nn.Softplus: _softplus,
    nn.Softmax: _over_channels(activation.Softmax),
    nn.Softmax2d: _softmax2d,
    nn.LogSoftmax: _over_channels(activation.LogSoftmax),
    nn.Dropout: _numbers(dropout.Dropout, "p"),
    nn.Dropout2d: _numbers(dropout.Dropout2d, "p"),
    nn.AlphaDropout: _numbers(dropout.AlphaDropout, "p"),
    nn.Linear: _linear,
    nn.Flatten: _flatten,
    nn.Identity: _numbers(reshape.Identity),
    nn.PixelShuffle: _numbers(reshape.PixelShuffle, "upscale_factor"),
    nn.Upsample: _upsample,
    nn.ZeroPad2d: _border(padding.ZeroPad2d),
    nn.ConstantPad2d: _constant_pad,
    nn.ReflectionPad2d: _border(padding.ReflectionPad2d),
}
