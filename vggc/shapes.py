"""Graph -> Network: every shape, analytically; or all the layers that cannot take their input."""

from typing import Final

from vggc.diagnostics import Diagnostic, Note, SpecError
from vggc.geometry import smallest_input
from vggc.ir import Graph, Network, Node, ShapedLayer
from vggc.layers.base import MAX_DIMENSION, Shape, ShapeError
from vggc.quantities import in_bytes

MAX_MEMORY: Final = 8 * 2**30


def infer(graph: Graph, max_memory: int = MAX_MEMORY) -> Network:
    """Shape every node.

    One cause is one error: where height or width is at fault, inference goes on with the smallest legal map, and what
    depends on the size of that map is not held against the spec.

    Args:
        graph: the nodes.
        max_memory: the bytes that the weights may take.

    Raises:
        SpecError: all nodes that cannot take their input, or a network over the limits.
    """
    shapes = _Shapes(graph)
    network = Network(graph, tuple(shapes.layers))
    found = shapes.found or list(_over_limits(network, max_memory))
    if found:
        raise SpecError(found)
    return network


class _Shapes:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.found: list[Diagnostic] = []
        self.layers: list[ShapedLayer] = []
        self.guessed = False  # whether the current extent stands in for one that failed
        shape = graph.spec.input
        for position, node in enumerate(graph.nodes):
            shape = self._step(position, node, shape)

    def _step(self, position: int, node: Node, shape: Shape) -> Shape:
        try:
            output = node.layer.shape(shape)
        except ShapeError as error:
            if not (self.guessed and (error.code == "E202" and len(shape) == 1)):
                self._report(node, error)
            if error.spatial:
                self.guessed = True
                return self._step(position, node, self._legal(position, shape))
            output = error.recovered or shape
        self.layers.append(ShapedLayer(node, shape, output))
        return output

    def _legal(self, position: int, shape: Shape) -> Shape:
        """The shape here if the input had the smallest size that every layer takes."""
        least = smallest_input(self.graph)
        extents = list(shape[1:])
        for i in (0, 1):
            extent = (least or (MAX_DIMENSION, MAX_DIMENSION))[i]
            for node in self.graph.nodes[:position]:
                axes = node.layer.axes()
                extent = axes[i].map(extent) if axes is not None else extent
            axes = self.graph.nodes[position].layer.axes()
            assert axes is not None
            extents[i] = max(extent, axes[i].minimum)
        return shape[0], *extents

    def _report(self, node: Node, error: ShapeError) -> None:
        notes = []
        message = str(error)
        if error.spatial:
            notes.append(Note("trace", self._trace()))
            notes += _help_smallest(self.graph, error)
        elif error.code == "E202" and error.option == "in_features":
            message = f"{node.layer.kind}: you wrote in_features {node.layer.in_features}; {self._arithmetic(node)}"  # type: ignore[attr-defined]
        if error.help:
            notes.append(Note("help", error.help))
        if self.graph.nodes and node.section == "flatten":
            notes.append(Note("note", "a flatten stands before the classifier"))
        if node.written.anchor is not None:
            notes.append(Note("note", f"a rewrite put it at {node.written.anchor}"))
        span = node.written.options.get(error.option or "", node.span)
        self.found.append(Diagnostic(error.code, message, span, tuple(notes)))

    def _trace(self) -> str:
        """The maps on the way here: the input, and every layer that changes the size."""
        height, width = self.graph.spec.input[1:]
        steps = [f"{height}x{width}"]
        for layer in self.layers:
            if len(layer.output) == 3 and layer.output[1:] != layer.input[1:]:
                steps.append(f"{layer.output[1]}x{layer.output[2]} ({layer.alias})")
        shown = steps if len(steps) <= 9 else [*steps[:4], "...", *steps[-4:]]
        return " -> ".join(shown)

    def _arithmetic(self, node: Node) -> str:
        """Where the number of features comes from, when it comes from a flatten."""
        before = self.layers[-1]
        if before.layer.kind != "flatten" or len(before.input) != 3:
            return f"its input has {before.output[0] if self.layers else self.graph.spec.input[0]} features"
        _, height, width = self.graph.spec.input
        return f"a {height}x{width} input gives {' x '.join(map(str, before.input))} = {before.output[0]}"


def _help_smallest(graph: Graph, error: ShapeError) -> list[Note]:
    least = smallest_input(graph)
    if least is None:
        return [Note("help", "no input is large enough: a layer needs more than the adaptive pool before it gives")]
    text = f"the smallest input for these layers is {least[0]}x{least[1]}"
    return [Note("help", text + ("; or drop one pool" if error.code == "E203" else ""))]


def _over_limits(network: Network, max_memory: int) -> list[Diagnostic]:
    found = []
    for layer in network.layers:
        size = max(layer.output)
        if size > MAX_DIMENSION:
            message = f"{layer.kind}: its output has a dimension of {size:,}, over the limit of {MAX_DIMENSION:,}"
            found.append(Diagnostic("E206", message, layer.node.span))
    if not found and network.weight_bytes > max_memory:
        largest = max(network.layers, key=lambda layer: layer.params)
        message = (
            f"the weights would take {in_bytes(network.weight_bytes)}, over the limit of {in_bytes(max_memory)}; "
            f"this {largest.kind} alone has {largest.params:,} parameters"
        )
        note = Note("help", "make the layer smaller, or raise the limit with --max-memory")
        found.append(Diagnostic("E206", message, largest.node.span, (note,)))
    return found
