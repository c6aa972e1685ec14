"""What a layer kind is.

A kind is a frozen record whose fields are its schema. It knows nothing of torch or onnx: it *describes* the one torch
call and the few ONNX nodes that compute it, and backends carry the descriptions out. Shapes never hold the batch
axis; an image is (C, H, W), a vector (F,).
"""

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any, ClassVar, Literal, Self

from vggc.base.records import Named
from vggc.layers.answers import Array, OnnxNode, OnnxValue, Shape, TorchCall, TorchFunction, WeightForm
from vggc.layers.extent import SAME, Axis
from vggc.layers.operation import Lookahead, decimal
from vggc.layers.torch_attributes import check_input_size, options_of


class Layer(Named):
    """Base of all kinds; every kind is final.

    `kind` is the word in a spec, `main` the option that a bare value means (`dropout: 0.5`), `group` the family, by
    which layers are named and coloured, `example` an item of a spec, by default the word alone. The other class
    variables answer what analyses and passes ask of a kind, so that none of them needs to know it; each has the answer
    of most kinds as its default.

    Importing asks a kind three things, and has no table of its own:

    `torch_classes` are the names of the classes of `torch.nn` that are layers of this kind, and `from_torch` reads a
    module of one of them. Neither it nor `torch` need be overridden where the options have torch's names.

    `onnx_operators` are the operators that the kind's nodes may begin with, in whichever opset or exporter, and
    `from_onnx` yields candidates where an operation with such an operator is met. A candidate may be wrong: it is
    lowered with `onnx` at every opset, and kept only where that gives the file's own operations. It need not be
    overridden where no option is to be read from the file. `onnx_variants` are the forms in which other exporters write
    the layer, where bringing operations to normal form does not make them the kind's own.
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "kind" in vars(cls) and "example" not in vars(cls):
            cls.example = cls.kind

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
    # channel at inference: `at_inference`.
    uses_batch_statistics: ClassVar[bool] = False
    # Whether a factor and a shift for each output channel can become part of its weight and bias: `scaled_weight`.
    takes_factors: ClassVar[bool] = False
    # Whether it belongs to the output of a classifier rather than between its layers.
    ends_classifier: ClassVar[bool] = False
    # The classes of `torch.nn` that `from_torch` reads.
    torch_classes: ClassVar[tuple[str, ...]] = ()
    # The ONNX operators from which `from_onnx` reads; the first is the one node of a kind without an `onnx` of its own.
    onnx_operators: ClassVar[tuple[str, ...]] = ()
    # The attributes of that one node: those with a value of their own, and those that are an option, a number.
    onnx_attributes: ClassVar[tuple[tuple[str, OnnxValue], ...]] = ()
    onnx_options: ClassVar[tuple[tuple[str, str], ...]] = ()

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

    def shape(self, x: Shape) -> Shape:
        """The output shape for an input of shape `x`, both without the batch axis.

        Raises:
            ShapeError: the layer cannot take this input; the message holds the arithmetic.
        """
        return x

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

    def torch(self, x: Shape) -> TorchCall | TorchFunction:
        """The class of `torch.nn` that this layer is, for an input of shape `x`; or the function that joins inputs."""
        return TorchCall(self.torch_classes[0], (), self.changed())

    def onnx(self, x: Shape, *, opset: int) -> tuple[OnnxNode, ...]:
        """The nodes that this layer is at inference; none where it does nothing.

        Raises:
            LoweringError: the opset has no form for it.
        """
        options = {name: float(getattr(self, option)) for name, option in self.onnx_options}
        return (OnnxNode(self.onnx_operators[0], ("x",), dict(self.onnx_attributes) | options),)

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

    def scaled_weight(self, weight: Array, factors: Array) -> Array:
        """The weight under which each channel or feature of the output is multiplied by its factor.

        Args:
            weight: of the shape that `tensors` says; its first axis is that of the output.
            factors: one for each channel or feature of the output.
        """
        scaled: Array = weight * factors.reshape(-1, *(1,) * (weight.ndim - 1))
        return scaled

    def at_inference(self, values: Array | float, tensors: Mapping[str, Array]) -> tuple[Array, Array]:
        """What each channel is multiplied by at inference, (C,), and what becomes of one value for each channel, (C,).

        Args:
            values: one for each channel, or one for all.
            tensors: those of the state dict.

        Raises:
            NotImplementedError: not `uses_batch_statistics`.
        """
        raise NotImplementedError(self.kind)

    def tensors_that_add(self, values: Array) -> dict[str, Array]:
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
            ShapeError: E202, the module is for another number of channels or features.
        """
        check_input_size(module, x)
        return cls.from_options(**options_of(module, cls.field_names()))

    @classmethod
    def from_onnx(cls, ahead: Lookahead) -> Iterator[tuple["Layer", ...]]:
        """The layers that the next operations may be, each candidate one layer or several in a row.

        `ahead.start` has one of the `onnx_operators`.
        """
        if not cls.required():
            options = {option: decimal(ahead.start.attributes[name]) for name, option in cls.onnx_options}
            yield (cls.from_options(**options),)

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
