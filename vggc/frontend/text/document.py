"""`Document`: the values of a YAML text, each with its span."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vggc.base.diagnostics import Diagnostic, Span, SpecError
from vggc.frontend.text.scalars import Scalar


@dataclass(frozen=True, slots=True, eq=False)
class Leaf:
    """A scalar."""

    value: Scalar
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Items:
    """A list."""

    items: Sequence["Value"]
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """An entry of a mapping: the span of its key, and its value."""

    key: Span
    value: "Value"


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A mapping with string keys."""

    entries: Mapping[str, Entry]
    span: Span


Value = Leaf | Items | Table


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """The mapping at the root, and the errors in its text.

    `suppressed` are the spans of values that are wrong already, about which nothing else is reported.
    """

    table: Table
    diagnostics: tuple[Diagnostic, ...] = ()
    suppressed: frozenset[Span] = frozenset()

    @property
    def entries(self) -> Mapping[str, Entry]:
        """The entries of the mapping."""
        return self.table.entries

    def valid_table(self) -> Table:
        """The mapping at the root.

        Raises:
            SpecError: the text has errors.
        """
        if self.diagnostics:
            raise SpecError(self.diagnostics)
        return self.table


def plain(value: Value) -> object:
    """The Python value without its spans: a scalar, a list or a dict."""
    if isinstance(value, Leaf):
        return value.value
    if isinstance(value, Items):
        return [plain(item) for item in value.items]
    return {key: plain(entry.value) for key, entry in value.entries.items()}
