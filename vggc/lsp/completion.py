"""What may be written at the cursor: keys, kinds, options, words, and the specs that there are to extend."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from lsprotocol import types

from vggc.diagnostics import Source
from vggc.frontend.annotations import Schema
from vggc.frontend.sources import is_spec, stock_names
from vggc.frontend.wording import is_choice
from vggc.ir import Network
from vggc.lsp import vocabulary
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
    """A word that may stand here: what is written, what it is (a key of `_KINDS`), and what is said of it."""

    label: str
    insert: str
    kind: str
    detail: str = ""
    meaning: str = ""


def complete(
    source: Source, line: int, column: int, sound: Network | None, positions: Positions
) -> list[types.CompletionItem]:
    """The items for a place of a text; `sound` is the network that it was when it last compiled."""
    cursor = cursor_at(source.lines, line, column)
    if cursor is None:
        return []
    found: dict[str, Offer] = {}
    for offer in _offers(cursor, source, sound):
        found.setdefault(offer.label, offer)
    place = positions.stretch(source.lines, line, cursor.start, column)
    return [_item(offer, order, place) for order, offer in enumerate(found.values())]


def _item(offer: Offer, order: int, place: types.Range) -> types.CompletionItem:
    meaning = types.MarkupContent(types.MarkupKind.Markdown, offer.meaning) if offer.meaning else None
    return types.CompletionItem(
        label=offer.label,
        kind=_KINDS[offer.kind],
        detail=offer.detail or None,
        documentation=meaning,
        sort_text=f"{order:04}",
        filter_text=offer.label,
        text_edit=types.TextEdit(place, offer.insert),
    )


def _offers(cursor: Cursor, source: Source, sound: Network | None) -> Iterator[Offer]:
    if cursor.path == ("extends",):
        yield from _specs(cursor, source)
        return
    if cursor.path[:1] == ("expect",) and len(cursor.path) == 2 and sound is not None:
        yield from _figures(str(cursor.path[1]), sound)
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
    names = [name for name in leaf["properties"] if name not in cursor.keys]
    for name in sorted(names, key=lambda name: name not in needed):
        schema = leaf["properties"][name]
        if is_choice(leaf):
            yield _kind(name, schema, cursor)
        else:
            yield Offer(name, f"{name}: ", "key", _detail(schema, name in needed), vocabulary.description(schema))


def _kind(name: str, schema: Schema, cursor: Cursor) -> Offer:
    """A kind with its options behind it; between brackets it needs braces of its own."""
    meaning = vocabulary.summary(name) or vocabulary.description(schema)
    inside = cursor.flow and cursor.slot == "either"
    main = vocabulary.main_option(name)
    return Offer(name, f"{{{name}: }}" if inside else f"{name}: ", "kind", f"{name}: {main or '{...}'}", meaning)


def _detail(schema: Schema, needed: bool) -> str:
    default = vocabulary.default(schema)
    words = vocabulary.type_of(schema)
    return f"{words} (needed)" if needed else f"{words}; {default} if left out" if default is not None else words


# --- values ---


def _values(leaf: Schema, cursor: Cursor) -> Iterator[Offer]:
    """The words and examples that a scalar may be."""
    for word in leaf.get("enum", ()):
        kind = "kind" if vocabulary.picks(leaf) else "word"
        yield Offer(str(word), _written(word), kind, "", vocabulary.summary(str(word)) if kind == "kind" else "")
    if leaf.get("type") == "boolean":
        yield Offer("true", "true", "word")
        yield Offer("false", "false", "word")
    if "enum" not in leaf and cursor.slot == "value":
        yield from _examples(leaf)
    if leaf.get("type") == "object" and is_choice(leaf) and cursor.slot == "value":
        for name, schema in leaf["properties"].items():
            meaning = vocabulary.summary(name) or vocabulary.description(schema)
            yield Offer(name, f"{{{name}: }}", "kind", f"{{{name}: ...}}", meaning)


def _written(word: object) -> str:
    """A word as YAML; one that looks like a number in quotes."""
    return f'"{word}"' if isinstance(word, str) and word.isdecimal() else str(word)


def _examples(leaf: Schema) -> Iterator[Offer]:
    default = vocabulary.default(leaf)
    if default is not None and leaf.get("type") in ("integer", "number", "string"):
        yield Offer(default, default, "value", "what it is if left out")
    for example in leaf.get("examples", ()):
        text = _flow(example)
        yield Offer(text, text, "value", "for example")


def _flow(value: object) -> str:
    """A value of the schema's examples in YAML."""
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_flow(each)}' for key, each in value.items())}}}"
    return str(value)


def _figures(key: str, network: Network) -> Iterator[Offer]:
    """What the network has now, for `expect`."""
    name = key.removeprefix("max_")
    if name in ("params", "macs", "flatten", "output") and (actual := getattr(network, name)) is not None:
        text = _flow(list(actual)) if isinstance(actual, tuple) else str(actual)
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
    except OSError:
        return ()
    paths = [folder / name for name in names[:MAX_FILES]]
    return [path.name for path in paths if path != itself and path.is_file() and is_spec(path)]
