"""Conversion between columns in code points and positions in the units of the editor, UTF-16 by default."""

from collections.abc import Sequence
from typing import Final

from lsprotocol import types

from vggc.base.diagnostics import Span

# The codec of each encoding, and how many of its bytes are one unit.
_CODECS: Final = {"utf-8": ("utf-8", 1), "utf-16": ("utf-16-le", 2), "utf-32": ("utf-32-le", 4)}


class Positions:
    """Converts in both directions; lines are those of a `Source`, which are the protocol's."""

    def __init__(self, encoding: str = "utf-16") -> None:
        self._codec, self._size = _CODECS[encoding]

    def units(self, text: str) -> int:
        """The length of a text in the units of the editor."""
        return len(text) if text.isascii() else len(text.encode(self._codec, "surrogatepass")) // self._size

    def position(self, lines: Sequence[str], line: int, column: int) -> types.Position:
        """The position of a column; one beyond the text is moved to its end."""
        line = min(line, len(lines) - 1)
        return types.Position(line, self.units(lines[line][:column]))

    def range(self, span: Span) -> types.Range:
        """The range of a span, or of its first line if it has several."""
        line = span.source.lines[min(span.line, len(span.source.lines) - 1)]
        end = span.end_column if span.end_line == span.line else len(line.split(" #")[0].rstrip())
        return self.columns(span.source.lines, span.line, span.column, max(end, span.column))

    def columns(self, lines: Sequence[str], line: int, start: int, end: int) -> types.Range:
        """The range between two columns of a line."""
        return types.Range(self.position(lines, line, start), self.position(lines, line, end))

    def place(self, lines: Sequence[str], position: types.Position) -> tuple[int, int]:
        """The line and the column, in code points, of a position; one beyond the text is moved into it."""
        line = min(position.line, len(lines) - 1)
        text = lines[line]
        if text.isascii():
            return line, min(position.character, len(text))
        units = 0
        for column, char in enumerate(text):
            if units >= position.character:
                return line, column
            units += self.units(char)
        return line, len(text)
