"""YAML text -> a tree of values in which every key and value knows its place.

Built from the parser's events rather than with a loader, because a loader resolves what must be refused here: tags,
duplicate keys, recursion. What is refused is collected and reading goes on, so that one mistake does not hide the next.
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
from vggc.frontend.text.scalars import resolve
from vggc.frontend.text.tree import Document, Entry, Items, Leaf, Table, Value, plain

__all__ = ["Document", "Entry", "Items", "Leaf", "Table", "Value", "plain", "read", "resolve", "too_long"]

MAX_BYTES: Final = 2**20
MAX_DEPTH: Final = 64
MAX_VALUES: Final = 200_000


def read(source: Source) -> Document:
    """Parse one document.

    Raises:
        SpecError: the text is not one mapping in YAML, or exceeds a limit.
    """
    if len(source.text.encode(errors="surrogatepass")) > MAX_BYTES:
        raise too_long(source)
    _check_characters(source)
    builder = _Builder(source)
    try:
        return builder.build()
    except yaml.MarkedYAMLError as error:
        raise SpecError([*builder.flaws, *syntax.error_of(source, error).diagnostics]) from None


def too_long(source: Source) -> SpecError:
    """The error of a text that is over the limit."""
    message = f"the text is over the limit of {MAX_BYTES:,} bytes"
    return SpecError([Diagnostic("E009", message, Span(source, 0, 0, 0, 0))])


# What YAML refuses, and what its versions 1.1 and 1.2 disagree about: whether these end a line.
# Compiling the classes beyond ASCII takes longer than checking a spec, so that is left to the texts that have such
# characters; `re` keeps what it compiled.
_REFUSED_ASCII: Final = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
_REFUSED: Final = r"[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"


# What only escapes can hold, and only in PyYAML's own parser: one half of a pair of UTF-16.
_HALF: Final = r"[\ud800-\udfff]"


def _check_characters(source: Source) -> None:
    found = re.search(_REFUSED_ASCII if source.text.isascii() else _REFUSED, source.text)
    if found is None:
        return
    before = source.text[: found.start()].replace("\r\n", "\n").replace("\r", "\n")
    line, column = before.count("\n"), len(before) - (before.rfind("\n") + 1)
    raise SpecError(
        [
            Diagnostic(
                "E002",
                f"the text holds the control character U+{ord(found.group()):04X}",
                Span(source, line, column, line, column + 1),
                (Note("help", "remove it; is this another kind of file?"),),
            )
        ]
    )


_TAG = re.compile(r"(?:&\S+\s+)?([^\s,\]}]+)")


class _Builder:
    """One pass over the events of one document; recursion is bounded by MAX_DEPTH before it happens."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.last = len(source.lines) - 1
        self.flaws: list[Diagnostic] = []
        self.spoilt: set[Span] = set()
        self.anchors: dict[str, tuple[Value, int]] = {}
        self.open_anchors: set[str] = set()
        self.values = 0
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        self.events: Iterator[events.Event] = yaml.parse(source.text, Loader=loader)

    def build(self) -> Document:
        next(self.events)  # the start of the stream
        if isinstance(next(self.events), events.StreamEndEvent):
            raise self._empty(Span(self.source, 0, 0, 0, 1))
        value = self._value(next(self.events), depth=1)
        next(self.events)  # the end of the document
        more = next(self.events)
        if isinstance(more, events.DocumentStartEvent):
            note = Note("help", "remove the `---`, or move what follows to a file of its own")
            self._flaw("E006", "a second document starts here; a spec is one", self._at(more), note)
        if not isinstance(value, Table):
            raise self._no_mapping(value)
        return Document(value, tuple(self.flaws), frozenset(self.spoilt))

    def _empty(self, span: Span) -> SpecError:
        note = Note("help", "`vggc expand vgg16` prints a spec to start from")
        return SpecError([Diagnostic("E003", "there is nothing in this file", span, (note,))])

    def _no_mapping(self, value: Value) -> SpecError:
        if self.flaws:
            return SpecError(self.flaws)
        if isinstance(value, Leaf) and value.value is None:
            return self._empty(value.span)
        what = "a list" if isinstance(value, Items) else "a single value"
        note = Note("help", "begin with `vggc: 1`; `vggc expand vgg16` prints a whole spec")
        message = f"a spec is a mapping of keys to values, and this is {what}"
        return SpecError([Diagnostic("E102", message, value.span, (note,))])

    def _flaw(self, code: str, message: str, span: Span, *notes: Note) -> None:
        self.flaws.append(Diagnostic(code, message, span, notes))
        if len(self.flaws) > MAX_DIAGNOSTICS:
            raise SpecError(self.flaws)

    def _stop(self, code: str, message: str, event: events.Event, help: Note) -> SpecError:
        return SpecError([*self.flaws, Diagnostic(code, message, self._at(event), (help,))])

    def _span(self, event: events.Event) -> Span:
        start: Any = event.start_mark
        end: Any = event.end_mark
        if start.line > self.last:  # an empty value at the end of a text without a final line break
            return syntax.point(self.source, start)
        return Span(self.source, start.line, start.column, end.line, end.column)

    def _at(self, event: events.Event) -> Span:
        return syntax.point(self.source, event.start_mark)

    # --- values ---

    def _value(self, event: events.Event, depth: int) -> Value:
        if isinstance(event, events.AliasEvent):
            return self._alias(event)
        self._count(1, event)
        anchor: str | None = event.anchor  # type: ignore[attr-defined]  # scalars and collections all have one
        if anchor is None:
            return self._anchored(event, depth)
        before = self.values
        self.open_anchors.add(anchor)
        value = self._anchored(event, depth)
        self.open_anchors.discard(anchor)
        self.anchors[anchor] = (value, self.values - before + 1)
        return value

    def _anchored(self, event: events.Event, depth: int) -> Value:
        if not isinstance(event, events.ScalarEvent) and depth > MAX_DEPTH:
            help = Note("help", "no spec needs so many; is a bracket repeated?")
            raise self._stop("E009", f"this is nested deeper than {MAX_DEPTH} levels", event, help)
        value = self._untagged(event, depth)
        if getattr(event, "tag", None) not in (None, "!"):
            self._refuse_tag(event, value)
        return value

    def _untagged(self, event: events.Event, depth: int) -> Value:
        if isinstance(event, events.ScalarEvent):
            return self._leaf(event)
        return self._items(event, depth) if isinstance(event, events.SequenceStartEvent) else self._table(event, depth)

    def _refuse_tag(self, event: Any, value: Value) -> None:
        mark = event.start_mark
        written = _TAG.match(self.source.lines[mark.line], mark.column)
        start, end = written.span(1) if written else (mark.column, mark.column + 1)
        span = Span(self.source, mark.line, start, mark.line, end)
        note = Note("help", "remove the tag; values have the type they look like, and quotes make a word")
        tag = event.tag.replace("tag:yaml.org,2002:", "!!")
        self._flaw("E006", f"the tag {quoted(tag)} has no meaning in a spec", span, note)
        self.spoilt.add(value.span)
        if isinstance(value, Table):
            self.spoilt.update(entry.key for entry in value.entries.values())

    def _count(self, values: int, event: events.Event) -> None:
        self.values += values
        if self.values > MAX_VALUES:
            message = f"the spec holds more than {MAX_VALUES:,} values once its aliases are expanded"
            raise self._stop("E009", message, event, Note("help", "say repeated layers with `repeat`"))

    def _alias(self, event: events.AliasEvent) -> Value:
        name, span = str(event.anchor), self._span(event)
        if name in self.anchors and name not in self.open_anchors:
            value, size = self.anchors[name]
            self._count(size, event)
            return value
        if name in self.open_anchors:
            self._flaw("E006", f"the alias {quoted('*' + name)} stands inside its own anchor", span)
        else:
            self._flaw(
                "E004", f"there is no anchor {quoted('&' + name)} above this alias", span, *self._help_anchor(name)
            )
        self.spoilt.add(span)
        return Leaf(None, span)

    def _help_anchor(self, name: str) -> list[Note]:
        meant = nearest(name, self.anchors)
        return [Note("help", f"did you mean `*{meant}`?" if meant else "quote the value if the `*` belongs to it")]

    def _leaf(self, event: events.ScalarEvent) -> Leaf:
        span = self._span(event)
        if not event.implicit[0]:
            if not event.value.isascii() and re.search(_HALF, event.value):
                self._flaw("E002", "an escape in this word is half a character", span)
                self.spoilt.add(span)
            return Leaf(event.value, span)
        value = resolve(event.value)
        if isinstance(value, float) and not math.isfinite(value):
            what = "is too large a number" if event.value[-1].isdigit() else "is not a finite number"
            self._flaw("E008", f"{quoted(event.value)} {what}", span)
            self.spoilt.add(span)
        return Leaf(value, span)

    def _block(self, start: events.Event, end: events.Event) -> Span:
        """A block's end mark stands at the next token, lines below; its first line is all that a caret needs."""
        first: Any = start.start_mark
        last: Any = end.end_mark
        return Span(self.source, first.line, first.column, last.line, last.column)

    def _items(self, start: events.Event, depth: int) -> Items:
        items: list[Value] = []
        while not isinstance(event := next(self.events), events.SequenceEndEvent):
            items.append(self._value(event, depth + 1))
        return Items(items, self._block(start, event))

    # --- mappings ---

    def _table(self, start: events.Event, depth: int) -> Table:
        entries: dict[str, Entry] = {}
        merged: dict[str, Entry] = {}
        complete = True
        while not isinstance(event := next(self.events), events.MappingEndEvent):
            key = self._value(event, depth + 1)
            value = self._value(next(self.events), depth + 1)
            if not isinstance(key, Leaf) or not isinstance(key.value, str):
                complete = False
                self._refuse_key(event, key)
            elif key.value == "<<" and isinstance(event, events.ScalarEvent) and event.implicit[0]:
                self._merge(merged, value)
            elif key.value in entries:
                self._refuse_second(key, entries[key.value].key)
            else:
                entries[key.value] = Entry(key.span, value)
        for name, entry in merged.items():
            entries.setdefault(name, entry)
        table = Table(entries, self._block(start, event))
        if not complete:
            self.spoilt.add(table.span)
        return table

    def _refuse_second(self, key: Leaf, first: Span) -> None:
        note = Note("note", f"the first is at line {first.line + 1}, column {first.column + 1}", first)
        help = Note("help", "remove one of the two")
        self._flaw("E005", f"the key {quoted(str(key.value))} stands here a second time", key.span, note, help)

    def _refuse_key(self, event: events.Event, key: Value) -> None:
        if key.span in self.spoilt:
            return
        if isinstance(event, events.ScalarEvent) and event.value:
            note = Note("help", "quote it if it is a name")
            self._flaw("E007", f"the key {quoted(event.value)} is not a word", key.span, note)
            return
        what = "a key is missing" if isinstance(key, Leaf) else "a list or a mapping cannot be a key"
        self._flaw("E007", what, self._at(event), Note("help", "write `key: value`, where the key is a word"))

    def _merge(self, merged: dict[str, Entry], value: Value) -> None:
        """`<<`: the entries of a mapping, or of a list of mappings, of which the first has the word."""
        for table in value.items if isinstance(value, Items) else [value]:
            if isinstance(table, Table):
                for name, entry in table.entries.items():
                    merged.setdefault(name, entry)
            elif table.span not in self.spoilt:
                help = Note("help", "write `<<: *name`, where `&name` stands before a mapping above")
                self._flaw("E006", "`<<` takes a mapping, or a list of mappings", table.span, help)
                self.spoilt.add(table.span)
