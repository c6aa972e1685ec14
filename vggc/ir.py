"""Graph, the flat list of named nodes that a spec means, and Network, the same with a shape at every node."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from math import prod
from typing import TYPE_CHECKING, Final, Literal

from vggc.diagnostics import Diagnostic, Span, SpecError, help_word
from vggc.frontend.initializers import Initializer
from vggc.frontend.spec import Item, Repeat, Spec, Written
from vggc.layers.base import Layer, Shape
from vggc.layers.extent import Extent
from vggc.layers.reshape import Flatten

if TYPE_CHECKING:
    from torch import nn

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


def unroll(spec: Spec) -> Graph:
    """Repeats become nodes, every node gets its path and alias, and a flatten stands where the classifier needs one.

    Raises:
        SpecError: E009, there are more than 10,000 layers.
    """
    sections: list[tuple[Section, Written]] = [("features", each) for each in _flat(spec.features)]
    if spec.classifier is not None:
        if spec.pool is not None:
            sections.append(("avgpool", spec.pool))
        classifier = list(_flat(spec.classifier))
        if not any(isinstance(each.layer, Flatten) for each in classifier):
            sections.append(("flatten", Written(Flatten(), classifier[0].span)))
        sections += (("classifier", each) for each in classifier)
    if len(sections) > MAX_LAYERS:
        raise _too_many(spec)
    return Graph(spec, tuple(_named(sections)))


def _flat(items: Iterable[Item]) -> Iterator[Written]:
    """The layers of items, at most one more than the limit, however large the repeats are."""
    return islice(_expanded(items), MAX_LAYERS + 1)


def _expanded(items: Iterable[Item]) -> Iterator[Written]:
    for item in items:
        if isinstance(item, Repeat):
            for _ in range(item.times):
                yield from _expanded(item.items)
        else:
            yield item


def _too_many(spec: Spec) -> SpecError:
    message = f"the spec has more than {MAX_LAYERS:,} layers once its repeats are unrolled"
    return SpecError([Diagnostic("E009", message, spec.places["features"])])


def _named(sections: Iterable[tuple[Section, Written]]) -> Iterator[Node]:
    names = _Names()
    index: dict[str, int] = {}
    for section, written in sections:
        path: str = section
        if section in ("features", "classifier"):
            path = f"{section}.{index.setdefault(section, 0)}"
            index[section] += 1
        yield Node(path, names.next(section, written.layer), section, written)


class _Names:
    """Aliases as the literature counts: stages end with a pool, convolutions count within a stage; the layers of the
    classifier go on with the number after the last stage, so that VGG's are fc6, fc7 and fc8.
    """

    def __init__(self) -> None:
        self.stage, self.conv, self.fc = 1, 0, 0
        self.taken: set[str] = set()

    def next(self, section: Section, layer: Layer) -> str:
        if section in ("avgpool", "flatten"):
            return self._unique(section)
        if section == "features":
            return self._unique(self._feature(layer))
        return self._unique(self._classifier(layer))

    def _feature(self, layer: Layer) -> str:
        if layer.group == "pool":
            self.stage, self.conv = self.stage + 1, 0
            return f"pool{self.stage - 1}"
        if layer.group == "conv":
            self.conv += 1
            return f"conv{self.stage}_{self.conv}"
        return _numbered(layer.kind, f"{self.stage}_{self.conv}" if self.conv else str(self.stage))

    def _classifier(self, layer: Layer) -> str:
        if layer.group in ("linear", "conv"):
            self.fc = self.fc + 1 if self.fc else self._stages() + 1
            return f"fc{self.fc}"
        return _numbered(layer.kind, str(self.fc or self._stages()))

    def _stages(self) -> int:
        """Stages with a layer in them: the one that the last pool opened is empty."""
        return self.stage - 1 if self.conv == 0 else self.stage

    def _unique(self, name: str) -> str:
        unique, again = name, 2
        while unique in self.taken:
            unique, again = f"{name}_{again}", again + 1
        self.taken.add(unique)
        return unique


def _numbered(kind: str, number: str) -> str:
    """relu3_3, and relu6_3_3 for a kind that ends in a digit itself."""
    return f"{kind}_{number}" if kind[-1].isdigit() else f"{kind}{number}"


def cut(graph: Graph, until: str) -> Graph:
    """The graph up to and including a node, by alias or path.

    Raises:
        SpecError: E302, there is no such node.
    """
    for position, node in enumerate(graph.nodes):
        if until in (node.alias, node.path):
            return Graph(graph.spec, graph.nodes[: position + 1], node.alias)
    names = [node.alias for node in graph.nodes]
    raise SpecError(
        [Diagnostic("E302", f"no layer is called `{until}`", None, (help_word(until, names, "there are"),))]
    )


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


@dataclass(frozen=True)
class Network:
    """A spec with a shape at every layer: what every backend takes.

    Shapes are without the batch axis; counts are per sample, memory is in bytes of float32.
    """

    graph: Graph
    layers: tuple[ShapedLayer, ...]
    warnings: tuple[Diagnostic, ...] = ()

    @property
    def spec(self) -> Spec:
        """What the spec says besides its layers."""
        return self.graph.spec

    @property
    def name(self) -> str:
        """The name of the network."""
        return self.spec.name

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
        counts = sum(("num_batches_tracked" in layer.layer.buffers(layer.input)) for layer in self.layers)
        return 4 * (self.params + self.buffers) + 4 * counts

    @property
    def activation_bytes(self) -> int:
        """What the outputs of all layers take together, per sample."""
        return 4 * sum(prod(layer.output) for layer in self.layers)

    @property
    def peak_activation_bytes(self) -> int:
        """What the input and output of the hungriest layer take together, per sample: the least at inference."""
        return 4 * max(prod(layer.input) + prod(layer.output) for layer in self.layers)

    def initializers(self, layer: ShapedLayer) -> dict[str, Initializer | None]:
        """The scheme of `init` for every learned tensor of a layer; None where torch's own default holds."""
        names = layer.layer.tensors(layer.input)
        return {name: self.spec.init.get("bias" if name == "bias" else layer.kind) for name in names}

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
