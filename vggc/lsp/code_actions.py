"""Code actions: edits that fix a diagnostic, by another word, by removing a key, or by allowing a warning."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from vggc.base.codes import CODES
from vggc.base.diagnostics import Diagnostic, Span
from vggc.frontend.text.document import Entry, Items, Table, Value, to_flow, values_in
from vggc.ir.network import Network
from vggc.lsp.publish_diagnostics import UNNECESSARY
from vggc.lsp.spec_analysis import Analysis, Location

# The notes that name a replacement; `tests/test_lsp_answers.py` compares them with the messages.
_REPLACEMENT: Final = re.compile(
    r"did you mean (?:the stock spec )?`([^`]+)`\?"
    r"|write ([-+.\w]+)(?: without quotes)?|write (\[\S+\])|write (\"\S+\") in quotes"
    r"|write `(?P<bare>\w+)` without the colon"
)
_REMOVAL: Final = re.compile(r"remove (\w+): it is inferred")
_DOCUMENT_END: Final = re.compile(r"\.\.\.(\s|$)")  # nothing may follow it


@dataclass(frozen=True, slots=True)
class Edit:
    """A new text between two locations."""

    title: str
    start: Location
    end: Location
    text: str


def edits(analysis: Analysis, diagnostic: Diagnostic) -> Iterator[Edit]:
    """The edits that fix a diagnostic about this text."""
    span = diagnostic.span
    if span is None or span.source is not analysis.source:
        return
    for note in diagnostic.notes:
        if note.label == "help" and (match := _REPLACEMENT.fullmatch(note.text)) is not None:
            word = next(group for group in match.groups() if group is not None)
            yield from _replace(span, word, with_colon=match["bare"] is not None)
        elif _REMOVAL.fullmatch(note.text):
            yield from _remove(analysis.tree, span)
    if diagnostic.code in UNNECESSARY:
        yield from _remove(analysis.tree, span)
    if analysis.network is not None:
        yield from _update_figure(analysis.network, span)
    if (name := CODES[diagnostic.code].name) is not None:
        yield _allow(analysis, name)


def _replace(span: Span, word: str, with_colon: bool) -> Iterator[Edit]:
    """Replace one word, and the colon after it if asked; nothing if the span is more than a word."""
    line = span.source.lines[span.line]
    text = line[span.column : span.end_column]
    if span.end_line != span.line or re.search(r"[\s\[\]{},]", text.strip("\"'")):
        return
    colon = re.match(r"\s*:", line[span.end_column :]) if with_colon else None
    end = span.end_column + (colon.end() if colon is not None else 0)
    yield Edit(f"write {word}", (span.line, span.column), (span.line, end), word)


def _remove(tree: Table | None, span: Span) -> Iterator[Edit]:
    """Remove the entry whose key or value has this span."""
    for table in values_in(tree) if tree is not None else ():
        entries = table.entries if isinstance(table, Table) else {}
        for index, (name, entry) in enumerate(entries.items()):
            if span in (entry.key, entry.value.span):
                extent = _extent(list(entries.values()), index, _is_flow(table))
                if extent is not None:
                    yield Edit(f"remove {name}", *extent, "")
                return


def _is_flow(table: Value) -> bool:
    """Whether a mapping is written with braces."""
    text = table.span.source.lines[table.span.line][table.span.column :]
    return re.match(r"(?:&\S+\s+)?\{", text) is not None


def _extent(entries: Sequence[Entry], index: int, is_flow: bool) -> tuple[Location, Location] | None:
    """What is removed with an entry: its comma or its lines; None if it is the only one in braces or after a dash."""
    key, value, lines = entries[index].key, entries[index].value.span, entries[index].key.source.lines
    if is_flow and index > 0:
        before = entries[index - 1].value.span
        return (before.end_line, before.end_column), (value.end_line, value.end_column)
    if is_flow or lines[key.line][: key.column].strip():  # the second entry takes its place
        return None if len(entries) == 1 else ((key.line, key.column), (entries[1].key.line, entries[1].key.column))
    end = max(value.end_line if value.end_column == 0 else value.end_line + 1, key.line + 1)
    if end < len(lines):
        return (key.line, 0), (end, 0)
    # The last line has no line break after it, so the one before it is removed.
    return (key.line - 1, len(lines[key.line - 1])), (len(lines) - 1, len(lines[-1]))


def _update_figure(network: Network, span: Span) -> Iterator[Edit]:
    """Replace an expected figure by the actual one; limits are left to the user."""
    for expectation in network.header.expect:
        actual = None if expectation.key.startswith("max_") else getattr(network, expectation.key)
        if expectation.span == span and actual is not None:
            text = to_flow(list(actual) if isinstance(actual, tuple) else actual)
            start, end = (span.line, span.column), (span.end_line, span.end_column)
            yield Edit(f"expect {expectation.key} {text}", start, end, text)


def _allow(analysis: Analysis, name: str) -> Edit:
    """Add the name of a warning to `allow`, which is added at the end if it is missing."""
    title = f"allow {name} in this spec"
    tree, lines = analysis.tree, analysis.source.lines
    allow = tree.entries.get("allow") if tree is not None else None
    if allow is not None and isinstance(allow.value, Items) and allow.value.items:
        last = allow.value.items[-1].span
        is_block = lines[last.line][: last.column].lstrip() == "- "
        text = f"\n{lines[last.line][: last.column]}{name}" if is_block else f", {name}"
        return Edit(title, (last.end_line, last.end_column), (last.end_line, last.end_column), text)
    inherited = analysis.network.header.allow if analysis.network is not None else ()  # which a list here replaces
    content = (line for line, text in enumerate(lines) if text.strip() and not _DOCUMENT_END.match(text))
    line = max(content, default=0)
    end = (line, len(lines[line]))
    return Edit(title, end, end, f"\nallow: [{', '.join([*inherited, name])}]")
