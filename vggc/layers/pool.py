"""Pooling over a window of fixed size: (C, H, W) -> (C, H', W')."""

from collections.abc import Iterator, Sequence
from math import inf
from typing import Annotated, Any, final

from vggc.layers.answers import OnnxNode, OnnxValue, Shape, constant
from vggc.layers.checks import by_size, require
from vggc.layers.extent import Axis, window_axis
from vggc.layers.layer import Layer
from vggc.layers.operation import Lookahead, collapsed
from vggc.layers.option_types import Padding, Size, pair
from vggc.layers.sliding import SlidingWindow

Window = Annotated[Size, "height and width of the window"]
Stride = Annotated[Size | None, "distance between two windows; the size of the window if left out"]
Border = Annotated[Padding, "added on every side, once or as [height, width]; at most half the window"]
CeilMode = Annotated[bool, "whether a last window may hang over the border"]


class WindowPool(SlidingWindow):
    """A pool over windows of a fixed size, of whatever it takes from each window."""

    main = "kernel_size"
    group = "pool"
    remedy = "drop one pool"

    kernel_size: Window
    stride: Stride = None
    padding: Border = 0

    def conflict(self) -> tuple[str, str] | None:
        # For torch the half is that of the window's size, however far dilation spreads it.
        for size, border in zip(pair(self.kernel_size), pair(self.padding), strict=True):
            if border > size // 2:
                return "padding", f"padding {border} is more than half the window of {size}, which torch refuses"
        return None

    def window(self) -> str:
        return by_size(pair(self.kernel_size), "window")

    def _strides(self) -> tuple[int, int]:
        return pair(self.stride or self.kernel_size)

    def _axes(self, dilation: Size, ceil_mode: bool) -> tuple[Axis, Axis]:
        sizes, steps, borders, spread = pair(self.kernel_size), self._strides(), pair(self.padding), pair(dilation)
        height, width = (window_axis(sizes[i], steps[i], borders[i], borders[i], spread[i], ceil_mode) for i in (0, 1))
        return height, width

    def _overhang(self, x: Shape) -> list[int]:
        """How far the last window of ceil mode reaches past the padding, for height and width."""
        y = self.shape(x)
        over = []
        for i, axis in enumerate(self.axes()):
            last = (y[i + 1] - 1) * self._strides()[i] + (axis.window or 1)
            over.append(max(0, last - (x[i + 1] + 2 * pair(self.padding)[i])))
        return over


@final
class MaxPool2d(WindowPool):
    """The maximum of each window: `torch.nn.MaxPool2d`, ONNX `MaxPool`."""

    kind = "max_pool2d"
    example = "max_pool2d: {kernel_size: 3, stride: 2}"
    takes_maximum = True
    torch_classes = ("MaxPool2d",)
    onnx_operators = ("MaxPool",)

    dilation: Annotated[Size, "distance between two elements of the window"] = 1
    ceil_mode: CeilMode = False

    def axes(self) -> tuple[Axis, Axis]:
        return self._axes(self.dilation, self.ceil_mode)

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        # Ceil mode becomes padding at the end, implicitly of minus infinity: runtimes disagree about the flag.
        vertical, horizontal = pair(self.padding)
        down, right = self._overhang(x)
        pads = (vertical, horizontal, vertical + down, horizontal + right)
        # A dilated window can hang over by more than its kernel's size, and onnxruntime takes only less as padding.
        explicit = any(pad >= size for pad, size in zip(pads, pair(self.kernel_size) * 2, strict=True))
        pool = OnnxNode(
            "MaxPool",
            ("padded" if explicit else "x",),
            {
                "kernel_shape": pair(self.kernel_size),
                "strides": self._strides(),
                "pads": (0, 0, 0, 0) if explicit else pads,
                "dilations": pair(self.dilation),
            },
        )
        if not explicit:
            return (pool,)
        return (
            constant("pads", (0, 0, *pads[:2], 0, 0, *pads[2:])),
            constant("least", -inf),
            OnnxNode("Pad", ("x", "pads", "least"), {}, "padded"),
            pool,
        )

    @classmethod
    def from_torch(cls, module: Any, x: Shape) -> Layer:
        require(not module.return_indices, "return_indices is set")
        return cls.from_options(
            **_short_stage_end(_moving(module.kernel_size, module.stride)),
            padding=collapsed(pair(module.padding)),
            dilation=collapsed(pair(module.dilation)),
            ceil_mode=module.ceil_mode,
        )

    @classmethod
    def from_onnx(cls, ahead: Lookahead) -> Iterator[tuple[Layer, ...]]:
        """Padding that only the last window reaches may be that of ceil mode."""
        attributes = ahead.start.attributes
        if len(attributes["kernel"]) != 2:
            return
        window = _short_stage_end(_moving(attributes["kernel"], attributes["strides"]))
        window |= {"padding": _padding_before(attributes["pads"]), "dilation": collapsed(attributes["dilations"])}
        for ceil_mode in (False, True):
            yield (cls.from_options(**window, ceil_mode=ceil_mode),)


@final
class AvgPool2d(WindowPool):
    """The mean of each window: `torch.nn.AvgPool2d`, ONNX `AveragePool`."""

    kind = "avg_pool2d"
    example = "avg_pool2d: 2"
    torch_classes = ("AvgPool2d",)
    onnx_operators = ("AveragePool", "Pad")

    ceil_mode: CeilMode = False
    count_include_pad: Annotated[bool, "whether the padding counts in the mean"] = True

    def axes(self) -> tuple[Axis, Axis]:
        return self._axes(1, self.ceil_mode)

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        vertical, horizontal = pair(self.padding)
        down, right = self._overhang(x)
        counts = self.count_include_pad and any((vertical, horizontal))
        # torch counts its padding in the mean but never the overhang of ceil mode; ONNX has one switch for both, so
        # where they meet the padding becomes zeros of the map.
        explicit = counts and any((down, right))
        attributes: dict[str, OnnxValue] = {
            "kernel_shape": pair(self.kernel_size),
            "strides": self._strides(),
            "pads": (0, 0, down, right) if explicit else (vertical, horizontal, vertical + down, horizontal + right),
            "count_include_pad": int(counts and not explicit),
        }
        if not explicit:
            return (OnnxNode("AveragePool", ("x",), attributes),)
        pads = constant("pads", (0, 0, vertical, horizontal, 0, 0, vertical, horizontal))
        return pads, OnnxNode("Pad", ("x", "pads"), {}, "padded"), OnnxNode("AveragePool", ("padded",), attributes)

    @classmethod
    def from_torch(cls, module: Any, x: Shape) -> Layer:
        require(module.divisor_override is None, "divisor_override is set")
        return cls.from_options(
            **_moving(module.kernel_size, module.stride),
            padding=collapsed(pair(module.padding)),
            ceil_mode=module.ceil_mode,
            count_include_pad=module.count_include_pad or not any(pair(module.padding)),
        )

    @classmethod
    def from_onnx(cls, ahead: Lookahead) -> Iterator[tuple[Layer, ...]]:
        """Padding that counts in the mean is a border of zeros in normal form, before the pool."""
        average = ahead.find("AveragePool")
        if average is None or len(ahead.x) != 4 or len(average.attributes["kernel"]) != 2:
            return
        counts = ahead.start.op == "Pad"
        padding = _padding_before(ahead.start.attributes["pads"][2:] if counts else average.attributes["pads"])
        window = _moving(average.attributes["kernel"], average.attributes["strides"]) | {"padding": padding}
        for ceil_mode in (False, True):
            yield (cls.from_options(**window, ceil_mode=ceil_mode, count_include_pad=counts or padding == 0),)


def _moving(kernel: Size, stride: Size) -> dict[str, Any]:
    """Kernel and stride as options; a window that moves by its own size leaves the stride out."""
    sizes = {"kernel_size": collapsed(pair(kernel)), "stride": collapsed(pair(stride))}
    return sizes if sizes["stride"] != sizes["kernel_size"] else {"kernel_size": sizes["kernel_size"]}


def _short_stage_end(window: dict[str, Any]) -> dict[str, Any]:
    """With the stride where that makes it the pool that a spec writes as `M`."""
    return window | {"stride": 2} if window == {"kernel_size": 2} else window


def _padding_before(pads: Sequence[tuple[int, int]]) -> Any:
    return collapsed([before for before, _ in pads])
