"""Graph -> a short spec: units, `defaults`, `M`, repeats; as a user would write it.

Expanding it gives the canonical text of the graph, exactly: `emit` compiles what it wrote and compares.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from vggc.backends.text import yaml_spec
from vggc.base.diagnostics import Source
from vggc.base.errors import InternalError
from vggc.frontend.schema.units import CONV, FC, UNITS, Unit, sized_pool
from vggc.importing.writing.units_of_layers import Defaults, Item, best_defaults, items_of, with_class_count
from vggc.ir.graph import Graph, Section
from vggc.layers.layer import Layer
from vggc.pipeline import read_graph

MAX_LINE: Final = 120


def emit(graph: Graph) -> str:
    """The text of a spec that means this graph.

    Raises:
        InternalError: it would mean another one.
    """
    text = min((_text(graph, defaults) for defaults in _choices(graph)), key=len)
    expected = yaml_spec.emit(graph).split("\n")
    actual = yaml_spec.emit(read_graph(Source("idiom", text))).split("\n")
    if actual != expected:
        line = next((line for line, other in zip(actual, expected, strict=False) if line != other), "")
        raise InternalError(f"the short form of {graph.header.name} does not expand to its canonical form, at `{line}`")
    return text


def _choices(graph: Graph) -> Iterator[dict[str, Defaults]]:
    """What the units may mean in the spec: what they always do, or what its layers mostly have."""
    items = [*items_of(_features(graph)), *_classifier(graph)]
    yield {kind: {} for kind in UNITS}
    yield {kind: best_defaults(unit, [item for item in items if item.unit is unit]) for kind, unit in UNITS.items()}


def _text(graph: Graph, defaults: dict[str, Defaults]) -> str:
    return "\n".join(_lines(graph, defaults)) + "\n"


def _lines(graph: Graph, defaults: dict[str, Defaults]) -> Iterator[str]:
    yield from yaml_spec.opening(graph.header)
    if any(defaults.values()):
        chosen = ", ".join(f"{kind}: {_mapping(options)}" for kind, options in defaults.items() if options)
        yield f"defaults: {{{chosen}}}"
    yield from _list("features", _texts(items_of(_features(graph)), CONV, defaults))
    if _layers(graph, "classifier"):
        yield from (f"pool: {_pool(layer)}" for layer in _layers(graph, "avgpool"))
        yield from _list("classifier", _texts(_classifier(graph), FC, defaults))
    else:
        yield "classifier: none"
    yield from yaml_spec.closing(graph.header)


def _layers(graph: Graph, *sections: Section) -> list[Layer]:
    return [node.layer for node in graph.nodes if node.section in sections]


def _features(graph: Graph) -> list[Layer]:
    """Without a classifier what is left of the way to it belongs to the features."""
    return _layers(graph, "features", *(() if _layers(graph, "classifier") else ("avgpool", "flatten")))


def _classifier(graph: Graph) -> list[Item]:
    """The items of the classifier, where one layer may have the number of the classes."""
    counting = yaml_spec.counting_node(graph)
    return with_class_count(items_of(_layers(graph, "classifier")), counting.layer if counting is not None else None)


def _mapping(options: Defaults) -> str:
    return f"{{{', '.join(f'{name}: {value}' for name, value in options.items())}}}"


def _texts(items: Iterable[Item], number: Unit, defaults: dict[str, Defaults]) -> list[str]:
    return [item.text(defaults[item.unit.kind] if item.unit else {}, number) for item in items]


def _pool(layer: Layer) -> str:
    size = getattr(layer, layer.main) if layer.main is not None else None
    if isinstance(size, int) and layer == sized_pool(size):
        return str(size)
    return yaml_spec.braced(yaml_spec.layer_text(layer))


def _list(key: str, items: list[str]) -> Iterator[str]:
    """A list on one line where it fits, else an item a line."""
    items = with_repeats(items)
    line = f"{key}: [{', '.join(yaml_spec.braced(item) for item in items)}]"
    if len(line) <= MAX_LINE:
        yield line
    else:
        yield f"{key}:"
        yield from (f"  - {item}" for item in items)


# --- repeats ---

# A repeat takes at most this share of the text that it replaces; two times are read more easily than a repeat.
_WORTH: Final = 0.8
_WORTH_FOR_TWO: Final = 0.6
_MAX_PERIOD: Final = 64


class _Repeat(NamedTuple):
    items: int
    saved: int
    text: str


def with_repeats(items: Sequence[str]) -> list[str]:
    """Items that stand several times in a row as one `repeat`, where that is clearly shorter."""
    texts: list[str] = []
    position = 0
    while position < len(items):
        repeats = (_repeat(items[position:], period) for period in range(1, _MAX_PERIOD + 1))
        best = max(filter(None, repeats), key=lambda repeat: repeat.saved, default=_Repeat(1, 0, items[position]))
        texts.append(best.text)
        position += best.items
    return texts


def _repeat(items: Sequence[str], period: int) -> _Repeat | None:
    """The repeat of the first items, if they follow several times and that is worth it."""
    body = items[:period]
    times = 1
    while items[times * period : (times + 1) * period] == body:
        times += 1
    if times == 1:
        return None
    text = f"repeat: {{times: {times}, layers: [{', '.join(map(yaml_spec.braced, with_repeats(body)))}]}}"
    written = times * sum(len(yaml_spec.braced(item)) + 2 for item in body)
    is_worth_it = len(text) <= (_WORTH if times > 2 else _WORTH_FOR_TWO) * written
    return _Repeat(period * times, written - len(text), text) if is_worth_it else None
