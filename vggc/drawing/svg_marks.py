"""The marks of a picture in their places: solids, arrows, labels and swatches.

Lengths are in units of the SVG's viewBox; y grows downwards.
"""

from dataclasses import dataclass
from typing import Final, Literal

from vggc.drawing.svg_blocks import Block, BlockSize

TextStyle = Literal["title", "summary", "map", "size", "name", "legend"]

MARGIN: Final = 22.0
SWATCH: Final = 12.0

FONT: Final[dict[TextStyle, float]] = {"title": 20, "summary": 13, "map": 13, "size": 12.5, "name": 11, "legend": 12.5}
BOLD: Final = frozenset[TextStyle](("title", "size"))
NARROW: Final = frozenset(" ,.:;'|!()[]·fijlrt")
WIDE: Final = frozenset("mwMW%@…\N{MULTIPLICATION SIGN}")
LINE: Final = 1.25  # the height of a line, in font sizes


def text_width(text: str, style: TextStyle) -> float:
    """How wide a text is at most in any usual sans-serif font; the widest of them set these widths of a character."""
    ems = sum(0.44 if char in NARROW else 1.0 if char in WIDE else 0.64 for char in text)
    return round(ems * FONT[style] * (1.1 if style in BOLD else 1), 1)


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle; y grows downwards."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Solid:
    """A block in its place; (x, y) is the upper left corner of its front."""

    block: Block
    size: BlockSize
    x: float
    y: float

    @property
    def box(self) -> Box:
        """What it covers."""
        size = self.size
        return Box(self.x, self.y - size.dy, self.x + size.width + size.dx, self.y + size.height)

    def entry(self, axis: float) -> float:
        """Where the axis meets its outline from the left: on the front, or on the slope above a low front."""
        return self.x + (max(0.0, self.y - axis) * self.size.dx / self.size.dy if self.size.dy else 0.0)

    @property
    def exit(self) -> float:
        """Where the axis leaves it: in the middle of the side."""
        return self.x + self.size.width + self.size.dx / 2


@dataclass(frozen=True, slots=True)
class Label:
    """A text; (x, y) is the middle of its upper edge, or its upper left corner if `anchor` is start.

    An upright text is read from bottom to top and ends at (x, y).
    """

    text: str
    style: TextStyle
    x: float
    y: float
    anchor: Literal["start", "middle", "upright"] = "middle"

    @property
    def box(self) -> Box:
        """What it covers at most."""
        width, height = text_width(self.text, self.style), FONT[self.style]
        if self.anchor == "upright":
            return Box(self.x - height / 2, self.y, self.x + height / 2, self.y + width)
        left = self.x if self.anchor == "start" else self.x - width / 2
        return Box(left, self.y, left + width, self.y + height)


@dataclass(frozen=True, slots=True)
class Arrow:
    """An arrow to the right along the axis."""

    start: float
    end: float
    y: float


@dataclass(frozen=True, slots=True)
class Swatch:
    """The colour of a group in the legend; (x, y) is its upper left corner."""

    group: str
    x: float
    y: float


Mark = Solid | Arrow | Label | Swatch
