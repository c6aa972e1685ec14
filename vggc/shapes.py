"""Graph -> Network: every shape, analytically; or all the layers that cannot take their input."""

from functools import cached_property
from typing import Final

from vggc.diagnostics import MAX_DIAGNOSTICS, Diagnostic, Note, SpecError
from vggc.geometry import smallest_input
from vggc.ir import Graph, Network, Node, ShapedLayer
from vggc.layers.base import MAX_DIMENSION, Shape, ShapeError
from vggc.layers.linear import Linear
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
    if not graph.nodes:
        message = "the rewrites leave no layer"
        raise SpecError([Diagnostic("E109", message, graph.spec.places["rewrite"])])
    shapes = _Shapes(graph)
    if shapes.found:
        raise SpecError(shapes.found)
    network = Network(graph, tuple(shapes.layers))
    if network.weight_bytes > max_memory:
        raise SpecError([_too_heavy(network, max_memory)])
    return network


def sound_layers(graph: Graph) -> tuple[ShapedLayer, ...]:
    """The layers up to the first that cannot take its input; all of them where the network is sound."""
    layers: list[ShapedLayer] = []
    shape = graph.spec.input
    for node in graph.nodes:
        try:
            output = node.layer.shape(shape)
        except ShapeError:
            break
        if max(output) > MAX_DIMENSION:
            break
        layers.append(ShapedLayer(node, shape, output))
        shape = output
    return tuple(layers)


class _Shapes:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.found: list[Diagnostic] = []
        self.blamed: set[tuple[str, object]] = set()
        self.layers: list[ShapedLayer] = []
        self.guessed = False  # whether the current size stands in for one that failed
        self.misplaced = False  # whether the current vector has met a layer of images already
        shape = graph.spec.input
        for position, node in enumerate(graph.nodes):
            shape = self._step(position, node, shape)
            if max(shape) > MAX_DIMENSION:
                note = Note("help", "make the map smaller, or the layer")
                self._blame("E206", node, _too_wide(node, shape), note)
                break

    def _step(self, position: int, node: Node, shape: Shape) -> Shape:
        try:
            output = node.layer.shape(shape)
        except ShapeError as error:
            if not self._follows(error, shape):
                self._report(node, error)
            if error.spatial:
                self.guessed = True
                return self._step(position, node, self._legal(position, shape))
            self.misplaced = error.code == "E201" and len(shape) == 1
            output = error.recovered or shape
        self.layers.append(ShapedLayer(node, shape, output))
        if self._forgets(node):
            self.guessed = False
        if isinstance(node.layer, Linear):
            self.misplaced = False
        return output

    # --- one cause, one error ---

    def _follows(self, error: ShapeError, shape: Shape) -> bool:
        """Whether the error is the consequence of one that was reported."""
        if error.code == "E201":
            return self.misplaced
        return self.guessed and (error.code == "E203" or error.spatial or len(shape) == 1)

    def _forgets(self, node: Node) -> bool:
        """Whether the size of the output is the same for every input."""
        axes = node.layer.axes()
        return isinstance(node.layer, Linear) or (axes is not None and axes[0].window is None)

    @cached_property
    def least(self) -> tuple[int, int] | None:
        """The smallest input that every layer takes, if any input is."""
        least = smallest_input(self.graph)
        return least if least is not None and max(least) <= MAX_DIMENSION else None

    def _legal(self, position: int, shape: Shape) -> Shape:
        """The shape here if the input had the smallest size that every layer takes; at least one that fits here."""
        extents = []
        for i in (0, 1):
            extent = self.least[i] if self.least is not None else shape[i + 1]
            for node in self.graph.nodes[:position] if self.least is not None else ():
                axes = node.layer.axes()
                extent = axes[i].map(extent) if axes is not None else extent
            axes = self.graph.nodes[position].layer.axes()
            assert axes is not None
            extents.append(max(extent, axes[i].minimum))
        return shape[0], *extents

    # --- the words ---

    def _report(self, node: Node, error: ShapeError) -> None:
        notes = []
        message = str(error)
        if error.spatial:
            notes += [*self._input_elsewhere(node), Note("trace", self._trace()), self._help_smallest(node, error)]
        elif error.code == "E202" and error.option == "in_features":
            message = f"{node.layer.kind}: you wrote in_features {node.layer.in_features}; {self._arithmetic()}"  # type: ignore[attr-defined]
        elif error.code == "E201":
            notes += self._flattened()
        if error.help:
            notes.append(Note("help", error.help))
        self._blame(error.code, node, message, *notes, option=error.option)

    def _blame(self, code: str, node: Node, message: str, *notes: Note, option: str | None = None) -> None:
        """Note an error, unless its place is to blame for one of that code already, as in a repeat."""
        written = node.written
        place = written.place(option)
        if (code, place) in self.blamed:
            return
        self.blamed.add((code, place))
        if place in written.shared:
            notes = (*notes, Note("note", f"so in the unit at {written.span}", written.span))
        if written.anchor is not None:
            notes = (*notes, Note("note", f"a rewrite put it at {written.anchor}", written.anchor))
        if len(self.found) <= MAX_DIAGNOSTICS:
            notes = (*notes, *self._repetition(node))
        self.found.append(Diagnostic(code, message, place, notes))

    def _repetition(self, node: Node) -> list[Note]:
        """Which one it is of the layers that one item stands for."""
        same = [each.alias for each in self.graph.nodes if each.written is node.written]
        if len(same) == 1:
            return []
        return [Note("note", f"this is {node.alias}, repetition {same.index(node.alias) + 1} of {len(same)}")]

    def _trace(self) -> str:
        """The maps on the way here: the input, and every layer that changes the size."""
        height, width = self.graph.spec.input[1:]
        steps = [f"{height}x{width}"]
        for layer in self.layers:
            if len(layer.output) == 3 and layer.output[1:] != layer.input[1:]:
                steps.append(f"{layer.output[1]}x{layer.output[2]} ({layer.alias})")
        shown = steps if len(steps) <= 9 else [*steps[:4], "...", *steps[-4:]]
        return " -> ".join(shown)

    def _help_smallest(self, node: Node, error: ShapeError) -> Note:
        if self.least is None:
            return Note("help", "no input is large enough for all layers: drop one, or make its window smaller")
        text = f"the smallest input for these layers is {self.least[0]}x{self.least[1]}"
        ways = {"pool": "drop one pool", "conv": "make the kernel smaller"}
        if error.code == "E203":
            text += f"; or {ways.get(node.layer.group, 'make the border smaller')}"
        return Note("help", text)

    def _input_elsewhere(self, node: Node) -> list[Note]:
        """Where the input is said, if that is not the text with the layer but a child, or the command line."""
        place = self.graph.spec.places.get("input")
        if place is None or place.source is node.span.source:
            return []
        return [Note("note", f"the input is said at {place}", place)]

    def _arithmetic(self) -> str:
        """Where the number of features comes from: a flatten, if one is behind it, or the layer before."""
        before = next((each for each in reversed(self.layers) if each.input != each.output), None)
        if before is None or before.kind != "flatten":
            return f"its input has {self.layers[-1].output[0]} features"
        _, height, width = self.graph.spec.input
        return f"a {height}x{width} input gives {' x '.join(map(str, before.input))} = {before.output[0]}"

    def _flattened(self) -> list[Note]:
        """Where an image has become a vector."""
        flatten = next((each.node for each in reversed(self.layers) if each.kind == "flatten"), None)
        if flatten is None:
            return []
        if flatten.section == "flatten":
            return [Note("note", "a `flatten` stands before the classifier by itself, unless the classifier has one")]
        return [Note("note", f"the `flatten` is at {flatten.span}", flatten.span)]


def _too_wide(node: Node, shape: Shape) -> str:
    return f"{node.layer.kind}: its output has a dimension of {max(shape):,}, over the limit of {MAX_DIMENSION:,}"


def _too_heavy(network: Network, max_memory: int) -> Diagnostic:
    largest = max(network.layers, key=lambda layer: layer.params)
    message = (
        f"the weights would take {in_bytes(network.weight_bytes)}, over the limit of {in_bytes(max_memory)}; "
        f"this {largest.kind} alone has {largest.params:,} parameters"
    )
    note = Note("help", "make the layer smaller, or raise the limit with --max-memory")
    return Diagnostic("E206", message, largest.node.written.place(), (note,))
