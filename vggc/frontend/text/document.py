"""`Document`: the values of a YAML text, each with its span.

Plain scalars are read as in YAML 1.2: `1e-3` is a number; `no`, `010` and `12:30` are what they look like.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from vggc.base.diagnostics import Diagnostic, Span, SpecError
from vggc.base.words import MAX_QUOTE, printable, quoted

Scalar = str | int | float | bool | None

# A whole number of more digits is beyond every float, in decimal and in hexadecimal, and refused like an infinite one.
MAX_DIGITS: Final = 250

_INTEGER = re.compile(r"[-+]?[0-9]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+|0o[0-7]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITIES = {sign + word: float(sign + "inf") for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")}
_WORDS: Final[Mapping[str, Scalar]] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
    ".nan": math.nan, ".NaN": math.nan, ".NAN": math.nan, **_INFINITIES,
}  # fmt: skip


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


def resolve(text: str) -> Scalar:
    """What a plain scalar means in the core schema of YAML 1.2.2, section 10.3.2."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text) if len(text) < MAX_DIGITS else math.inf
    if _HEXADECIMAL.fullmatch(text):
        return int(text, 0) if len(text) < MAX_DIGITS else math.inf
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def locate(table: Table, path: Sequence[str | int]) -> tuple[Span, Value]:
    """The span of the key at the end of a path (for a list item: of the item), and the value there.

    Raises:
        KeyError: there is nothing at the path.
    """
    key = table.span
    value: Value = table
    for step in path:
        if isinstance(value, Table):
            entry = value.entries[str(step)]
            key, value = entry.key, entry.value
        elif isinstance(value, Items) and isinstance(step, int) and step < len(value.items):
            value = value.items[step]
            key = value.span
        else:
            raise KeyError(step)
    return key, value


def values_in(value: Value) -> Iterator[Value]:
    """A value and all values inside it."""
    yield value
    if isinstance(value, Leaf):
        return
    for item in value.items if isinstance(value, Items) else (entry.value for entry in value.entries.values()):
        yield from values_in(item)


def plain(value: Value) -> object:
    """The Python value without its spans: a scalar, a list or a dict."""
    if isinstance(value, Leaf):
        return value.value
    if isinstance(value, Items):
        return [plain(item) for item in value.items]
    return {key: plain(entry.value) for key, entry in value.entries.items()}


def describe(value: Value) -> str:
    """A value as it is written, shortened."""
    if isinstance(value, Leaf) and isinstance(value.value, str):
        return quoted(value.value) if value.value else "an empty word"
    if isinstance(value, Leaf):
        return _text_of(value) or "nothing"
    what, count = ("list", len(value.items)) if isinstance(value, Items) else ("mapping", len(value.entries))
    return f"a {what} of {count}" if count else f"an empty {what}"


def to_flow(value: object) -> str:
    """A Python value, such as an example in the schema, as YAML in flow style."""
    if isinstance(value, list):
        return f"[{', '.join(map(to_flow, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {to_flow(item)}' for key, item in value.items())}}}"
    return str(value)


def _text_of(leaf: Leaf) -> str:
    """The text of a number or another scalar without its anchor."""
    span = leaf.span
    text = span.source.lines[span.line][span.column : span.end_column]
    text = re.sub(r"&\S+\s*", "", text)
    return printable(text if len(text) <= MAX_QUOTE else f"{text[: MAX_QUOTE - 3]}...")
