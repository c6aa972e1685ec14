"""Activations that keep what is above 0: the rectifiers and the exponential ones."""

from collections.abc import Iterator
from math import prod
from typing import Annotated, Any, final

from vggc.layers.activation import Activation, Inplace, InplaceActivation
from vggc.layers.answers import OnnxNode, Shape, ShapeError, constant
from vggc.layers.checks import require
from vggc.layers.layer import Layer
from vggc.layers.operation import Lookahead, decimal
from vggc.layers.option_types import Positive, PositiveNumber


@final
class ReLU(InplaceActivation):
    """max(0, x): `torch.nn.ReLU`, ONNX `Relu`."""

    kind = "relu"
    torch_classes = ("ReLU",)
    onnx_operators = ("Relu",)
    zeroes_negatives = True


@final
class ReLU6(InplaceActivation):
    """min(max(0, x), 6): `torch.nn.ReLU6`, ONNX `Clip`."""

    kind = "relu6"
    torch_classes = ("ReLU6",)
    onnx_operators = ("Clip",)
    zeroes_negatives = True

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        return constant("least", 0.0), constant("most", 6.0), OnnxNode("Clip", ("x", "least", "most"))


@final
class LeakyReLU(Activation):
    """x above 0, a small slope below: `torch.nn.LeakyReLU`, ONNX `LeakyRelu`."""

    kind = "leaky_relu"
    main = "negative_slope"
    torch_classes = ("LeakyReLU",)
    onnx_operators = ("LeakyRelu",)
    onnx_options = (("alpha", "negative_slope"),)
    example = "leaky_relu: 0.1"

    negative_slope: Annotated[float, "the slope below 0"] = 0.01
    inplace: Inplace = False


@final
class PReLU(Activation):
    """A learned slope below 0: `torch.nn.PReLU`, ONNX `PRelu`."""

    kind = "prelu"
    main = "num_parameters"
    torch_classes = ("PReLU",)
    onnx_operators = ("PRelu",)
    elementwise = False
    weight_form = "factors"

    num_parameters: Annotated[Positive, "1 slope for all, or one for each channel"] = 1

    def shape(self, x: Shape) -> Shape:
        if self.num_parameters not in (1, x[0]):
            raise ShapeError(
                "E205",
                f"{self.kind}: num_parameters {self.num_parameters} is neither 1 nor the input's {x[0]} channels",
                option="num_parameters",
                recovered=x,
            )
        return x

    def tensors(self, x: Shape) -> dict[str, Shape]:
        return {"weight": (self.num_parameters,)}

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        if self.num_parameters == 1 or len(x) == 1:
            return (OnnxNode("PRelu", ("x", "weight")),)
        return (
            constant("slope_shape", (self.num_parameters, 1, 1)),
            OnnxNode("Reshape", ("weight", "slope_shape"), {}, "slope"),
            OnnxNode("PRelu", ("x", "slope")),
        )

    @classmethod
    def from_onnx(cls, ahead: Lookahead) -> Iterator[tuple[Layer, ...]]:
        for slope in ahead.start.constants:
            yield (cls.from_options(num_parameters=prod(slope.shape)),)


@final
class ELU(Activation):
    """x above 0, alpha * (exp(x) - 1) below: `torch.nn.ELU`, ONNX `Elu`."""

    kind = "elu"
    main = "alpha"
    torch_classes = ("ELU",)
    onnx_operators = ("Elu",)
    onnx_options = (("alpha", "alpha"),)

    alpha: Annotated[float, "the limit below 0, with a minus"] = 1.0
    inplace: Inplace = False


@final
class CELU(Activation):
    """x above 0, alpha * (exp(x / alpha) - 1) below (Barron, 2017): `torch.nn.CELU`, ONNX `Elu` of x / alpha.

    Not ONNX `Celu`, which before opset 28 takes no float16 and is computed in the same way.
    """

    kind = "celu"
    main = "alpha"
    torch_classes = ("CELU",)
    onnx_operators = ("Celu", "Mul")
    example = "celu: 0.5"

    alpha: Annotated[PositiveNumber, "the limit below 0, with a minus"] = 1.0
    inplace: Inplace = False

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        if self.alpha == 1:
            return (OnnxNode("Elu", ("x",), {"alpha": 1.0}),)
        return (
            constant("alpha", float(self.alpha)),
            OnnxNode("Div", ("x", "alpha"), {}, "scaled"),
            OnnxNode("Elu", ("scaled",), {"alpha": 1.0}, "curve"),
            OnnxNode("Mul", ("curve", "alpha")),
        )

    def onnx_variants(self, x: Shape) -> tuple[tuple[OnnxNode, ...], ...]:
        return ((OnnxNode("Celu", ("x",), {"alpha": float(self.alpha)}),),)

    @classmethod
    def from_torch(cls, module: Any, x: Shape) -> Layer:
        require(module.alpha > 0, f"its alpha is {module.alpha}, which is not above 0")
        return super().from_torch(module, x)

    @classmethod
    def from_onnx(cls, ahead: Lookahead) -> Iterator[tuple[Layer, ...]]:
        """The operator, or the curve between two products, of which the last is by alpha."""
        if ahead.start.op == "Celu":
            yield (cls.from_options(alpha=decimal(ahead.start.attributes["alpha"])),)
        curve = ahead.find("Elu")
        product = next(ahead.after(curve), None) if curve is not None else None
        for factor in product.constants if product is not None else ():
            if factor.number is not None and factor.number > 0:
                yield (cls.from_options(alpha=decimal(factor.number)),)


@final
class SELU(InplaceActivation):
    """The self-normalising ELU (Klambauer et al., 2017): `torch.nn.SELU`, ONNX `Selu`."""

    kind = "selu"
    torch_classes = ("SELU",)
    onnx_operators = ("Selu",)
    self_normalizing = True
