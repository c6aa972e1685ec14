"""The picture of a network that one would put in a paper: Network -> SVG text.

Maps are cuboids, their height and depth by those of the map and their thickness by its channels; vectors are bars. The
text is the same on every machine, needs nothing but itself, and follows the reader's light or dark mode.
"""

from collections.abc import Iterator
from itertools import accumulate, pairwise
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from vggc.backends.svg_blocks import BAND, Block, Group, blocks
from vggc.backends.svg_layout import FONT, SWATCH, Arrow, Diagram, Label, Mark, Solid, Style, Swatch, lay_out
from vggc.ir import Network

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

STYLE: Final = """
.paper{fill:#fff}.ink{fill:#1f2328}.pale{fill:#59636e}.arrow{stroke:#59636e}
@media (prefers-color-scheme:dark){
.paper{fill:#0d1117}.ink{fill:#f0f6fc}.pale{fill:#9198a1}.arrow{stroke:#9198a1}
}
"""
LOOK: Final[dict[Style, str]] = {
    "title": 'class="ink" font-weight="700"',
    "summary": 'class="pale"',
    "map": 'class="pale"',
    "size": 'class="ink" font-weight="600"',
    "name": 'class="pale"',
    "legend": 'class="ink"',
}
BASELINE: Final = 0.8  # of a text, from its upper edge, in font sizes
MIDLINE: Final = 0.35  # the baseline of an upright text, from its middle


def emit(network: Network) -> str:
    """The picture of a network as the text of an SVG file."""
    diagram = lay_out(network)
    body = [line for mark in diagram.marks for line in drawn(mark)]
    return "\n".join([*_head(network, diagram), *body, "</svg>"]) + "\n"


def _head(network: Network, diagram: Diagram) -> Iterator[str]:
    width, height = number(diagram.width), number(diagram.height)
    # A page may hold several pictures, and an id may occur only once.
    title, description = f"{network.name}-title", f"{network.name}-desc"
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    yield ' style="max-width:100%;height:auto" font-family="system-ui, sans-serif"'
    yield f' role="img" aria-labelledby={quoteattr(f"{title} {description}")}>'
    yield f"<title id={quoteattr(title)}>{escape(network.name)}</title>"
    yield f"<desc id={quoteattr(description)}>{escape(described(network))}</desc>"
    yield f"<style>{STYLE}</style>"
    yield '<rect class="paper" width="100%" height="100%"/>'


def described(network: Network) -> str:
    """The picture in words, for those who do not see it."""
    counts = f"{len(network.layers)} layers, {network.params:,} parameters, {network.macs:,} multiply-accumulates"
    return f"{counts}. From left to right: " + "; ".join(_words(block) for block in blocks(network)) + "."


def _words(block: Block) -> str:
    if block.groups == ("ellipsis",):
        return f"{block.name}: {block.size}"
    bands = "".join(f" + {group}" for group in block.groups[1:])
    times = f", {block.times} times" if block.times > 1 else ""
    return f"{block.name}{bands} {'×'.join(map(str, block.shape))}{times}"


def number(value: float) -> str:
    """A length with at most one decimal."""
    return f"{value:.1f}".removesuffix(".0")


def drawn(mark: Mark) -> Iterator[str]:
    """The SVG elements of a mark."""
    match mark:
        case Solid():
            yield from _solid(mark)
        case Arrow():
            yield from _arrow(mark)
        case Label():
            yield _text(mark)
        case Swatch():
            yield f'<rect {_place(mark.x, mark.y)} width="{SWATCH}" height="{SWATCH}" rx="2" fill="{COLOURS[mark.group]}"/>'


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
    return f"<text {where} {attributes}>{escape(label.text)}</text>"


def _arrow(arrow: Arrow) -> Iterator[str]:
    start, end, y = number(arrow.start), number(arrow.end - 1), number(arrow.y)
    yield f'<path class="arrow" fill="none" stroke-width="1.4" d="M{start} {y}H{end}m-5 -4l5 4l-5 4"/>'


def _solid(solid: Solid) -> Iterator[str]:
    yield '<g stroke="#000" stroke-opacity=".4" stroke-width=".7" stroke-linejoin="round">'
    yield f"<title>{escape(_words(solid.block))}</title>"
    yield from (_dots(solid) if solid.block.groups == ("ellipsis",) else _cuboid(solid))
    yield "</g>"


def _dots(solid: Solid) -> Iterator[str]:
    y, middle = solid.y + solid.size.height / 2, solid.x + solid.size.width / 2
    for x in (middle - 9, middle, middle + 9):
        yield f'<circle class="pale" stroke="none" cx="{number(x)}" cy="{number(y)}" r="2.5"/>'


def _cuboid(solid: Solid) -> Iterator[str]:
    """The front and the top of every slice; of the sides only the last is seen, and bears the colour of the body."""
    size, groups = solid.size, solid.block.groups * solid.size.copies
    widths = ([size.body] + [BAND] * (len(solid.block.groups) - 1)) * size.copies
    cuts = list(accumulate(widths, initial=solid.x))
    for group, (left, right) in zip(groups, pairwise(cuts), strict=True):
        front, top = ((left, solid.y), (right, solid.y)), ((left, solid.y), (right, solid.y))
        yield _face(front, (0, size.height), COLOURS[group])
        yield _face(top, (size.dx, -size.dy), mixed(COLOURS[group], 255, TOP))
    edge = (cuts[-1], solid.y), (cuts[-1], solid.y + size.height)
    yield _face(edge, (size.dx, -size.dy), mixed(COLOURS[groups[0]], 0, SIDE))


def _face(edge: tuple[tuple[float, float], tuple[float, float]], along: tuple[float, float], colour: str) -> str:
    """The parallelogram that an edge passes over on its way."""
    (x1, y1), (x2, y2) = edge
    dx, dy = along
    points = (x1, y1), (x2, y2), (x2 + dx, y2 + dy), (x1 + dx, y1 + dy)
    return f'<path fill="{colour}" d="M{" ".join(f"{number(x)} {number(y)}" for x, y in points)}z"/>'


def mixed(colour: str, other: int, part: float) -> str:
    """A colour with a part of a grey in it, 0 for black and 255 for white."""
    channels = bytes.fromhex(colour.removeprefix("#"))
    return "#" + bytes(round(each + (other - each) * part) for each in channels).hex()
