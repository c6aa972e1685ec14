"""Completion: the keys, kinds, options and words that are legal at the cursor, and the specs to extend."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from lsprotocol import types

from vggc.base.diagnostics import Source
from vggc.frontend.schema.from_fields import Schema
from vggc.frontend.schema.wording import is_choice
from vggc.frontend.text.detection import is_spec_file
from vggc.frontend.text.document import to_flow
from vggc.frontend.text.sources import stock_names
from vggc.ir.network import Network
from vggc.lsp import schema_queries
from vggc.lsp.cursor import Cursor, cursor_at
from vggc.lsp.positions import Positions
from vggc.lsp.spec_analysis import Analysis

MAX_FILES: Final = 200


@dataclass(frozen=True, slots=True)
class Completion:
    """A legal word and the text that is inserted for it, in which `$0` is the next place of the cursor."""

    label: str
    insert: str
    kind: types.CompletionItemKind
    detail: str = ""
    description: str = ""


def complete(
    source: Source, line: int, column: int, last_valid: Analysis | None, positions: Positions, snippets: bool = False
) -> list[types.CompletionItem]:
    """The completion items for a place of a text.

    Args:
        source: the text.
        line: of the cursor.
        column: of the cursor, in code points.
        last_valid: the analysis of the text when it last compiled.
        positions: in the units of the editor.
        snippets: whether the editor can place the cursor inside the inserted text.
    """
    cursor = cursor_at(source.lines, line, column)
    if cursor is None:
        return []
    cursor = replace(cursor, word=cursor.word[: column - cursor.start])
    by_label: dict[str, Completion] = {}
    for completion in _completions(cursor, source, last_valid):
        by_label.setdefault(completion.label, completion)
    range = positions.columns(source.lines, line, cursor.start, column)
    ordered = _sorted(by_label.values(), cursor)
    return [_item(completion, order, range, snippets) for order, completion in enumerate(ordered)]


def _sorted(completions: Iterable[Completion], cursor: Cursor) -> list[Completion]:
    """Kinds in the order of the language, with or without options; everything else keeps its order."""
    choices = [schema_queries.properties(leaf) for leaf in schema_queries.at(cursor.path) if is_choice(leaf)]
    rank = {name: index for choice in choices for index, name in enumerate(choice)}
    return sorted(completions, key=lambda completion: rank.get(completion.label, -1))


def _item(completion: Completion, order: int, range: types.Range, snippets: bool) -> types.CompletionItem:
    is_snippet = snippets and "$0" in completion.insert
    description = types.MarkupContent(types.MarkupKind.Markdown, completion.description)
    return types.CompletionItem(
        label=completion.label,
        kind=completion.kind,
        detail=completion.detail or None,
        documentation=description if completion.description else None,
        sort_text=f"{order:04}",
        filter_text=completion.label,
        insert_text_format=types.InsertTextFormat.Snippet if is_snippet else None,
        text_edit=types.TextEdit(range, completion.insert if is_snippet else completion.insert.replace("$0", "")),
    )


def _completions(cursor: Cursor, source: Source, last_valid: Analysis | None) -> Iterator[Completion]:
    if cursor.path == ("extends",):
        yield from _specs(cursor, source)
        return
    if cursor.path[:1] == ("expect",) and len(cursor.path) == 2 and last_valid is not None and last_valid.network:
        yield from _figures(str(cursor.path[1]), last_valid.network)
    if cursor.slot == "value" and isinstance(cursor.path[-1], str):
        yield from _examples(cursor.path[:-1], cursor.path[-1])
    for leaf in schema_queries.at(cursor.path):
        if cursor.slot != "key":
            yield from _values(leaf, cursor)
        if cursor.slot != "value":
            yield from _keys(leaf, cursor)
    if cursor.slot == "either" and not cursor.flow:  # the items of a list whose first dash is not written yet
        item = replace(cursor, path=(*cursor.path, 0))
        for leaf in schema_queries.at(item.path):
            for completion in (*_values(leaf, item), *_keys(leaf, item)):
                yield replace(completion, insert=f"- {completion.insert}")


def _keys(leaf: Schema, cursor: Cursor) -> Iterator[Completion]:
    if leaf.get("type") != "object" or (is_choice(leaf) and cursor.keys):
        return
    required = leaf.get("required", ())
    properties = schema_queries.properties(leaf)
    for name in sorted(properties.keys() - cursor.keys, key=[*required, *properties].index):
        schema = properties[name]
        if is_choice(leaf):
            yield _kind(name, schema, cursor)
        else:
            insert = name if cursor.colon else f"{name}: "
            detail, description = _detail(schema, name in required), schema_queries.description(schema)
            yield Completion(name, insert, types.CompletionItemKind.Property, detail, description)


def _kind(name: str, schema: Schema, cursor: Cursor) -> Completion:
    """A kind with its options; between brackets it needs braces of its own."""
    options = _skeleton(name, schema)
    if cursor.colon:
        insert = name
    elif (cursor.flow and cursor.slot == "either") or cursor.slot == "value":
        insert = f"{{{name}: {options}}}"
    else:
        insert = f"{name}: {options}".removesuffix("$0")
    detail = f"{name}: {schema_queries.main_option(name) or '{...}'}"
    description = schema_queries.summary(name) or schema_queries.description(schema)
    return Completion(name, insert, types.CompletionItemKind.Class, detail, description)


def _skeleton(name: str, schema: Schema) -> str:
    """The text after a kind: its main option, or a mapping with the required ones."""
    _, required = schema_queries.options(schema)
    if set(required) <= {schema_queries.main_option(name)}:
        return "$0"
    return f"{{{', '.join(f'{option}: $0' if option == required[0] else f'{option}: ' for option in required)}}}"


def _detail(schema: Schema, required: bool) -> str:
    default = schema_queries.default(schema)
    phrase = schema_queries.type_of(schema)
    return f"{phrase} (required)" if required else f"{phrase}; {default} if left out" if default else phrase


def _values(leaf: Schema, cursor: Cursor) -> Iterator[Completion]:
    """The legal words of a scalar, and for a value on the line of its key also the kinds with options."""
    is_kind = schema_queries.names_kinds(leaf)
    for word in map(str, schema_queries.words(leaf)):
        # A word that looks like a number needs quotes.
        insert = f'"{word}"' if word.isdecimal() and leaf.get("type") == "string" and not cursor.quoted else word
        item_kind = types.CompletionItemKind.Class if is_kind else types.CompletionItemKind.EnumMember
        yield Completion(word, insert, item_kind, "", schema_queries.summary(word) if is_kind else "")
    if leaf.get("type") == "boolean":
        yield Completion("true", "true", types.CompletionItemKind.EnumMember)
        yield Completion("false", "false", types.CompletionItemKind.EnumMember)
    if is_choice(leaf) and cursor.slot == "value":
        for name, schema in leaf["properties"].items():
            yield _kind(name, schema, cursor)


def _value(text: str, detail: str) -> Completion:
    return Completion(text, text, types.CompletionItemKind.Value, detail)


def _examples(path: Sequence[str | int], key: str) -> Iterator[Completion]:
    """The default of a key, and the examples in the schema."""
    owner = schema_queries.owner(path, key)
    if owner is None or schema_queries.names_kinds(owner[0]):
        return
    default = owner[1].get("default")
    if isinstance(default, int | float) and not isinstance(default, bool):
        yield _value(str(default), "the default")
    for example in schema_queries.examples(owner[1]):
        yield _value(to_flow(example), "for example")


def _figures(key: str, network: Network) -> Iterator[Completion]:
    """The present value of a key of `expect`."""
    name = key.removeprefix("max_")
    if name in ("params", "macs", "flatten", "output") and (actual := getattr(network, name)) is not None:
        yield _value(to_flow(list(actual) if isinstance(actual, tuple) else actual), "the network's present value")


def _specs(cursor: Cursor, source: Source) -> Iterator[Completion]:
    """The specs beside this one or in the folder that is typed so far, and the stock specs."""
    folder, _, _ = cursor.word.rpartition("/")
    parent = source.path.parent if source.path is not None else Path()
    for name in _specs_in(parent / folder, source.path):
        path, detail = (f"{folder}/{name}", "") if folder else (name, "a spec in this folder")
        yield Completion(path, path, types.CompletionItemKind.File, detail)
    if not folder:
        for name in stock_names():
            yield Completion(name, name, types.CompletionItemKind.File, "a stock spec")


def _specs_in(folder: Path, child: Path | None) -> Sequence[str]:
    try:
        names = sorted(file.name for file in os.scandir(folder) if file.name.endswith((".yaml", ".yml")))
    except (OSError, ValueError):  # ValueError: the name contains a null character
        return ()
    paths = [folder / name for name in names[:MAX_FILES]]
    return [path.name for path in paths if path != child and path.is_file() and is_spec_file(path)]
