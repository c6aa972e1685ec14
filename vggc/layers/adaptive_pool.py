"""Pooling to an output of fixed size, whatever the input: (C, H, W) -> (C, H', W')."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Self, final

from vggc.layers.answers import OnnxNode, Shape, ShapeError, TorchCall, constant
from vggc.layers.checks import image, require
from vggc.layers.extent import AffineFloor, Axis
from vggc.layers.global_pool import GlobalAvgPool2d, GlobalMaxPool2d
from vggc.layers.layer import Layer
from vggc.layers.operation import Lookahead, collapsed
from vggc.layers.option_types import Size, pair
from vggc.layers.pool import AvgPool2d, MaxPool2d

OutputSize = Annotated[Size, "height and width of the output"]
AllowEnlarge = Annotated[
    bool, "whether the map may be enlarged, which adds weights to the next layer and no information"
]


def adaptive_windows(extent: int, outputs: int) -> list[tuple[int, int]]:
    """The windows [start, end) of an adaptive pool along one axis, as torch's documentation defines them."""
    return [(i * extent // outputs, -((-(i + 1) * extent) // outputs)) for i in range(outputs)]


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


class AdaptivePool(Layer):
    """A pool to a grid of given size, of whatever it takes from each window."""

    main = "output_size"
    group = "pool"

    output_size: OutputSize
    allow_enlarge: AllowEnlarge = False

    def axes(self) -> tuple[Axis, Axis]:
        sizes = pair(self.output_size)
        height, width = (Axis(AffineFloor(0, size), 1 if self.allow_enlarge else size, None) for size in sizes)
        return height, width

    def shape(self, x: Shape) -> Shape:
        channels, height, width = image(x, self.kind)
        rows, columns = pair(self.output_size)
        if not self.allow_enlarge and (height < rows or width < columns):
            raise ShapeError(
                "E204",
                f"{self.kind}: the {height}x{width} map would be enlarged to {rows}x{columns}: {height * width} values "
                f"a channel become {rows * columns}, and the next layer pays for them in weights",
                spatial=True,
                help=f"use a size of at most {height}x{width}, or say `allow_enlarge: true`",
            )
        return channels, rows, columns

    def torch(self, x: Shape) -> TorchCall:
        return TorchCall(type(self).__name__, (self.output_size,))

    def has_uneven_windows(self, x: Shape) -> bool:
        return not self.allow_enlarge and not _divides(x, self.output_size)

    def with_fixed_windows(self, x: Shape) -> Layer | None:
        rows, columns = pair(self.output_size)
        if (rows, columns) == (1, 1):
            return self
        return self.windows_of((x[1] // rows, x[2] // columns)) if _divides(x, self.output_size) else None

    def with_open_size(self) -> Layer:
        return self.over_whole_map() if pair(self.output_size) == (1, 1) else self

    @abstractmethod
    def over_whole_map(self) -> Layer:
        """The pool of the whole map to one value a channel."""

    @abstractmethod
    def windows_of(self, size: tuple[int, int]) -> Layer:
        """The plain pool over windows of that height and width side by side."""

    def shrunk(self, x: Shape) -> Self | None:
        rows, columns = (min(size, extent) for size, extent in zip(pair(self.output_size), x[1:], strict=True))
        return None if (rows, columns) == x[1:] else type(self)(output_size=(rows, columns))

    @classmethod
    def from_torch(cls, module: Any, x: Shape) -> Layer:
        """An output size of None is that of the input; an enlargement is one that the model asks for."""
        sizes = module.output_size if isinstance(module.output_size, tuple) else (module.output_size,) * 2
        require(len(x) == 3, "its input is no image")
        return cls.of_size([extent if size is None else size for size, extent in zip(sizes, x[1:], strict=True)], x)

    @classmethod
    def of_size(cls, output: Sequence[int], x: Shape) -> Layer:
        """The pool from an input of shape `x` (without the batch axis) to an output of that height and width."""
        enlarges = any(size > extent for size, extent in zip(output, x[1:], strict=True))
        return cls.from_options(output_size=collapsed(output), allow_enlarge=enlarges)

    @classmethod
    def in_two_steps(cls, ahead: Lookahead, operator: str) -> Iterator[tuple[Layer, ...]]:
        """The candidates where the windows differ: rows and columns are reduced one after the other."""
        steps = [operation for operation in ahead.operations if operation.op == operator][:2]
        if len(steps) == 2 and len(ahead.x) == len(steps[1].shape) == 4:
            yield (cls.of_size(steps[1].shape[2:], ahead.x[1:]),)


@final
class AdaptiveAvgPool2d(AdaptivePool):
    """The mean over a grid of given size: `torch.nn.AdaptiveAvgPool2d`, in ONNX a static pool."""

    kind = "adaptive_avg_pool2d"
    example = "adaptive_avg_pool2d: 7"
    torch_classes = ("AdaptiveAvgPool2d",)
    onnx_operators = ("MatMul",)

    def over_whole_map(self) -> Layer:
        return GlobalAvgPool2d()

    def windows_of(self, size: tuple[int, int]) -> Layer:
        return AvgPool2d(kernel_size=size)

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

    @classmethod
    def from_onnx(cls, ahead: Lookahead) -> Iterator[tuple[Layer, ...]]:
        return cls.in_two_steps(ahead, "MatMul")

    @classmethod
    def in_place_of(cls, layer: Layer, x: Shape, following: Sequence[Layer]) -> Layer | None:
        """A mean that covers the map evenly right before a flatten is the adaptive pool that models put there.

        Anywhere else it stays, because nothing says that it should follow the size of the map.
        """
        if not isinstance(layer, AvgPool2d) or not (following and following[0].flattens):
            return None
        kernel, stride = pair(layer.kernel_size), pair(layer.stride or layer.kernel_size)
        plain = not any(pair(layer.padding)) and not layer.ceil_mode and kernel == stride
        if not plain or x[1] % kernel[0] or x[2] % kernel[1]:
            return None
        return cls(output_size=collapsed((x[1] // kernel[0], x[2] // kernel[1])))


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
class AdaptiveMaxPool2d(AdaptivePool):
    """The maximum over a grid of given size: `torch.nn.AdaptiveMaxPool2d`, in ONNX a static pool."""

    kind = "adaptive_max_pool2d"
    example = "adaptive_max_pool2d: 3"
    torch_classes = ("AdaptiveMaxPool2d",)
    onnx_operators = ("Gather",)
    takes_maximum = True

    def over_whole_map(self) -> Layer:
        return GlobalMaxPool2d()

    def windows_of(self, size: tuple[int, int]) -> Layer:
        return MaxPool2d(kernel_size=size)

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        if _divides(x, self.output_size):
            return _static_pool("MaxPool", x, self.output_size)
        rows, columns = (adaptive_windows(x[i + 1], pair(self.output_size)[i]) for i in (0, 1))
        return (
            *_maxima("rows", rows, axis=2, opset=opset, value="x", output="tallest"),
            *_maxima("columns", columns, axis=3, opset=opset, value="tallest", output="y"),
        )

    @classmethod
    def from_onnx(cls, ahead: Lookahead) -> Iterator[tuple[Layer, ...]]:
        return cls.in_two_steps(ahead, "ReduceMax")


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
