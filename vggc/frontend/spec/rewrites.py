"""The `rewrite` of a spec -> records: which layers are changed, and how."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from vggc.base.diagnostics import Note, Span, help_word
from vggc.frontend.schema.units import CONV
from vggc.frontend.spec.items import ItemReader, LayerItem
from vggc.frontend.text.document import Items, Table, Value, plain
from vggc.layers import find

# The actions, and the key with the new layers that each needs.
REWRITES: Final[Mapping[str, str | None]] = {"after": "insert", "before": "insert", "replace": "with", "remove": None}

Stages = tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A change to every layer of a kind that has the options `where` and is in one of the `stages`.

    `action` is a key of `REWRITES`; `stages` None means all of them.
    """

    action: str
    kind: str
    where: Mapping[str, object]
    stages: Stages | None
    layers: tuple[LayerItem, ...]
    span: Span

    def matches(self, item: LayerItem, stage: int | str) -> bool:
        """Whether the rewrite changes a layer that is in a stage."""
        if item.layer.kind != self.kind or (self.stages is not None and stage not in self.stages):
            return False
        return all(getattr(item.layer, name) == value for name, value in self.where.items())


def read_rewrites(value: Value, reader: ItemReader) -> Iterator[Rewrite]:
    """The rewrites of a list; a contradictory one is reported to the reader and left out."""
    assert isinstance(value, Items)
    for item in value.items:
        assert isinstance(item, Table)
        actions = [name for name in REWRITES if name in item.entries]
        if len(actions) != 1:
            note = Note("help", "for example `{after: max_pool2d, insert: {dropout2d: 0.1}}`")
            reader.error("E105", "a rewrite has one of `after`, `before`, `replace` and `remove`", item.span, note)
        elif _is_complete(item, actions[0], reader):
            yield _rewrite(item, actions[0], reader)


def _is_complete(item: Table, action: str, reader: ItemReader) -> bool:
    """Whether the rewrite has the key that its action needs; a key that it does not need is reported."""
    needed = REWRITES[action]
    if needed is not None and needed not in item.entries:
        reader.error("E104", f"a rewrite with `{action}` needs `{needed}`", item.entries[action].key)
        return False
    for name in ("insert", "with"):
        if name in item.entries and name != needed:
            reader.error("E107", f"`{name}` has no effect in a rewrite with `{action}`", item.entries[name].key)
    return True


def _rewrite(item: Table, action: str, reader: ItemReader) -> Rewrite:
    kind, layers_key = str(plain(item.entries[action].value)), REWRITES[action]
    layers = tuple(_layers(item.entries[layers_key].value, reader)) if layers_key is not None else ()
    where, stages = _conditions(kind, item, reader)
    return Rewrite(action, kind, where, stages, layers, item.entries[action].value.span)


def _layers(value: Value, reader: ItemReader) -> Iterator[LayerItem]:
    for item in reader.items(value if isinstance(value, Items) else Items([value], value.span), CONV):
        if isinstance(item, LayerItem):
            yield item
        else:
            note = Note("help", "write the layers one by one")
            reader.error("E106", "`repeat` cannot be used in a rewrite", item.span, note)


def _conditions(kind: str, item: Table, reader: ItemReader) -> tuple[dict[str, object], Stages | None]:
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
