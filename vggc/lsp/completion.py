"""What may be written at the cursor: keys, kinds, options, words, and the specs that there are to extend."""

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
from vggc.frontend.text.sources import stock_names
from vggc.frontend.text.values import in_flow
from vggc.ir.network import Network
from vggc.lsp import vocabulary
from vggc.lsp.analysis import Analysis
from vggc.lsp.context import Cursor, cursor_at
from vggc.lsp.positions import Positions

MAX_FILES: Final = 200
_KINDS: Final = {
    "key": types.CompletionItemKind.Property,
    "kind": types.CompletionItemKind.Class,
    "word": types.CompletionItemKind.EnumMember,
    "value": types.CompletionItemKind.Value,
    "file": types.CompletionItemKind.File,
}


@dataclass(frozen=True, slots=True)
class Offer:
    """A word that may stand here: what is written, what it is (a key of `_KINDS`), and what is said of it.

    In what is written, `$0` is where the cursor goes on.
    """

    label: str
    insert: str
    kind: str
    detail: str = ""
    meaning: str = ""


def complete(
    source: Source, line: int, column: int, sound: Analysis | None, positions: Positions, snippets: bool = False
) -> list[types.CompletionItem]:
    """The items for a place of a text.

    Args:
        source: the text.
        line: of the cursor.
        column: of the cursor, in code points.
        sound: what was known of the text when it last compiled.
        positions: in the units of the editor.
        snippets: whether the editor can put the cursor into what it inserts.
    """
    cursor = cursor_at(source.lines, line, column)
    if cursor is None:
        return []
    cursor = replace(cursor, word=cursor.word[: column - cursor.start])
    found: dict[str, Offer] = {}
    for offer in _offers(cursor, source, sound):
        found.setdefault(offer.label, offer)
    place = positions.stretch(source.lines, line, cursor.start, column)
    return [_item(offer, order, place, snippets) for order, offer in enumerate(_sorted(found.values(), cursor))]


def _sorted(offers: Iterable[Offer], cursor: Cursor) -> list[Offer]:
    """Kinds in the order of the language, whether they stand alone or not; everything else stays where it is."""
    tables = [vocabulary.properties(leaf) for leaf in vocabulary.at(cursor.path) if is_choice(leaf)]
    rank = {name: position for table in tables for position, name in enumerate(table)}
    return sorted(offers, key=lambda offer: rank.get(offer.label, -1))


def _item(offer: Offer, order: int, place: types.Range, snippets: bool) -> types.CompletionItem:
    snippet = snippets and "$0" in offer.insert
    meaning = types.MarkupContent(types.MarkupKind.Markdown, offer.meaning) if offer.meaning else None
    return types.CompletionItem(
        label=offer.label,
        kind=_KINDS[offer.kind],
        detail=offer.detail or None,
        documentation=meaning,
        sort_text=f"{order:04}",
        filter_text=offer.label,
        insert_text_format=types.InsertTextFormat.Snippet if snippet else None,
        text_edit=types.TextEdit(place, offer.insert if snippet else offer.insert.replace("$0", "")),
    )


def _offers(cursor: Cursor, source: Source, sound: Analysis | None) -> Iterator[Offer]:
    if cursor.path == ("extends",):
        yield from _specs(cursor, source)
        return
    if cursor.path[:1] == ("expect",) and len(cursor.path) == 2 and sound is not None and sound.network is not None:
        yield from _figures(str(cursor.path[1]), sound.network)
    if cursor.slot == "value" and isinstance(cursor.path[-1], str):
        yield from _examples(cursor.path[:-1], cursor.path[-1])
    for leaf in vocabulary.at(cursor.path):
        if cursor.slot != "key":
            yield from _values(leaf, cursor)
        if cursor.slot != "value":
            yield from _keys(leaf, cursor)
    if cursor.slot == "either" and not cursor.flow:
        yield from _dashed(cursor)


def _dashed(cursor: Cursor) -> Iterator[Offer]:
    """The items of a list whose first dash is still to be written."""
    item = replace(cursor, path=(*cursor.path, 0))
    for leaf in vocabulary.at(item.path):
        for offer in (*_values(leaf, item), *_keys(leaf, item)):
            yield replace(offer, insert=f"- {offer.insert}")


# --- keys ---


def _keys(leaf: Schema, cursor: Cursor) -> Iterator[Offer]:
    """The keys of a mapping that are not there yet."""
    if leaf.get("type") != "object" or (is_choice(leaf) and cursor.keys):
        return
    needed = leaf.get("required", ())
    known = vocabulary.properties(leaf)
    names = [name for name in known if name not in cursor.keys]
    for name in sorted(names, key=lambda name: name not in needed):
        schema = known[name]
        if is_choice(leaf):
            yield _kind(name, schema, cursor)
        else:
            yield Offer(
                name, _as_key(name, cursor), "key", _detail(schema, name in needed), vocabulary.description(schema)
            )


def _as_key(name: str, cursor: Cursor) -> str:
    return name if cursor.colon else f"{name}: "


def _kind(name: str, schema: Schema, cursor: Cursor) -> Offer:
    """A kind with its options behind it; between brackets it needs braces of its own."""
    meaning = vocabulary.summary(name) or vocabulary.description(schema)
    options = _skeleton(name, schema)
    if cursor.colon:
        insert = name
    elif (cursor.flow and cursor.slot == "either") or cursor.slot == "value":
        insert = f"{{{name}: {options}}}"
    else:
        insert = f"{name}: {options}".removesuffix("$0")
    return Offer(name, insert, "kind", f"{name}: {vocabulary.main_option(name) or '{...}'}", meaning)


def _skeleton(name: str, schema: Schema) -> str:
    """What stands behind a kind: its main option, or those without which it cannot stand."""
    needed = vocabulary.required(schema)
    if set(needed) <= {vocabulary.main_option(name)}:
        return "$0"
    return f"{{{', '.join(f'{option}: $0' if option == needed[0] else f'{option}: ' for option in needed)}}}"


def _detail(schema: Schema, needed: bool) -> str:
    default = vocabulary.default(schema)
    words = vocabulary.type_of(schema)
    return f"{words} (needed)" if needed else f"{words}; {default} if left out" if default is not None else words


# --- values ---


def _values(leaf: Schema, cursor: Cursor) -> Iterator[Offer]:
    """The words that a scalar may be, and in one line with the key also the mappings that pick a kind."""
    for word in vocabulary.words(leaf):
        kind = "kind" if vocabulary.picks(leaf) else "word"
        meaning = vocabulary.summary(str(word)) if kind == "kind" else ""
        yield Offer(str(word), _written(word, cursor.quoted), kind, "", meaning)
    if leaf.get("type") == "boolean":
        yield Offer("true", "true", "word")
        yield Offer("false", "false", "word")
    if is_choice(leaf) and cursor.slot == "value":
        for name, schema in leaf["properties"].items():
            yield _kind(name, schema, cursor)


def _written(word: object, quoted: bool) -> str:
    """A word as YAML; one that looks like a number in quotes."""
    return f'"{word}"' if isinstance(word, str) and word.isdecimal() and not quoted else str(word)


def _examples(path: Sequence[str | int], key: str) -> Iterator[Offer]:
    """What a key is if it is left out, and the examples that the schema has for it."""
    found = vocabulary.owner(path, key)
    if found is None or vocabulary.picks(found[0]):
        return
    default = found[1].get("default")
    if isinstance(default, int | float) and not isinstance(default, bool):
        yield Offer(str(default), str(default), "value", "what it is if left out")
    for example in vocabulary.examples(found[1]):
        text = in_flow(example)
        yield Offer(text, text, "value", "for example")


def _figures(key: str, network: Network) -> Iterator[Offer]:
    """What the network has now, for `expect`."""
    name = key.removeprefix("max_")
    if name in ("params", "macs", "flatten", "output") and (actual := getattr(network, name)) is not None:
        text = in_flow(list(actual)) if isinstance(actual, tuple) else str(actual)
        yield Offer(text, text, "value", "what the network has now")


# --- specs ---


def _specs(cursor: Cursor, source: Source) -> Iterator[Offer]:
    """The specs beside this one, those of the folder that is named so far, and the stock specs."""
    folder, _, _ = cursor.word.rpartition("/")
    here = source.path.parent if source.path is not None else Path()
    for name in _beside(here / folder, source.path):
        path = f"{folder}/{name}" if folder else name
        yield Offer(path, path, "file", "a spec beside this one" if not folder else "")
    if not folder:
        for name in stock_names():
            yield Offer(name, name, "file", "a stock spec")


def _beside(folder: Path, itself: Path | None) -> Sequence[str]:
    try:
        names = sorted(each.name for each in os.scandir(folder) if each.name.endswith((".yaml", ".yml")))
    except (OSError, ValueError):  # ValueError: the name holds a null character
        return ()
    paths = [folder / name for name in names[:MAX_FILES]]
    return [path.name for path in paths if path != itself and path.is_file() and is_spec_file(path)]
