"""Go to definition: from `extends` to the parent, from an alias to its anchor, from a key to that of a parent."""

import re
from collections.abc import Iterator

from vggc.base.diagnostics import Source, Span
from vggc.lsp.cursor import cursor_at
from vggc.lsp.spec_analysis import Analysis


def definition(analysis: Analysis, line: int, column: int) -> list[Span]:
    """The definitions of the word at a place, the most relevant first."""
    lines = analysis.source.lines
    for match in re.finditer(r"(?<![^\s\[{,])\*([^\s,\[\]{}]+)", lines[line]):
        if match.start() <= column <= match.end():
            return list(_anchor(analysis.source, match[1], line))
    cursor = cursor_at(lines, line, column)
    if cursor is None or not cursor.word:
        return []
    if cursor.path == ("extends",) or (not cursor.path and cursor.word == "extends"):
        return _parent(analysis)
    if not cursor.path and cursor.slot == "key":
        keys = (table.entries[cursor.word].key for table in analysis.ancestors if cursor.word in table.entries)
        return [key for key in (next(keys, None),) if key is not None]
    return []


def _anchor(source: Source, name: str, line: int) -> Iterator[Span]:
    """The last anchor of that name above an alias."""
    pattern = re.compile(rf"(?<![^\s\[{{,])&{re.escape(name)}(?=[\s,\[\]{{}}]|$)")
    for number in range(line, -1, -1):
        if matches := list(pattern.finditer(source.lines[number])):
            yield Span(source, number, matches[-1].start(), number, matches[-1].end())
            return


def _parent(analysis: Analysis) -> list[Span]:
    """The errors in the parents; if there are none, the beginning of the nearest."""
    spans = (diagnostic.span for diagnostic in analysis.diagnostics)
    errors = [span for span in spans if span is not None and span.source is not analysis.source]
    return errors or [Span(text, 0, 0, 0, 0) for text in analysis.texts[:1]]
