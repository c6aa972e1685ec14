"""The layers that a place of the text stands for, and what is said of them."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from vggc.backends.text.text_summary import aligned, seen
from vggc.base.diagnostics import Span
from vggc.base.words import typeset
from vggc.frontend.text.document import Items, Table, Value
from vggc.ir.geometry import ReceptiveField, receptive_fields
from vggc.ir.network import Network, ShapedLayer
from vggc.lsp.analysis import Analysis

MOST: Final = 10  # rows of a table; the middle of a longer one is left out
ENDS: Final = 4

Path = Sequence[str | int]


def value_at(tree: Table | None, path: Path) -> Value | None:
    """The value at the end of a path, if the text has one there."""
    value: Value | None = tree
    for step in path:
        if isinstance(value, Table) and step in value.entries:
            value = value.entries[str(step)].value
        elif isinstance(value, Items) and isinstance(step, int) and step < len(value.items):
            value = value.items[step]
        else:
            return None
    return value


def item_path(path: Path) -> Path:
    """The part of a path that leads to a layer: the innermost item, `pool`, or what a rewrite inserts."""
    if path and path[0] == "pool":
        return path[:1]
    ends = [end for end in range(1, len(path) + 1) if _is_layer(path[:end], path[end : end + 1])]
    return path[: ends[-1]] if ends else ()


def _is_layer(path: Path, more: Path) -> bool:
    """Whether a layer stands at a path, of which `more` is the next step."""
    if path[0] == "rewrite" and path[-1] in ("insert", "with"):
        return not (more and isinstance(more[0], int))
    return isinstance(path[-1], int) and _holds_layers(path[:-1])


def _holds_layers(path: Path) -> bool:
    return path[-1:] in (("features",), ("classifier",), ("layers",), ("insert",), ("with",))


def layers_of(analysis: Analysis, path: Path) -> list[ShapedLayer]:
    """The layers that come from the value at a path, or whose options it says, in the order of the data."""
    value = value_at(analysis.tree, path)
    if value is None:
        return []
    start, end = (value.span.line, value.span.column), (value.span.end_line, value.span.end_column)
    if value.span.source is not analysis.source:
        return []
    found = analysis.layers_between(start, end)
    if found or path[:1] != ("defaults",):
        return found
    return [
        layer
        for layer in analysis.layers
        if any(start <= (each.line, each.column) < end for each in _own_places(layer, analysis))
    ]


def _own_places(layer: ShapedLayer, analysis: Analysis) -> Iterator[Span]:
    """Where this text says what the layer is."""
    origin = layer.node.origin
    for place in (*origin.options.values(), origin.part):
        if place is not None and place.source is analysis.source:
            yield place


def fields_of(layers: Sequence[ShapedLayer], network: Network | None) -> dict[str, tuple[ReceptiveField, ...]]:
    """The receptive fields by path; nothing where the network is not whole."""
    if network is None:
        return {}
    found = zip(network.layers, receptive_fields(network), strict=True)
    wanted = {layer.path for layer in layers}
    return {layer.path: field for layer, field in found if layer.path in wanted}


def table(layers: Sequence[ShapedLayer], network: Network | None) -> str:
    """A line a layer: its names, what goes in and out, what it learns and costs, what it sees."""
    fields = fields_of(layers, network)
    header = ("layer", "path", "kind", "input", "output", "params", "MACs", "sees")
    shown, hidden = _shortened(layers)
    rows = [_row(layer, fields) for layer in shown]
    lines = list(aligned([header, *rows], (False, False, False, True, True, True, True, True)))
    if hidden:
        lines.insert(2 + ENDS, f"... {hidden} more ...")
    return "\n".join(lines)


def _shortened(layers: Sequence[ShapedLayer]) -> tuple[list[ShapedLayer], int]:
    if len(layers) <= MOST:
        return list(layers), 0
    return [*layers[:ENDS], *layers[-ENDS:]], len(layers) - 2 * ENDS


def _row(layer: ShapedLayer, fields: dict[str, tuple[ReceptiveField, ...]]) -> tuple[str, ...]:
    field = fields.get(layer.path)
    return (
        layer.alias, layer.path, layer.kind, typeset(layer.input), typeset(layer.output),
        f"{layer.params:,}" if layer.params else "", f"{layer.macs:,}" if layer.macs else "",
        seen((field[0], field[1])) if field is not None else "",
    )  # fmt: skip


def counted(layers: Iterable[ShapedLayer]) -> str:
    """What layers learn together."""
    return f"{sum(layer.params for layer in layers):,} params"
