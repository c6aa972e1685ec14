"""Document symbols, the outline of a spec: its keys, the stages of its features, and its layers with their shapes."""

from collections.abc import Iterator, Sequence

from lsprotocol import types

from vggc.base.diagnostics import Span
from vggc.base.words import typeset
from vggc.frontend.text.document import Entry, Items, Leaf, Table, Value
from vggc.ir.network import ShapedLayer
from vggc.lsp.item_layers import layers_of
from vggc.lsp.positions import Positions
from vggc.lsp.spec_analysis import Analysis

MAX_ITEMS = 500  # of a list


def document_symbols(analysis: Analysis, positions: Positions) -> list[types.DocumentSymbol]:
    """The outline; empty if the text is not valid YAML."""
    entries = analysis.tree.entries if analysis.tree is not None else {}
    return [_key(name, entry, analysis, positions) for name, entry in entries.items()]


def _key(name: str, entry: Entry, analysis: Analysis, positions: Positions) -> types.DocumentSymbol:
    children: list[types.DocumentSymbol] = []
    if name in ("features", "classifier") and isinstance(entry.value, Items):
        children = list(_items(name, entry.value, analysis, positions))
    key, value = entry.key, entry.value.span
    symbol = _symbol(name, key, key._replace(end_line=value.end_line, end_column=value.end_column), positions)
    symbol.kind = types.SymbolKind.Array if children else types.SymbolKind.Property
    symbol.detail = str(entry.value.value) if isinstance(entry.value, Leaf) else None
    symbol.children = children
    symbol.range.end = max((symbol.range.end, *(child.range.end for child in children)))
    return symbol


def _items(name: str, items: Items, analysis: Analysis, positions: Positions) -> Iterator[types.DocumentSymbol]:
    """The items of a list; those of the features are grouped by stages if there are several."""
    stages: list[list[types.DocumentSymbol]] = [[]]
    for index, item in enumerate(items.items[:MAX_ITEMS]):
        layers = layers_of(analysis, (name, index))
        stages[-1].append(_item(item, layers, positions))
        if name == "features" and any(layer.layer.ends_stage for layer in layers):
            stages.append([])
    if len(stages) == 1:
        yield from stages[0]
    else:
        yield from (_stage(number, stage) for number, stage in enumerate(stages, 1) if stage)


def _stage(number: int, children: Sequence[types.DocumentSymbol]) -> types.DocumentSymbol:
    range = types.Range(children[0].range.start, children[-1].range.end)
    return types.DocumentSymbol(
        f"stage {number}", types.SymbolKind.Namespace, range, children[0].selection_range, children[-1].detail,
        children=list(children),
    )  # fmt: skip


def _item(item: Value, layers: Sequence[ShapedLayer], positions: Positions) -> types.DocumentSymbol:
    names = [layer.alias for layer in layers] or [_first_word(item)]
    symbol = _symbol(names[0] if len(names) == 1 else f"{names[0]} ... {names[-1]}", item.span, item.span, positions)
    symbol.detail = typeset(layers[-1].output) if layers else None
    return symbol


def _first_word(item: Value) -> str:
    """The name of an item that has no layers."""
    if isinstance(item, Table):
        return next(iter(item.entries), "{}")
    return str(item.value) if isinstance(item, Leaf) and item.value is not None else "item"


def _symbol(name: str, selection: Span, whole: Span, positions: Positions) -> types.DocumentSymbol:
    """A symbol; `whole` ends before the empty lines and comments that follow a block."""
    line, column, lines = min(whole.end_line, len(whole.source.lines) - 1), whole.end_column, whole.source.lines
    while line > whole.line and not lines[line][:column].split("#")[0].strip():
        line, column = line - 1, len(lines[line - 1])
    selected = positions.range(selection)
    range = types.Range(selected.start, max(positions.position(lines, line, column), selected.end))
    return types.DocumentSymbol(name or "''", types.SymbolKind.Object, range, selected, children=[])
