"""The layers of an item of the text, and a table of them."""

from collections.abc import Iterable, Sequence
from typing import Final

from vggc.backends.text.text_summary import aligned, seen
from vggc.base.words import typeset
from vggc.frontend.text.document import locate
from vggc.ir.geometry import ReceptiveField, receptive_fields
from vggc.ir.network import Network, ShapedLayer
from vggc.lsp.spec_analysis import Analysis

MAX_ROWS: Final = 10  # of a table; the middle of a longer one is left out
ENDS: Final = 4

Path = Sequence[str | int]


def item_path(path: Path) -> Path:
    """The part of a path that leads to the innermost item, to `pool`, or to the layers of a rewrite."""
    if path and path[0] == "pool":
        return path[:1]
    ends = [end for end in range(1, len(path) + 1) if _is_layer(path[:end], path[end : end + 1])]
    return path[: ends[-1]] if ends else ()


def _is_layer(path: Path, rest: Path) -> bool:
    """Whether there is a layer at a path; `rest` is the next step."""
    if path[0] == "rewrite" and path[-1] in ("insert", "with"):
        return not (rest and isinstance(rest[0], int))
    lists = ("features", "classifier", "layers", "insert", "with")
    return isinstance(path[-1], int) and len(path) > 1 and path[-2] in lists


def layers_of(analysis: Analysis, path: Path) -> list[ShapedLayer]:
    """The layers that come from the value at a path, or have options there, in the order of the data."""
    if analysis.tree is None:
        return []
    try:
        span = locate(analysis.tree, path)[1].span
    except KeyError:
        return []
    start, end = (span.line, span.column), (span.end_line, span.end_column)
    layers = analysis.layers_between(start, end)
    if layers or path[:1] != ("defaults",):
        return layers
    return [layer for layer in analysis.layers if any(start <= place < end for place in _places(layer, analysis))]


def _places(layer: ShapedLayer, analysis: Analysis) -> list[tuple[int, int]]:
    spans = (*layer.node.origin.options.values(), layer.node.origin.part)
    return [(span.line, span.column) for span in spans if span is not None and span.source is analysis.source]


def layer_table(layers: Sequence[ShapedLayer], network: Network | None) -> str:
    """One line for each layer: names, shapes, parameters, MACs, receptive field."""
    fields = _receptive_fields(layers, network)
    header = ("layer", "path", "kind", "input", "output", "params", "MACs", "sees")
    hidden = len(layers) - 2 * ENDS if len(layers) > MAX_ROWS else 0
    rows = [_row(layer, fields) for layer in ([*layers[:ENDS], *layers[-ENDS:]] if hidden else layers)]
    lines = list(aligned([header, *rows], (False, False, False, True, True, True, True, True)))
    if hidden:
        lines.insert(2 + ENDS, f"... {hidden} more ...")
    return "\n".join(lines)


def _receptive_fields(
    layers: Sequence[ShapedLayer], network: Network | None
) -> dict[str, tuple[ReceptiveField, ReceptiveField]]:
    """The receptive fields by path; empty if the network is incomplete."""
    if network is None:
        return {}
    paths = {layer.path for layer in layers}
    fields = zip(network.layers, receptive_fields(network), strict=True)
    return {layer.path: field for layer, field in fields if layer.path in paths}


def _row(layer: ShapedLayer, fields: dict[str, tuple[ReceptiveField, ReceptiveField]]) -> tuple[str, ...]:
    return (
        layer.alias, layer.path, layer.kind, typeset(layer.input), typeset(layer.output),
        f"{layer.params:,}" if layer.params else "", f"{layer.macs:,}" if layer.macs else "",
        seen(fields[layer.path]) if layer.path in fields else "",
    )  # fmt: skip


def params_text(layers: Iterable[ShapedLayer]) -> str:
    """The number of parameters of layers."""
    return f"{sum(layer.params for layer in layers):,} params"
