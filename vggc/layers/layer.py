"""What a layer kind is, and the plain records in which it answers.

A kind is a frozen record whose fields are its schema. It knows nothing of torch or onnx: it *describes* the one torch
call and the few ONNX nodes that compute it, and backends carry the descriptions out. Shapes never hold the batch
axis; an image is (C, H, W), a vector (F,).
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal, Self

from vggc.base.records import Limits, Named
from vggc.layers.extent import SAME, Axis
from vggc.layers.operation import Lookahead, collapsed

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

Shape = tuple[int, ...]
WeightForm = Literal["kernel", "matrix", "factors"]
OnnxValue = int | float | str | tuple[int, ...] | tuple[float, ...]

MAX_DIMENSION = 2**31 - 1

Positive = Annotated[int, Limits(minimum=1, maximum=MAX_DIMENSION)]
NonNegative = Annotated[int, Limits(minimum=0, maximum=MAX_DIMENSION)]
Probability = Annotated[float, Limits(minimum=0, maximum=1)]
PositiveNumber = Annotated[float, Limits(exclusive_minimum=0)]
Size = Positive | tuple[Positive, Positive]
Padding = NonNegative | tuple[NonNegative, NonNegative]
# A number of channels or features; the word stands for the spec's number of classes, and is gone after parsing.
Count = Annotated[int, Limits(minimum=1, maximum=MAX_DIMENSION, classes=True)]
InChannels = Annotated[
    Positive | None, "never needed: inferred from the input; where it is written, it is checked against that"
]


class ShapeError(ValueError):
    """A layer cannot take its input.

    `option` names the option at fault, where one is. `spatial` says that height or width is the cause, so that
    inference can go on with a legal one. `recovered` is the output to go on with otherwise. `claim` is what the user
    wrote of the input and need not have written, where that is wrong: the message goes on with what the input is.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        option: str | None = None,
        spatial: bool = False,
        recovered: Shape | None = None,
        help: str | None = None,
        claim: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.option = option
        self.spatial = spatial
        self.recovered = recovered
        self.help = help
        self.claim = claim


class UnsupportedModuleError(ValueError):
    """A torch module has options that its kind cannot express; the message says which."""


class LoweringError(ValueError):
    """A layer has no form in that ONNX opset; the message says which has."""


@dataclass(frozen=True, slots=True)
class TorchCall:
    """The constructor of a class in `torch.nn`: its name, positional and keyword arguments."""

    name: str
    args: tuple[object, ...] = ()
    kwargs: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TorchFunction:
    """A function of `torch` that takes the values of a layer's inputs one by one: a layer without a module."""

    name: str


@dataclass(frozen=True, slots=True)
class OnnxNode:
    """One node.

    `x` is the layer's input, `y` its output, tensor names are the layer's own, others are local. The further inputs of
    a layer that takes several are `x1`, `x2` and so on.
    """

    op: str
    inputs: tuple[str, ...] = ("x",)
    attributes: Mapping[str, OnnxValue] = field(default_factory=dict)
    output: str = "y"


def constant(output: str, value: OnnxValue) -> OnnxNode:
    """A Constant node: a list of integers or floats, or one number."""
    values = value if isinstance(value, tuple) else (value,)
    typed = "int" if all(isinstance(number, int) for number in values) else "float"
    return OnnxNode("Constant", (), {f"value_{typed}{'s' if isinstance(value, tuple) else ''}": value}, output)


class Layer(Named):
    """Base of all kinds; every kind is final.

    `kind` is the word in a spec, `main` the option that a bare value means (`dropout: 0.5`), `group` the family, by
    which layers are named and coloured, `example` an item of a spec. The other class variables answer what analyses
    and passes ask of a kind, so that none of them needs to know it; each has the answer of most kinds as its default.

    Importing asks a kind three things, and has no table of its own:

    `torch_classes` are the names of the classes of `torch.nn` that are layers of this kind, and `from_torch` reads a
    module of one of them. It need not be overridden where the options have torch's names.

    `onnx_operators` are the operators that the kind's nodes may begin with, in whichever opset or exporter, and
    `from_onnx` yields candidates where an operation with such an operator is met. A candidate may be wrong: it is
    lowered with `onnx` at every opset, and kept only where that gives the file's own operations. It need not be
    overridden where no option is to be read from the file. `onnx_variants` are the forms in which other exporters write
    the layer, where bringing operations to normal form does not make them the kind's own.
    """

    group: ClassVar[Literal["conv", "pool", "norm", "activation", "dropout", "linear", "shape"]]
    example: ClassVar[str]
    # The option that the spec's `width` multiplies.
    scaled_option: ClassVar[str | None] = None
    # What its `weight` is, where it learns one: a kernel with four axes, a matrix, or one factor for each channel or
    # value. It decides which schemes of `init` suit.
    weight_form: ClassVar[WeightForm | None] = None
    # What to change of it where the map is too small for it.
    remedy: ClassVar[str] = "make the border smaller"
    # Whether it makes a vector of an image.
    flattens: ClassVar[bool] = False
    # Whether it computes every value from that value alone and by the same function.
    elementwise: ClassVar[bool] = False
    # Whether it takes the largest value of each window.
    takes_maximum: ClassVar[bool] = False
    # Whether it gives 0 with gradient 0 for all values below 0, so that a unit can stop learning.
    zeroes_negatives: ClassVar[bool] = False
    # Whether it makes probabilities, or their logarithms, of logits.
    gives_probabilities: ClassVar[bool] = False
    # Whether it keeps mean 0 and variance 1 from layer to layer.
    self_normalizing: ClassVar[bool] = False
    # Whether it normalises each channel by the batch's statistics in training, and is a factor and a shift for each
    # channel at inference: `inference_factors` and `at_inference`.
    uses_batch_statistics: ClassVar[bool] = False
    # Whether a factor and a shift for each output channel can become part of its weight and bias: `scaled_weight`.
    takes_factors: ClassVar[bool] = False
    # Whether it belongs to the output of a classifier rather than between its layers.
    ends_classifier: ClassVar[bool] = False
    # The classes of `torch.nn` that `from_torch` reads.
    torch_classes: ClassVar[tuple[str, ...]] = ()
    # The ONNX operators from which `from_onnx` reads.
    onnx_operators: ClassVar[tuple[str, ...]] = ()

    @property
    def is_weight_layer(self) -> bool:
        """Whether it multiplies its input by learned weights: the layers of which VGG-16 has 16."""
        return self.weight_form in ("kernel", "matrix")

    @property
    def ends_stage(self) -> bool:
        """Whether a stage of the features ends with it."""
        return self.group == "pool"

    def conflict(self) -> tuple[str, str] | None:
        """An option that contradicts another, and the sentence that says so; checked before any shape is known."""
        return None

    def axes(self) -> tuple[Axis, Axis] | None:
        """What happens to height and width; None where the output is no image."""
        return SAME

    def fixes_size(self) -> bool:
        """Whether the size of the output is the same for every input."""
        axes = self.axes()
        return axes is not None and axes[0].window is None

    def window(self) -> str:
        """What moves over the map, in the words of an error."""
        return "a pixel"

    def misfit(self, x: Shape) -> str:
        """Why it does not take an image of shape `x`, which is too small for it."""
        return f"{self.window()} does not fit the {x[1]}x{x[2]} map"

    @abstractmethod
    def shape(self, x: Shape) -> Shape:
        """The output shape for an input of shape `x`, both without the batch axis.

        Raises:
            ShapeError: the layer cannot take this input; the message holds the arithmetic.
        """

    def tensors(self, x: Shape) -> dict[str, Shape]:
        """The learned tensors by their torch names, with torch's shapes."""
        return {}

    def buffers(self, x: Shape) -> dict[str, Shape]:
        """The tensors of the state dict that are not learned: running statistics and a step count."""
        return {}

    def params(self, *xs: Shape) -> int:
        """How many numbers are learned."""
        return sum(prod(shape) for shape in self.tensors(*xs).values())

    def weight_bytes(self, *xs: Shape) -> int:
        """The bytes of the learned tensors and the buffers: float32, but for a count of batches, which is an int64."""
        state = self.tensors(*xs) | self.buffers(*xs)
        return sum((8 if name == "num_batches_tracked" else 4) * prod(shape) for name, shape in state.items())

    def macs(self, x: Shape) -> int:
        """Multiply-accumulates per sample, the bias excluded; 0 for layers that multiply no weights."""
        return 0

    @abstractmethod
    def torch(self, x: Shape) -> TorchCall | TorchFunction:
        """The class of `torch.nn` that this layer is, for an input of shape `x`; or the function that joins inputs."""

    @abstractmethod
    def onnx(self, x: Shape, *, opset: int) -> tuple[OnnxNode, ...]:
        """The nodes that this layer is at inference; none where it does nothing.

        Raises:
            LoweringError: the opset has no form for it.
        """

    # --- the same layer in another form ---

    def with_options(self, **options: object) -> Self:
        """A layer of the same kind with other options."""
        return type(self)(**(self.changed() | options))

    def with_open_size(self) -> "Layer":
        """The layer that does the same and is the same ONNX nodes for a map of any size, where there is one."""
        return self

    def with_fixed_windows(self, x: Shape) -> "Layer | None":
        """The layer that does the same to a map of shape `x`, with windows of one size that move along a larger map.

        A pool of the whole map to one value stays what it is. None where the windows differ in size.
        """
        return self

    def has_uneven_windows(self, x: Shape) -> bool:
        """Whether its windows on a map of shape `x` overlap or differ in size, though no option asks for that."""
        return False

    def as_convolution(self, x: Shape) -> "Layer | None":
        """The convolution over a whole map of shape `x` that computes what this layer computes of the flattened map.

        Its tensors have the same names and, in another shape, the same values. None where it is no linear layer.
        """
        return None

    def shrunk(self, x: Shape) -> "Layer | None":
        """The layer nearest to this one that takes a map of shape `x`, which is too small for it; None where it would
        do nothing, or there is none.
        """
        return None

    # --- folding ---

    def scaled_weight(self, weight: "Array", factors: "Array") -> "Array":
        """The weight under which each channel or feature of the output is multiplied by its factor.

        Args:
            weight: of the shape that `tensors` says.
            factors: one for each channel or feature of the output.

        Raises:
            NotImplementedError: not `takes_factors`.
        """
        raise NotImplementedError(self.kind)

    def inference_factors(self, tensors: "Mapping[str, Array]") -> "Array":
        """What each channel is multiplied by at inference, (C,), with these tensors of the state dict.

        Raises:
            NotImplementedError: not `uses_batch_statistics`.
        """
        raise NotImplementedError(self.kind)

    def at_inference(self, values: "Array | float", tensors: "Mapping[str, Array]") -> "Array":
        """What it makes at inference of one value for each channel, (C,).

        Raises:
            NotImplementedError: not `uses_batch_statistics`.
        """
        raise NotImplementedError(self.kind)

    def tensors_that_add(self, values: "Array") -> "dict[str, Array]":
        """The tensors under which it adds a value to each channel at inference, (C,), and does nothing else.

        Raises:
            NotImplementedError: not `uses_batch_statistics`.
        """
        raise NotImplementedError(self.kind)

    # --- importing ---

    @classmethod
    def from_options(cls, **options: Any) -> Self:
        """The layer with these options; one that equals its default is the default, because 1 is not written as 1.0."""
        return cls(**{name: value for name, value in options.items() if value != cls.default(name)})

    @classmethod
    def from_torch(cls, module: Any, x: Shape) -> "Layer":
        """The layer that a module is, read from its attributes.

        Args:
            module: of one of the `torch_classes`.
            x: the shape of its input, without the batch axis.

        Raises:
            UnsupportedModuleError: the kind cannot express an option of the module.
            ShapeError: the module is for another input.
        """
        names = [name for name in cls.field_names() if name not in _IMPLIED and hasattr(module, name)]
        return cls.from_options(**{name: _option(name, getattr(module, name)) for name in names})

    @classmethod
    def from_onnx(cls, ahead: Lookahead) -> Iterator[tuple["Layer", ...]]:
        """The layers that the next operations may be, each candidate one layer or several in a row.

        `ahead.start` has one of the `onnx_operators`.
        """
        if not cls.required():
            yield (cls(),)

    def onnx_variants(self, x: Shape) -> tuple[tuple[OnnxNode, ...], ...]:
        """The forms in which other exporters write this layer, as nodes of opset 21."""
        return ()

    @classmethod
    def in_place_of(cls, layer: "Layer", x: Shape, following: Sequence["Layer"]) -> "Layer | None":
        """A layer of this kind that a user would rather write than another layer with the same output; mostly None.

        What an import recovers is written in this form.

        Args:
            layer: of any kind.
            x: the shape of its input, without the batch axis.
            following: the layers after it.
        """
        return None


# What a layer leaves out of a spec: it overwrites its input, which changes no value, or it is inferred.
_IMPLIED: Final = ("inplace", "in_channels", "in_features")


def _option(name: str, value: Any) -> Any:
    """An attribute of a torch module as the option of a spec."""
    if name == "bias":
        return value is not None
    return collapsed(value) if isinstance(value, tuple) else value


def require(condition: bool, why: str) -> None:
    """Check an option of a torch module.

    Raises:
        UnsupportedModuleError: the condition does not hold.
    """
    if not condition:
        raise UnsupportedModuleError(why)


def require_size(size: int, actual: int, what: str) -> None:
    """Check the channels or features that a torch module takes.

    Raises:
        ShapeError: E202, the input has another number of them.
    """
    if size != actual:
        raise ShapeError("E202", f"it takes {size} {what}, and its input has {actual}")


def pair(value: int | tuple[int, int]) -> tuple[int, int]:
    """A size given once for height and width, or as [height, width]."""
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def image(x: Shape, kind: str, recovered: Shape | None = None) -> tuple[int, int, int]:
    """`x` as (C, H, W).

    Raises:
        ShapeError: E201, `x` is a vector.
    """
    if len(x) != 3:
        raise ShapeError(
            "E201",
            f"{kind} works on an image (C, H, W), and its input is a vector of {x[0]}",
            recovered=recovered or x,
            help="move it before the flatten",
        )
    return x[0], x[1], x[2]


def written(kind: str, option: str, wrote: int | None, actual: int, derivation: str, recovered: Shape) -> None:
    """Check a size that the author need not have written.

    Raises:
        ShapeError: E202, the input has another size.
    """
    if wrote is not None and wrote != actual:
        claim = f"{kind}: you wrote {option} {wrote}"
        raise ShapeError(
            "E202",
            f"{claim}; {derivation}",
            option=option,
            recovered=recovered,
            help=f"remove {option}: it is inferred",
            claim=claim,
        )


def slide(layer: Layer, x: Shape, channels: int, axes: tuple[Axis, Axis]) -> Shape:
    """The output (channels, H', W') of a layer whose windows move over the image `x`.

    Raises:
        ShapeError: E203, the window does not fit the map.
    """
    _, height, width = x
    if height < axes[0].minimum or width < axes[1].minimum:
        raise ShapeError("E203", f"{layer.kind}: {layer.misfit(x)}", spatial=True)
    return channels, axes[0].map(height), axes[1].map(width)


def by_size(size: tuple[int, int], what: str, padding: tuple[int, int, int, int] | None = None) -> str:
    """A window in words: `a 2x2 window`, `a 7x7 kernel, padded by 1`."""
    text = f"a {size[0]}x{size[1]} {what}"
    if padding and any(padding):
        top, bottom, left, right = padding
        same = top == bottom == left == right
        text += f" with padding {top}" if same else f" with padding {top}, {bottom}, {left}, {right}"
    return text
