"""Where a word leads: `extends` to the parent or to a mistake there, an alias to its anchor, a key to a parent's."""

import re
from collections.abc import Iterator

from vggc.base.diagnostics import Source, Span
from vggc.lsp.analysis import Analysis
from vggc.lsp.context import cursor_at


def definition(analysis: Analysis, line: int, column: int) -> list[Span]:
    """The places that a word leads to, the most telling first."""
    lines = analysis.source.lines
    alias = _alias_at(lines[line], column)
    if alias is not None:
        return list(_anchor(analysis.source, alias, line))
    cursor = cursor_at(lines, line, column)
    if cursor is None or not cursor.word:
        return []
    if cursor.path == ("extends",) or (not cursor.path and cursor.word == "extends"):
        return list(_parent(analysis))
    if not cursor.path and cursor.slot == "key":
        return list(_overridden(analysis, cursor.word))
    return []


def _alias_at(text: str, column: int) -> str | None:
    for found in re.finditer(r"(?<![^\s\[{,])\*([^\s,\[\]{}]+)", text):
        if found.start() <= column <= found.end():
            return found[1]
    return None


def _anchor(source: Source, name: str, line: int) -> Iterator[Span]:
    """The last anchor of that name above an alias."""
    pattern = re.compile(rf"(?<![^\s\[{{,])&{re.escape(name)}(?=[\s,\[\]{{}}]|$)")
    for number in range(line, -1, -1):
        if found := list(pattern.finditer(source.lines[number])):
            yield Span(source, number, found[-1].start(), number, found[-1].end())
            return


def _parent(analysis: Analysis) -> Iterator[Span]:
    """What is wrong in the parents; where nothing is, the beginning of the nearest."""
    wrong = [each.span for each in analysis.diagnostics if each.span and each.span.source is not analysis.source]
    yield from wrong
    if not wrong and analysis.texts:
        yield Span(analysis.texts[0], 0, 0, 0, 0)


def _overridden(analysis: Analysis, key: str) -> Iterator[Span]:
    """The key in the nearest ancestor that has it."""
    for ancestor in analysis.ancestors:
        if key in ancestor.entries:
            yield ancestor.entries[key].key
            return
