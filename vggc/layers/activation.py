"""Activations: element by element, any shape -> the same shape; softmax along the channels."""

from abc import abstractmethod
from math import pi, sqrt
from typing import Annotated, ClassVar, Literal, final

from vggc.layers.layer import Layer, OnnxNode, Positive, PositiveNumber, Shape, ShapeError, TorchCall, constant

Inplace = Annotated[bool, "whether the input is overwritten, which saves memory in training"]


class Activation(Layer):
    """What all activations share: the shape stays, and the options are torch's own."""

    group = "activation"
    elementwise = True
    torch_name: ClassVar[str]

    @final
    def shape(self, x: Shape) -> Shape:
        self.check(x)
        return x

    def check(self, x: Shape) -> None:
        """Raise ShapeError where the input does not suit."""

    def torch(self, x: Shape) -> TorchCall:
        return TorchCall(self.torch_name, (), self.changed())

    @abstractmethod
    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]: ...


@final
class ReLU(Activation):
    """max(0, x): `torch.nn.ReLU`, ONNX `Relu`."""

    kind = "relu"
    torch_name = "ReLU"
    example = "relu"
    zeroes_negatives = True

    inplace: Inplace = False

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        return (OnnxNode("Relu"),)


@final
class ReLU6(Activation):
    """min(max(0, x), 6): `torch.nn.ReLU6`, ONNX `Clip`."""

    kind = "relu6"
    torch_name = "ReLU6"
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
    torch_name = "LeakyReLU"
    example = "leaky_relu: 0.1"

    negative_slope: Annotated[float, "the slope below 0"] = 0.01
    inplace: Inplace = False

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        return (OnnxNode("LeakyRelu", ("x",), {"alpha": float(self.negative_slope)}),)


@final
class PReLU(Activation):
    """A learned slope below 0: `torch.nn.PReLU`, ONNX `PRelu`."""

    kind = "prelu"
    main = "num_parameters"
    torch_name = "PReLU"
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


@final
class ELU(Activation):
    """x above 0, alpha * (exp(x) - 1) below: `torch.nn.ELU`, ONNX `Elu`."""

    kind = "elu"
    main = "alpha"
    torch_name = "ELU"
    example = "elu"

    alpha: Annotated[float, "the limit below 0, with a minus"] = 1.0
    inplace: Inplace = False

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        return (OnnxNode("Elu", ("x",), {"alpha": float(self.alpha)}),)


@final
class SELU(Activation):
    """The self-normalising ELU (Klambauer et al., 2017): `torch.nn.SELU`, ONNX `Selu`."""

    kind = "selu"
    torch_name = "SELU"
    example = "selu"
    self_normalizing = True

    inplace: Inplace = False

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        return (OnnxNode("Selu"),)


@final
class GELU(Activation):
    """x times the normal distribution at x: `torch.nn.GELU`; ONNX `Gelu` from opset 20, spelled out before."""

    kind = "gelu"
    main = "approximate"
    torch_name = "GELU"
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
    torch_name = "SiLU"
    example = "silu"

    inplace: Inplace = False

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        return OnnxNode("Sigmoid", ("x",), {}, "gate"), OnnxNode("Mul", ("x", "gate"))


@final
class Mish(Activation):
    """x * tanh(softplus(x)): `torch.nn.Mish`; ONNX `Mish` from opset 18, spelled out before."""

    kind = "mish"
    torch_name = "Mish"
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
    """x * hardsigmoid(x): `torch.nn.Hardswish`; ONNX `HardSwish` from opset 14, spelled out before."""

    kind = "hardswish"
    torch_name = "Hardswish"
    example = "hardswish"

    inplace: Inplace = False

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        if opset >= 14:
            return (OnnxNode("HardSwish"),)
        gate = OnnxNode("HardSigmoid", ("x",), {"alpha": 1 / 6, "beta": 0.5}, "gate")
        return gate, OnnxNode("Mul", ("x", "gate"))


@final
class Hardsigmoid(Activation):
    """x / 6 + 1/2, kept between 0 and 1: `torch.nn.Hardsigmoid`, ONNX `HardSigmoid`."""

    kind = "hardsigmoid"
    torch_name = "Hardsigmoid"
    example = "hardsigmoid"

    inplace: Inplace = False

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        return (OnnxNode("HardSigmoid", ("x",), {"alpha": 1 / 6, "beta": 0.5}),)


@final
class Sigmoid(Activation):
    """1 / (1 + exp(-x)): `torch.nn.Sigmoid`, ONNX `Sigmoid`."""

    kind = "sigmoid"
    torch_name = "Sigmoid"
    example = "sigmoid"

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        return (OnnxNode("Sigmoid"),)


@final
class Tanh(Activation):
    """The hyperbolic tangent: `torch.nn.Tanh`, ONNX `Tanh`."""

    kind = "tanh"
    torch_name = "Tanh"
    example = "tanh"

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        return (OnnxNode("Tanh"),)


@final
class Softplus(Activation):
    """log(1 + exp(beta * x)) / beta: `torch.nn.Softplus`, ONNX `Softplus`."""

    kind = "softplus"
    main = "beta"
    torch_name = "Softplus"
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


@final
class Softmax(Activation):
    """Shares that sum to 1 over the channels or features: `torch.nn.Softmax`, ONNX `Softmax`."""

    kind = "softmax"
    torch_name = "Softmax"
    example = "softmax"
    elementwise = False
    gives_probabilities = True

    def torch(self, x: Shape) -> TorchCall:
        return TorchCall("Softmax", (), {"dim": 1})

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        return (OnnxNode("Softmax", ("x",), {"axis": 1}),)


@final
class LogSoftmax(Activation):
    """The logarithm of softmax over the channels or features: `torch.nn.LogSoftmax`, ONNX `LogSoftmax`."""

    kind = "log_softmax"
    torch_name = "LogSoftmax"
    example = "log_softmax"
    elementwise = False
    gives_probabilities = True

    def torch(self, x: Shape) -> TorchCall:
        return TorchCall("LogSoftmax", (), {"dim": 1})

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        return (OnnxNode("LogSoftmax", ("x",), {"axis": 1}),)
