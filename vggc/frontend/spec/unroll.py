"""Spec -> Graph: repeats are unrolled, rewrites are applied, and every layer becomes a node with its names."""

from collections.abc import Iterable, Iterator
from itertools import islice

from vggc.base.diagnostics import Diagnostic, SpecError, help_word
from vggc.frontend.spec.apply_rewrites import apply_rewrites
from vggc.frontend.spec.items import Item, LayerItem
from vggc.frontend.spec.spec import Spec
from vggc.ir.graph import MAX_LAYERS, Graph, Origin
from vggc.ir.naming import Placed, named
from vggc.layers.reshape import Flatten


def unroll(spec: Spec) -> Graph:
    """The graph of a spec, with a flatten before the classifier where that has none.

    Raises:
        SpecError: E009, there are more than 10,000 layers; E109, a rewrite matches no layer.
    """
    return Graph(spec.header, tuple(named(unrolled_layers(spec))))


def unrolled_layers(spec: Spec) -> list[Placed]:
    """The layers of a spec in the order of the data, without names.

    Raises:
        SpecError: as `unroll`.
    """
    features, classifier = unroll_items(spec.features), unroll_items(spec.classifier or ())
    features, classifier = apply_rewrites(spec, features, classifier)
    layers = [Placed("features", *item) for item in features]
    if spec.classifier is not None:
        if spec.pool is not None:
            layers.append(Placed("avgpool", *spec.pool))
        if not any(item.layer.flattens for item in classifier):
            layers.append(Placed("flatten", Flatten(), Origin(spec.header.places["classifier"])))
        layers += (Placed("classifier", *item) for item in classifier)
    if len(layers) > MAX_LAYERS:
        message = f"the spec has more than {MAX_LAYERS:,} layers once its repeats are unrolled"
        raise SpecError([Diagnostic("E009", message, spec.header.places["features"])])
    return layers


def unroll_items(items: Iterable[Item]) -> list[LayerItem]:
    """The layers of items, at most one more than the limit, however large the repeats are."""
    layers: Iterator[LayerItem] = (layer for item in items for layer in item.layers())
    return list(islice(layers, MAX_LAYERS + 1))


def cut(graph: Graph, until: str) -> Graph:
    """The graph up to and including a node, by alias or path.

    Raises:
        SpecError: E302, there is no such node.
    """
    for position, node in enumerate(graph.nodes):
        if until in (node.alias, node.path):
            return Graph(graph.header, graph.nodes[: position + 1], node.alias, graph.nodes[position + 1 :])
    note = help_word(until, [node.alias for node in graph.nodes], "there are")
    raise SpecError([Diagnostic("E302", f"there is no layer `{until}`", None, (note,))])
