"""Normalisation of each sample as a whole: any shape -> the same shape."""

from collections.abc import Iterator
from typing import Annotated, Any, final

from vggc.layers.adaptive_pool import reduce_nodes
from vggc.layers.answers import OnnxNode, Shape, TorchCall, constant
from vggc.layers.checks import require
from vggc.layers.layer import Layer
from vggc.layers.norm import Epsilon, Normalization, affine_tensors
from vggc.layers.operation import Lookahead, decimal


@final
class LayerNorm(Normalization):
    """Each image, or vector, by its own statistics: `torch.nn.LayerNorm` over all axes but the batch.

    ONNX `LayerNormalization` from opset 17, several operators before.
    """

    kind = "layer_norm"
    torch_classes = ("LayerNorm",)
    onnx_operators = ("LayerNormalization", "ReduceMean")

    eps: Epsilon = 1e-5
    elementwise_affine: Annotated[bool, "whether a scale and a bias are learned for every element"] = True

    def tensors(self, x: Shape) -> dict[str, Shape]:
        return affine_tensors(self.elementwise_affine, x)

    def torch(self, x: Shape) -> TorchCall:
        return TorchCall("LayerNorm", (x,), self.changed())

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        if opset >= 17 and self.elementwise_affine:
            attributes = {"axis": 1, "epsilon": float(self.eps)}
            return (OnnxNode("LayerNormalization", ("x", "weight", "bias"), attributes),)
        axes = tuple(range(1, len(x) + 1))
        normalized = (
            *reduce_nodes("ReduceMean", "x", axes, opset, output="mean", keep=True),
            OnnxNode("Sub", ("x", "mean"), {}, "centred"),
            OnnxNode("Mul", ("centred", "centred"), {}, "squares"),
            *reduce_nodes("ReduceMean", "squares", axes, opset, output="variance", keep=True),
            constant("epsilon", float(self.eps)),
            OnnxNode("Add", ("variance", "epsilon"), {}, "positive"),
            OnnxNode("Sqrt", ("positive",), {}, "deviation"),
            OnnxNode("Div", ("centred", "deviation"), {}, "normalized" if self.elementwise_affine else "y"),
        )
        if not self.elementwise_affine:
            return normalized
        return (
            *normalized,
            OnnxNode("Mul", ("normalized", "weight"), {}, "scaled"),
            OnnxNode("Add", ("scaled", "bias")),
        )

    @classmethod
    def from_torch(cls, module: Any, x: Shape) -> Layer:
        shape = tuple(module.normalized_shape)
        require(shape == x, f"it normalises {list(shape)} of {list(x)}")
        require(not module.elementwise_affine or module.bias is not None, "it has a scale and no bias")
        return super().from_torch(module, x)

    @classmethod
    def from_onnx(cls, ahead: Lookahead) -> Iterator[tuple[Layer, ...]]:
        if ahead.start.op == "LayerNormalization":
            yield (cls.from_options(eps=decimal(ahead.start.attributes["epsilon"])),)
            return
        added = ahead.find("Add")
        if added is not None and added.constants and added.constants[0].number is not None:
            eps = decimal(added.constants[0].number)
            yield (cls.from_options(eps=eps),)
            yield (cls.from_options(eps=eps, elementwise_affine=False),)
