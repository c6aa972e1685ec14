"""A scatter plot as SVG text, which follows the reader's light or dark mode."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from vggc.drawing.axes import amount
from vggc.drawing.scatter import (
    FRAME,
    HEIGHT,
    RADIUS,
    WIDTH,
    DataPoint,
    PlacedPoint,
    PointLabel,
    ScatterPlot,
    across,
    down,
    lay_out,
)  # fmt: skip
from vggc.drawing.svg_diagram import BASELINE
from vggc.drawing.svg_marks import FONT, LINE, MARGIN
from vggc.drawing.svg_theme import COLOURS, escaped, head

GRID: Final = 'stroke="#808080" stroke-opacity=".25"'
LINK: Final = 'class="vggc-arrow" stroke="#59636e" stroke-opacity=".6" stroke-width=".8"'
FAR: Final = 10.0  # a label further from its points than that has a line to them
INK: Final = 'class="vggc-ink"'
PALE: Final = 'class="vggc-pale"'


@dataclass(frozen=True, slots=True)
class PlotTexts:
    """The title of a plot and the names of its axes."""

    title: str
    x: str
    y: str


def emit(data: Sequence[DataPoint], texts: PlotTexts) -> str:
    """The text of an SVG file; there must be at least one point."""
    plot = lay_out(data)
    lines = [
        *head("scatter", texts.title, "; ".join(_words(point, texts) for point in data), (WIDTH, HEIGHT), "auto"),
        *_grid(plot),
        *(_link(label) for label in plot.labels if label.distance > FAR),
        *(_point(point, texts) for point in plot.points),
        *(line for label in plot.labels for line in _label(label)),
        *_titles(plot, texts),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _words(point: DataPoint, texts: PlotTexts) -> str:
    return f"{point.name}: {point.x:,} {texts.x}, {point.y:,} {texts.y}"


def _titles(plot: ScatterPlot, texts: PlotTexts) -> Iterator[str]:
    baseline, middle = MARGIN + FONT["title"] * BASELINE, (FRAME.left + FRAME.right) / 2
    yield _text(texts.title, MARGIN, baseline, "start", f'{INK} font-weight="700"', FONT["title"])
    if plot.unlabelled:
        yield _text(f"{plot.unlabelled} without a label, for lack of room", WIDTH - MARGIN, baseline, "end", PALE, 12)
    yield _text(texts.x, middle, HEIGHT - 16, "middle", INK, 13)
    yield _text(texts.y, FRAME.left, FRAME.top - 8, "end", INK, 13)


def _text(text: str, x: float, y: float, anchor: str, look: str, size: float) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} {look} font-size="{size:g}">{escaped(text)}</text>'


def _grid(plot: ScatterPlot) -> Iterator[str]:
    for value in plot.x.marks():
        x = across(plot.x, value)
        yield f'<path {GRID} d="M{x:.1f} {FRAME.top:g}V{FRAME.bottom:g}"/>'
        yield _text(amount(value), x, FRAME.bottom + 18, "middle", PALE, 12)
    for value in plot.y.marks():
        y = down(plot.y, value)
        yield f'<path {GRID} d="M{FRAME.left:g} {y:.1f}H{FRAME.right:g}"/>'
        yield _text(amount(value), FRAME.left - 8, y + 4, "end", PALE, 12)


def _point(point: PlacedPoint, texts: PlotTexts) -> str:
    place = f'cx="{point.x:.1f}" cy="{point.y:.1f}" r="{RADIUS:g}"'
    title = f"<title>{escaped(_words(point.data, texts))}</title>"
    return f'<circle {place} fill="{COLOURS["conv"]}" fill-opacity=".75">{title}</circle>'


def _link(label: PointLabel) -> str:
    x, y = label.link
    return f'<path {LINK} d="M{label.points_x:.1f} {label.points_y:.1f}L{x:.1f} {y:.1f}"/>'


def _label(label: PointLabel) -> Iterator[str]:
    size, baseline = FONT["name"], label.y + BASELINE * FONT["name"] + 1
    # Texts are narrower than the room kept for them, so a label on the left of its points ends next to them.
    box = label.box
    x, anchor = (box.right, "end") if box.right <= label.points_x else (box.left, "start")
    if box.left < label.points_x < box.right:
        x, anchor = (box.left + box.right) / 2, "middle"
    for i, line in enumerate(label.lines):
        yield _text(line, x, baseline + i * LINE * size, anchor, INK, size)
