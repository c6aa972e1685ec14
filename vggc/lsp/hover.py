"""What an editor shows about the word under the cursor: its meaning and its layers (hover), and its definition.

The definition of `extends` is the parent, of an alias its anchor, of a key that of a parent.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from vggc.base.diagnostics import Source, Span
from vggc.base.words import dimensions
from vggc.frontend.schema.from_fields import Schema
from vggc.ir.network import Network
from vggc.lsp import schema_queries
from vggc.lsp.cursor import Cursor, cursor_at
from vggc.lsp.item_layers import item_path, layer_table, layers_of
from vggc.lsp.spec_analysis import Analysis


def hover(analysis: Analysis, line: int, column: int) -> tuple[Cursor, str] | None:
    """The word at a place and the Markdown about it; None if there is nothing to show."""
    cursor = cursor_at(analysis.source.lines, line, column)
    if cursor is None or not cursor.word.strip("-"):
        return None
    paragraphs = [*_meaning(cursor), *_layers(analysis, cursor)]
    return (cursor, "\n\n".join(paragraphs)) if paragraphs else None


def _meaning(cursor: Cursor) -> Iterator[str]:
    word = cursor.word
    owner = schema_queries.owner(cursor.path, word)
    if cursor.slot == "key":
        if owner is not None:
            yield from _key(word, *owner)
    elif any(schema_queries.names_kinds(leaf) and _accepts(leaf, word) for leaf in schema_queries.at(cursor.path)):
        yield from _kind(word, owner[1] if owner is not None else {})
    elif word.isdecimal() and _is_item(cursor.path):
        unit, what = ("fc", "features") if cursor.path[0] == "classifier" else ("conv", "channels")
        yield f"`{word}`: a unit `{unit}` with this many {what}"
        yield schema_queries.summary(unit)
    else:
        yield from _value(cursor)


def _value(cursor: Cursor) -> Iterator[str]:
    keys = [index for index, step in enumerate(cursor.path) if isinstance(step, str)]
    if keys:
        key = str(cursor.path[keys[-1]])
        owner = schema_queries.owner(cursor.path[: keys[-1]], key)
        if owner is not None:
            yield from _key(key, *owner)


def _is_item(path: Sequence[str | int]) -> bool:
    return bool(path) and isinstance(path[-1], int) and item_path(path) == path


def _accepts(leaf: Schema, word: str) -> bool:
    return word in leaf.get("enum", ()) or word in leaf.get("properties", {})


def _key(key: str, owner: Schema, schema: Schema) -> Iterator[str]:
    if schema_queries.names_kinds(owner):
        yield from _kind(key, schema)
        return
    default = schema_queries.default(schema)
    suffix = f"; `{default}` if left out" if default is not None else ""
    yield f"`{key}`: {schema_queries.type_of(schema)}{suffix}"
    if description := schema_queries.description(schema):
        yield description


def _kind(kind: str, schema: Schema) -> Iterator[str]:
    yield f"`{kind}`: {schema_queries.summary(kind) or schema_queries.description(schema)}"
    options, required = schema_queries.options(schema)
    if options:
        yield "options: " + ", ".join(_brief(name, option, name in required) for name, option in options.items())
    if (main := schema_queries.main_option(kind)) is not None:
        yield f"a bare value is its `{main}`"
    if (example := schema_queries.example(kind)) is not None:
        yield f"```yaml\n- {example}\n```"


def _brief(name: str, schema: Schema, required: bool) -> str:
    default = schema_queries.default(schema)
    return f"`{name}` (required)" if required else f"`{name}` ({default})" if default is not None else f"`{name}`"


def _layers(analysis: Analysis, cursor: Cursor) -> Iterator[str]:
    """The layers that the word refers to; for a key about the whole network, the network in a few lines."""
    if analysis.network is not None and (cursor.path or (cursor.word,))[0] in ("vggc", "name", "extends"):
        yield _overview(analysis.network)
    elif (path := _layers_path(cursor)) and (layers := layers_of(analysis, path)):
        yield f"```text\n{layer_table(layers, analysis.network)}\n```"


def _layers_path(cursor: Cursor) -> Sequence[str | int]:
    """The path of the list that the word is the key of, of a part of `defaults`, or of the item around the word."""
    path = (*cursor.path, cursor.word) if cursor.slot == "key" else cursor.path
    if path[:1] == ("defaults",) or (path[-1:] == (cursor.word,) and cursor.word in _LISTS):
        return path
    return item_path(cursor.path)


_LISTS: Final = ("features", "pool", "classifier", "repeat", "layers")


def _overview(network: Network) -> str:
    lines = [
        f"{dimensions(network.input)} -> {dimensions(network.output)}",
        f"{len(network.layers):,} layers, {network.params:,} params, {network.macs:,} MACs",
    ]
    if network.flatten is not None:
        lines.append(f"flatten {network.flatten:,}")
    return "```text\n" + "\n".join(lines) + "\n```"


def definition(analysis: Analysis, line: int, column: int) -> list[Span]:
    """The definitions of the word at a place, the most relevant first."""
    lines = analysis.source.lines
    for match in re.finditer(r"(?<![^\s\[{,])\*([^\s,\[\]{}]+)", lines[line]):
        if match.start() <= column <= match.end():
            return list(_anchor(analysis.source, match[1], line))
    cursor = cursor_at(lines, line, column)
    if cursor is None or not cursor.word:
        return []
    if cursor.path == ("extends",) or (not cursor.path and cursor.word == "extends"):
        return _parents(analysis)
    if not cursor.path and cursor.slot == "key":
        keys = (table.entries[cursor.word].key for table in analysis.ancestors if cursor.word in table.entries)
        return [key for key in (next(keys, None),) if key is not None]
    return []


def _anchor(source: Source, name: str, line: int) -> Iterator[Span]:
    """The last anchor of that name above an alias."""
    pattern = re.compile(rf"(?<![^\s\[{{,])&{re.escape(name)}(?=[\s,\[\]{{}}]|$)")
    for number in range(line, -1, -1):
        if matches := list(pattern.finditer(source.lines[number])):
            yield Span(source, number, matches[-1].start(), number, matches[-1].end())
            return


def _parents(analysis: Analysis) -> list[Span]:
    """The errors in the parents; if there are none, the beginning of the nearest."""
    spans = (diagnostic.span for diagnostic in analysis.diagnostics)
    errors = [span for span in spans if span is not None and span.source is not analysis.source]
    return errors or [Span(text, 0, 0, 0, 0) for text in analysis.texts[:1]]
