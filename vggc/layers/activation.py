"""Activations: element by element, any shape -> the same shape; softmax along the channels."""

from abc import abstractmethod
from collections.abc import Iterator
from math import pi, prod, sqrt
from typing import Annotated, Any, Literal, final

from vggc.layers.answers import OnnxNode, Shape, ShapeError, TorchCall, constant
from vggc.layers.checks import require
from vggc.layers.layer import Layer
from vggc.layers.operation import Lookahead, decimal
from vggc.layers.option_types import Positive, PositiveNumber

Inplace = Annotated[bool, "whether the input is overwritten, which saves memory in training"]


class Activation(Layer):
    """What all activations share: the shape stays, and the options are torch's own."""

    group = "activation"
    elementwise = True

    @final
    def shape(self, x: Shape) -> Shape:
        self.check(x)
        return x

    def check(self, x: Shape) -> None:
        """Raise ShapeError where the input does not suit."""

    def torch(self, x: Shape) -> TorchCall:
        return TorchCall(self.torch_classes[0], (), self.changed())

    @abstractmethod
    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]: ...


@final
class ReLU(Activation):
    """max(0, x): `torch.nn.ReLU`, ONNX `Relu`."""

    kind = "relu"
    torch_classes = ("ReLU",)
    onnx_operators = ("Relu",)
    example = "relu"
    zeroes_negatives = True

    inplace: Inplace = False

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        return (OnnxNode("Relu"),)


@final
class ReLU6(Activation):
    """min(max(0, x), 6): `torch.nn.ReLU6`, ONNX `Clip`."""

    kind = "relu6"
    torch_classes = ("ReLU6",)
    onnx_operators = ("Clip",)
    example = "relu6"
    zeroes_negatives = True

    inplace: Inplace = False

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        return constant("least", 0.0), constant("most", 6.0), OnnxNode("Clip", ("x", "least", "most"))


@final
class LeakyReLU(Activation):
    """x above 0, a small slope below: `torch.nn.LeakyReLU`, ONNX `LeakyRelu`."""

    kind = "leaky_relu"
    main = "negative_slope"
    torch_classes = ("LeakyReLU",)
    onnx_operators = ("LeakyRelu",)
    example = "leaky_relu: 0.1"

    negative_slope: Annotated[float, "the slope below 0"] = 0.01
    inplace: Inplace = False

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        return (OnnxNode("LeakyRelu", ("x",), {"alpha": float(self.negative_slope)}),)

    @classmethod
    def from_onnx(cls, ahead: Lookahead) -> Iterator[tuple[Layer, ...]]:
        yield (cls.from_options(negative_slope=decimal(ahead.start.attributes["alpha"])),)


@final
class PReLU(Activation):
    """A learned slope below 0: `torch.nn.PReLU`, ONNX `PRelu`."""

    kind = "prelu"
    main = "num_parameters"
    torch_classes = ("PReLU",)
    onnx_operators = ("PRelu",)
    example = "prelu"
    elementwise = False
    weight_form = "factors"

    num_parameters: Annotated[Positive, "1 slope for all, or one for each channel"] = 1

    def check(self, x: Shape) -> None:
        if self.num_parameters not in (1, x[0]):
            raise ShapeError(
                "E205",
                f"{self.kind}: num_parameters {self.num_parameters} is neither 1 nor the input's {x[0]} channels",
                option="num_parameters",
                recovered=x,
            )

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
    example = "elu"

    alpha: Annotated[float, "the limit below 0, with a minus"] = 1.0
    inplace: Inplace = False

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        return (OnnxNode("Elu", ("x",), {"alpha": float(self.alpha)}),)

    @classmethod
    def from_onnx(cls, ahead: Lookahead) -> Iterator[tuple[Layer, ...]]:
        yield (cls.from_options(alpha=decimal(ahead.start.attributes["alpha"])),)


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
class SELU(Activation):
    """The self-normalising ELU (Klambauer et al., 2017): `torch.nn.SELU`, ONNX `Selu`."""

    kind = "selu"
    torch_classes = ("SELU",)
    onnx_operators = ("Selu",)
    example = "selu"
    self_normalizing = True

    inplace: Inplace = False

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        return (OnnxNode("Selu"),)


@final
class GELU(Activation):
    """x times the normal distribution at x: `torch.nn.GELU`; ONNX `Gelu` from opset 20, several operators before."""

    kind = "gelu"
    main = "approximate"
    torch_classes = ("GELU",)
    onnx_operators = ("Gelu", "Mul")
    example = "gelu"

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
class SiLU(Activation):
    """x * sigmoid(x), also called swish: `torch.nn.SiLU`, ONNX `Sigmoid` and `Mul`."""

    kind = "silu"
    torch_classes = ("SiLU",)
    onnx_operators = ("Sigmoid",)
    example = "silu"

    inplace: Inplace = False

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        return OnnxNode("Sigmoid", ("x",), {}, "gate"), OnnxNode("Mul", ("x", "gate"))


@final
class Mish(Activation):
    """x * tanh(softplus(x)): `torch.nn.Mish`; ONNX `Mish` from opset 18, several operators before."""

    kind = "mish"
    torch_classes = ("Mish",)
    onnx_operators = ("Mish", "Softplus")
    example = "mish"

    inplace: Inplace = False

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        if opset >= 18:
            return (OnnxNode("Mish"),)
        return (
            OnnxNode("Softplus", ("x",), {}, "soft"),
            OnnxNode("Tanh", ("soft",), {}, "gate"),
            OnnxNode("Mul", ("x", "gate")),
        )


@final
class Hardswish(Activation):
    """x * hardsigmoid(x): `torch.nn.Hardswish`; ONNX `HardSwish` from opset 14, several operators before."""

    kind = "hardswish"
    torch_classes = ("Hardswish",)
    onnx_operators = ("HardSwish", "HardSigmoid", "Add")
    example = "hardswish"

    inplace: Inplace = False

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
class Hardsigmoid(Activation):
    """x / 6 + 1/2, kept between 0 and 1: `torch.nn.Hardsigmoid`, ONNX `HardSigmoid`."""

    kind = "hardsigmoid"
    torch_classes = ("Hardsigmoid",)
    onnx_operators = ("HardSigmoid",)
    example = "hardsigmoid"

    inplace: Inplace = False

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        return (OnnxNode("HardSigmoid", ("x",), {"alpha": 1 / 6, "beta": 0.5}),)


@final
class Sigmoid(Activation):
    """1 / (1 + exp(-x)): `torch.nn.Sigmoid`, ONNX `Sigmoid`."""

    kind = "sigmoid"
    torch_classes = ("Sigmoid",)
    onnx_operators = ("Sigmoid",)
    example = "sigmoid"
    ends_classifier = True

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        return (OnnxNode("Sigmoid"),)


@final
class Tanh(Activation):
    """The hyperbolic tangent: `torch.nn.Tanh`, ONNX `Tanh`."""

    kind = "tanh"
    torch_classes = ("Tanh",)
    onnx_operators = ("Tanh",)
    example = "tanh"

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        return (OnnxNode("Tanh"),)


@final
class Softplus(Activation):
    """log(1 + exp(beta * x)) / beta: `torch.nn.Softplus`, ONNX `Softplus`."""

    kind = "softplus"
    main = "beta"
    torch_classes = ("Softplus",)
    onnx_operators = ("Softplus", "Mul")
    example = "softplus"

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


@final
class Softmax(Activation):
    """Shares that sum to 1 over the channels or features: `torch.nn.Softmax`, ONNX `Softmax`."""

    kind = "softmax"
    torch_classes = ("Softmax", "Softmax2d")
    onnx_operators = ("Softmax",)
    example = "softmax"
    ends_classifier = True
    elementwise = False
    gives_probabilities = True

    def torch(self, x: Shape) -> TorchCall:
        return TorchCall("Softmax", (), {"dim": 1})

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        return (OnnxNode("Softmax", ("x",), {"axis": 1}),)

    @classmethod
    def from_torch(cls, module: Any, x: Shape) -> Layer:
        if type(module).__name__ == "Softmax2d":
            require(len(x) == 3, "its input is no image")
        else:
            _require_channels(module, x)
        return cls()


@final
class LogSoftmax(Activation):
    """The logarithm of softmax over the channels or features: `torch.nn.LogSoftmax`, ONNX `LogSoftmax`."""

    kind = "log_softmax"
    torch_classes = ("LogSoftmax",)
    onnx_operators = ("LogSoftmax",)
    example = "log_softmax"
    ends_classifier = True
    elementwise = False
    gives_probabilities = True

    def torch(self, x: Shape) -> TorchCall:
        return TorchCall("LogSoftmax", (), {"dim": 1})

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        return (OnnxNode("LogSoftmax", ("x",), {"axis": 1}),)

    @classmethod
    def from_torch(cls, module: Any, x: Shape) -> Layer:
        _require_channels(module, x)
        return cls()


def _require_channels(module: Any, x: Shape) -> None:
    """Check that a softmax is over the channels or features, the axis after the batch."""
    require(module.dim in (1, -len(x)), f"it is over axis {module.dim}, not over the channels")
