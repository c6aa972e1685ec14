"""The picture of a network that one would put in a paper: Network -> SVG text.

Maps are cuboids, their height and depth by those of the map and their thickness by its channels; vectors are bars. The
text is the same on every machine, needs nothing but itself, and follows the reader's light or dark mode.
"""

from collections.abc import Iterator
from itertools import accumulate, pairwise
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from vggc.backends.svg_blocks import BAND, Block, Group, blocks, by
from vggc.backends.svg_layout import FONT, SWATCH, Arrow, Diagram, Label, Mark, Solid, Style, Swatch, lay_out
from vggc.ir import Network

Point = tuple[float, float]

# Paul Tol's bright scheme: its colours stay distinct for all common kinds of colour blindness.
COLOURS: Final[dict[Group, str]] = {
    "input": "#f2f2f2",
    "conv": "#4477aa",
    "pool": "#ee6677",
    "norm": "#228833",
    "activation": "#ccbb44",
    "dropout": "#aa3377",
    "linear": "#66ccee",
    "shape": "#aaaaaa",
}
TOP: Final = 0.4  # how far the upper faces of a block are mixed with white
SIDE: Final = 0.22  # and the right ones with black

# Classes have a prefix because a style in a picture that stands inside a page holds for the whole page.
STYLE: Final = """
.vggc-paper{fill:#fff}.vggc-ink{fill:#1f2328}.vggc-pale{fill:#59636e}.vggc-arrow{stroke:#59636e}
@media (prefers-color-scheme:dark){
.vggc-paper{fill:#0d1117}.vggc-ink{fill:#f0f6fc}.vggc-pale{fill:#9198a1}.vggc-arrow{stroke:#9198a1}
}
"""
LOOK: Final[dict[Style, str]] = {
    "title": 'class="vggc-ink" font-weight="700"',
    "summary": 'class="vggc-pale"',
    "map": 'class="vggc-pale"',
    "size": 'class="vggc-ink" font-weight="600"',
    "name": 'class="vggc-pale"',
    "legend": 'class="vggc-ink"',
}
ARROW: Final = 'stroke="#59636e" stroke-width="1.4" fill="none"'
BASELINE: Final = 0.8  # of a text, from its upper edge, in font sizes
MIDLINE: Final = 0.35  # the baseline of an upright text, from its middle


def emit(network: Network) -> str:
    """The picture of a network as the text of an SVG file."""
    diagram = lay_out(network)
    body = [line for mark in diagram.marks for line in _elements(mark)]
    return "\n".join([*_head(network, diagram), *body, "</svg>"]) + "\n"


def _head(network: Network, diagram: Diagram) -> Iterator[str]:
    width, height = _number(diagram.width), _number(diagram.height)
    # A page may hold several pictures, and an id may occur only once.
    title, description = f"{network.name}-title", f"{network.name}-desc"
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    yield ' style="max-width:100%;height:auto" font-family="system-ui, sans-serif"'
    yield f' role="img" aria-labelledby={quoteattr(f"{title} {description}")}>'
    yield f"<title id={quoteattr(title)}>{escape(network.name)}</title>"
    yield f"<desc id={quoteattr(description)}>{escape(_described(network))}</desc>"
    yield f"<style>{STYLE}</style>"
    # The fills here and at the arrows repeat the style's, for viewers that ignore it: theirs would be a black page.
    yield '<rect class="vggc-paper" fill="#fff" width="100%" height="100%"/>'


def _described(network: Network) -> str:
    """The picture in words, for those who do not see it."""
    counts = f"{len(network.layers)} layers, {network.params:,} parameters, {network.macs:,} multiply-accumulates"
    return f"{counts}. From left to right: " + "; ".join(_words(block) for block in blocks(network)) + "."


def _words(block: Block) -> str:
    if block.groups == ("ellipsis",):
        return f"{block.name}: {block.size}"
    bands = "".join(f" + {group}" for group in block.groups[1:])
    times = f", {block.times} times" if block.times > 1 else ""
    return f"{block.name}{bands} {by(block.shape)}{times}"


def _number(value: float) -> str:
    """A length with at most one decimal."""
    return f"{value:.1f}".removesuffix(".0")


def _elements(mark: Mark) -> Iterator[str]:
    """The SVG elements of a mark."""
    match mark:
        case Solid():
            yield from _solid(mark)
        case Arrow():
            yield from _arrow(mark)
        case Label():
            yield _text(mark)
        case Swatch():
            size = f'width="{_number(SWATCH)}" height="{_number(SWATCH)}" rx="2"'
            yield f'<rect {_place(mark.x, mark.y)} {size} fill="{COLOURS[mark.group]}"/>'


def _place(x: float, y: float) -> str:
    return f'x="{_number(x)}" y="{_number(y)}"'


def _text(label: Label) -> str:
    size = FONT[label.style]
    attributes = f'font-size="{_number(size)}" {LOOK[label.style]}'
    if label.anchor == "upright":
        x, y = _number(label.x + MIDLINE * size), _number(label.y)
        where = f'transform="translate({x} {y}) rotate(-90)" text-anchor="end"'
    else:
        where = f'{_place(label.x, label.y + BASELINE * size)} text-anchor="{label.anchor}"'
    return f"<text {where} {attributes}>{escape(label.text)}</text>"


def _arrow(arrow: Arrow) -> Iterator[str]:
    start, end, y = _number(arrow.start), _number(arrow.end - 1), _number(arrow.y)
    yield f'<path class="vggc-arrow" {ARROW} d="M{start} {y}H{end}m-5 -4l5 4l-5 4"/>'


def _solid(solid: Solid) -> Iterator[str]:
    yield '<g stroke="#000" stroke-opacity=".4" stroke-width=".7" stroke-linejoin="round">'
    yield f"<title>{escape(_words(solid.block))}</title>"
    yield from (_dots(solid) if solid.block.groups == ("ellipsis",) else _cuboid(solid))
    yield "</g>"


def _dots(solid: Solid) -> Iterator[str]:
    y, middle = solid.y + solid.size.height / 2, solid.x + solid.size.width / 2
    for x in (middle - 9, middle, middle + 9):
        yield f'<circle class="vggc-pale" stroke="none" cx="{_number(x)}" cy="{_number(y)}" r="2.5"/>'


def _cuboid(solid: Solid) -> Iterator[str]:
    """The front and the top of every slice; of the sides only the last is seen, and bears the colour of the body."""
    size, groups = solid.size, solid.block.groups * solid.size.copies
    widths = ([size.body] + [BAND] * (len(solid.block.groups) - 1)) * size.copies
    cuts = list(accumulate(widths, initial=solid.x))
    away = size.dx, -size.dy
    for group, (left, right) in zip(groups, pairwise(cuts), strict=True):
        edge = (left, solid.y), (right, solid.y)
        yield _face(edge, (0, size.height), COLOURS[group])
        yield _face(edge, away, _mixed(COLOURS[group], 255, TOP))
    edge = (cuts[-1], solid.y), (cuts[-1], solid.y + size.height)
    yield _face(edge, away, _mixed(COLOURS[groups[0]], 0, SIDE))


def _face(edge: tuple[Point, Point], way: Point, colour: str) -> str:
    """The parallelogram that an edge passes over on its way."""
    (x1, y1), (x2, y2) = edge
    points = (x1, y1), (x2, y2), (x2 + way[0], y2 + way[1]), (x1 + way[0], y1 + way[1])
    return f'<path fill="{colour}" d="M{" ".join(f"{_number(x)} {_number(y)}" for x, y in points)}z"/>'


def _mixed(colour: str, other: int, part: float) -> str:
    """A colour with a part of a grey in it, 0 for black and 255 for white."""
    channels = bytes.fromhex(colour.removeprefix("#"))
    return "#" + bytes(round(each + (other - each) * part) for each in channels).hex()
