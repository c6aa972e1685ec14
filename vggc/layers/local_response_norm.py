"""Normalisation of each value by its neighbours in the channels: (C, H, W) -> (C, H, W)."""

from collections.abc import Iterator
from math import prod
from typing import Annotated, final

from vggc.layers.answers import OnnxNode, Shape, TorchCall, constant
from vggc.layers.checks import image
from vggc.layers.layer import Layer
from vggc.layers.norm import Normalization
from vggc.layers.operation import Lookahead, decimal
from vggc.layers.option_types import Positive


@final
class LocalResponseNorm(Normalization):
    """Each value by its neighbours in the channels (Krizhevsky, 2012): `torch.nn.LocalResponseNorm`, ONNX `LRN`."""

    kind = "local_response_norm"
    main = "size"
    example = "local_response_norm: {size: 5, k: 2}"
    torch_classes = ("LocalResponseNorm",)
    onnx_operators = ("LRN", "Mul")

    size: Annotated[Positive, "how many channels are neighbours"]
    alpha: Annotated[float, "the weight of the neighbours"] = 0.0001
    beta: Annotated[float, "the exponent"] = 0.75
    k: Annotated[float, "what is added to the sum"] = 1.0

    def shape(self, x: Shape) -> Shape:
        return image(x, self.kind)

    def torch(self, x: Shape) -> TorchCall:
        options = self.changed()
        return TorchCall("LocalResponseNorm", (options.pop("size"),), options)

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        if self.size % 2 and self.alpha > 0 and self.beta > 0:
            attributes = {
                "size": self.size,
                "alpha": float(self.alpha),
                "beta": float(self.beta),
                "bias": float(self.k),
            }
            return (OnnxNode("LRN", ("x",), attributes),)
        # An even window leans to the lower channels in torch and to the higher ones in ONNX, and onnxruntime takes no
        # alpha or beta that is not positive.
        before, after = self.size // 2, (self.size - 1) // 2
        return (
            OnnxNode("Mul", ("x", "x"), {}, "squares"),
            constant("columns_shape", (-1, 1, x[0], prod(x[1:]))),
            OnnxNode("Reshape", ("squares", "columns_shape"), {}, "columns"),
            OnnxNode(
                "AveragePool",
                ("columns",),
                {"kernel_shape": (self.size, 1), "pads": (before, 0, after, 0), "count_include_pad": 1},
                "neighbours",
            ),
            *self._divided(x),
        )

    @classmethod
    def from_onnx(cls, ahead: Lookahead) -> Iterator[tuple[Layer, ...]]:
        attributes = ahead.start.attributes
        if ahead.start.op == "LRN":
            yield (_response(attributes["size"], attributes["alpha"], attributes["beta"], attributes["bias"]),)
        else:
            yield from _in_parts(ahead)

    def onnx_variants(self, x: Shape) -> tuple[tuple[OnnxNode, ...], ...]:
        """As torch's exporters write it: the channels become an axis of their own, padded, and averaged over."""
        before, after = self.size // 2, (self.size - 1) // 2
        neighbours = (
            OnnxNode("Mul", ("x", "x"), {}, "squares"),
            constant("columns_shape", (-1, 1, *x)),
            OnnxNode("Reshape", ("squares", "columns_shape"), {}, "columns"),
            constant("pads", (0, 0, before, 0, 0, 0, 0, after, 0, 0)),
            OnnxNode("Pad", ("columns", "pads"), {}, "padded"),
            OnnxNode("AveragePool", ("padded",), {"kernel_shape": (self.size, 1, 1)}, "neighbours"),
        )
        return ((*neighbours, *self._divided(x)),)

    def _divided(self, x: Shape) -> tuple[OnnxNode, ...]:
        """The input divided by what the means of the squares, `neighbours`, give."""
        return (
            constant("map_shape", (-1, *x)),
            OnnxNode("Reshape", ("neighbours", "map_shape"), {}, "means"),
            constant("alpha", float(self.alpha)),
            OnnxNode("Mul", ("means", "alpha"), {}, "weighed"),
            constant("k", float(self.k)),
            OnnxNode("Add", ("weighed", "k"), {}, "summed"),
            constant("beta", float(self.beta)),
            OnnxNode("Pow", ("summed", "beta"), {}, "divisor"),
            OnnxNode("Div", ("x", "divisor")),
        )


def _response(size: int, alpha: float, beta: float, k: float) -> LocalResponseNorm:
    return LocalResponseNorm.from_options(size=int(size), alpha=decimal(alpha), beta=decimal(beta), k=decimal(k))


def _in_parts(ahead: Lookahead) -> Iterator[tuple[Layer, ...]]:
    """Squares, their mean over the neighbours, `(alpha * mean + k) ** beta`; some betas are no Pow in normal form."""
    average = ahead.find("AveragePool")
    if average is None or len(ahead.x) != 4:
        return
    numbers: dict[str, float] = {}
    for operation in ahead.after(average):
        for operand in operation.constants[:1]:
            if operand.number is not None:
                numbers.setdefault(operation.op, operand.number)
    for beta in (numbers["Pow"],) if "Pow" in numbers else (0.5, 1.0, 2.0, 3.0):
        if "Mul" in numbers and "Add" in numbers:
            yield (_response(max(average.attributes["kernel"]), numbers["Mul"], beta, numbers["Add"]),)
