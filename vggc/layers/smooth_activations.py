"""Activations that bend or saturate: the gated ones, the sigmoids and softplus."""

from collections.abc import Iterator
from math import pi, sqrt
from typing import Annotated, Any, Literal, final

from vggc.layers.activation import Activation, InplaceActivation
from vggc.layers.answers import OnnxNode, Shape, constant
from vggc.layers.checks import require
from vggc.layers.layer import Layer
from vggc.layers.operation import Lookahead, decimal
from vggc.layers.option_types import PositiveNumber


@final
class GELU(Activation):
    """x times the normal distribution at x: `torch.nn.GELU`; ONNX `Gelu` from opset 20, several operators before."""

    kind = "gelu"
    main = "approximate"
    torch_classes = ("GELU",)
    onnx_operators = ("Gelu", "Mul")

    approximate: Annotated[Literal["none", "tanh"], "exact, or by the hyperbolic tangent"] = "none"

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        if opset >= 20:
            return (OnnxNode("Gelu", ("x",), {"approximate": self.approximate}),)
        curve = error_function() if self.approximate == "none" else tanh_approximation()
        return (
            *curve,
            constant("one", 1.0),
            constant("half", 0.5),
            OnnxNode("Add", ("curve", "one"), {}, "shifted"),
            OnnxNode("Mul", ("x", "shifted"), {}, "doubled"),
            OnnxNode("Mul", ("doubled", "half")),
        )

    @classmethod
    def from_onnx(cls, ahead: Lookahead) -> Iterator[tuple[Layer, ...]]:
        yield (cls(),)
        yield (cls(approximate="tanh"),)

    def onnx_variants(self, x: Shape) -> tuple[tuple[OnnxNode, ...], ...]:
        """`x * (0.5 * (1 + curve))` and `(x * 0.5) * (1 + curve)`."""
        curve = error_function() if self.approximate == "none" else tanh_approximation()
        common = (*curve, constant("one", 1.0), constant("half", 0.5), OnnxNode("Add", ("curve", "one"), {}, "shifted"))
        share = (OnnxNode("Mul", ("shifted", "half"), {}, "share"), OnnxNode("Mul", ("x", "share")))
        halved = (OnnxNode("Mul", ("x", "half"), {}, "halved"), OnnxNode("Mul", ("halved", "shifted")))
        return (*common, *share), (*common, *halved)


def error_function() -> tuple[OnnxNode, ...]:
    """erf(x / sqrt(2)), as `curve`."""
    return (
        constant("root", sqrt(0.5)),
        OnnxNode("Mul", ("x", "root"), {}, "scaled"),
        OnnxNode("Erf", ("scaled",), {}, "curve"),
    )


def tanh_approximation() -> tuple[OnnxNode, ...]:
    """tanh(sqrt(2 / pi) * (x + 0.044715 x^3)), as `curve`; Hendrycks and Gimpel, 2016."""
    return (
        constant("cubic", 0.044715),
        constant("root", sqrt(2 / pi)),
        OnnxNode("Mul", ("x", "x"), {}, "square"),
        OnnxNode("Mul", ("square", "x"), {}, "cube"),
        OnnxNode("Mul", ("cube", "cubic"), {}, "bent"),
        OnnxNode("Add", ("x", "bent"), {}, "summed"),
        OnnxNode("Mul", ("summed", "root"), {}, "scaled"),
        OnnxNode("Tanh", ("scaled",), {}, "curve"),
    )


@final
class SiLU(InplaceActivation):
    """x * sigmoid(x), also called swish: `torch.nn.SiLU`, ONNX `Sigmoid` and `Mul`."""

    kind = "silu"
    torch_classes = ("SiLU",)
    onnx_operators = ("Sigmoid",)

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        return OnnxNode("Sigmoid", ("x",), {}, "gate"), OnnxNode("Mul", ("x", "gate"))


@final
class Mish(InplaceActivation):
    """x * tanh(softplus(x)): `torch.nn.Mish`; ONNX `Mish` from opset 18, several operators before."""

    kind = "mish"
    torch_classes = ("Mish",)
    onnx_operators = ("Mish", "Softplus")

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        if opset >= 18:
            return (OnnxNode("Mish"),)
        return (
            OnnxNode("Softplus", ("x",), {}, "soft"),
            OnnxNode("Tanh", ("soft",), {}, "gate"),
            OnnxNode("Mul", ("x", "gate")),
        )


@final
class Hardswish(InplaceActivation):
    """x * hardsigmoid(x): `torch.nn.Hardswish`; ONNX `HardSwish` from opset 14, several operators before."""

    kind = "hardswish"
    torch_classes = ("Hardswish",)
    onnx_operators = ("HardSwish", "HardSigmoid", "Add")

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        if opset >= 14:
            return (OnnxNode("HardSwish"),)
        gate = OnnxNode("HardSigmoid", ("x",), {"alpha": 1 / 6, "beta": 0.5}, "gate")
        return gate, OnnxNode("Mul", ("x", "gate"))

    def onnx_variants(self, x: Shape) -> tuple[tuple[OnnxNode, ...], ...]:
        """`x * clip(x + 3, 0, 6) / 6`, divided before or after the product."""
        gate = (
            *(constant("three", 3.0), constant("least", 0.0), constant("most", 6.0), constant("sixth", 1 / 6)),
            OnnxNode("Add", ("x", "three"), {}, "shifted"),
            OnnxNode("Clip", ("shifted", "least", "most"), {}, "gate"),
        )
        after = (OnnxNode("Mul", ("x", "gate"), {}, "product"), OnnxNode("Mul", ("product", "sixth")))
        before = (OnnxNode("Mul", ("gate", "sixth"), {}, "share"), OnnxNode("Mul", ("x", "share")))
        return (*gate, *after), (*gate, *before)


@final
class Hardsigmoid(InplaceActivation):
    """x / 6 + 1/2, kept between 0 and 1: `torch.nn.Hardsigmoid`, ONNX `HardSigmoid`."""

    kind = "hardsigmoid"
    torch_classes = ("Hardsigmoid",)
    onnx_operators = ("HardSigmoid",)
    onnx_attributes = (("alpha", 1 / 6), ("beta", 0.5))


@final
class Sigmoid(Activation):
    """1 / (1 + exp(-x)): `torch.nn.Sigmoid`, ONNX `Sigmoid`."""

    kind = "sigmoid"
    torch_classes = ("Sigmoid",)
    onnx_operators = ("Sigmoid",)
    ends_classifier = True


@final
class Tanh(Activation):
    """The hyperbolic tangent: `torch.nn.Tanh`, ONNX `Tanh`."""

    kind = "tanh"
    torch_classes = ("Tanh",)
    onnx_operators = ("Tanh",)


@final
class Softplus(Activation):
    """log(1 + exp(beta * x)) / beta: `torch.nn.Softplus`, ONNX `Softplus`."""

    kind = "softplus"
    main = "beta"
    torch_classes = ("Softplus",)
    onnx_operators = ("Softplus", "Mul")

    beta: Annotated[PositiveNumber, "how sharp the bend is"] = 1.0

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        if self.beta == 1:
            return (OnnxNode("Softplus"),)
        return (
            constant("beta", float(self.beta)),
            OnnxNode("Mul", ("x", "beta"), {}, "scaled"),
            OnnxNode("Softplus", ("scaled",), {}, "soft"),
            OnnxNode("Div", ("soft", "beta")),
        )

    @classmethod
    def from_torch(cls, module: Any, x: Shape) -> Layer:
        require(module.threshold == 20, f"its threshold is {module.threshold}, not 20")
        return super().from_torch(module, x)

    @classmethod
    def from_onnx(cls, ahead: Lookahead) -> Iterator[tuple[Layer, ...]]:
        if ahead.start.op == "Softplus":
            yield (cls(),)
        for factor in ahead.start.constants:
            if factor.number is not None:
                yield (cls.from_options(beta=decimal(factor.number)),)

    def onnx_variants(self, x: Shape) -> tuple[tuple[OnnxNode, ...], ...]:
        """With torch's threshold of 20, above which its softplus is x."""
        value: tuple[OnnxNode, ...] = ()
        curve: tuple[OnnxNode, ...] = (OnnxNode("Softplus", ("x",), {}, "curve"),)
        if self.beta != 1:
            value = (constant("beta", float(self.beta)), OnnxNode("Mul", ("x", "beta"), {}, "scaled"))
            curve = (OnnxNode("Softplus", ("scaled",), {}, "soft"), OnnxNode("Div", ("soft", "beta"), {}, "curve"))
        large = OnnxNode("Greater", ("scaled" if value else "x", "threshold"), {}, "large")
        return ((*value, *curve, constant("threshold", 20.0), large, OnnxNode("Where", ("large", "x", "curve"))),)
