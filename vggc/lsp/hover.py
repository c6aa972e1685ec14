"""What the word under the cursor means, and the shapes of the layers that it stands for."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from vggc.base.words import dimensions
from vggc.frontend.schema.from_fields import Schema
from vggc.ir.network import Network
from vggc.lsp import vocabulary
from vggc.lsp.analysis import Analysis
from vggc.lsp.context import Cursor, cursor_at
from vggc.lsp.occurrences import item_path, layers_of, table


def hover(analysis: Analysis, line: int, column: int) -> tuple[Cursor, str] | None:
    """The word at a place, and what is to be said of it as Markdown; None where there is nothing to say."""
    cursor = cursor_at(analysis.source.lines, line, column)
    if cursor is None or not cursor.word.strip("-"):
        return None
    parts = [*_meaning(cursor), *_here(analysis, cursor)]
    return (cursor, "\n\n".join(parts)) if parts else None


# --- the meaning ---


def _meaning(cursor: Cursor) -> Iterator[str]:
    if cursor.slot == "key":
        found = vocabulary.owner(cursor.path, cursor.word)
        if found is not None:
            yield from _key(cursor, *found)
    elif any(vocabulary.picks(leaf) and _names(leaf, cursor.word) for leaf in vocabulary.at(cursor.path)):
        found = vocabulary.owner(cursor.path, cursor.word)
        yield from _kind(cursor.word, found[1] if found is not None else {})
    elif cursor.word.isdecimal() and _is_item(cursor.path):
        yield from _unit(cursor)
    else:
        yield from _value(cursor)


def _unit(cursor: Cursor) -> Iterator[str]:
    """A bare number in a list of layers."""
    unit = "fc" if cursor.path[0] == "classifier" else "conv"
    yield f"`{cursor.word}`: a unit `{unit}` of so many {'features' if unit == 'fc' else 'channels'}"
    yield vocabulary.summary(unit)


def _value(cursor: Cursor) -> Iterator[str]:
    """Any other value: what the option is that it belongs to."""
    keys = [position for position, step in enumerate(cursor.path) if isinstance(step, str)]
    if keys:
        key = str(cursor.path[keys[-1]])
        found = vocabulary.owner(cursor.path[: keys[-1]], key)
        if found is not None:
            yield from _key(replace(cursor, word=key), *found)


def _is_item(path: Sequence[str | int]) -> bool:
    return bool(path) and isinstance(path[-1], int) and item_path(path) == path


def _names(leaf: Schema, word: str) -> bool:
    return word in leaf.get("enum", ()) or word in leaf.get("properties", {})


def _key(cursor: Cursor, owner: Schema, schema: Schema) -> Iterator[str]:
    if vocabulary.picks(owner):
        yield from _kind(cursor.word, schema)
    else:
        yield from _option(cursor.word, schema)


def _option(key: str, schema: Schema) -> Iterator[str]:
    """An option or a key: what may stand behind it, what it is if left out, and what it is for."""
    default = vocabulary.default(schema)
    left_out = f"; `{default}` if left out" if default is not None else ""
    yield f"`{key}`: {vocabulary.type_of(schema)}{left_out}"
    if meaning := vocabulary.description(schema):
        yield meaning


def _kind(kind: str, schema: Schema) -> Iterator[str]:
    """A kind: what it is, its options, how it is written."""
    yield f"`{kind}`: {vocabulary.summary(kind) or vocabulary.description(schema)}"
    if options := vocabulary.options(schema):
        needed = vocabulary.required(schema)
        yield "options: " + ", ".join(_brief(name, each, name in needed) for name, each in options.items())
    if (main := vocabulary.main_option(kind)) is not None:
        yield f"a bare value is its `{main}`"
    if (example := vocabulary.example_of(kind)) is not None:
        yield f"```yaml\n- {example}\n```"


def _brief(name: str, schema: Schema, needed: bool) -> str:
    default = vocabulary.default(schema)
    return f"`{name}` (needed)" if needed else f"`{name}` ({default})" if default is not None else f"`{name}`"


# --- the shapes ---


def _here(analysis: Analysis, cursor: Cursor) -> Iterator[str]:
    """The layers that the word stands for; for a word about the whole network, the network in a few lines."""
    if analysis.network is not None and (cursor.path or (cursor.word,))[0] in ("vggc", "name", "extends"):
        yield _whole(analysis.network)
    elif (place := _place(cursor)) and (layers := layers_of(analysis, place)):
        yield f"```text\n{table(layers, analysis.network)}\n```"


def _place(cursor: Cursor) -> Sequence[str | int]:
    """The path of what the word stands for: the list that its key begins, a part of `defaults`, or the item around."""
    here = (*cursor.path, cursor.word) if cursor.slot == "key" else cursor.path
    if here[:1] == ("defaults",) or (here[-1:] == (cursor.word,) and cursor.word in _LISTS):
        return here
    return item_path(cursor.path)


_LISTS: Final = ("features", "pool", "classifier", "repeat", "layers")


def _whole(network: Network) -> str:
    """A network in a few lines."""
    lines = [
        f"{dimensions(network.input)} -> {dimensions(network.output)}",
        f"{len(network.layers):,} layers, {network.params:,} params, {network.macs:,} MACs",
    ]
    if network.flatten is not None:
        lines.append(f"flatten {network.flatten:,}")
    return "```text\n" + "\n".join(lines) + "\n```"
