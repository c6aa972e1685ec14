"""Diagnostics as text for a terminal: the place, its line with carets below it, and the notes.

The text has the terminal's colours in it; `click.echo` removes them where the output is no terminal.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final

from vggc.base.diagnostics import Diagnostic, Span
from vggc.base.words import plural, printable, styled
from vggc.cli.reporters.notes import notes

MAX_WIDTH: Final = 140  # of a source line; longer ones are cut around the place

_STYLES: Final = {"error": "1;31", "warning": "1;33", "bold": "1", "frame": "34"}


def emit(diagnostics: Sequence[Diagnostic]) -> str:
    """Every diagnostic, how many there are, and which command explains them; nothing where there are none."""
    if not diagnostics:
        return ""
    return f"{blocks(diagnostics)}\n\n{_totals(diagnostics)}"


def _totals(diagnostics: Sequence[Diagnostic]) -> str:
    severities = [diagnostic.severity for diagnostic in diagnostics]
    counts = [plural(severities.count(word), word) for word in ("error", "warning") if word in severities]
    codes = sorted({diagnostic.code for diagnostic in diagnostics})
    return f"{' and '.join(counts)}; to know more: vggc explain {' '.join(codes)}"


def blocks(diagnostics: Sequence[Diagnostic]) -> str:
    """Every diagnostic with its place, its line and its notes, separated by empty lines."""
    return "\n\n".join("\n".join(_block(diagnostic)) for diagnostic in diagnostics)


def _painted(style: str, text: str) -> str:
    return styled(_STYLES[style], text)


def _block(diagnostic: Diagnostic) -> Iterator[str]:
    head = _painted(diagnostic.severity, f"{diagnostic.severity}[{diagnostic.code}]")
    yield head + _painted("bold", f": {printable(diagnostic.message)}")
    span = diagnostic.span
    gutter = "" if span is None else " " * len(str(span.line + 1))
    if span is not None:
        yield f"{gutter}{_painted('frame', '-->')} {printable(str(span))}"
        yield from _excerpt(span, gutter)
    for note in notes(diagnostic):
        yield f"{gutter} {_painted('frame', '=')} {note.label}: {printable(note.text)}"


def _excerpt(span: Span, gutter: str) -> Iterator[str]:
    lines = span.source.lines
    if span.line >= len(lines) or not lines[span.line].strip():
        return
    line = lines[span.line]
    end = span.end_column if span.end_line == span.line else len(line.split(" #")[0].rstrip())
    line, start, end = _cut(line, span.column, max(end, span.column + 1))
    line = _visible(line)
    carets = "^" * max(1, _cells(line[start:end]))
    yield f"{gutter} {_painted('frame', '|')}"
    yield f"{_painted('frame', f'{span.line + 1} |')} {line}"
    yield f"{gutter} {_painted('frame', '|')} {' ' * _cells(line[:start])}{_painted('error', carets)}"


def _visible(line: str) -> str:
    """Tabs as one space, and control characters as a replacement character; the columns stay."""
    return "".join(" " if char == "\t" else char if char.isprintable() else "\ufffd" for char in line)


def _cells(line: str) -> int:
    """How many cells of a terminal the text fills: none for combining accents, two for wide characters."""
    if line.isascii():
        return len(line)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in line
    )


def _cut(line: str, start: int, end: int) -> tuple[str, int, int]:
    """A window of a long line around a place, and the place in it."""
    if len(line) <= MAX_WIDTH:
        return line, start, min(end, max(len(line), start + 1))
    first = max(0, start - MAX_WIDTH // 2)
    window = line[first : first + MAX_WIDTH]
    prefix = "..." if first else ""
    suffix = "..." if first + MAX_WIDTH < len(line) else ""
    begin = start - first + len(prefix)
    return f"{prefix}{window}{suffix}", begin, min(end - first + len(prefix), len(prefix) + len(window))
