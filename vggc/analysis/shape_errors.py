"""The words of shape errors: what is wrong, where the shape comes from, and what to do."""

from collections.abc import Iterator, Sequence
from typing import Final

from vggc.base.diagnostics import Note, Span
from vggc.base.words import compact, dimensions
from vggc.ir.graph import Graph, Node
from vggc.ir.network import ShapedLayer
from vggc.layers.answers import Shape, ShapeError

MAX_TRACE: Final = 9  # sizes; the middle of a longer trace is left out


class ShapeErrors:
    """Messages and notes about the layers of a graph.

    Args:
        graph: the whole graph.
        layers: the layers with their shapes, up to the one with the error; the caller adds to them.
    """

    def __init__(self, graph: Graph, layers: Sequence[ShapedLayer]) -> None:
        self.graph = graph
        self.layers = layers

    def message(self, error: ShapeError, shape: Shape) -> str:
        """What is wrong with a layer for an input of that shape."""
        if error.claim is None or len(shape) != 1:
            return str(error)
        before = next((layer for layer in reversed(self.layers) if layer.input != layer.output), None)
        if before is None or not before.layer.flattens:
            return f"{error.claim}; its input has {shape[0]} features"
        size = compact(self.graph.header.input[1:])
        return f"{error.claim}; a {size} input gives {dimensions(before.input)} = {before.output[0]}"

    def size_notes(self, node: Node, error: ShapeError, smallest: tuple[int, int] | None) -> Iterator[Note]:
        """Where a height or width that does not fit comes from; `smallest` is the smallest input that fits."""
        place = self.graph.header.places.get("input")
        if place is not None and node.span is not None and place.source is not node.span.source:
            yield Note("note", f"the input is set at {place}", place)
        yield Note("trace", self._trace(node))
        if smallest is None:
            yield Note("help", "no input is large enough for all layers: drop one, or make its window smaller")
            return
        remedy = f"; or {node.layer.remedy}" if error.code == "E203" else ""
        yield Note("help", f"the smallest input for these layers is {compact(smallest)}{remedy}")

    def _trace(self, node: Node) -> str:
        """The sizes of the maps from the input to a node, along the first input of each layer."""
        layers = {layer.path: layer for layer in self.layers}
        steps = []
        value = node.inputs[0]
        while value in layers:
            layer = layers[value]
            if len(layer.output) == 3 and layer.output[1:] != layer.input[1:]:
                steps.append(f"{compact(layer.output[1:])} ({layer.alias})")
            value = layer.inputs[0]
        steps = [compact(self.graph.header.input[1:]), *reversed(steps)]
        half = MAX_TRACE // 2
        return " -> ".join(steps if len(steps) <= MAX_TRACE else [*steps[:half], "...", *steps[-half:]])

    def flatten_notes(self) -> Iterator[Note]:
        """Where an image has become a vector."""
        flatten = next((layer.node for layer in reversed(self.layers) if layer.layer.flattens), None)
        if flatten is not None and flatten.section == "flatten":
            yield Note("note", "a `flatten` is inserted before the classifier, unless the classifier has one")
        elif flatten is not None:
            yield Note("note", f"the `flatten` is at {flatten.span}", flatten.span)

    def origin_notes(self, node: Node, place: Span | None, repetition: bool) -> Iterator[Note]:
        """How a layer came to be, if its place does not show that; with its `repetition` on request."""
        origin = node.origin
        if place in origin.shared:
            yield Note("note", f"in the unit at {origin.span}", origin.span)
        if origin.anchor is not None:
            yield Note("note", f"a rewrite put it at {origin.anchor}", origin.anchor)
        same = [other.alias for other in self.graph.nodes if other.origin is origin] if repetition else []
        if len(same) > 1:
            yield Note("note", f"this is {node.alias}, repetition {same.index(node.alias) + 1} of {len(same)}")
