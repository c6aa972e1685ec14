"""Graph -> Network: every shape, analytically; or all the layers that cannot take their input."""

from functools import cached_property
from typing import Final, NamedTuple

from vggc.base.diagnostics import MAX_DIAGNOSTICS, Diagnostic, Note, SpecError
from vggc.base.words import dimensions, in_bytes
from vggc.ir.geometry import Extents, extents, smallest_input
from vggc.ir.graph import INPUT, Graph, Node
from vggc.ir.network import Network, ShapedLayer
from vggc.ir.walk import walk
from vggc.layers.extent import Extent
from vggc.layers.layer import MAX_DIMENSION, Shape, ShapeError

MAX_MEMORY: Final = 8 * 2**30


def infer(graph: Graph, max_memory: int = MAX_MEMORY) -> Network:
    """Shape every node.

    One cause is one error: where height or width is at fault, inference goes on with the smallest legal map, and what
    depends on the size of that map is not reported.

    Args:
        graph: the nodes.
        max_memory: the bytes that the weights may take.

    Raises:
        SpecError: all nodes that cannot take their input, or a network over the limits.
    """
    if not graph.nodes:
        raise SpecError([Diagnostic("E109", "the rewrites leave no layer", graph.header.places.get("rewrite"))])
    inference = _Inference(graph)
    inference.run()
    if inference.diagnostics:
        raise SpecError(inference.diagnostics)
    network = Network(graph, tuple(inference.layers))
    if network.weight_bytes > max_memory:
        raise SpecError([_too_heavy(network, max_memory)])
    return network


def sound_layers(graph: Graph) -> tuple[ShapedLayer, ...]:
    """The layers up to the first that cannot take its input; all of them where the network is sound."""
    inference = _Inference(graph, stops=True)
    inference.run()
    return tuple(inference.layers)


class _Value(NamedTuple):
    """The shape of a value, and what is uncertain about it after an error.

    `guessed` says that its size stands in for one that failed, `misplaced` that a layer of images took a vector
    before it.
    """

    shape: Shape
    guessed: bool = False
    misplaced: bool = False


class _Inference:
    """The shapes of a graph, and an error for every cause.

    Args:
        graph: the nodes.
        stops: whether the first error ends it, without a diagnostic.
    """

    def __init__(self, graph: Graph, stops: bool = False) -> None:
        self.graph = graph
        self.stops = stops
        self.diagnostics: list[Diagnostic] = []
        self.blamed: set[tuple[str, object]] = set()
        self.layers: list[ShapedLayer] = []

    def run(self) -> None:
        try:
            for node, value in walk(self.graph.nodes, _Value(self.graph.header.input), self._step):
                if max(value.shape) > MAX_DIMENSION:
                    self._too_wide(node, value.shape)
                    return
        except ShapeError:
            assert self.stops

    def _too_wide(self, node: Node, shape: Shape) -> None:
        if self.stops:
            self.layers.pop()
        else:
            note = Note("help", "make the map smaller, or the layer")
            self._blame("E206", node, _too_wide(node, shape), note)

    def _step(self, node: Node, inputs: tuple[_Value, ...]) -> _Value:
        shapes = tuple([each.shape for each in inputs])
        guessed, misplaced = (any(each[i] for each in inputs) for i in (1, 2))
        try:
            output = node.layer.shape(*shapes)
        except ShapeError as error:
            if self.stops:
                raise
            if not _follows(error, shapes, guessed, misplaced):
                self._report(node, error, shapes)
            if error.spatial:
                return self._step(node, tuple(self._legal(node, each) for each in inputs))
            misplaced = error.code == "E201" and len(shapes[0]) == 1
            output = error.recovered or shapes[0]
        self.layers.append(ShapedLayer(node, shapes, output))
        if node.layer.fixes_size():
            guessed = misplaced = False
        return _Value(output, guessed, misplaced)

    @cached_property
    def least(self) -> tuple[int, int] | None:
        """The smallest input that every layer takes, if any input is."""
        least = smallest_input(self.graph.nodes)
        return least if least is not None and max(least) <= MAX_DIMENSION else None

    @cached_property
    def extents(self) -> dict[str, Extents]:
        """The height and width of every image as formulas."""
        return {INPUT: (Extent(), Extent())} | extents(self.graph.nodes)

    def _legal(self, node: Node, value: _Value) -> _Value:
        """The input of a node if the network had the smallest input that every layer takes; at least one that fits."""
        axes = node.layer.axes()
        assert axes is not None
        sizes = []
        for i, axis in enumerate(axes):
            known = self.least is not None and node.inputs[0] in self.extents
            size = self.extents[node.inputs[0]][i](self.least[i]) if known and self.least else value.shape[i + 1]
            sizes.append(max(size, axis.minimum))
        return _Value((value.shape[0], *sizes), True, value.misplaced)

    # --- the words ---

    def _report(self, node: Node, error: ShapeError, shapes: tuple[Shape, ...]) -> None:
        notes = []
        message = str(error)
        if error.spatial:
            notes += [*self._input_elsewhere(node), Note("trace", self._trace(node)), self._help_smallest(node, error)]
        elif error.claim is not None and len(shapes[0]) == 1:
            message = f"{error.claim}; {self._arithmetic(shapes[0])}"
        elif error.code == "E201":
            notes += self._flattened()
        if error.help:
            notes.append(Note("help", error.help))
        self._blame(error.code, node, message, *notes, option=error.option)

    def _blame(self, code: str, node: Node, message: str, *notes: Note, option: str | None = None) -> None:
        """Note an error, unless its place is to blame for one of that code already, as in a repeat."""
        origin = node.origin
        place = origin.place(option)
        if (code, place) in self.blamed:
            return
        self.blamed.add((code, place))
        if place in origin.shared:
            notes = (*notes, Note("note", f"in the unit at {origin.span}", origin.span))
        if origin.anchor is not None:
            notes = (*notes, Note("note", f"a rewrite put it at {origin.anchor}", origin.anchor))
        if len(self.diagnostics) <= MAX_DIAGNOSTICS:
            notes = (*notes, *self._repetition(node))
        self.diagnostics.append(Diagnostic(code, message, place, notes))

    def _repetition(self, node: Node) -> list[Note]:
        """Which one it is of the layers that one item stands for."""
        same = [each.alias for each in self.graph.nodes if each.origin is node.origin]
        if len(same) == 1:
            return []
        return [Note("note", f"this is {node.alias}, repetition {same.index(node.alias) + 1} of {len(same)}")]

    def _trace(self, node: Node) -> str:
        """The maps on the way to a node: the input, and every layer that changes the size."""
        height, width = self.graph.header.input[1:]
        steps = [f"{height}x{width}"]
        for layer in self._way_to(node):
            if len(layer.output) == 3 and layer.output[1:] != layer.input[1:]:
                steps.append(f"{layer.output[1]}x{layer.output[2]} ({layer.alias})")
        shown = steps if len(steps) <= 9 else [*steps[:4], "...", *steps[-4:]]
        return " -> ".join(shown)

    def _way_to(self, node: Node) -> list[ShapedLayer]:
        """The layers from the input to a node, along the first input of each."""
        layers = {layer.path: layer for layer in self.layers}
        way = []
        value = node.inputs[0]
        while value in layers:
            way.append(layers[value])
            value = layers[value].inputs[0]
        return way[::-1]

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
        place = self.graph.header.places.get("input")
        if place is None or node.span is None or place.source is node.span.source:
            return []
        return [Note("note", f"the input is said at {place}", place)]

    def _arithmetic(self, x: Shape) -> str:
        """Where the number of features comes from: a flatten, if that is what gave them, or the layer before."""
        before = next((each for each in reversed(self.layers) if each.input != each.output), None)
        if before is None or not before.layer.flattens:
            return f"its input has {x[0]} features"
        _, height, width = self.graph.header.input
        return f"a {height}x{width} input gives {dimensions(before.input)} = {before.output[0]}"

    def _flattened(self) -> list[Note]:
        """Where an image has become a vector."""
        flatten = next((each.node for each in reversed(self.layers) if each.layer.flattens), None)
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
    return Diagnostic("E206", message, largest.node.origin.place(), (note,))


def _follows(error: ShapeError, shapes: tuple[Shape, ...], guessed: bool, misplaced: bool) -> bool:
    """Whether an error is the consequence of one that was reported."""
    if error.code == "E201":
        return misplaced
    return guessed and (error.code == "E203" or error.spatial or len(shapes[0]) == 1)
