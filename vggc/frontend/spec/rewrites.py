"""The `rewrite` of a spec -> records: which layers are meant, and what becomes of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from vggc.base.diagnostics import Note, Span, help_word
from vggc.frontend.schema.units import CONV
from vggc.frontend.spec.items import LayerItem, Reader
from vggc.frontend.text.document import Items, Table, Value, plain
from vggc.layers import find

# What a rewrite does, and the key that holds the new layers.
REWRITES: Final[Mapping[str, str | None]] = {"after": "insert", "before": "insert", "replace": "with", "remove": None}

Stages = tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A change to every layer of a kind whose options are those of `where` and whose stage is one of `stages`."""

    action: str  # after, before, replace, remove
    kind: str
    where: Mapping[str, object]
    stages: Stages | None
    layers: tuple[LayerItem, ...]
    span: Span


def read_rewrites(value: Value, reader: Reader) -> Iterator[Rewrite]:
    """The rewrites of a list; those that contradict themselves are left out, and reported to the reader."""
    assert isinstance(value, Items)
    for item in value.items:
        assert isinstance(item, Table)
        actions = [name for name in REWRITES if name in item.entries]
        if len(actions) != 1:
            note = Note("help", "for example `{after: max_pool2d, insert: {dropout2d: 0.1}}`")
            reader.error("E105", "a rewrite says one of `after`, `before`, `replace` and `remove`", item.span, note)
        elif _complete(item, actions[0], reader):
            yield _rewrite(item, actions[0], reader)


def _complete(item: Table, action: str, reader: Reader) -> bool:
    """Whether the rewrite has what its action needs; what it does not need is reported."""
    needed = REWRITES[action]
    if needed is not None and needed not in item.entries:
        reader.error("E104", f"a rewrite with `{action}` needs `{needed}`", item.entries[action].key)
        return False
    for name in ("insert", "with"):
        if name in item.entries and name != needed:
            reader.error("E107", f"`{name}` has no effect in a rewrite with `{action}`", item.entries[name].key)
    return True


def _rewrite(item: Table, action: str, reader: Reader) -> Rewrite:
    kind, holder = str(plain(item.entries[action].value)), REWRITES[action]
    layers = tuple(_layers(item.entries[holder].value, reader)) if holder is not None else ()
    where, stages = _where(kind, item, reader)
    return Rewrite(action, kind, where, stages, layers, item.entries[action].value.span)


def _layers(new: Value, reader: Reader) -> Iterator[LayerItem]:
    for each in reader.items(new if isinstance(new, Items) else Items([new], new.span), CONV):
        if isinstance(each, LayerItem):
            yield each
        else:
            note = Note("help", "write the layers one by one")
            reader.error("E106", "`repeat` has no place in a rewrite", each.span, note)


def _where(kind: str, item: Table, reader: Reader) -> tuple[dict[str, object], Stages | None]:
    conditions = item.entries["where"].value if "where" in item.entries else Table({}, item.span)
    assert isinstance(conditions, Table)
    cls = find(kind)
    assert cls is not None, kind
    where: dict[str, object] = {}
    stages: Stages | None = None
    for name, entry in conditions.entries.items():
        if name == "stage":
            stage = plain(entry.value)
            stages = tuple(stage) if isinstance(stage, list) else (stage,)  # type: ignore[assignment]
        elif name in cls.field_names():
            where[name] = reader.argument(entry.value)
        else:
            legal = ["stage", *cls.field_names()]
            reader.error("E101", f"{kind} has no option `{name}`", entry.key, help_word(name, legal, "there are"))
    return where, stages
