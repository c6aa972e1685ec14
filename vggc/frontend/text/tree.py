"""What a document is made of: values that know their places."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vggc.base.diagnostics import Diagnostic, Span, SpecError
from vggc.frontend.text.scalars import Scalar


@dataclass(frozen=True, slots=True, eq=False)
class Leaf:
    """A scalar and its place."""

    value: Scalar
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Items:
    """A list and its place."""

    items: Sequence["Value"]
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One key of a mapping: where the key stands, and its value."""

    key: Span
    value: "Value"


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A mapping with string keys, and its place."""

    entries: Mapping[str, Entry]
    span: Span


Value = Leaf | Items | Table


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """One mapping, what is wrong with its text, and the places of which nothing else should be said for that reason."""

    table: Table
    flaws: tuple[Diagnostic, ...] = ()
    spoilt: frozenset[Span] = frozenset()

    @property
    def entries(self) -> Mapping[str, Entry]:
        """The entries of the mapping."""
        return self.table.entries

    def sound(self) -> Table:
        """The mapping.

        Raises:
            SpecError: something is wrong with the text.
        """
        if self.flaws:
            raise SpecError(self.flaws)
        return self.table


def plain(value: Value) -> object:
    """The bare Python value, for a validator that knows nothing of places."""
    if isinstance(value, Leaf):
        return value.value
    if isinstance(value, Items):
        return [plain(each) for each in value.items]
    return {key: plain(entry.value) for key, entry in value.entries.items()}
