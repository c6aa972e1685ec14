"""The figures of many networks that have most of their layers in common: what a layer costs is computed once."""

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

from vggc.ir.graph import INPUT, Node
from vggc.ir.network import FLOAT32_BYTES
from vggc.ir.walk import last_uses
from vggc.layers.answers import Shape, ShapeError
from vggc.layers.layer import Layer


class Counts(NamedTuple):
    """The figures of a network that a budget can limit, by their keys."""

    params: int
    macs: int
    weight_bytes: int
    peak_activation_bytes: int


class Topology:
    """How the values of a graph depend on each other, which graphs that differ in their layers alone have in common.

    Attributes:
        nodes: in topological order.
        unused: for each node, the values that no later node takes.
    """

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = nodes
        self.unused = last_uses(nodes)


class _Cost(NamedTuple):
    """What one layer computes and costs; `layer` is kept so that its identity stays unique."""

    layer: Layer
    output: Shape
    output_bytes: int
    params: int
    macs: int
    weight_bytes: int


class Counter:
    """Counts networks without building them; the figures are those of `Network`."""

    def __init__(self) -> None:
        # By the identity of the layer, which is quicker to look up than its value.
        self._costs: dict[tuple[int, tuple[Shape, ...]], _Cost] = {}

    def count(self, nodes: Topology, layers: Sequence[Layer], input: Shape) -> Counts | None:
        """The figures of a graph for an input (C, H, W); None if a layer cannot take its input.

        Args:
            nodes: the graph, whose own layers do not count.
            layers: a layer for each node.
            input: (C, H, W).
        """
        try:
            return self._count(nodes, layers, input)
        except ShapeError:
            return None

    def _count(self, nodes: Topology, layers: Sequence[Layer], input: Shape) -> Counts:
        params = macs = weight_bytes = 0
        alive = most = FLOAT32_BYTES * prod(input)
        shapes, sizes = {INPUT: input}, {INPUT: alive}
        for node, layer, unused in zip(nodes.nodes, layers, nodes.unused, strict=True):
            cost = self._cost(layer, tuple([shapes[name] for name in node.inputs]))
            shapes[node.path], sizes[node.path] = cost.output, cost.output_bytes
            params += cost.params
            macs += cost.macs
            weight_bytes += cost.weight_bytes
            alive += cost.output_bytes
            most = max(most, alive)
            for name in unused:
                alive -= sizes[name]
        return Counts(params, macs, weight_bytes, most)

    def _cost(self, layer: Layer, shapes: tuple[Shape, ...]) -> _Cost:
        key = id(layer), shapes
        if key not in self._costs:
            output = layer.shape(*shapes)
            figures = layer.params(*shapes), layer.macs(*shapes), layer.weight_bytes(*shapes)
            self._costs[key] = _Cost(layer, output, FLOAT32_BYTES * prod(output), *figures)
        return self._costs[key]
