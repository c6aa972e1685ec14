"""YAML text -> a `Document`, in which every key and value has its span.

It is built from PyYAML's events rather than with a loader, because a loader resolves what is an error here: tags,
duplicate keys, recursion. Errors are collected and parsing goes on, so that one mistake does not hide the next.
"""

import math
import re
from collections.abc import Iterator
from typing import Any, Final

import yaml
from yaml import events

from vggc.base.diagnostics import MAX_DIAGNOSTICS, Diagnostic, Note, Source, Span, SpecError, nearest
from vggc.base.words import quoted
from vggc.frontend.text import syntax
from vggc.frontend.text.document import Document, Entry, Items, Leaf, Table, Value, resolve

MAX_BYTES: Final = 2**20
MAX_DEPTH: Final = 64
MAX_VALUES: Final = 200_000


def parse(source: Source) -> Document:
    """Parse one document.

    Raises:
        SpecError: the text is not one mapping in YAML, or exceeds a limit.
    """
    if len(source.text.encode(errors="surrogatepass")) > MAX_BYTES:
        raise too_long(source)
    _check_characters(source)
    parser = _DocumentParser(source)
    try:
        return parser.parse()
    except yaml.MarkedYAMLError as error:
        raise SpecError([*parser.diagnostics, *syntax.syntax_error(source, error).diagnostics]) from None


def too_long(source: Source) -> SpecError:
    """The error for a text of more than `MAX_BYTES`."""
    message = f"the text is over the limit of {MAX_BYTES:,} bytes"
    return SpecError([Diagnostic("E009", message, Span(source, 0, 0, 0, 0))])


# Characters that YAML forbids, and those that end a line in YAML 1.1 but not in 1.2. The pattern for ASCII is separate
# because compiling the other one takes longer than checking a spec.
_REFUSED_ASCII: Final = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
_REFUSED: Final = r"[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"

# Half of a UTF-16 pair, which only an escape can produce, and only in PyYAML's own parser.
_HALF: Final = r"[\ud800-\udfff]"


def _check_characters(source: Source) -> None:
    match = re.search(_REFUSED_ASCII if source.text.isascii() else _REFUSED, source.text)
    if match is None:
        return
    before = source.text[: match.start()].replace("\r\n", "\n").replace("\r", "\n")
    line, column = before.count("\n"), len(before) - (before.rfind("\n") + 1)
    span, note = Span(source, line, column, line, column + 1), Note("help", "remove it; is this another kind of file?")
    message = f"the text contains the control character U+{ord(match.group()):04X}"
    raise SpecError([Diagnostic("E002", message, span, (note,))])


_TAG = re.compile(r"(?:&\S+\s+)?([^\s,\]}]+)")


class _DocumentParser:
    """One pass over the events of a document; the depth is checked before each recursion."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.last = len(source.lines) - 1
        self.diagnostics: list[Diagnostic] = []
        self.suppressed: set[Span] = set()
        self.anchors: dict[str, tuple[Value, int]] = {}
        self.open_anchors: set[str] = set()
        self.values = 0
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        self.events: Iterator[events.Event] = yaml.parse(source.text, Loader=loader)

    def parse(self) -> Document:
        next(self.events)  # the start of the stream
        if isinstance(next(self.events), events.StreamEndEvent):
            raise self._empty(Span(self.source, 0, 0, 0, 1))
        value = self._value(next(self.events), depth=1)
        next(self.events)  # the end of the document
        more = next(self.events)
        if isinstance(more, events.DocumentStartEvent):
            note = Note("help", "remove the `---`, or move what follows to a file of its own")
            self._error("E006", "a second document starts here; a spec has one", self._at(more), note)
        if not isinstance(value, Table):
            raise self._not_a_mapping(value)
        return Document(value, tuple(self.diagnostics), frozenset(self.suppressed))

    def _empty(self, span: Span) -> SpecError:
        note = Note("help", "`vggc expand vgg16` prints a spec to start from")
        return SpecError([Diagnostic("E003", "this file is empty", span, (note,))])

    def _not_a_mapping(self, value: Value) -> SpecError:
        if self.diagnostics:
            return SpecError(self.diagnostics)
        if isinstance(value, Leaf) and value.value is None:
            return self._empty(value.span)
        what = "a list" if isinstance(value, Items) else "a single value"
        note = Note("help", "begin with `vggc: 1`; `vggc expand vgg16` prints a whole spec")
        message = f"a spec is a mapping of keys to values, and this is {what}"
        return SpecError([Diagnostic("E102", message, value.span, (note,))])

    def _error(self, code: str, message: str, span: Span, *notes: Note) -> None:
        self.diagnostics.append(Diagnostic(code, message, span, notes))
        if len(self.diagnostics) > MAX_DIAGNOSTICS:
            raise SpecError(self.diagnostics)

    def _stop(self, code: str, message: str, event: events.Event, help: Note) -> SpecError:
        return SpecError([*self.diagnostics, Diagnostic(code, message, self._at(event), (help,))])

    def _span(self, event: events.Event, last: events.Event | None = None) -> Span:
        """From an event to the end of the last one, which may be the same."""
        start: Any = event.start_mark
        end: Any = (last or event).end_mark
        if start.line > self.last:  # an empty value at the end of a text without a final line break
            return syntax.point(self.source, start)
        return Span(self.source, start.line, start.column, end.line, end.column)

    def _at(self, event: events.Event) -> Span:
        return syntax.point(self.source, event.start_mark)

    def _value(self, event: events.Event, depth: int) -> Value:
        if isinstance(event, events.AliasEvent):
            return self._alias(event)
        self._count(1, event)
        anchor: str | None = event.anchor  # type: ignore[attr-defined]  # scalars and collections all have one
        if anchor is None:
            return self._content(event, depth)
        before = self.values
        self.open_anchors.add(anchor)
        value = self._content(event, depth)
        self.open_anchors.discard(anchor)
        self.anchors[anchor] = (value, self.values - before + 1)
        return value

    def _content(self, event: events.Event, depth: int) -> Value:
        if not isinstance(event, events.ScalarEvent) and depth > MAX_DEPTH:
            help = Note("help", "no spec needs that many; is a bracket repeated?")
            raise self._stop("E009", f"this is nested deeper than {MAX_DEPTH} levels", event, help)
        value: Value
        if isinstance(event, events.ScalarEvent):
            value = self._leaf(event)
        elif isinstance(event, events.SequenceStartEvent):
            value = self._items(event, depth)
        else:
            value = self._table(event, depth)
        if getattr(event, "tag", None) not in (None, "!"):
            self._refuse_tag(event, value)
        return value

    def _refuse_tag(self, event: Any, value: Value) -> None:
        mark = event.start_mark
        match = _TAG.match(self.source.lines[mark.line], mark.column)
        start, end = match.span(1) if match else (mark.column, mark.column + 1)
        span = Span(self.source, mark.line, start, mark.line, end)
        note = Note("help", "remove the tag; a value has the type it looks like, and quotes make it a word")
        tag = event.tag.replace("tag:yaml.org,2002:", "!!")
        self._error("E006", f"tags such as {quoted(tag)} are not allowed in a spec", span, note)
        self.suppressed.add(value.span)
        if isinstance(value, Table):
            self.suppressed.update(entry.key for entry in value.entries.values())

    def _count(self, values: int, event: events.Event) -> None:
        self.values += values
        if self.values > MAX_VALUES:
            message = f"the spec has more than {MAX_VALUES:,} values once its aliases are expanded"
            raise self._stop("E009", message, event, Note("help", "write repeated layers with `repeat`"))

    def _alias(self, event: events.AliasEvent) -> Value:
        name, span = str(event.anchor), self._span(event)
        if name in self.anchors and name not in self.open_anchors:
            value, size = self.anchors[name]
            self._count(size, event)
            return value
        if name in self.open_anchors:
            self._error("E006", f"the alias {quoted('*' + name)} is inside its own anchor", span)
        else:
            similar = nearest(name, self.anchors)
            help = f"did you mean `*{similar}`?" if similar else "quote the value if the `*` belongs to it"
            message = f"there is no anchor {quoted('&' + name)} above this alias"
            self._error("E004", message, span, Note("help", help))
        self.suppressed.add(span)
        return Leaf(None, span)

    def _leaf(self, event: events.ScalarEvent) -> Leaf:
        span = self._span(event)
        if not event.implicit[0]:
            if not event.value.isascii() and re.search(_HALF, event.value):
                self._error("E002", "an escape in this word is half of a character", span)
                self.suppressed.add(span)
            return Leaf(event.value, span)
        value = resolve(event.value)
        if isinstance(value, float) and not math.isfinite(value):
            what = "is too large a number" if event.value[-1].isdigit() else "is not a finite number"
            self._error("E008", f"{quoted(event.value)} {what}", span)
            self.suppressed.add(span)
        return Leaf(value, span)

    def _items(self, start: events.Event, depth: int) -> Items:
        items: list[Value] = []
        while not isinstance(event := next(self.events), events.SequenceEndEvent):
            items.append(self._value(event, depth + 1))
        return Items(items, self._span(start, event))

    def _table(self, start: events.Event, depth: int) -> Table:
        entries: dict[str, Entry] = {}
        merged: dict[str, Entry] = {}
        sound = True
        while not isinstance(event := next(self.events), events.MappingEndEvent):
            key = self._value(event, depth + 1)
            value = self._value(next(self.events), depth + 1)
            if not isinstance(key, Leaf) or not isinstance(key.value, str):
                sound = False
                self._refuse_key(event, key)
            elif key.value == "<<" and isinstance(event, events.ScalarEvent) and event.implicit[0]:
                self._merge(merged, value)
            elif key.value in entries:
                self._refuse_duplicate(key, entries[key.value].key)
            else:
                entries[key.value] = Entry(key.span, value)
        for name, entry in merged.items():
            entries.setdefault(name, entry)
        table = Table(entries, self._span(start, event))
        if not sound:
            self.suppressed.add(table.span)
        return table

    def _refuse_duplicate(self, key: Leaf, first: Span) -> None:
        note = Note("note", f"the first is at line {first.line + 1}, column {first.column + 1}", first)
        help = Note("help", "remove one of the two")
        self._error("E005", f"the key {quoted(str(key.value))} is written a second time here", key.span, note, help)

    def _refuse_key(self, event: events.Event, key: Value) -> None:
        if key.span in self.suppressed:
            return
        if isinstance(event, events.ScalarEvent) and event.value:
            note = Note("help", "quote it if it is a name")
            self._error("E007", f"the key {quoted(event.value)} is not a word", key.span, note)
            return
        what = "a key is missing" if isinstance(key, Leaf) else "a list or a mapping cannot be a key"
        self._error("E007", what, self._at(event), Note("help", "write `key: value`, where the key is a word"))

    def _merge(self, merged: dict[str, Entry], value: Value) -> None:
        """`<<`: the entries of a mapping, or of a list of mappings, of which the first takes precedence."""
        for table in value.items if isinstance(value, Items) else [value]:
            if isinstance(table, Table):
                for name, entry in table.entries.items():
                    merged.setdefault(name, entry)
            elif table.span not in self.suppressed:
                help = Note("help", "write `<<: *name`, where `&name` is written before a mapping above")
                self._error("E006", "`<<` takes a mapping, or a list of mappings", table.span, help)
                self.suppressed.add(table.span)
