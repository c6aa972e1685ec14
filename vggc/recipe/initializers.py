"""The schemes of `init`: the functions of `torch.nn.init` and their arguments, as records."""

from typing import Annotated, ClassVar, Final, Literal

from vggc.base.records import NamedByClass, by_kind
from vggc.layers.answers import WeightForm
from vggc.layers.option_types import Positive, PositiveNumber, Probability

FanMode = Annotated[Literal["fan_in", "fan_out"], "whose variance is kept: the output's (fan_in) or the gradient's"]
Nonlinearity = Annotated[
    Literal["relu", "leaky_relu", "tanh", "sigmoid", "selu", "linear"], "the activation that follows, for the gain"
]
Slope = Annotated[float, "the slope below 0 of leaky_relu, for the gain"]
Gain = Annotated[PositiveNumber, "a factor on the result"]


class Initializer(NamedByClass):
    """A function of `torch.nn.init`; the fields are its keyword arguments."""

    weight_forms: ClassVar[tuple[WeightForm, ...] | None] = None  # the weights that it suits; None: any tensor

    def conflict(self) -> str | None:
        """Why its arguments contradict each other, where they do."""
        return None

    def torch(self) -> tuple[str, dict[str, object]]:
        """The name of the function and its keyword arguments."""
        return f"{self.kind}_", self.changed()


class _Kaiming(Initializer):
    main = "mode"
    weight_forms = ("kernel", "matrix")
    mode: FanMode = "fan_in"
    nonlinearity: Nonlinearity = "leaky_relu"
    a: Slope = 0


class KaimingNormal(_Kaiming):
    """He et al., 2015, normal."""


class KaimingUniform(_Kaiming):
    """He et al., 2015, uniform."""


class XavierNormal(Initializer):
    """Glorot and Bengio, 2010, normal."""

    main = "gain"
    weight_forms = ("kernel", "matrix")
    gain: Gain = 1.0


class XavierUniform(XavierNormal):
    """Glorot and Bengio, 2010, uniform."""


class Orthogonal(Initializer):
    """Saxe et al., 2013."""

    main = "gain"
    weight_forms = ("kernel", "matrix")
    gain: Gain = 1


class Dirac(Initializer):
    """The identity as a convolution."""

    main = "groups"
    weight_forms = ("kernel",)
    groups: Annotated[Positive, "groups of the convolution"] = 1


class Eye(Initializer):
    """The identity matrix."""

    weight_forms = ("matrix",)


class Sparse(Initializer):
    """Normal, with a share of every column set to 0 (Martens, 2010)."""

    main = "sparsity"
    weight_forms = ("matrix",)
    sparsity: Annotated[Probability, "the share that is 0"]
    std: Annotated[PositiveNumber, "the standard deviation of the others"] = 0.01


class Normal(Initializer):
    """A normal distribution."""

    main = "std"
    mean: Annotated[float, "its mean"] = 0.0
    std: Annotated[PositiveNumber, "its standard deviation"] = 1.0


class TruncNormal(Normal):
    """A normal distribution, redrawn outside [a, b]."""

    a: Annotated[float, "the least value"] = -2.0
    b: Annotated[float, "the greatest value"] = 2.0

    def conflict(self) -> str | None:
        return _empty_interval(self.a, self.b)


class Uniform(Initializer):
    """A uniform distribution."""

    a: Annotated[float, "the least value"] = 0.0
    b: Annotated[float, "the greatest value"] = 1.0

    def conflict(self) -> str | None:
        return _empty_interval(self.a, self.b)


class ConstantValue(Initializer):
    """The same value everywhere."""

    kind = "constant"
    main = "val"
    val: Annotated[float, "the value"]


class Zeros(Initializer):
    """0 everywhere."""


class Ones(Initializer):
    """1 everywhere."""


def _empty_interval(a: float, b: float) -> str | None:
    return None if a < b else f"the least value, a = {a}, is not below the greatest, b = {b}"


INITIALIZERS: Final[dict[str, type[Initializer]]] = by_kind(
    KaimingNormal, KaimingUniform, XavierNormal, XavierUniform, Orthogonal, Dirac, Eye, Sparse, Normal, TruncNormal,
    Uniform, ConstantValue, Zeros, Ones,
)  # fmt: skip
