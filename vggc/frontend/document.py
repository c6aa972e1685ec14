"""YAML text -> a tree of values in which every key and value knows its place.

Built from the parser's events rather than with a loader, because a loader resolves what must be refused here: tags,
duplicate keys, recursion. Plain scalars follow YAML 1.2, which is what editors assume: `1e-3` is a number; `no`, `010`
and `12:30` are what they look like.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import yaml
from yaml import events

from vggc.diagnostics import Diagnostic, Note, Source, Span, SpecError

MAX_BYTES: Final = 2**20
MAX_DEPTH: Final = 64
MAX_VALUES: Final = 200_000

Scalar = str | int | float | bool | None


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


def plain(value: Value) -> object:
    """The bare Python value, for a validator that knows nothing of places."""
    if isinstance(value, Leaf):
        return value.value
    if isinstance(value, Items):
        return [plain(each) for each in value.items]
    return {key: plain(entry.value) for key, entry in value.entries.items()}


def read(source: Source) -> Value:
    """Parse one document.

    Raises:
        SpecError: the text is not one YAML document, or holds what specs may not hold (see `vggc explain E006`).
    """
    if len(source.text.encode()) > MAX_BYTES:
        raise _error("E009", f"the text is over the limit of {MAX_BYTES:,} bytes", Span(source, 0, 0, 0, 0))
    try:
        return _Builder(source).build()
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(source, error) from None
    except yaml.reader.ReaderError as error:
        raise _unreadable_character(source, error) from None


def _error(code: str, message: str, span: Span, *notes: Note) -> SpecError:
    return SpecError([Diagnostic(code, message, span, notes)])


def _point(source: Source, mark: Any) -> Span:
    """The one character at a mark; marks at the end of the text are drawn back to its last line."""
    if mark is None:
        return Span(source, 0, 0, 0, 1)
    line, column = mark.line, mark.column
    lines = source.lines
    if line >= len(lines) or (line > 0 and line == len(lines) - 1 and not lines[line]):
        line = max(0, min(line, len(lines)) - 1)
        column = len(lines[line])
    return Span(source, line, column, line, column + 1)


def _syntax_error(source: Source, error: yaml.MarkedYAMLError) -> SpecError:
    span = _point(source, error.problem_mark or error.context_mark)
    problem = error.problem or "unreadable"
    notes = [Note("note", f"{error.context} at line {error.context_mark.line + 1}")] if error.context_mark else []
    text = source.lines[span.line] if span.line < len(source.lines) else ""
    if "\t" in text:
        notes.append(Note("help", "YAML does not allow tabs for indentation; use spaces"))
    return _error("E004", f"this is not YAML: {problem}", span, *notes)


def _unreadable_character(source: Source, error: yaml.reader.ReaderError) -> SpecError:
    # The reader counts characters or bytes depending on the parser in use; search for the character itself instead.
    found = re.search(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", source.text)
    position = found.start() if found else 0
    line = source.text.count("\n", 0, position)
    column = position - (source.text.rfind("\n", 0, position) + 1)
    character = f"U+{ord(source.text[position]):04X}" if found else str(error.reason)
    return _error(
        "E002",
        f"the text holds the control character {character}, which YAML does not allow",
        Span(source, line, column, line, column + 1),
        Note("help", "a spec is UTF-8 text; is this another kind of file?"),
    )


class _Builder:
    """One pass over the events of one document; recursion is bounded by MAX_DEPTH before it happens."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.anchors: dict[str, tuple[Value, int]] = {}
        self.open_anchors: set[str] = set()
        self.values = 0
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        self.events: Iterator[events.Event] = yaml.parse(source.text, Loader=loader)

    def build(self) -> Value:
        next(self.events)  # the start of the stream
        start = next(self.events)
        if isinstance(start, events.StreamEndEvent):
            raise self._empty(_point(self.source, None))
        value = self._value(next(self.events), depth=1)
        next(self.events)  # the end of the document
        more = next(self.events)
        if isinstance(more, events.DocumentStartEvent):
            raise _error(
                "E006", "a second document starts here; a spec is one", _point(self.source, more.start_mark),
                Note("help", "remove the `---`, or move what follows to a file of its own"),
            )  # fmt: skip
        if isinstance(value, Leaf) and value.value is None:
            raise self._empty(value.span)
        return value

    def _empty(self, span: Span) -> SpecError:
        return _error("E003", "there is nothing in this file", span, Note("help", "start one with `vggc new NAME`"))

    def _span(self, event: events.Event) -> Span:
        start: Any = event.start_mark
        end: Any = event.end_mark
        return Span(self.source, start.line, start.column, end.line, end.column)

    def _value(self, event: events.Event, depth: int) -> Value:
        if isinstance(event, events.AliasEvent):
            return self._alias(event)
        self._count(1, event)
        anchor: str | None = event.anchor  # type: ignore[attr-defined]  # scalars and collections all have one
        before = self.values
        if anchor is not None:
            self.open_anchors.add(anchor)
        value = self._anchored(event, depth)
        if anchor is not None:
            self.open_anchors.discard(anchor)
            self.anchors[anchor] = (value, self.values - before + 1)
        return value

    def _anchored(self, event: events.Event, depth: int) -> Value:
        written = getattr(event, "tag", None)
        if written is not None and written != "!":
            tag = written.replace("tag:yaml.org,2002:", "!!")
            raise _error(
                "E006", f"the tag `{tag}` has no meaning in a spec", self._tag_span(event),
                Note("help", "remove the tag; values have the type they look like, and quotes make a string"),
            )  # fmt: skip
        if isinstance(event, events.ScalarEvent):
            return self._leaf(event)
        if depth > MAX_DEPTH:
            raise _error(
                "E009", f"this is nested deeper than {MAX_DEPTH} levels", _point(self.source, event.start_mark)
            )
        return self._items(event, depth) if isinstance(event, events.SequenceStartEvent) else self._table(event, depth)

    def _tag_span(self, event: events.Event) -> Span:
        mark: Any = event.start_mark
        text = self.source.lines[mark.line][mark.column :]
        written = re.match(r"(&\S+\s+)?(\S*)", text)
        start, end = written.span(2) if written else (0, 1)
        return Span(self.source, mark.line, mark.column + start, mark.line, mark.column + max(end, start + 1))

    def _count(self, values: int, event: events.Event) -> None:
        self.values += values
        if self.values > MAX_VALUES:
            raise _error(
                "E009", f"the spec holds more than {MAX_VALUES:,} values once its aliases are expanded",
                _point(self.source, event.start_mark),
            )  # fmt: skip

    def _alias(self, event: events.AliasEvent) -> Value:
        name = event.anchor
        if name in self.open_anchors:
            raise _error("E006", f"the alias `*{name}` stands inside its own anchor", self._span(event))
        if name not in self.anchors:
            notes = [Note("note", f"anchors so far: {', '.join(self.anchors)}")] if self.anchors else []
            raise _error("E004", f"there is no anchor `&{name}` before this alias", self._span(event), *notes)
        value, size = self.anchors[name]
        self._count(size, event)
        return value

    def _leaf(self, event: events.ScalarEvent) -> Leaf:
        span = self._span(event)
        if not event.implicit[0]:
            return Leaf(event.value, span)
        value = resolve(event.value)
        if isinstance(value, float) and not math.isfinite(value):
            raise _error("E008", f"`{event.value}` is not a finite number", span)
        return Leaf(value, span)

    def _items(self, start: events.Event, depth: int) -> Items:
        items: list[Value] = []
        while not isinstance(event := next(self.events), events.SequenceEndEvent):
            items.append(self._value(event, depth + 1))
        return Items(items, self._block(start, event))

    def _block(self, start: events.Event, end: events.Event) -> Span:
        """A block's end mark stands at the next token, lines below; its first line is all that a caret needs."""
        first: Any = start.start_mark
        last: Any = end.end_mark
        return Span(self.source, first.line, first.column, last.line, last.column)

    def _table(self, start: events.Event, depth: int) -> Table:
        entries: dict[str, Entry] = {}
        merged: dict[str, Entry] = {}
        while not isinstance(event := next(self.events), events.MappingEndEvent):
            key = self._key(event)
            if key.value == "<<" and isinstance(event, events.ScalarEvent) and event.implicit[0]:
                for name, entry in self._merge(self._value(next(self.events), depth + 1)).items():
                    merged.setdefault(name, entry)
                continue
            name = str(key.value)
            if name in entries:
                raise _error(
                    "E005", f"the key `{name}` stands here a second time", key.span,
                    Note("note", f"the first is at line {entries[name].key.line + 1}"),
                    Note("help", "remove one of the two"),
                )  # fmt: skip
            entries[name] = Entry(key.span, self._value(next(self.events), depth + 1))
        for name, entry in merged.items():
            entries.setdefault(name, entry)
        return Table(entries, self._block(start, event))

    def _key(self, event: events.Event) -> Leaf:
        key = self._value(event, MAX_DEPTH) if isinstance(event, events.ScalarEvent | events.AliasEvent) else None
        if isinstance(key, Leaf) and isinstance(key.value, str):
            return key
        shown = f"`{event.value}`" if isinstance(event, events.ScalarEvent) else "this"
        raise _error(
            "E007", f"{shown} is not a string, and keys are strings", _point(self.source, event.start_mark),
            Note("help", "quote it if it is a name"),
        )  # fmt: skip

    def _merge(self, value: Value) -> Mapping[str, Entry]:
        tables = value.items if isinstance(value, Items) else [value]
        found: dict[str, Entry] = {}
        for table in tables:
            if not isinstance(table, Table):
                raise _error("E006", "`<<` merges a mapping, or a list of mappings", table.span)
            for name, entry in table.entries.items():
                found.setdefault(name, entry)
        return found


_INTEGER = re.compile(r"[-+]?[0-9]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+|0o[0-7]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITIES = {sign + word: float(sign + "inf") for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")}
_WORDS: Final[Mapping[str, Scalar]] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
    ".nan": math.nan, ".NaN": math.nan, ".NAN": math.nan, **_INFINITIES,
}  # fmt: skip


def resolve(text: str) -> Scalar:
    """What a plain scalar means in the core schema of YAML 1.2.2, section 10.3.2."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        # Python refuses to read integers of more than 4300 digits; as a float such a number is infinite, and refused.
        return int(text) if len(text) < 400 else math.inf
    if _HEXADECIMAL.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text
