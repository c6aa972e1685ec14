"""Pooling: (C, H, W) -> (C, H', W')."""

from math import inf
from typing import Annotated, final

from vggc.layers.base import (
    Layer,
    OnnxNode,
    OnnxValue,
    Padding,
    Shape,
    ShapeError,
    Size,
    TorchCall,
    by_size,
    constant,
    image,
    pair,
    slide,
)
from vggc.layers.extent import AffineFloor, Axis, window_axis

Window = Annotated[Size, "height and width of the window"]
Stride = Annotated[Size | None, "distance between two windows; the size of the window if left out"]
Border = Annotated[Padding, "added on every side, once or as [height, width]; at most half the window"]
CeilMode = Annotated[bool, "whether a last window may hang over the border"]
OutputSize = Annotated[Size, "height and width of the output"]
AllowEnlarge = Annotated[
    bool, "whether the map may be enlarged, which adds weights to the next layer and no information"
]


def _too_much_padding(kernel: Size, padding: Padding) -> tuple[str, str] | None:
    """For torch the half is that of the window's size, however far dilation spreads it."""
    for size, border in zip(pair(kernel), pair(padding), strict=True):
        if border > size // 2:
            return "padding", f"padding {border} is more than half the window of {size}, which torch refuses"
    return None


def _windows(kernel: Size, stride: Size | None, padding: Padding, dilation: Size, ceil_mode: bool) -> tuple[Axis, Axis]:
    sizes, steps, borders, spread = pair(kernel), pair(stride or kernel), pair(padding), pair(dilation)
    height, width = (window_axis(sizes[i], steps[i], borders[i], borders[i], spread[i], ceil_mode) for i in (0, 1))
    return height, width


def _overhang(x: Shape, y: Shape, kernel: Size, stride: Size | None, padding: Padding, dilation: Size) -> list[int]:
    """How far the last window of ceil mode reaches past the padding, for height and width."""
    over = []
    for i in (0, 1):
        last = (y[i + 1] - 1) * pair(stride or kernel)[i] + pair(dilation)[i] * (pair(kernel)[i] - 1) + 1
        over.append(max(0, last - (x[i + 1] + 2 * pair(padding)[i])))
    return over


@final
class MaxPool2d(Layer):
    """The maximum of each window: `torch.nn.MaxPool2d`, ONNX `MaxPool`."""

    kind = "max_pool2d"
    main = "kernel_size"
    group = "pool"
    example = "max_pool2d: {kernel_size: 3, stride: 2}"

    kernel_size: Window
    stride: Stride = None
    padding: Border = 0
    dilation: Annotated[Size, "distance between two elements of the window"] = 1
    ceil_mode: CeilMode = False

    def conflict(self) -> tuple[str, str] | None:
        return _too_much_padding(self.kernel_size, self.padding)

    def axes(self) -> tuple[Axis, Axis]:
        return _windows(self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)

    def window(self) -> str:
        return by_size(pair(self.kernel_size), "window")

    def shape(self, x: Shape) -> Shape:
        channels, _, _ = image(x, self.kind)
        return slide(self, x, channels, self.axes())

    def torch(self, x: Shape) -> TorchCall:
        return TorchCall("MaxPool2d", (), self.changed())

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        # Ceil mode becomes padding behind, whose implicit value is minus infinity: runtimes disagree about the flag.
        vertical, horizontal = pair(self.padding)
        down, right = _overhang(x, self.shape(x), self.kernel_size, self.stride, self.padding, self.dilation)
        pads = (vertical, horizontal, vertical + down, horizontal + right)
        # A dilated window can hang over by more than its kernel's size, and onnxruntime takes only less as padding.
        explicit = any(pad >= size for pad, size in zip(pads, pair(self.kernel_size) * 2, strict=True))
        pool = OnnxNode(
            "MaxPool",
            ("padded" if explicit else "x",),
            {
                "kernel_shape": pair(self.kernel_size),
                "strides": pair(self.stride or self.kernel_size),
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


@final
class AvgPool2d(Layer):
    """The mean of each window: `torch.nn.AvgPool2d`, ONNX `AveragePool`."""

    kind = "avg_pool2d"
    main = "kernel_size"
    group = "pool"
    example = "avg_pool2d: 2"

    kernel_size: Window
    stride: Stride = None
    padding: Border = 0
    ceil_mode: CeilMode = False
    count_include_pad: Annotated[bool, "whether the padding counts in the mean"] = True

    def conflict(self) -> tuple[str, str] | None:
        return _too_much_padding(self.kernel_size, self.padding)

    def axes(self) -> tuple[Axis, Axis]:
        return _windows(self.kernel_size, self.stride, self.padding, 1, self.ceil_mode)

    def window(self) -> str:
        return by_size(pair(self.kernel_size), "window")

    def shape(self, x: Shape) -> Shape:
        channels, _, _ = image(x, self.kind)
        return slide(self, x, channels, self.axes())

    def torch(self, x: Shape) -> TorchCall:
        return TorchCall("AvgPool2d", (), self.changed())

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        vertical, horizontal = pair(self.padding)
        down, right = _overhang(x, self.shape(x), self.kernel_size, self.stride, self.padding, 1)
        counts = self.count_include_pad and any((vertical, horizontal))
        # torch counts its padding in the mean but never the overhang of ceil mode; ONNX has one switch for both, so
        # where they meet the padding becomes zeros of the map.
        explicit = counts and any((down, right))
        attributes: dict[str, OnnxValue] = {
            "kernel_shape": pair(self.kernel_size),
            "strides": pair(self.stride or self.kernel_size),
            "pads": (0, 0, down, right) if explicit else (vertical, horizontal, vertical + down, horizontal + right),
            "count_include_pad": int(counts and not explicit),
        }
        if not explicit:
            return (OnnxNode("AveragePool", ("x",), attributes),)
        pads = constant("pads", (0, 0, vertical, horizontal, 0, 0, vertical, horizontal))
        return pads, OnnxNode("Pad", ("x", "pads"), {}, "padded"), OnnxNode("AveragePool", ("padded",), attributes)


def adaptive_windows(extent: int, outputs: int) -> list[tuple[int, int]]:
    """The windows [start, end) of an adaptive pool along one axis, as torch's documentation defines them."""
    return [(i * extent // outputs, -((-(i + 1) * extent) // outputs)) for i in range(outputs)]


def _adaptive_axes(output_size: Size, allow_enlarge: bool) -> tuple[Axis, Axis]:
    height, width = (Axis(AffineFloor(0, size), 1 if allow_enlarge else size, None) for size in pair(output_size))
    return height, width


def _adaptive_shape(kind: str, x: Shape, output_size: Size, axes: tuple[Axis, Axis]) -> Shape:
    channels, height, width = image(x, kind)
    rows, columns = pair(output_size)
    if height < axes[0].minimum or width < axes[1].minimum:
        raise ShapeError(
            "E204",
            f"{kind}: the {height}x{width} map would be enlarged to {rows}x{columns}: "
            f"{height * width} values a channel become {rows * columns}, and the next layer pays for them in weights",
            spatial=True,
            help=f"use a size of at most {height}x{width}, or say `allow_enlarge: true`",
        )
    return channels, rows, columns


def _divides(x: Shape, output_size: Size) -> bool:
    rows, columns = pair(output_size)
    return x[1] % rows == 0 and x[2] % columns == 0


def _static_pool(op: str, x: Shape, output_size: Size) -> tuple[OnnxNode, ...]:
    """An adaptive pool over a map of known size that divides evenly: nothing, a global pool, or a plain one."""
    rows, columns = pair(output_size)
    window = (x[1] // rows, x[2] // columns)
    if window == (1, 1):
        return ()
    if (rows, columns) == (1, 1):
        return (OnnxNode(f"Global{op}"),)
    return (OnnxNode(op, ("x",), {"kernel_shape": window, "strides": window}),)


@final
class AdaptiveAvgPool2d(Layer):
    """The mean over a grid of given size: `torch.nn.AdaptiveAvgPool2d`, in ONNX a static pool."""

    kind = "adaptive_avg_pool2d"
    main = "output_size"
    group = "pool"
    example = "adaptive_avg_pool2d: 7"

    output_size: OutputSize
    allow_enlarge: AllowEnlarge = False

    def axes(self) -> tuple[Axis, Axis]:
        return _adaptive_axes(self.output_size, self.allow_enlarge)

    def shape(self, x: Shape) -> Shape:
        return _adaptive_shape(self.kind, x, self.output_size, self.axes())

    def torch(self, x: Shape) -> TorchCall:
        return TorchCall("AdaptiveAvgPool2d", (self.output_size,))

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        if _divides(x, self.output_size):
            return _static_pool("AveragePool", x, self.output_size)
        # The windows overlap or differ in size: the mean is then linear in rows and in columns, rows @ x @ columns.
        rows, columns = (adaptive_windows(x[i + 1], pair(self.output_size)[i]) for i in (0, 1))
        return (
            *_averaging("rows", rows, x[1], transposed=False),
            *_averaging("columns", columns, x[2], transposed=True),
            OnnxNode("MatMul", ("rows", "x"), {}, "averaged"),
            OnnxNode("MatMul", ("averaged", "columns")),
        )


def _averaging(name: str, windows: list[tuple[int, int]], extent: int, transposed: bool) -> tuple[OnnxNode, ...]:
    """The matrix that averages the windows, (outputs, extent) or its transpose."""
    matrix = [[1 / (end - start) if start <= n < end else 0.0 for n in range(extent)] for start, end in windows]
    if transposed:
        matrix = [list(column) for column in zip(*matrix, strict=True)]
    values = tuple(value for row in matrix for value in row)
    return (
        constant(f"{name}_values", values),
        constant(f"{name}_shape", (len(matrix), len(matrix[0]))),
        OnnxNode("Reshape", (f"{name}_values", f"{name}_shape"), {}, name),
    )


@final
class AdaptiveMaxPool2d(Layer):
    """The maximum over a grid of given size: `torch.nn.AdaptiveMaxPool2d`, in ONNX a static pool."""

    kind = "adaptive_max_pool2d"
    main = "output_size"
    group = "pool"
    example = "adaptive_max_pool2d: 3"

    output_size: OutputSize
    allow_enlarge: AllowEnlarge = False

    def axes(self) -> tuple[Axis, Axis]:
        return _adaptive_axes(self.output_size, self.allow_enlarge)

    def shape(self, x: Shape) -> Shape:
        return _adaptive_shape(self.kind, x, self.output_size, self.axes())

    def torch(self, x: Shape) -> TorchCall:
        return TorchCall("AdaptiveMaxPool2d", (self.output_size,))

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        if _divides(x, self.output_size):
            return _static_pool("MaxPool", x, self.output_size)
        rows, columns = (adaptive_windows(x[i + 1], pair(self.output_size)[i]) for i in (0, 1))
        return (
            *_maxima("rows", rows, axis=2, opset=opset, value="x", output="tallest"),
            *_maxima("columns", columns, axis=3, opset=opset, value="tallest", output="y"),
        )


def _maxima(
    name: str, windows: list[tuple[int, int]], *, axis: int, opset: int, value: str, output: str
) -> tuple[OnnxNode, ...]:
    """Gather every window along an axis, the shorter ones with their last index repeated, and reduce it."""
    longest = max(end - start for start, end in windows)
    indices = tuple(min(start + step, end - 1) for start, end in windows for step in range(longest))
    gathered = (
        constant(f"{name}_values", indices),
        constant(f"{name}_shape", (len(windows), longest)),
        OnnxNode("Reshape", (f"{name}_values", f"{name}_shape"), {}, f"{name}_indices"),
        OnnxNode("Gather", (value, f"{name}_indices"), {"axis": axis}, f"{name}_windows"),
    )
    return (*gathered, *reduce_nodes("ReduceMax", f"{name}_windows", (axis + 1,), opset, output=output, keep=False))


def reduce_nodes(
    op: str, value: str, axes: tuple[int, ...], opset: int, *, output: str, keep: bool
) -> tuple[OnnxNode, ...]:
    """A reduction; its axes became an input with opset 18."""
    if opset < 18:
        return (OnnxNode(op, (value,), {"axes": axes, "keepdims": int(keep)}, output),)
    return (
        constant(f"{output}_axes", axes),
        OnnxNode(op, (value, f"{output}_axes"), {"keepdims": int(keep)}, output),
    )


@final
class GlobalAvgPool2d(Layer):
    """The mean of each channel, (C, H, W) -> (C, 1, 1): `torch.nn.AdaptiveAvgPool2d(1)`, ONNX `GlobalAveragePool`."""

    kind = "global_avg_pool2d"
    group = "pool"
    example = "global_avg_pool2d"

    def axes(self) -> tuple[Axis, Axis]:
        return _adaptive_axes(1, allow_enlarge=False)

    def shape(self, x: Shape) -> Shape:
        return _adaptive_shape(self.kind, x, 1, self.axes())

    def torch(self, x: Shape) -> TorchCall:
        return TorchCall("AdaptiveAvgPool2d", (1,))

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        return (OnnxNode("GlobalAveragePool"),)
