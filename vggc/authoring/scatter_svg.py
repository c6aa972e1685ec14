"""The picture of a comparison, params against MACs -> SVG text that follows the reader's light or dark mode."""

from collections.abc import Iterator
from typing import Final
from xml.sax.saxutils import escape

from vggc.authoring.comparing import Comparison
from vggc.authoring.scatter import FRAME, HEIGHT, RADIUS, WIDTH, Label, Point, Scatter, lay_out
from vggc.base.words import plural
from vggc.drawing.axes import amount
from vggc.drawing.svg_diagram import BASELINE
from vggc.drawing.svg_marks import FONT, LINE, MARGIN
from vggc.drawing.svg_theme import COLOURS, style

GRID: Final = 'stroke="#808080" stroke-opacity=".25"'
LINK: Final = 'class="vggc-arrow" stroke="#59636e" stroke-opacity=".6" stroke-width=".8"'
FAR: Final = 10.0  # a label further from its points than that has a line to them


def emit(comparison: Comparison) -> str:
    """The text of an SVG file; there must be at least one network."""
    scatter = lay_out(comparison.rows)
    body = [*_grid(scatter), *map(_link, scatter.labels), *map(_point, scatter.points), *map(_label, scatter.labels)]
    return "\n".join([*_head(scatter), *(line for line in body if line), *_titles(scatter), "</svg>"]) + "\n"


def _head(scatter: Scatter) -> Iterator[str]:
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" width="{WIDTH:g}"'
    yield f' height="{HEIGHT:g}" style="max-width:100%;height:auto" font-family="system-ui, sans-serif" role="img">'
    yield f"<title>{_title(scatter)}</title>"
    yield f"<desc>{'; '.join(_words(point) for point in scatter.points)}</desc>"
    yield f"<style>{style('auto')}</style>"
    # The fills repeat the style's, for viewers that ignore it.
    yield '<rect class="vggc-paper" fill="#fff" width="100%" height="100%"/>'


def _title(scatter: Scatter) -> str:
    count = len(scatter.points)
    return f"Params and MACs of {plural(count, 'network')}"


def _words(point: Point) -> str:
    network = point.row.network
    return escape(f"{point.row.name}: {network.params:,} params, {network.macs:,} MACs")


def _titles(scatter: Scatter) -> Iterator[str]:
    baseline, middle = MARGIN + FONT["title"] * BASELINE, (FRAME.left + FRAME.right) / 2
    yield _text(_title(scatter), MARGIN, baseline, "start", 'class="vggc-ink" font-weight="700"', FONT["title"])
    if scatter.unlabelled:
        note = f"{scatter.unlabelled} without a label, for want of room"
        yield _text(note, WIDTH - MARGIN, baseline, "end", 'class="vggc-pale"', 12)
    yield _text("params", middle, HEIGHT - 16, "middle", 'class="vggc-ink"', 13)
    yield _text("MACs", FRAME.left, FRAME.top - 8, "end", 'class="vggc-ink"', 13)


def _text(text: str, x: float, y: float, anchor: str, look: str, size: float) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} {look} font-size="{size:g}">{escape(text)}</text>'


def _grid(scatter: Scatter) -> Iterator[str]:
    for value in scatter.x.marks():
        x = FRAME.left + scatter.x.place(value) * (FRAME.right - FRAME.left)
        yield f'<path {GRID} d="M{x:.1f} {FRAME.top:g}V{FRAME.bottom:g}"/>'
        yield _text(amount(value), x, FRAME.bottom + 18, "middle", 'class="vggc-pale"', 12)
    for value in scatter.y.marks():
        y = FRAME.bottom - scatter.y.place(value) * (FRAME.bottom - FRAME.top)
        yield f'<path {GRID} d="M{FRAME.left:g} {y:.1f}H{FRAME.right:g}"/>'
        yield _text(amount(value), FRAME.left - 8, y + 4, "end", 'class="vggc-pale"', 12)


def _point(point: Point) -> str:
    place = f'cx="{point.x:.1f}" cy="{point.y:.1f}" r="{RADIUS:g}"'
    return f'<circle {place} fill="{COLOURS["conv"]}" fill-opacity=".75"><title>{_words(point)}</title></circle>'


def _link(label: Label) -> str:
    if label.distance <= FAR:
        return ""
    x, y = label.link
    return f'<path {LINK} d="M{label.x1:.1f} {label.y1:.1f}L{x:.1f} {y:.1f}"/>'


def _label(label: Label) -> str:
    size, baseline = FONT["name"], label.y + BASELINE * FONT["name"] + 1
    # Texts are narrower than what was kept free for them, so a label on the left of its points is written up to them.
    ends = label.box.right <= label.x1
    x, anchor = (label.box.right, "end") if ends else (label.x, "start")
    if label.box.left < label.x1 < label.box.right:
        x, anchor = (label.box.left + label.box.right) / 2, "middle"
    lines = (
        _text(line, x, baseline + i * LINE * size, anchor, 'class="vggc-ink"', size)
        for i, line in enumerate(label.lines)
    )
    return "\n".join(lines)
