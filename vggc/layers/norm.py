"""Normalisation: any shape -> the same shape."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from math import prod
from typing import Annotated, Any, final

from vggc.layers.adaptive_pool import reduce_nodes
from vggc.layers.answers import Array, OnnxNode, OnnxValue, Shape, ShapeError, TorchCall, constant
from vggc.layers.checks import image, require, require_size
from vggc.layers.layer import Layer
from vggc.layers.operation import Lookahead, Operation, decimal
from vggc.layers.option_types import Positive, PositiveNumber, Probability

Epsilon = Annotated[PositiveNumber, "added to the variance"]
Affine = Annotated[bool, "whether a scale and a bias are learned"]


class Normalization(Layer):
    """What all of them share: the shape stays."""

    group = "norm"
    weight_form = "factors"

    @final
    def shape(self, x: Shape) -> Shape:
        self.check(x)
        return x

    def check(self, x: Shape) -> None:
        """Raise ShapeError where the input does not suit."""

    @abstractmethod
    def torch(self, x: Shape) -> TorchCall: ...

    @abstractmethod
    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]: ...


def _affine(affine: bool, size: Shape) -> dict[str, Shape]:
    return {"weight": size, "bias": size} if affine else {}


@final
class BatchNorm(Normalization):
    """Each channel by its statistics over the batch: `torch.nn.BatchNorm2d` or `1d`, ONNX `BatchNormalization`."""

    kind = "batch_norm"
    example = "batch_norm"
    uses_batch_statistics = True
    torch_classes = ("BatchNorm2d", "BatchNorm1d")
    onnx_operators = ("BatchNormalization",)

    eps: Epsilon = 1e-5
    momentum: Annotated[Probability, "weight of the new batch in the running statistics"] = 0.1
    affine: Affine = True

    def tensors(self, x: Shape) -> dict[str, Shape]:
        return _affine(self.affine, x[:1])

    def buffers(self, x: Shape) -> dict[str, Shape]:
        return {"running_mean": x[:1], "running_var": x[:1], "num_batches_tracked": ()}

    def torch(self, x: Shape) -> TorchCall:
        return TorchCall("BatchNorm2d" if len(x) == 3 else "BatchNorm1d", x[:1], self.changed())

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        scale, constants = _scale_and_bias(self.affine, x[0])
        inputs = ("x", *scale, "running_mean", "running_var")
        return (*constants, OnnxNode("BatchNormalization", inputs, {"epsilon": float(self.eps)}))

    def inference_factors(self, tensors: Mapping[str, Array]) -> Array:
        factors: Array = tensors.get("weight", 1.0) / (tensors["running_var"] + self.eps) ** 0.5
        return factors

    def at_inference(self, values: Array | float, tensors: Mapping[str, Array]) -> Array:
        centred = values - tensors["running_mean"]
        shifted: Array = centred * self.inference_factors(tensors) + tensors.get("bias", 0.0)
        return shifted

    def tensors_that_add(self, values: Array) -> dict[str, Array]:
        zeros = values - values
        ones = zeros + 1
        state = {"running_mean": -values, "running_var": ones - self.eps}
        return state | ({"weight": ones, "bias": zeros} if self.affine else {})

    @classmethod
    def from_torch(cls, module: Any, x: Shape) -> Layer:
        require(module.track_running_stats, "track_running_stats is off: it takes its statistics from the batch")
        require(module.momentum is not None, "momentum is None")
        require_size(module.num_features, x[0], "channels")
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

    def check(self, x: Shape) -> None:
        if x[0] % self.num_groups:
            raise ShapeError(
                "E205",
                f"{self.kind}: num_groups {self.num_groups} does not divide the {x[0]} channels of the input",
                option="num_groups",
                recovered=x,
            )
        if prod(x) == self.num_groups:
            raise ShapeError("E203", f"{self.kind}: a group of one value has no variance to normalise by", recovered=x)

    def tensors(self, x: Shape) -> dict[str, Shape]:
        return _affine(self.affine, x[:1])

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
    def from_torch(cls, module: Any, x: Shape) -> Layer:
        require_size(module.num_channels, x[0], "channels")
        return super().from_torch(module, x)

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


@final
class InstanceNorm(Normalization):
    """Each channel of each image by its own statistics: `torch.nn.InstanceNorm2d`, ONNX `InstanceNormalization`."""

    kind = "instance_norm"
    example = "instance_norm: {affine: true}"
    torch_classes = ("InstanceNorm2d",)
    onnx_operators = ("InstanceNormalization",)

    eps: Epsilon = 1e-5
    affine: Affine = False

    def check(self, x: Shape) -> None:
        image(x, self.kind)
        if x[1] * x[2] == 1:
            raise ShapeError("E203", f"{self.kind}: a 1x1 map has no variance to normalise by", recovered=x)

    def tensors(self, x: Shape) -> dict[str, Shape]:
        return _affine(self.affine, x[:1])

    def torch(self, x: Shape) -> TorchCall:
        return TorchCall("InstanceNorm2d", x[:1], self.changed())

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        scale, constants = _scale_and_bias(self.affine, x[0])
        return (*constants, OnnxNode("InstanceNormalization", ("x", *scale), {"epsilon": float(self.eps)}))

    @classmethod
    def from_torch(cls, module: Any, x: Shape) -> Layer:
        require_size(module.num_features, x[0], "channels")
        require(not module.track_running_stats, "track_running_stats is set")
        return super().from_torch(module, x)

    @classmethod
    def from_onnx(cls, ahead: Lookahead) -> Iterator[tuple[Layer, ...]]:
        eps = decimal(ahead.start.attributes["epsilon"])
        if _is_unit(ahead.start):
            yield (cls.from_options(eps=eps),)
        yield (cls.from_options(eps=eps, affine=True),)


@final
class LayerNorm(Normalization):
    """Each image, or vector, by its own statistics: `torch.nn.LayerNorm` over all axes but the batch.

    ONNX `LayerNormalization` from opset 17, several operators before.
    """

    kind = "layer_norm"
    example = "layer_norm"
    torch_classes = ("LayerNorm",)
    onnx_operators = ("LayerNormalization", "ReduceMean")

    eps: Epsilon = 1e-5
    elementwise_affine: Annotated[bool, "whether a scale and a bias are learned for every element"] = True

    def tensors(self, x: Shape) -> dict[str, Shape]:
        return _affine(self.elementwise_affine, x)

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

    def check(self, x: Shape) -> None:
        image(x, self.kind)

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


def _is_unit(norm: Operation) -> bool:
    """Whether the scale is 1 and the bias 0, so that neither is needed."""
    return all(tensor.is_full_of(value) for tensor, value in zip(norm.constants, (1, 0), strict=False))


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
