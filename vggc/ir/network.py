"""Network: a graph with a shape at every node, and what is counted of it."""

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING

from vggc.ir.graph import Graph, Node
from vggc.ir.header import Header
from vggc.ir.walk import peak
from vggc.layers.answers import Shape, TorchCall
from vggc.layers.layer import Layer

if TYPE_CHECKING:
    from vggc.recipe.initializers import Initializer

FLOAT32_BYTES = 4


class ShapedLayer:
    """A node with the shapes of its inputs and of its output, without the batch axis, and what follows from them."""

    __slots__ = ("node", "output", "shapes")

    def __init__(self, node: Node, shapes: tuple[Shape, ...], output: Shape) -> None:
        self.node = node
        self.shapes = shapes
        self.output = output

    def __repr__(self) -> str:
        return f"<{self.path} {self.kind} {', '.join(map(str, self.shapes))} -> {self.output}>"

    @property
    def input(self) -> Shape:
        """The shape of its first input; the only one of a layer that is no join."""
        return self.shapes[0]

    @property
    def path(self) -> str:
        """The name of the module in torch, such as `features.0`."""
        return self.node.path

    @property
    def value(self) -> str:
        """The name of the value that it computes."""
        return self.node.path

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the values that it takes."""
        return self.node.inputs

    @property
    def alias(self) -> str:
        """The name that people use, such as `conv1_1`."""
        return self.node.alias

    @property
    def kind(self) -> str:
        """The kind of the layer, such as `conv2d`."""
        return self.node.layer.kind

    @property
    def layer(self) -> Layer:
        """The layer."""
        return self.node.layer

    @property
    def has_module(self) -> bool:
        """Whether it is a module of torch rather than a function that joins its inputs."""
        return isinstance(self.layer.torch(*self.shapes), TorchCall)

    @property
    def state(self) -> dict[str, Shape]:
        """The tensors of its state dict by their own names: those that it learns, then its buffers."""
        return self.layer.tensors(*self.shapes) | self.layer.buffers(*self.shapes)

    @property
    def params(self) -> int:
        """How many numbers it learns."""
        return self.layer.params(*self.shapes)

    @property
    def buffers(self) -> int:
        """How many numbers of its state are not learned."""
        return sum(prod(shape) for shape in self.layer.buffers(*self.shapes).values())

    @property
    def macs(self) -> int:
        """Multiply-accumulates per sample, the bias excluded."""
        return self.layer.macs(*self.shapes)

    @property
    def weight_bytes(self) -> int:
        """The bytes of its weights and buffers."""
        return self.layer.weight_bytes(*self.shapes)

    @property
    def output_bytes(self) -> int:
        """The bytes of its output as float32, per sample."""
        return FLOAT32_BYTES * prod(self.output)


@dataclass(frozen=True, repr=False)
class Network:
    """A graph with a shape at every node: what every backend takes.

    Shapes are (C, H, W) or (F,), without the batch axis. Counts are per sample, memory is in bytes of float32.
    """

    graph: Graph
    layers: tuple[ShapedLayer, ...]

    @property
    def header(self) -> Header:
        """What the spec says besides its layers."""
        return self.graph.header

    @property
    def name(self) -> str:
        """The name of the network."""
        return self.header.name

    @property
    def stem(self) -> str:
        """The name of its files: the network's, and the layer after which it was cut."""
        until = self.graph.until
        return self.name if until is None else f"{self.name}_{until}"

    def __repr__(self) -> str:
        return f"<Network {self.name}: {self.input} -> {self.output}, {self.params:,} params>"

    @property
    def input(self) -> Shape:
        """(C, H, W)."""
        return self.header.input

    @property
    def output(self) -> Shape:
        """The shape of the last layer's output."""
        return self.layers[-1].output

    @cached_property
    def params(self) -> int:
        """How many numbers are learned."""
        return sum(layer.params for layer in self.layers)

    @cached_property
    def buffers(self) -> int:
        """How many numbers of the state are not learned."""
        return sum(layer.buffers for layer in self.layers)

    @cached_property
    def macs(self) -> int:
        """Multiply-accumulates per sample, the bias excluded."""
        return sum(layer.macs for layer in self.layers)

    @property
    def flops(self) -> int:
        """Two operations for each multiply-accumulate, per sample."""
        return 2 * self.macs

    @cached_property
    def flatten_layer(self) -> ShapedLayer | None:
        """The first layer that makes a vector of an image; None where there is none."""
        return next((layer for layer in self.layers if layer.layer.flattens), None)

    @property
    def flatten(self) -> int | None:
        """The number of features that leave the first flatten; None where there is none."""
        return self.flatten_layer.output[0] if self.flatten_layer else None

    @property
    def weight_bytes(self) -> int:
        """The bytes of all weights and buffers; a count of batches is an int64, all others are float32."""
        return sum(layer.weight_bytes for layer in self.layers)

    @property
    def activation_bytes(self) -> int:
        """The bytes of the outputs of all layers together, per sample."""
        return sum(layer.output_bytes for layer in self.layers)

    @property
    def peak_activation_bytes(self) -> int:
        """The most bytes of activations that are alive at once at inference, per sample.

        A value is alive from the layer that computes it to the last one that takes it.
        """
        return peak(self.layers, FLOAT32_BYTES * prod(self.input), lambda layer: layer.output_bytes)

    def initializers(self, layer: ShapedLayer) -> "dict[str, Initializer | None]":
        """The scheme of `init` for every learned tensor of a layer; None where torch's own default holds."""
        names = layer.layer.tensors(*layer.shapes)
        return {name: self.header.init.get("bias" if name == "bias" else layer.kind) for name in names}
