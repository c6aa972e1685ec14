"""The way out that a diagnostic names, carried out: another word, an option less, a warning switched off."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from vggc.base.codes import CODES
from vggc.base.diagnostics import Diagnostic, Span
from vggc.frontend.text.document import Entry, Items, Table, Value
from vggc.frontend.text.values import in_flow
from vggc.ir.network import Network
from vggc.lsp.analysis import Analysis

# The notes that say what to write instead; `tests/test_lsp_answers.py` holds them against what the messages say.
_INSTEAD: Final = re.compile(
    r"did you mean (?:the stock spec )?`([^`]+)`\?"
    r"|write ([-+.\w]+)(?: without quotes)?|write (\[\S+\])|write (\"\S+\") in quotes"
    r"|write `(?P<bare>\w+)` without the colon"
)
_NEEDLESS: Final = ("E107",)  # the key at the place goes
_END: Final = re.compile(r"\.\.\.(\s|$)")  # of a document: nothing may follow it
_REMOVED: Final = re.compile(r"remove (\w+): it is inferred")


@dataclass(frozen=True, slots=True)
class Fix:
    """A change of one stretch of the text; `start` and `end` are (line, column)."""

    title: str
    start: tuple[int, int]
    end: tuple[int, int]
    text: str


def fixes(analysis: Analysis, diagnostic: Diagnostic) -> Iterator[Fix]:
    """What can be done about a diagnostic of this very text."""
    span = diagnostic.span
    if span is None or span.source is not analysis.source:
        return
    for note in diagnostic.notes:
        if note.label == "help" and (found := _INSTEAD.fullmatch(note.text)) is not None:
            word = next(each for each in found.groups() if each is not None)
            yield from _word(span, word, colon=found["bare"] is not None)
        elif _REMOVED.fullmatch(note.text):
            yield from _removal(analysis, span)
    if diagnostic.code in _NEEDLESS:
        yield from _removal(analysis, span)
    if analysis.network is not None:
        yield from _figure(analysis.network, span)
    if (name := CODES[diagnostic.code].name) is not None:
        yield _silence(analysis, name)


def _word(span: Span, word: str, colon: bool) -> Iterator[Fix]:
    """Another word in the place of one; not where the place is more than a word."""
    text = span.source.lines[span.line][span.column : span.end_column]
    if span.end_line != span.line or re.search(r"[\s\[\]{},]", text.strip("\"'")):
        return
    end = span.end_column
    if colon:
        behind = re.match(r"\s*:", span.source.lines[span.line][end:])
        end += behind.end() if behind is not None else 0
    yield Fix(f"write {word}", (span.line, span.column), (span.line, end), word)


# --- an option less ---


def _removal(analysis: Analysis, span: Span) -> Iterator[Fix]:
    """Remove the key at a place, or the one whose value stands there."""
    if analysis.tree is None:
        return
    for table in _tables(analysis.tree):
        for position, (name, entry) in enumerate(table.entries.items()):
            if span in (entry.key, entry.value.span):
                remove = _between_braces if _is_flow(table) else _from_lines
                yield from remove(list(table.entries.values()), position, f"remove {name}")
                return


def _tables(value: Value) -> Iterator[Table]:
    if isinstance(value, Table):
        yield value
        for entry in value.entries.values():
            yield from _tables(entry.value)
    elif isinstance(value, Items):
        for each in value.items:
            yield from _tables(each)


def _is_flow(table: Table) -> bool:
    """Whether a mapping stands between braces."""
    text = table.span.source.lines[table.span.line][table.span.column :]
    return re.match(r"(?:&\S+\s+)?\{", text) is not None


def _between_braces(entries: Sequence[Entry], position: int, title: str) -> Iterator[Fix]:
    """Without an entry and its comma; one that is alone stays, for nothing would be left."""
    value = entries[position].value.span
    if position > 0:
        before = entries[position - 1].value.span
        yield Fix(title, (before.end_line, before.end_column), (value.end_line, value.end_column), "")
    elif len(entries) > 1:
        key, behind = entries[0].key, entries[1].key
        yield Fix(title, (key.line, key.column), (behind.line, behind.column), "")


def _from_lines(entries: Sequence[Entry], position: int, title: str) -> Iterator[Fix]:
    """Without the lines of an entry; the first of an item leaves the dash before it to the next."""
    key, value, lines = entries[position].key, entries[position].value.span, entries[position].key.source.lines
    if not lines[key.line][: key.column].strip():
        end = max(value.end_line if value.end_column == 0 else value.end_line + 1, key.line + 1)
        if end < len(lines):
            yield Fix(title, (key.line, 0), (end, 0), "")
        else:  # the last line has no end that could go with it
            yield Fix(title, (key.line - 1, len(lines[key.line - 1])), (len(lines) - 1, len(lines[-1])), "")
    elif len(entries) > 1:
        behind = entries[1].key
        yield Fix(title, (key.line, key.column), (behind.line, behind.column), "")


# --- a figure ---


def _figure(network: Network, span: Span) -> Iterator[Fix]:
    """What the network has in the place of what was expected; a limit is left to its author."""
    for each in network.header.expect:
        actual = None if each.key.startswith("max_") else getattr(network, each.key)
        if each.span == span and actual is not None:
            text = in_flow(list(actual)) if isinstance(actual, tuple) else str(actual)
            yield Fix(f"expect {each.key} {text}", (span.line, span.column), (span.end_line, span.end_column), text)


# --- a warning ---


def _silence(analysis: Analysis, name: str) -> Fix:
    """The name of a warning in `allow`, which is there already or comes at the end."""
    title = f"allow {name} in this spec"
    tree, lines = analysis.tree, analysis.source.lines
    allow = tree.entries.get("allow") if tree is not None else None
    if allow is not None and isinstance(allow.value, Items) and allow.value.items:
        last = allow.value.items[-1].span
        block = lines[last.line][: last.column].lstrip() == "- "
        text = f"\n{lines[last.line][: last.column]}{name}" if block else f", {name}"
        return Fix(title, (last.end_line, last.end_column), (last.end_line, last.end_column), text)
    inherited = analysis.network.header.allow if analysis.network is not None else ()  # which a list here replaces
    filled = max((line for line, text in enumerate(lines) if text.strip() and not _END.match(text)), default=0)
    end = (filled, len(lines[filled]))
    return Fix(title, end, end, f"\nallow: [{', '.join([*inherited, name])}]")
