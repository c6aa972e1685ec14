"""The picture of a network that one would put in a paper: Network -> SVG text.

Maps are cuboids, their height and depth by those of the map and their thickness by its channels; vectors are bars. The
text is the same on every machine, needs nothing but itself, and follows the reader's light or dark mode, or the page.
"""

from collections.abc import Iterator
from itertools import accumulate, count, pairwise
from typing import Final

from vggc.base.words import typeset
from vggc.drawing.svg_blocks import BAND, Block, blocks
from vggc.drawing.svg_layout import Diagram, lay_out
from vggc.drawing.svg_marks import FONT, SWATCH, Arrow, Label, Mark, Solid, Swatch, TextStyle
from vggc.drawing.svg_theme import COLOURS, LINES, Paper, attribute, escaped, head, mixed, number
from vggc.ir.network import Network

Point = tuple[float, float]

TOP: Final = 0.4  # how far the upper faces of a block are mixed with white
SIDE: Final = 0.22  # and the right ones with black

LOOK: Final[dict[TextStyle, str]] = {
    "title": 'class="vggc-ink" font-weight="700"',
    "summary": 'class="vggc-pale"',
    "map": 'class="vggc-pale"',
    "size": 'class="vggc-ink" font-weight="600"',
    "name": 'class="vggc-pale"',
    "legend": 'class="vggc-ink"',
}
BASELINE: Final = 0.8  # of a text, from its upper edge, in font sizes
MIDLINE: Final = 0.35  # the baseline of an upright text, from its middle


def emit(network: Network, theme: Paper = "auto", *, links: bool = False) -> str:
    """The picture of a network as the text of an SVG file.

    With `links`, block number N, counted from 1 without the input, is a link to `#blockN` of the page around it.
    """
    diagram = lay_out(network)
    size = diagram.width, diagram.height
    lines = [*head(network.name, _described(network), size, theme), *_body(diagram, theme, links)]
    return "\n".join([*lines, "</svg>"]) + "\n"


def _body(diagram: Diagram, theme: Paper, links: bool) -> Iterator[str]:
    numbers = count()  # of the blocks; number 0, the input, is no link
    for mark in diagram.marks:
        linked = links and isinstance(mark, Solid) and next(numbers)
        if linked and isinstance(mark, Solid):
            yield f'<a href="#block{linked}" aria-label={attribute(_words(mark.block))}>'
        yield from _elements(mark, theme)
        if linked:
            yield "</a>"


def _described(network: Network) -> str:
    """The picture in words, for those who do not see it."""
    counts = f"{len(network.layers)} layers, {network.params:,} parameters, {network.macs:,} multiply-accumulates"
    return f"{counts}. From left to right: " + "; ".join(_words(block) for block in blocks(network)) + "."


def _words(block: Block) -> str:
    if block.is_ellipsis:
        return f"{block.name}: {block.sizes[0]}"
    bands = "".join(f" + {group}" for group in block.groups[1:])
    times = f", {block.times} times" if block.times > 1 else ""
    return f"{block.name}{bands} {typeset(block.shape)}{times}"


def _elements(mark: Mark, theme: Paper) -> Iterator[str]:
    """The SVG elements of a mark."""
    match mark:
        case Solid():
            yield from _solid(mark)
        case Arrow(start, end, y):
            path = f"M{number(start)} {number(y)}H{number(end - 1)}m-5 -4l5 4l-5 4"
            yield f'<path class="vggc-arrow" stroke="{LINES[theme]}" stroke-width="1.4" fill="none" d="{path}"/>'
        case Label():
            yield _text(mark)
        case Swatch():
            size = f'width="{number(SWATCH)}" height="{number(SWATCH)}" rx="2"'
            yield f'<rect {_place(mark.x, mark.y)} {size} fill="{COLOURS[mark.group]}"/>'


def _place(x: float, y: float) -> str:
    return f'x="{number(x)}" y="{number(y)}"'


def _text(label: Label) -> str:
    size = FONT[label.style]
    attributes = f'font-size="{number(size)}" {LOOK[label.style]}'
    if label.anchor == "upright":
        x, y = number(label.x + MIDLINE * size), number(label.y)
        where = f'transform="translate({x} {y}) rotate(-90)" text-anchor="end"'
    else:
        where = f'{_place(label.x, label.y + BASELINE * size)} text-anchor="{label.anchor}"'
    return f"<text {where} {attributes}>{escaped(label.text)}</text>"


def _solid(solid: Solid) -> Iterator[str]:
    yield '<g stroke="#000" stroke-opacity=".4" stroke-width=".7" stroke-linejoin="round">'
    yield f"<title>{escaped(_words(solid.block))}</title>"
    yield from (_dots(solid) if solid.block.is_ellipsis else _cuboid(solid))
    yield "</g>"


def _dots(solid: Solid) -> Iterator[str]:
    y, middle = solid.y + solid.size.height / 2, solid.x + solid.size.width / 2
    for x in (middle - 9, middle, middle + 9):
        yield f'<circle class="vggc-pale" stroke="none" cx="{number(x)}" cy="{number(y)}" r="2.5"/>'


def _cuboid(solid: Solid) -> Iterator[str]:
    """The front and the top of every slice; of the sides only the last is seen, and bears the colour of the body."""
    size, groups = solid.size, solid.block.groups * solid.size.copies
    widths = ([size.body] + [BAND] * (len(solid.block.groups) - 1)) * size.copies
    cuts = list(accumulate(widths, initial=solid.x))
    away = size.dx, -size.dy
    for group, (left, right) in zip(groups, pairwise(cuts), strict=True):
        edge = (left, solid.y), (right, solid.y)
        yield _face(edge, (0, size.height), COLOURS[group])
        yield _face(edge, away, mixed(COLOURS[group], 255, TOP))
    edge = (cuts[-1], solid.y), (cuts[-1], solid.y + size.height)
    yield _face(edge, away, mixed(COLOURS[groups[0]], 0, SIDE))


def _face(edge: tuple[Point, Point], way: Point, colour: str) -> str:
    """The parallelogram that an edge passes over on its way."""
    (x1, y1), (x2, y2) = edge
    points = (x1, y1), (x2, y2), (x2 + way[0], y2 + way[1]), (x1 + way[0], y1 + way[1])
    return f'<path fill="{colour}" d="M{" ".join(f"{number(x)} {number(y)}" for x, y in points)}z"/>'
