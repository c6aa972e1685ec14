"""Graph -> a short spec: units, `defaults`, `M`, repeats; as a person would write it.

Expanding it gives the canonical text of the graph, exactly: `emit` compiles what it wrote and compares.
"""

from collections.abc import Iterable, Iterator

from vggc.backends.text import yaml_spec
from vggc.base.diagnostics import Source
from vggc.base.errors import InternalError
from vggc.frontend.schema.units import CONV, FC, UNITS, Unit, sized_pool
from vggc.importing.writing.repeats import folded
from vggc.importing.writing.units_of_layers import Defaults, Run, best_defaults, counted, runs
from vggc.ir.graph import Graph
from vggc.layers.layer import Layer
from vggc.pipeline import read_graph

MAX_LINE = 120


def emit(graph: Graph) -> str:
    """The text of a spec that means this graph.

    Raises:
        InternalError: it would mean another one.
    """
    text = min((_text(graph, defaults) for defaults in _choices(graph)), key=len)
    wanted = yaml_spec.emit(graph)
    found = yaml_spec.emit(read_graph(Source("idiom", text)))
    if found != wanted:
        line = next(
            (one for one, other in zip(found.split("\n"), wanted.split("\n"), strict=False) if one != other), ""
        )
        raise InternalError(f"the short form of {graph.header.name} does not expand to its canonical form, at `{line}`")
    return text


def _choices(graph: Graph) -> Iterator[dict[str, Defaults]]:
    """What the units may mean in the spec: what they always do, or what its layers mostly have."""
    yield {kind: {} for kind in UNITS}
    yield {kind: best_defaults(unit, _runs(graph, unit)) for kind, unit in UNITS.items()}


def _section(graph: Graph, *sections: str) -> list[Layer]:
    return [node.layer for node in graph.nodes if node.section in sections]


def _features(graph: Graph) -> list[Layer]:
    """A graph that was cut behind its features has what is left of the way to the classifier in them."""
    return _section(graph, "features", *(() if _section(graph, "classifier") else ("avgpool", "flatten")))


def _runs(graph: Graph, unit: Unit) -> list[Run]:
    """Those runs of layers in both lists that a unit can say."""
    return [run for run in (*runs(_features(graph)), *_head(graph)) if run.unit is unit]


def _head(graph: Graph) -> list[Run]:
    """The classifier, where one layer may count the classes."""
    counting = yaml_spec.counting_node(graph)
    return counted(runs(_section(graph, "classifier")), counting.layer if counting is not None else None)


def _text(graph: Graph, defaults: dict[str, Defaults]) -> str:
    return "\n".join(_lines(graph, defaults)) + "\n"


def _lines(graph: Graph, defaults: dict[str, Defaults]) -> Iterator[str]:
    yield from yaml_spec.opening(graph.header)
    if any(defaults.values()):
        said = (f"{kind}: {_mapping(chosen)}" for kind, chosen in defaults.items() if chosen)
        yield f"defaults: {{{', '.join(said)}}}"
    yield from _list("features", _items(runs(_features(graph)), CONV, defaults))
    if _section(graph, "classifier"):
        yield from (f"pool: {_pool(layer)}" for layer in _section(graph, "avgpool"))
        yield from _list("classifier", _items(_head(graph), FC, defaults))
    else:
        yield "classifier: none"
    yield from yaml_spec.closing(graph.header)


def _mapping(options: Defaults) -> str:
    return f"{{{', '.join(f'{name}: {value}' for name, value in options.items())}}}"


def _items(found: Iterable[Run], number: Unit, defaults: dict[str, Defaults]) -> list[str]:
    return [run.text(defaults[run.unit.kind] if run.unit else {}, number) for run in found]


def _pool(layer: Layer) -> str:
    size = getattr(layer, layer.main) if layer.main is not None else None
    if isinstance(size, int) and layer == sized_pool(size):
        return str(size)
    return yaml_spec.braced(yaml_spec.layer_text(layer))


def _list(key: str, items: list[str]) -> Iterator[str]:
    """A list on one line where it fits, else an item a line."""
    items = folded(items)
    line = f"{key}: [{', '.join(yaml_spec.braced(each) for each in items)}]"
    if len(line) <= MAX_LINE:
        yield line
        return
    yield f"{key}:"
    yield from (f"  - {each}" for each in items)
