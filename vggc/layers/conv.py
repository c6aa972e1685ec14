"""Convolution: (C, H, W) -> (out_channels, H', W')."""

from collections.abc import Iterator, Sequence
from math import prod
from typing import Annotated, Any, Final, Literal, final

from vggc.base.words import plural
from vggc.layers.answers import OnnxNode, Shape, ShapeError, TorchCall
from vggc.layers.checks import by_size, image, slide, written
from vggc.layers.extent import Axis, window_axis
from vggc.layers.layer import Layer
from vggc.layers.operation import Lookahead, Operation, border, collapsed
from vggc.layers.option_types import Count, InChannels, Padding, Positive, Size, pair
from vggc.layers.padding import ONNX_PAD_MODES, Borders, ZeroPad2d, pad_nodes

PaddingMode = Literal["zeros", "reflect", "replicate", "circular"]


@final
class Conv2d(Layer):
    """A 2D convolution: `torch.nn.Conv2d`, ONNX `Conv`."""

    kind = "conv2d"
    main = "out_channels"
    group = "conv"
    example = "conv2d: {out_channels: 64, kernel_size: 3, padding: 1}"
    scaled_option = "out_channels"
    weight_form = "kernel"
    remedy = "make the kernel smaller"
    takes_factors = True
    torch_classes = ("Conv2d",)
    onnx_operators = ("Conv", "Pad", "Slice", "Concat")

    out_channels: Annotated[Count, "channels of the output"]
    kernel_size: Annotated[Size, "height and width of the kernel"]
    stride: Annotated[Size, "distance between two positions of the kernel"] = 1
    padding: Annotated[
        Padding | Literal["same", "valid"],
        "added on every side, once or as [height, width]; `same` keeps the size (stride 1 only), `valid` is 0",
    ] = 0
    dilation: Annotated[Size, "distance between two elements of the kernel"] = 1
    groups: Annotated[Positive, "the channels are split into this many independent groups"] = 1
    bias: Annotated[bool, "whether a bias is learned for every output channel"] = True
    padding_mode: Annotated[PaddingMode, "what the padding holds"] = "zeros"
    in_channels: InChannels = None

    def conflict(self) -> tuple[str, str] | None:
        if self.padding == "same" and pair(self.stride) != (1, 1):
            vertical, horizontal = ((size - 1) // 2 for size in pair(self.kernel_size))
            half = vertical if vertical == horizontal else [vertical, horizontal]
            return "padding", f"padding: same needs stride 1, as in torch; for half the kernel write `padding: {half}`"
        if self.out_channels % self.groups:
            return "groups", f"groups {self.groups} does not divide out_channels {self.out_channels}"
        return None

    def borders(self) -> Borders:
        """The padding as (top, bottom, left, right); that of `same` as torch splits it, the larger half at the end."""
        if self.padding == "valid":
            return 0, 0, 0, 0
        if self.padding == "same":
            total = [d * (k - 1) for d, k in zip(pair(self.dilation), pair(self.kernel_size), strict=True)]
            return total[0] // 2, total[0] - total[0] // 2, total[1] // 2, total[1] - total[1] // 2
        assert not isinstance(self.padding, str)
        vertical, horizontal = pair(self.padding)
        return vertical, vertical, horizontal, horizontal

    def axes(self) -> tuple[Axis, Axis]:
        top, bottom, left, right = self.borders()
        kernel, stride, dilation = pair(self.kernel_size), pair(self.stride), pair(self.dilation)
        height = window_axis(kernel[0], stride[0], top, bottom, dilation[0])
        width = window_axis(kernel[1], stride[1], left, right, dilation[1])
        if self.padding_mode == "zeros":
            return height, width
        least = self._least_padded()
        return (
            Axis(height.map, max(height.minimum, least[0]), height.window),
            Axis(width.map, max(width.minimum, least[1]), width.window),
        )

    def _least_padded(self) -> tuple[int, int]:
        """Reflection needs more pixels than it mirrors, and a circle cannot be gone round twice."""
        if self.padding_mode == "replicate":
            return 1, 1
        top, bottom, left, right = self.borders()
        more = 1 if self.padding_mode == "reflect" else 0
        return max(1, max(top, bottom) + more), max(1, max(left, right) + more)

    def window(self) -> str:
        words = by_size(pair(self.kernel_size), "kernel", self.borders())
        return words if pair(self.dilation) == (1, 1) else f"{words} and dilation {self.dilation}"

    def shape(self, x: Shape) -> Shape:
        image(x, self.kind, recovered=(self.out_channels,))
        out = slide(self, x, self.out_channels, self.axes())
        return checked_channels(self.kind, x, out, groups=self.groups, in_channels=self.in_channels)

    def tensors(self, x: Shape) -> dict[str, Shape]:
        weight = {"weight": (self.out_channels, x[0] // self.groups, *pair(self.kernel_size))}
        return weight | ({"bias": (self.out_channels,)} if self.bias else {})

    def macs(self, x: Shape) -> int:
        _, height, width = self.shape(x)
        return self.out_channels * (x[0] // self.groups) * prod(pair(self.kernel_size)) * height * width

    def torch(self, x: Shape) -> TorchCall:
        options = self.changed()
        top, bottom, left, right = self.borders()
        if (top, left) == (bottom, right):
            # The same padding as numbers: what torchvision writes, and free of torch's slower `same` path.
            options["padding"] = top if top == left else (top, left)
        options = {"padding": 0} | options
        if options["padding"] == 0:
            del options["padding"]
        for name in ("out_channels", "in_channels"):
            options.pop(name, None)
        order = [name for name in self.field_names() if name in options]
        return TorchCall("Conv2d", (x[0], self.out_channels), {name: options[name] for name in order})

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        top, bottom, left, right = self.borders()
        explicit = self.padding_mode != "zeros" and any((top, bottom, left, right))
        convolution = OnnxNode(
            "Conv",
            ("padded" if explicit else "x", *self.tensors(x)),
            {
                "kernel_shape": pair(self.kernel_size),
                "strides": pair(self.stride),
                "pads": (0, 0, 0, 0) if explicit else (top, left, bottom, right),
                "dilations": pair(self.dilation),
                "group": self.groups,
            },
        )
        if not explicit:
            return (convolution,)
        padded = pad_nodes(self.borders(), ONNX_PAD_MODES[self.padding_mode], x, opset, output="padded")
        return (*padded, convolution)

    @classmethod
    def from_torch(cls, module: Any, x: Shape) -> Layer:
        layer = super().from_torch(module, x)
        return layer.with_options(padding=0) if module.padding == "valid" else layer

    @classmethod
    def from_onnx(cls, ahead: Lookahead) -> Iterator[tuple[Layer, ...]]:
        """Padding that differs between the sides is torch's `same`, or a border of zeros before the convolution."""
        convolution = ahead.find("Conv")
        if convolution is None or len(ahead.x) != 4 or len(convolution.attributes["kernel"]) != 2:
            return
        options = convolution_options(convolution)
        if ahead.start.op == "Conv":
            pads = convolution.attributes["pads"]
        else:
            options["padding_mode"] = _padding_mode(ahead)
            pads = _pads_before(ahead)
        yield (cls.from_options(**options, padding=collapsed([before for before, _ in pads])),)
        yield (cls.from_options(**options, padding="same"),)
        if ahead.start.op == "Conv":
            yield ZeroPad2d(padding=border(pads)), cls.from_options(**options)

    @classmethod
    def in_place_of(cls, layer: Layer, x: Shape, following: Sequence[Layer]) -> Layer | None:
        """Padding that keeps the size is `same`; for a 1x1 kernel only in a unit, which has that as its default."""
        if not isinstance(layer, cls) or pair(layer.stride) != (1, 1):
            return None
        same = layer.with_options(padding="same")
        groups = [other.group for other in following[:2]]
        in_unit = groups[:1] == ["activation"] or groups == ["norm", "activation"]
        return same if same.borders() == layer.borders() and (any(same.borders()) or in_unit) else None


_PADDING_MODES: Final = {onnx: torch for torch, onnx in ONNX_PAD_MODES.items() if torch != "zeros"}


def convolution_options(convolution: Operation) -> dict[str, Any]:
    """The options of a convolution besides its padding."""
    attributes = convolution.attributes
    weight, *bias = convolution.constants
    return {
        "out_channels": weight.shape[0],
        "kernel_size": collapsed(attributes["kernel"]),
        "stride": collapsed(attributes["strides"]),
        "dilation": collapsed(attributes["dilations"]),
        "groups": attributes["group"],
        "bias": bool(bias),
    }


def _padding_mode(ahead: Lookahead) -> str | None:
    """The mode of a Pad, or `circular` for one that was built from slices."""
    return _PADDING_MODES.get(ahead.start.attributes["mode"]) if ahead.start.op == "Pad" else "circular"


def _pads_before(ahead: Lookahead) -> list[tuple[int, int]]:
    """The border of height and width that a Pad, or a Concat of slices, puts around the map."""
    if ahead.start.op == "Pad":
        return list(ahead.start.attributes["pads"][2:])
    padded = [operation.shape for operation in ahead.operations if operation.op == "Concat"][-1:] or [ahead.x]
    halves = [(after - before) // 2 for after, before in zip(padded[0][2:], ahead.x[2:], strict=True)]
    return [(half, half) for half in halves]


def checked_channels(kind: str, x: Shape, out: Shape, *, groups: int, in_channels: int | None) -> Shape:
    """The output `out` of a convolution, once the channels of its input `x` suit.

    Raises:
        ShapeError: E202, the user wrote another number of input channels; E205, the groups do not divide them.
    """
    channels = x[0]
    derivation = f"the input has {plural(channels, 'channel')}"
    written(kind, "in_channels", in_channels, channels, derivation, recovered=out)
    if channels % groups:
        raise ShapeError(
            "E205",
            f"{kind}: groups {groups} does not divide the {channels} channels of the input",
            option="groups",
            recovered=out,
        )
    return out
