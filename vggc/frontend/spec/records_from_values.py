"""Records from a valid document: `preprocess`, `train`, and what is picked from a vocabulary by its kind."""

from collections.abc import Mapping
from typing import TypeVar

from vggc.base.records import Named, OneOf, Record
from vggc.frontend.text.document import Entry, Items, Leaf, Table, Value, plain

R = TypeVar("R", bound=Record)
N = TypeVar("N", bound=Named)


def picked(table: Mapping[str, type[N]], value: Value) -> N:
    """The record that a word or a mapping from one word picks."""
    if isinstance(value, Leaf):
        return table[str(value.value)]()
    kind, entry = only(value)
    cls = table[kind]
    return record(cls, Table(options_of(entry.value, cls.main), entry.value.span))


def only(value: Value) -> tuple[str, Entry]:
    """The one key of a mapping that picks a kind, and its entry."""
    assert isinstance(value, Table)
    ((kind, entry),) = value.entries.items()
    return kind, entry


def options_of(value: Value, main: str | None) -> dict[str, Entry]:
    """The options of `{options}`, of a bare main option, or of none."""
    if isinstance(value, Table):
        return dict(value.entries)
    assert main is not None
    return {main: Entry(value.span, value)}


def record(cls: type[R], table: Table) -> R:
    """The record with the fields of a table."""
    return cls(**{name: _field(cls, name, entry.value) for name, entry in table.entries.items()})


def _field(cls: type[Record], name: str, value: Value) -> object:
    if isinstance(value, Leaf) and value.value == "none" and cls.may_be_none(name):
        return None
    vocabulary = _vocabulary(_definition(cls, name))
    if vocabulary is not None and isinstance(value, Items):
        return tuple(picked(vocabulary, each) for each in value.items)
    if vocabulary is not None:
        return picked(vocabulary, value)
    bare = plain(value)
    return tuple(bare) if isinstance(bare, list) else bare


def _vocabulary(definition: str | None) -> Mapping[str, type[Named]] | None:
    if definition is None:
        return None
    from vggc.recipe import recipe  # a spec without one does not pay for it

    return recipe.VOCABULARIES.get(definition)


def _definition(cls: type[Record], name: str) -> str | None:
    """The vocabulary that a field is picked from: in the metadata of its type, or of its elements' type."""
    pending = [cls.annotation(name)]
    while pending:
        annotation = pending.pop()
        for each in getattr(annotation, "__metadata__", ()):
            if isinstance(each, OneOf):
                return each.definition
        pending += getattr(annotation, "__args__", ())
    return None
