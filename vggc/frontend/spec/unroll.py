"""Spec -> Graph: repeats become nodes, rewrites are carried out, and every node gets its names."""

from collections.abc import Iterable, Iterator
from itertools import islice

from vggc.base.diagnostics import Diagnostic, SpecError, help_word
from vggc.frontend.spec.apply_rewrites import rewritten
from vggc.frontend.spec.spec import Item, LayerItem, Repeat, Spec
from vggc.ir.graph import MAX_LAYERS, Graph, Origin
from vggc.ir.naming import Placed, named
from vggc.layers.reshape import Flatten


def unroll(spec: Spec) -> Graph:
    """Repeats become nodes, every node gets its path and alias, and a flatten stands where the classifier needs one.

    Raises:
        SpecError: E009, there are more than 10,000 layers; E109, a rewrite finds nothing to rewrite.
    """
    return Graph(spec.header, tuple(named(placed(spec))))


def placed(spec: Spec) -> list[Placed]:
    """The layers of a spec in the order of the data, without names.

    Raises:
        SpecError: as `unroll`.
    """
    features, classifier = rewritten(spec, list(flat(spec.features)), list(flat(spec.classifier or ())))
    layers = [Placed("features", *item) for item in features]
    if spec.classifier is not None:
        if spec.pool is not None:
            layers.append(Placed("avgpool", *spec.pool))
        if not any(item.layer.flattens for item in classifier):
            layers.append(Placed("flatten", Flatten(), Origin(spec.header.places["classifier"])))
        layers += (Placed("classifier", *item) for item in classifier)
    if len(layers) > MAX_LAYERS:
        raise _too_many(spec)
    return layers


def flat(items: Iterable[Item]) -> Iterator[LayerItem]:
    """The layers of items, at most one more than the limit, however large the repeats are."""
    return islice(_expanded(items), MAX_LAYERS + 1)


def _expanded(items: Iterable[Item]) -> Iterator[LayerItem]:
    for item in items:
        if isinstance(item, Repeat):
            for _ in range(item.times):
                yield from _expanded(item.items)
        else:
            yield item


def _too_many(spec: Spec) -> SpecError:
    message = f"the spec has more than {MAX_LAYERS:,} layers once its repeats are unrolled"
    return SpecError([Diagnostic("E009", message, spec.header.places["features"])])


def cut(graph: Graph, until: str) -> Graph:
    """The graph up to and including a node, by alias or path.

    Raises:
        SpecError: E302, there is no such node.
    """
    for position, node in enumerate(graph.nodes):
        if until in (node.alias, node.path):
            return Graph(graph.header, graph.nodes[: position + 1], node.alias, graph.nodes[position + 1 :])
    names = [node.alias for node in graph.nodes]
    raise SpecError(
        [Diagnostic("E302", f"no layer is called `{until}`", None, (help_word(until, names, "there are"),))]
    )
