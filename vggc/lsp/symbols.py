"""The outline of a spec: its keys, the stages of its features, and its layers with their shapes."""

from collections.abc import Iterator, Sequence

from lsprotocol import types

from vggc.base.diagnostics import Span
from vggc.base.words import typeset
from vggc.frontend.text.document import Entry, Items, Leaf, Table, Value
from vggc.ir.network import ShapedLayer
from vggc.lsp.analysis import Analysis
from vggc.lsp.occurrences import layers_of
from vggc.lsp.positions import Positions

MOST = 500  # layers of a list; an outline of more helps nobody


def symbols(analysis: Analysis, positions: Positions) -> list[types.DocumentSymbol]:
    """The outline; empty where the text is not YAML."""
    tree = analysis.tree
    if tree is None:
        return []
    own = [(name, entry) for name, entry in tree.entries.items() if entry.key.source is analysis.source]
    return [_key(name, entry, analysis, positions) for name, entry in own]


def _key(name: str, entry: Entry, analysis: Analysis, positions: Positions) -> types.DocumentSymbol:
    children: list[types.DocumentSymbol] = []
    if name in ("features", "classifier") and isinstance(entry.value, Items):
        children = list(_stages(name, entry.value, analysis, positions))
    detail = str(entry.value.value) if isinstance(entry.value, Leaf) else None
    kind = types.SymbolKind.Array if children else types.SymbolKind.Property
    return _symbol(name, detail, kind, _joined(entry.key, entry.value.span), entry.key, positions, children)


def _stages(name: str, items: Items, analysis: Analysis, positions: Positions) -> Iterator[types.DocumentSymbol]:
    """The items of a list; those of the features by stages, which a pool ends."""
    stage: list[types.DocumentSymbol] = []
    number = 1
    for position, item in enumerate(items.items[:MOST]):
        if item.span.source is not analysis.source:
            continue
        layers = layers_of(analysis, (name, position))
        stage.append(_item(item, layers, positions))
        if name == "features" and any(layer.layer.ends_stage for layer in layers):
            yield _stage(number, stage)
            stage, number = [], number + 1
    if number == 1 or name != "features":
        yield from stage
    elif stage:
        yield _stage(number, stage)


def _stage(number: int, children: Sequence[types.DocumentSymbol]) -> types.DocumentSymbol:
    whole = types.Range(children[0].range.start, children[-1].range.end)
    return types.DocumentSymbol(
        f"stage {number}", types.SymbolKind.Namespace, whole, children[0].selection_range, children[-1].detail,
        children=list(children),
    )  # fmt: skip


def _item(item: Value, layers: Sequence[ShapedLayer], positions: Positions) -> types.DocumentSymbol:
    names = [layer.alias for layer in layers]
    name = names[0] if len(names) == 1 else f"{names[0]} ... {names[-1]}" if names else _word(item)
    detail = typeset(layers[-1].output) if layers else None
    return _symbol(name, detail, types.SymbolKind.Object, item.span, item.span, positions, [])


def _word(item: Value) -> str:
    """An item as it begins, where it has no shape."""
    if isinstance(item, Table):
        return next(iter(item.entries), "{}")
    return str(item.value) if isinstance(item, Leaf) and item.value is not None else "item"


def _joined(key: Span, value: Span) -> Span:
    return key._replace(end_line=value.end_line, end_column=value.end_column) if value.source is key.source else key


def _symbol(
    name: str, detail: str | None, kind: types.SymbolKind, whole: Span, selection: Span,
    positions: Positions, children: list[types.DocumentSymbol],
) -> types.DocumentSymbol:  # fmt: skip
    selected, lines = positions.range(selection), whole.source.lines
    end = positions.position(lines, *_end(whole))
    last = max((end, selected.end, *(child.range.end for child in children)))
    return types.DocumentSymbol(
        name or "''", kind, types.Range(selected.start, last), selected, detail, children=children
    )


def _end(span: Span) -> tuple[int, int]:
    """The end of a span without the empty lines and comments that a block has behind it."""
    line, column = min(span.end_line, len(span.source.lines) - 1), span.end_column
    while line > span.line and not span.source.lines[line][:column].split("#")[0].strip():
        line, column = line - 1, len(span.source.lines[line - 1])
    return line, column
