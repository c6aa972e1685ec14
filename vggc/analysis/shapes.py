"""Graph -> Network: the shape of every value, or an error for every layer that cannot take its input."""

from contextlib import suppress
from functools import cached_property
from typing import Final, NamedTuple

from vggc.analysis.shape_errors import ShapeErrors
from vggc.base.diagnostics import MAX_DIAGNOSTICS, Diagnostic, Note, SpecError
from vggc.base.words import in_bytes
from vggc.ir.geometry import Extents, extents, smallest_input
from vggc.ir.graph import INPUT, Graph, Node
from vggc.ir.network import Network, ShapedLayer
from vggc.ir.walk import walk
from vggc.layers.answers import Shape, ShapeError
from vggc.layers.extent import Extent
from vggc.layers.option_types import MAX_DIMENSION

MAX_MEMORY: Final = 8 * 2**30


def infer(graph: Graph, max_memory: int = MAX_MEMORY) -> Network:
    """Infer the shape of every value.

    One cause is one error: after a layer whose height or width is wrong, inference continues with the smallest map that
    the layer takes, and errors that depend on the size of that map are not reported.

    Args:
        graph: the nodes.
        max_memory: the most bytes that the weights may take.

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
    """The layers before the first that cannot take its input; all of them if there is no such layer."""
    layers: list[ShapedLayer] = []

    def step(node: Node, shapes: tuple[Shape, ...]) -> Shape:
        output = node.layer.shape(*shapes)
        if max(output) > MAX_DIMENSION:
            raise _too_wide(node, output)
        layers.append(ShapedLayer(node, shapes, output))
        return output

    with suppress(ShapeError):
        for _ in walk(graph.nodes, graph.header.input, step):
            pass
    return tuple(layers)


class _Value(NamedTuple):
    """The shape of a value, and whether an error has made it uncertain.

    `guessed`: its height and width replace some that did not fit. `misplaced`: it is a vector that a layer for images
    was given.
    """

    shape: Shape
    guessed: bool = False
    misplaced: bool = False


class _Inference:
    """The layers of a graph with their shapes, and a diagnostic for every cause of an error."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.layers: list[ShapedLayer] = []
        self.diagnostics: list[Diagnostic] = []
        self.words = ShapeErrors(graph, self.layers)
        self.blamed: set[tuple[str, object]] = set()  # codes and places, so that a repeat has one diagnostic

    def run(self) -> None:
        for node, value in walk(self.graph.nodes, _Value(self.graph.header.input), self._step):
            if max(value.shape) > MAX_DIMENSION:
                self._report(node, _too_wide(node, value.shape), self.layers[-1].input)
                return

    def _step(self, node: Node, inputs: tuple[_Value, ...]) -> _Value:
        shapes = tuple([value.shape for value in inputs])
        guessed = misplaced = False
        if self.diagnostics:  # before the first error nothing is uncertain
            guessed, misplaced = any(value.guessed for value in inputs), any(value.misplaced for value in inputs)
        try:
            output = node.layer.shape(*shapes)
        except ShapeError as error:
            if not _follows(error, shapes, guessed, misplaced):
                self._report(node, error, shapes[0])
            if error.spatial:
                return self._step(node, tuple([self._large_enough(node, value) for value in inputs]))
            misplaced = error.code == "E201" and len(shapes[0]) == 1
            output = error.recovered or shapes[0]
        self.layers.append(ShapedLayer(node, shapes, output))
        if (guessed or misplaced) and node.layer.fixes_size():
            guessed = misplaced = False
        return _Value(output, guessed, misplaced)

    def _large_enough(self, node: Node, value: _Value) -> _Value:
        """The input of a node if the network had the smallest input that every layer takes; at least one that fits."""
        axes = node.layer.axes()
        assert axes is not None
        sizes = value.shape[1:]
        formulas = self._extents.get(node.inputs[0])
        if self._smallest is not None and formulas is not None:
            sizes = tuple([formula(size) for formula, size in zip(formulas, self._smallest, strict=True)])
        fitting = [max(size, axis.minimum) for size, axis in zip(sizes, axes, strict=True)]
        return _Value((value.shape[0], *fitting), guessed=True, misplaced=value.misplaced)

    @cached_property
    def _smallest(self) -> tuple[int, int] | None:
        """The smallest input that every layer takes, if there is one."""
        smallest = smallest_input(self.graph.nodes)
        return smallest if smallest is not None and max(smallest) <= MAX_DIMENSION else None

    @cached_property
    def _extents(self) -> dict[str, Extents]:
        """The height and width of every image as formulas."""
        return {INPUT: (Extent(), Extent())} | extents(self.graph.nodes)

    def _report(self, node: Node, error: ShapeError, shape: Shape) -> None:
        """Add a diagnostic, unless its place has one with that code already, as in a repeat."""
        place = node.origin.place(error.option)
        if (error.code, place) in self.blamed:
            return
        self.blamed.add((error.code, place))
        notes: list[Note] = []
        if error.spatial:
            notes += self.words.size_notes(node, error, self._smallest)
        elif error.code == "E201":
            notes += self.words.flatten_notes()
        if error.help:
            notes.append(Note("help", error.help))
        notes += self.words.origin_notes(node, place, repetition=len(self.diagnostics) <= MAX_DIAGNOSTICS)
        self.diagnostics.append(Diagnostic(error.code, self.words.message(error, shape), place, tuple(notes)))


def _follows(error: ShapeError, shapes: tuple[Shape, ...], guessed: bool, misplaced: bool) -> bool:
    """Whether an error only follows from one that was reported."""
    if error.code == "E201":
        return misplaced
    return guessed and (error.code == "E203" or error.spatial or len(shapes[0]) == 1)


def _too_wide(node: Node, shape: Shape) -> ShapeError:
    message = f"{node.layer.kind}: its output has a dimension of {max(shape):,}, over the limit of {MAX_DIMENSION:,}"
    return ShapeError("E206", message, help="make the map smaller, or the layer")


def _too_heavy(network: Network, max_memory: int) -> Diagnostic:
    largest = max(network.layers, key=lambda layer: layer.params)
    message = (
        f"the weights would take {in_bytes(network.weight_bytes)}, over the limit of {in_bytes(max_memory)}; "
        f"this {largest.kind} alone has {largest.params:,} parameters"
    )
    note = Note("help", "make the layer smaller, or raise the limit with --max-memory")
    return Diagnostic("E206", message, largest.node.origin.place(), (note,))
