"""The linear layer: (F,) -> (out_features,)."""

from collections.abc import Iterator
from math import prod
from typing import Annotated, final

from vggc.layers.answers import OnnxNode, Shape, ShapeError, TorchCall
from vggc.layers.checks import written
from vggc.layers.conv import Conv2d
from vggc.layers.layer import Layer
from vggc.layers.operation import Lookahead
from vggc.layers.option_types import Count, Positive


@final
class Linear(Layer):
    """A matrix product and a bias: `torch.nn.Linear`, ONNX `Gemm`."""

    kind = "linear"
    main = "out_features"
    group = "linear"
    example = "linear: classes"
    weight_form = "matrix"
    takes_factors = True
    torch_classes = ("Linear",)
    onnx_operators = ("Gemm",)

    out_features: Annotated[Count, "features of the output; `classes` is the spec's number of them"]
    bias: Annotated[bool, "whether a bias is learned for every feature"] = True
    in_features: Annotated[
        Positive | None, "never needed: inferred from the input; where it is written, it is checked against that"
    ] = None

    def axes(self) -> None:
        return None

    def fixes_size(self) -> bool:
        return True

    def shape(self, x: Shape) -> Shape:
        if len(x) == 3:
            raise ShapeError(
                "E201",
                f"{self.kind} works on a vector, and its input is the image {x[0]} x {x[1]} x {x[2]}",
                recovered=(self.out_features,),
                help=f"put `flatten` before it; that gives {prod(x)} features",
            )
        derivation = f"its input has {x[0]} features"
        written(self.kind, "in_features", self.in_features, x[0], derivation, recovered=(self.out_features,))
        return (self.out_features,)

    def tensors(self, x: Shape) -> dict[str, Shape]:
        weight = {"weight": (self.out_features, x[0])}
        return weight | ({"bias": (self.out_features,)} if self.bias else {})

    def macs(self, x: Shape) -> int:
        return x[0] * self.out_features

    def torch(self, x: Shape) -> TorchCall:
        return TorchCall("Linear", (x[0], self.out_features), {} if self.bias else {"bias": False})

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        return (OnnxNode("Gemm", ("x", *self.tensors(x)), {"transB": 1}),)

    def as_convolution(self, x: Shape) -> Conv2d:
        _, height, width = x
        return Conv2d(out_channels=self.out_features, kernel_size=(height, width), bias=self.bias)

    @classmethod
    def from_onnx(cls, ahead: Lookahead) -> Iterator[tuple[Layer, ...]]:
        weight, *bias = ahead.start.constants
        yield (cls.from_options(out_features=weight.shape[0], bias=bool(bias)),)
