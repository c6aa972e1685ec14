"""Padding layers: (C, H, W) -> (C, H + top + bottom, W + left + right); and padding as ONNX nodes."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Final, final

from vggc.layers.answers import OnnxNode, Shape, TorchCall, constant
from vggc.layers.checks import require
from vggc.layers.extent import AffineFloor, Axis
from vggc.layers.layer import Layer
from vggc.layers.operation import Lookahead, border
from vggc.layers.option_types import NonNegative
from vggc.layers.sliding import SlidingWindow

Borders = tuple[int, int, int, int]  # top, bottom, left, right

ONNX_PAD_MODES: Final = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}

Sides = Annotated[
    NonNegative | tuple[NonNegative, NonNegative, NonNegative, NonNegative],
    "the border: once for all sides, or [left, right, top, bottom] as in torch",
]


def pad_nodes(borders: Borders, mode: str, x: Shape, opset: int, output: str = "y") -> tuple[OnnxNode, ...]:
    """Nodes that pad the image `x` in an ONNX Pad mode; `wrap` came with opset 19 and is built from slices before."""
    if mode == "wrap" and opset < 19:
        return _wrap_nodes(borders, x, output)
    top, bottom, left, right = borders
    pads = constant("pads", (0, 0, top, left, 0, 0, bottom, right))
    return pads, OnnxNode("Pad", ("x", "pads"), {"mode": mode}, output)


def _wrap_nodes(borders: Borders, x: Shape, output: str) -> tuple[OnnxNode, ...]:
    """The far end, the map and the near end side by side, first along the height, then along the width."""
    nodes: list[OnnxNode] = []
    value = "x"
    for axis, (before, after), extent in ((2, borders[:2], x[1]), (3, borders[2:], x[2])):
        parts = [(f"before{axis}", extent - before, extent), (value, 0, 0), (f"after{axis}", 0, after)]
        nodes.append(constant(f"axis{axis}", (axis,)))
        for name, start, end in parts:
            if end > start:
                first, last = f"{name}_start", f"{name}_end"
                nodes += [constant(first, (start,)), constant(last, (end,))]
                nodes.append(OnnxNode("Slice", (value, first, last, f"axis{axis}"), {}, name))
        kept = tuple(name for name, start, end in parts if end > start or name == value)
        value = output if axis == 3 else "wrapped"
        nodes.append(OnnxNode("Concat", kept, {"axis": axis}, value))
    return tuple(nodes)


def _borders(padding: int | tuple[int, int, int, int]) -> Borders:
    if isinstance(padding, int):
        return padding, padding, padding, padding
    left, right, top, bottom = padding
    return top, bottom, left, right


def _axes(borders: Borders, mirrored: bool) -> tuple[Axis, Axis]:
    top, bottom, left, right = borders
    return (
        Axis(AffineFloor(1, top + bottom), max(top, bottom) + 1 if mirrored else 1),
        Axis(AffineFloor(1, left + right), max(left, right) + 1 if mirrored else 1),
    )


class PaddingLayer(SlidingWindow):
    """A border around an image, of whatever its kind puts there."""

    main = "padding"
    group = "shape"
    onnx_operators = ("Pad",)
    onnx_mode: ClassVar[str]

    padding: Sides

    def axes(self) -> tuple[Axis, Axis]:
        return _axes(_borders(self.padding), mirrored=False)

    def torch(self, x: Shape) -> TorchCall:
        return TorchCall(self.torch_classes[0], (self.padding,))

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        return pad_nodes(_borders(self.padding), self.onnx_mode, x, opset)

    @classmethod
    def from_torch(cls, module: Any, x: Shape) -> Layer:
        require(min(module.padding) >= 0, "it crops the map")
        return super().from_torch(module, x)

    @classmethod
    def from_onnx(cls, ahead: Lookahead) -> Iterator[tuple[Layer, ...]]:
        if len(ahead.x) == 4:
            yield (cls(padding=border(ahead.start.attributes["pads"][2:])),)


@final
class ZeroPad2d(PaddingLayer):
    """A border of zeros: `torch.nn.ZeroPad2d`, ONNX `Pad`."""

    kind = "zero_pad2d"
    example = "zero_pad2d: 1"
    torch_classes = ("ZeroPad2d", "ConstantPad2d")
    onnx_mode = "constant"

    @classmethod
    def from_torch(cls, module: Any, x: Shape) -> Layer:
        value = getattr(module, "value", 0)
        require(value == 0, f"its border is of {value}, not of zeros")
        return super().from_torch(module, x)


@final
class ReflectionPad2d(PaddingLayer):
    """A border that mirrors the map: `torch.nn.ReflectionPad2d`, ONNX `Pad` in mode `reflect`."""

    kind = "reflection_pad2d"
    example = "reflection_pad2d: 1"
    torch_classes = ("ReflectionPad2d",)
    onnx_mode = "reflect"

    def axes(self) -> tuple[Axis, Axis]:
        return _axes(_borders(self.padding), mirrored=True)

    def window(self) -> str:
        return f"a mirrored border of {self.padding}"


@final
class ReplicationPad2d(PaddingLayer):
    """A border that repeats the outermost values: `torch.nn.ReplicationPad2d`, ONNX `Pad` in mode `edge`."""

    kind = "replication_pad2d"
    example = "replication_pad2d: 1"
    torch_classes = ("ReplicationPad2d",)
    onnx_mode = "edge"
