"""Values of a valid document -> records: `preprocess`, `train`, and what is selected by its kind."""

from collections.abc import Mapping
from typing import TypeVar

from vggc.base.records import Named, OneOf, Record
from vggc.frontend.text.document import Entry, Items, Leaf, Table, Value, plain

R = TypeVar("R", bound=Record)
N = TypeVar("N", bound=Named)


def named_record(classes: Mapping[str, type[N]], value: Value) -> N:
    """The record of `kind` or `kind: options`."""
    if isinstance(value, Leaf):
        return classes[str(value.value)]()
    kind, entry = single_entry(value)
    cls = classes[kind]
    return record(cls, Table(options_of(entry.value, cls.main), entry.value.span))


def single_entry(value: Value) -> tuple[str, Entry]:
    """The kind in a mapping of one key, and its entry."""
    assert isinstance(value, Table)
    ((kind, entry),) = value.entries.items()
    return kind, entry


def options_of(value: Value, main: str | None) -> dict[str, Entry]:
    """The options in a mapping; any other value is the main option."""
    if isinstance(value, Table):
        return dict(value.entries)
    assert main is not None
    return {main: Entry(value.span, value)}


def record(cls: type[R], table: Table) -> R:
    """The record with the fields of a mapping."""
    return cls(**{name: _field(cls, name, entry.value) for name, entry in table.entries.items()})


def _field(cls: type[Record], name: str, value: Value) -> object:
    if isinstance(value, Leaf) and value.value == "none" and cls.may_be_none(name):
        return None
    if (classes := _classes(cls.annotation(name))) is not None:
        if isinstance(value, Items):
            return tuple(named_record(classes, item) for item in value.items)
        return named_record(classes, value)
    python = plain(value)
    return tuple(python) if isinstance(python, list) else python


def _classes(annotation: object) -> Mapping[str, type[Named]] | None:
    """The classes that a field selects from: `OneOf` in the metadata of its type, or of the type of its elements."""
    for item in getattr(annotation, "__metadata__", ()):
        if isinstance(item, OneOf):
            from vggc.recipe import recipe  # only for a spec that has one

            return recipe.VOCABULARIES.get(item.definition)
    members = (_classes(member) for member in getattr(annotation, "__args__", ()))
    return next((classes for classes in members if classes is not None), None)
