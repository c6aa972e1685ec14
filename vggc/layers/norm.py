"""Normalisation over the batch, the map or groups of channels: any shape -> the same shape."""

from collections.abc import Iterator, Mapping
from math import prod
from typing import Annotated, Any, final

from vggc.layers.answers import Array, OnnxNode, OnnxValue, Shape, ShapeError, TorchCall, constant
from vggc.layers.checks import image, require
from vggc.layers.layer import Layer
from vggc.layers.operation import Lookahead, Operation, decimal
from vggc.layers.option_types import Positive, PositiveNumber, Probability

Epsilon = Annotated[PositiveNumber, "added to the variance"]
Affine = Annotated[bool, "whether a scale and a bias are learned"]


class Normalization(Layer):
    """What all of them share: a factor for each channel or value, where any is learned."""

    group = "norm"
    weight_form = "factors"


def affine_tensors(affine: bool, size: Shape) -> dict[str, Shape]:
    """The learned scale and bias of that shape, if there are any."""
    return {"weight": size, "bias": size} if affine else {}


@final
class BatchNorm(Normalization):
    """Each channel by its statistics over the batch: `torch.nn.BatchNorm2d` or `1d`, ONNX `BatchNormalization`."""

    kind = "batch_norm"
    uses_batch_statistics = True
    torch_classes = ("BatchNorm2d", "BatchNorm1d")
    onnx_operators = ("BatchNormalization",)

    eps: Epsilon = 1e-5
    momentum: Annotated[Probability, "weight of the new batch in the running statistics"] = 0.1
    affine: Affine = True

    def tensors(self, x: Shape) -> dict[str, Shape]:
        return affine_tensors(self.affine, x[:1])

    def buffers(self, x: Shape) -> dict[str, Shape]:
        return {"running_mean": x[:1], "running_var": x[:1], "num_batches_tracked": ()}

    def torch(self, x: Shape) -> TorchCall:
        return TorchCall("BatchNorm2d" if len(x) == 3 else "BatchNorm1d", x[:1], self.changed())

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        scale, constants = _scale_and_bias(self.affine, x[0])
        inputs = ("x", *scale, "running_mean", "running_var")
        return (*constants, OnnxNode("BatchNormalization", inputs, {"epsilon": float(self.eps)}))

    def at_inference(self, values: Array | float, tensors: Mapping[str, Array]) -> tuple[Array, Array]:
        factors = tensors.get("weight", 1.0) / (tensors["running_var"] + self.eps) ** 0.5
        return factors, (values - tensors["running_mean"]) * factors + tensors.get("bias", 0.0)

    def tensors_that_add(self, values: Array) -> dict[str, Array]:
        zeros = values - values
        ones = zeros + 1
        state = {"running_mean": -values, "running_var": ones - self.eps}
        return state | ({"weight": ones, "bias": zeros} if self.affine else {})

    @classmethod
    def from_torch(cls, module: Any, x: Shape) -> Layer:
        require(module.track_running_stats, "track_running_stats is off: it takes its statistics from the batch")
        require(module.momentum is not None, "momentum is None")
        return super().from_torch(module, x)

    @classmethod
    def from_onnx(cls, ahead: Lookahead) -> Iterator[tuple[Layer, ...]]:
        """ONNX's momentum weighs the old statistics, torch's the new ones."""
        scale, bias, *_ = ahead.start.constants
        momentum = round(1 - decimal(ahead.start.attributes["momentum"]), 6)
        options = {"eps": decimal(ahead.start.attributes["epsilon"]), "momentum": momentum}
        if not (scale.is_stored or bias.is_stored) and _is_unit(ahead.start):
            yield (cls.from_options(**options, affine=False),)
        yield (cls.from_options(**options),)


@final
class InstanceNorm(Normalization):
    """Each channel of each image by its own statistics: `torch.nn.InstanceNorm2d`, ONNX `InstanceNormalization`."""

    kind = "instance_norm"
    example = "instance_norm: {affine: true}"
    torch_classes = ("InstanceNorm2d",)
    onnx_operators = ("InstanceNormalization",)

    eps: Epsilon = 1e-5
    affine: Affine = False

    def shape(self, x: Shape) -> Shape:
        image(x, self.kind)
        if x[1] * x[2] == 1:
            raise ShapeError("E203", f"{self.kind}: a 1x1 map has no variance to normalise by", recovered=x)
        return x

    def tensors(self, x: Shape) -> dict[str, Shape]:
        return affine_tensors(self.affine, x[:1])

    def torch(self, x: Shape) -> TorchCall:
        return TorchCall("InstanceNorm2d", x[:1], self.changed())

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        scale, constants = _scale_and_bias(self.affine, x[0])
        return (*constants, OnnxNode("InstanceNormalization", ("x", *scale), {"epsilon": float(self.eps)}))

    @classmethod
    def from_torch(cls, module: Any, x: Shape) -> Layer:
        require(not module.track_running_stats, "track_running_stats is set")
        return super().from_torch(module, x)

    @classmethod
    def from_onnx(cls, ahead: Lookahead) -> Iterator[tuple[Layer, ...]]:
        eps = decimal(ahead.start.attributes["epsilon"])
        if _is_unit(ahead.start):
            yield (cls.from_options(eps=eps),)
        yield (cls.from_options(eps=eps, affine=True),)


def _scale_and_bias(affine: bool, channels: int) -> tuple[tuple[str, str], tuple[OnnxNode, ...]]:
    """The learned scale and bias, or constants of 1 and 0 where ONNX insists on them."""
    if affine:
        return ("weight", "bias"), ()
    return ("ones", "zeros"), (constant("ones", (1.0,) * channels), constant("zeros", (0.0,) * channels))


@final
class GroupNorm(Normalization):
    """Each group of channels by its own statistics: `torch.nn.GroupNorm`, ONNX `InstanceNormalization` by groups.

    Not ONNX `GroupNormalization`: before opset 21 its scale was one a group, and onnx cannot infer the shape of its
    output, nor of anything after it.
    """

    kind = "group_norm"
    main = "num_groups"
    example = "group_norm: 8"
    torch_classes = ("GroupNorm",)
    onnx_operators = ("GroupNormalization", "Reshape")

    num_groups: Annotated[Positive, "the channels are split into this many groups"]
    eps: Epsilon = 1e-5
    affine: Affine = True

    def shape(self, x: Shape) -> Shape:
        if x[0] % self.num_groups:
            raise ShapeError(
                "E205",
                f"{self.kind}: num_groups {self.num_groups} does not divide the {x[0]} channels of the input",
                option="num_groups",
                recovered=x,
            )
        if prod(x) == self.num_groups:
            raise ShapeError("E203", f"{self.kind}: a group of one value has no variance to normalise by", recovered=x)
        return x

    def tensors(self, x: Shape) -> dict[str, Shape]:
        return affine_tensors(self.affine, x[:1])

    def torch(self, x: Shape) -> TorchCall:
        options = self.changed()
        return TorchCall("GroupNorm", (options.pop("num_groups"), x[0]), options)

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        # One channel a group, each normalised for itself.
        _, unit = _scale_and_bias(False, self.num_groups)
        normalized = (
            constant("grouped_shape", (0, self.num_groups, -1)),
            OnnxNode("Reshape", ("x", "grouped_shape"), {}, "grouped"),
            *unit,
            OnnxNode("InstanceNormalization", ("grouped", "ones", "zeros"), {"epsilon": float(self.eps)}, "normalized"),
            constant("map_shape", (-1, *x)),
            OnnxNode("Reshape", ("normalized", "map_shape"), {}, "map" if self.affine else "y"),
        )
        if not self.affine:
            return normalized
        return (*normalized, *_apply_affine("map", (x[0],) + (1,) * (len(x) - 1)))

    @classmethod
    def from_onnx(cls, ahead: Lookahead) -> Iterator[tuple[Layer, ...]]:
        norm = ahead.find("GroupNormalization", "InstanceNormalization")
        if norm is None or len(ahead.start.shape) < 2:
            return
        groups = norm.attributes.get("num_groups", ahead.start.shape[1])
        for affine in (True, False):
            eps = decimal(norm.attributes["epsilon"])
            yield (cls.from_options(num_groups=groups, eps=eps, affine=affine),)

    def onnx_variants(self, x: Shape) -> tuple[tuple[OnnxNode, ...], ...]:
        """The operator of ONNX, which always has a scale and a bias."""
        scale, constants = _scale_and_bias(self.affine, x[0])
        attributes: dict[str, OnnxValue] = {"num_groups": self.num_groups, "epsilon": float(self.eps)}
        return ((*constants, OnnxNode("GroupNormalization", ("x", *scale), attributes)),)


def _apply_affine(value: str, shape: Shape) -> tuple[OnnxNode, ...]:
    """Value * weight + bias, the two reshaped so that they broadcast along the channels."""
    return (
        constant("affine_shape", shape),
        OnnxNode("Reshape", ("weight", "affine_shape"), {}, "scale"),
        OnnxNode("Reshape", ("bias", "affine_shape"), {}, "shift"),
        OnnxNode("Mul", (value, "scale"), {}, "scaled"),
        OnnxNode("Add", ("scaled", "shift")),
    )


def _is_unit(norm: Operation) -> bool:
    """Whether the scale is 1 and the bias 0, so that neither is needed."""
    return all(tensor.is_full_of(value) for tensor, value in zip(norm.constants, (1, 0), strict=False))
