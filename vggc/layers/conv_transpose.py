"""Transposed convolution: (C, H, W) -> (out_channels, H', W')."""

from collections.abc import Iterator
from math import prod
from typing import Annotated, Literal, final

from vggc.layers.answers import Array, OnnxNode, OnnxValue, Shape, TorchCall
from vggc.layers.checks import image, slide
from vggc.layers.conv import checked_channels, convolution_options
from vggc.layers.extent import Axis, transposed_axis
from vggc.layers.layer import Layer
from vggc.layers.operation import Lookahead, collapsed
from vggc.layers.option_types import Count, InChannels, Padding, Positive, Size, pair
from vggc.layers.padding import pad_nodes


@final
class ConvTranspose2d(Layer):
    """A transposed 2D convolution, which enlarges a map: `torch.nn.ConvTranspose2d`, ONNX `ConvTranspose`."""

    kind = "conv_transpose2d"
    main = "out_channels"
    group = "conv"
    example = "conv_transpose2d: {out_channels: 32, kernel_size: 2, stride: 2}"
    scaled_option = "out_channels"
    weight_form = "kernel"
    remedy = "make the padding smaller"
    takes_factors = True
    torch_classes = ("ConvTranspose2d",)
    onnx_operators = ("ConvTranspose",)

    out_channels: Annotated[Count, "channels of the output"]
    kernel_size: Annotated[Size, "height and width of the kernel"]
    stride: Annotated[Size, "distance between two positions of the kernel in the output"] = 1
    padding: Annotated[Padding, "cut off the output on every side, once or as [height, width]"] = 0
    output_padding: Annotated[
        Padding, "added to the output at the bottom and on the right; less than the stride or the dilation"
    ] = 0
    dilation: Annotated[Size, "distance between two elements of the kernel"] = 1
    groups: Annotated[Positive, "the channels are split into this many independent groups"] = 1
    bias: Annotated[bool, "whether a bias is learned for every output channel"] = True
    padding_mode: Annotated[Literal["zeros"], "the one mode that torch has"] = "zeros"
    in_channels: InChannels = None

    def conflict(self) -> tuple[str, str] | None:
        for added, stride, dilation in zip(*self._pairs("output_padding", "stride", "dilation"), strict=True):
            if added >= max(stride, dilation):
                return "output_padding", (
                    f"output_padding {added} must be less than stride {stride} or dilation {dilation}"
                )
        if self.out_channels % self.groups:
            return "groups", f"groups {self.groups} does not divide out_channels {self.out_channels}"
        return None

    def _pairs(self, *options: str) -> list[tuple[int, int]]:
        return [pair(getattr(self, option)) for option in options]

    def axes(self) -> tuple[Axis, Axis]:
        options = self._pairs("kernel_size", "stride", "padding", "output_padding", "dilation")
        height, width = (transposed_axis(*values) for values in zip(*options, strict=True))
        return height, width

    def misfit(self, x: Shape) -> str:
        padding = self.padding if isinstance(self.padding, int) else [*self.padding]
        return f"padding {padding} leaves nothing of the output for a {x[1]}x{x[2]} map"

    def shape(self, x: Shape) -> Shape:
        image(x, self.kind, recovered=(self.out_channels,))
        out = slide(self, x, self.out_channels, self.axes())
        return checked_channels(self.kind, x, out, groups=self.groups, in_channels=self.in_channels)

    def tensors(self, x: Shape) -> dict[str, Shape]:
        weight = {"weight": (x[0], self.out_channels // self.groups, *pair(self.kernel_size))}
        return weight | ({"bias": (self.out_channels,)} if self.bias else {})

    def macs(self, x: Shape) -> int:
        """Every value of the input by the whole kernel, those products included that the padding cuts off."""
        return prod(self.tensors(x)["weight"]) * x[1] * x[2]

    def torch(self, x: Shape) -> TorchCall:
        options = {name: value for name, value in self.changed().items() if not name.endswith("_channels")}
        return TorchCall("ConvTranspose2d", (x[0], self.out_channels), options)

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        vertical, horizontal = pair(self.padding)
        attributes: dict[str, OnnxValue] = {
            "kernel_shape": pair(self.kernel_size),
            "strides": pair(self.stride),
            "pads": (vertical, horizontal, vertical, horizontal),
            "output_padding": pair(self.output_padding),
            "dilations": pair(self.dilation),
            "group": self.groups,
        }
        if all(added < stride for added, stride in zip(*self._pairs("output_padding", "stride"), strict=True)):
            return (OnnxNode("ConvTranspose", ("x", *self.tensors(x)), attributes),)
        options = self._pairs("padding", "output_padding", "stride")
        (rows, bottom), (columns, right) = (_cut_off_zeros(*values) for values in zip(*options, strict=True))
        attributes |= {"pads": (vertical, horizontal, bottom, right), "output_padding": (0, 0)}
        padded = pad_nodes((0, rows, 0, columns), "constant", x, opset, output="padded")
        return (*padded, OnnxNode("ConvTranspose", ("padded", *self.tensors(x)), attributes))

    def scaled_weight(self, weight: Array, factors: Array) -> Array:
        """The weight is (in_channels, out_channels / groups, height, width), and its rows are split into the groups."""
        by_group = weight.reshape(self.groups, -1, *weight.shape[1:])
        scaled: Array = by_group * factors.reshape(self.groups, 1, -1, 1, 1)
        return scaled.reshape(weight.shape)

    @classmethod
    def from_onnx(cls, ahead: Lookahead) -> Iterator[tuple[Layer, ...]]:
        """In normal form the end of the output is cut off by less instead of padded."""
        cut = ahead.start.attributes["cut"]
        added = [start - end for start, end in cut]
        if len(cut) == 2 and min(added) >= 0:
            options = convolution_options(ahead.start)
            options["out_channels"] = ahead.start.constants[0].shape[1] * options["groups"]
            padding = collapsed([start for start, _ in cut])
            yield (cls.from_options(**options, padding=padding, output_padding=collapsed(added)),)


def _cut_off_zeros(padding: int, output_padding: int, stride: int) -> tuple[int, int]:
    """How many zeros to put after the input, and how much to cut off the end of the output then.

    That is `output_padding` without its limit: onnxruntime takes only one that is less than the stride.
    """
    zeros = max(0, -((padding - output_padding) // stride))
    return zeros, padding - output_padding + zeros * stride
