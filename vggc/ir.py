"""Graph, the flat list of named nodes that a spec means, and Network, the same with a shape at every node."""

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Final, Literal

from vggc.diagnostics import Span
from vggc.frontend.initializers import Initializer
from vggc.frontend.spec import Spec, Written
from vggc.layers.base import Layer, Shape
from vggc.layers.extent import Extent
from vggc.layers.reshape import Flatten

if TYPE_CHECKING:
    from torch import nn

    from vggc.backends.shape_table import ShapeTable

MAX_LAYERS: Final = 10_000

Section = Literal["features", "avgpool", "flatten", "classifier"]


@dataclass(frozen=True, slots=True)
class Node:
    """A layer in its place: `path` is torch's name for it, `alias` the name that people use (conv3_1, relu6)."""

    path: str
    alias: str
    section: Section
    written: Written

    @property
    def layer(self) -> Layer:
        """The layer itself."""
        return self.written.layer

    @property
    def span(self) -> Span:
        """The item of the spec that it comes from."""
        return self.written.span


@dataclass(frozen=True, slots=True)
class Graph:
    """The nodes in the order of the data."""

    spec: Spec
    nodes: tuple[Node, ...]
    until: str | None = None  # the node after which the spec's own nodes were cut off


class ShapedLayer:
    """A node with the shapes of its input and output (both without the batch axis), and what follows from them."""

    __slots__ = ("input", "node", "output")

    def __init__(self, node: Node, input: Shape, output: Shape) -> None:
        self.node = node
        self.input = input
        self.output = output

    def __repr__(self) -> str:
        return f"<{self.path} {self.kind} {self.input} -> {self.output}>"

    @property
    def path(self) -> str:
        """The name of the module in torch, such as `features.0`."""
        return self.node.path

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
    def params(self) -> int:
        """How many numbers it learns."""
        return self.layer.params(self.input)

    @property
    def buffers(self) -> int:
        """How many numbers of its state are not learned."""
        return sum(prod(shape) for shape in self.layer.buffers(self.input).values())

    @property
    def macs(self) -> int:
        """Multiply-accumulates per sample, the bias excluded."""
        return self.layer.macs(self.input)

    @property
    def weight_bytes(self) -> int:
        """What its weights and buffers take as float32; a count of batches is an int64."""
        counts = "num_batches_tracked" in self.layer.buffers(self.input)
        return 4 * (self.params + self.buffers) + 4 * counts

    @property
    def moved_bytes(self) -> int:
        """What its input and its output take together, per sample."""
        return 4 * (prod(self.input) + prod(self.output))


@dataclass(frozen=True, repr=False)
class Network:
    """A spec with a shape at every layer: what every backend takes.

    Shapes are without the batch axis; counts are per sample, memory is in bytes of float32.
    """

    graph: Graph
    layers: tuple[ShapedLayer, ...]

    @property
    def spec(self) -> Spec:
        """What the spec says besides its layers."""
        return self.graph.spec

    @property
    def name(self) -> str:
        """The name of the network."""
        return self.spec.name

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
        return self.spec.input

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
        """Two operations for each multiply-accumulate."""
        return 2 * self.macs

    @property
    def flatten(self) -> int | None:
        """The number of features that leave the first flatten; None where there is none."""
        flattened = self._flattened()
        return flattened.output[0] if flattened else None

    def _flattened(self) -> ShapedLayer | None:
        return next((layer for layer in self.layers if isinstance(layer.layer, Flatten)), None)

    @cached_property
    def extents(self) -> tuple[tuple[Extent, Extent], ...]:
        """For every layer whose output is an image, its height and width as formulas in the input's."""
        found: list[tuple[Extent, Extent]] = []
        height, width = Extent(), Extent()
        for layer in self.layers:
            axes = layer.layer.axes()
            if axes is None or len(layer.output) != 3:
                break
            height, width = height.then(axes[0].map), width.then(axes[1].map)
            found.append((height, width))
        return tuple(found)

    @property
    def weight_bytes(self) -> int:
        """What the weights and buffers take as float32; a count of batches is an int64."""
        return sum(layer.weight_bytes for layer in self.layers)

    @property
    def activation_bytes(self) -> int:
        """What the outputs of all layers take together, per sample."""
        return 4 * sum(prod(layer.output) for layer in self.layers)

    @property
    def peak_activation_bytes(self) -> int:
        """What the input and output of the hungriest layer take together, per sample: the least at inference."""
        return max(layer.moved_bytes for layer in self.layers)

    def initializers(self, layer: ShapedLayer) -> dict[str, Initializer | None]:
        """The scheme of `init` for every learned tensor of a layer; None where torch's own default holds."""
        names = layer.layer.tensors(layer.input)
        return {name: self.spec.init.get("bias" if name == "bias" else layer.kind) for name in names}

    @property
    def table(self) -> "ShapeTable":
        """A line a layer and the totals: what `vggc shapes` prints, and in a notebook a table."""
        from vggc import backends

        table: ShapeTable = backends.load("shape_table").ShapeTable(self)
        return table

    def _repr_html_(self) -> str:
        """The picture, the table and the totals, for a notebook."""
        from vggc import backends

        text: str = backends.load("html_table").emit(self)
        return text

    def module(self, init: bool = True, seed: int = 0) -> "nn.Sequential":
        """The network as a torch module on the CPU, in training mode.

        Args:
            init: draw the weights by the spec's `init`; if False the module stays on the meta device, without memory.
            seed: of the draw.
        """
        from vggc import backends

        torch_module = backends.load("torch_module")
        module: nn.Sequential = torch_module.materialize(self, seed) if init else torch_module.build(self)
        return module
