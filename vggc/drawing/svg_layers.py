"""The network layer by layer, from top to bottom, as wide as a phone: Network -> SVG text.

A layer and what follows it stand in one card, with their kinds and options, the shape that leaves it and the params.
Beside the cards runs a strip as wide as the map, so that the network's silhouette is seen. Where there are too many
cards, those that repeat are drawn once.
"""

from itertools import groupby
from math import prod
from typing import Final

from vggc.base.words import TIMES, typeset
from vggc.drawing.outline import Run, Unit, described, elided, runs, units
from vggc.drawing.svg_cards import Card, cards
from vggc.drawing.svg_theme import (
    COLOURS,
    Theme,
    escaped,
    head,
    number,
    shortened,
    text_length,
)
from vggc.ir.network import Network, ShapedLayer
from vggc.layers.layer import Shape

WIDTH: Final = 420.0
MARGIN: Final = 16.0
STRIP: Final = 44.0  # the widest that the silhouette gets
LEFT: Final = MARGIN + STRIP + 10  # of the cards
RIGHT: Final = WIDTH - MARGIN
PADDING: Final = 9.0  # inside a card
LINE: Final = 17.0
GAP: Final = 5.0  # between cards
INDENT, DOTTED = 14.0, 27.0  # of a line in a card, and of one behind a dot

TITLE, NAME, SMALL = 20.0, 13.0, 11.5  # font sizes

MAX_CARDS: Final = 120  # of a network that is drawn as it is
MOST_CARDS: Final = 400  # after what repeats has been merged


def emit(network: Network, theme: Theme = "auto", spans: bool = False) -> str:
    """The picture as the text of an SVG file; as `svg_diagram.emit`."""
    found = units(network)
    drawn = elided(runs(found, merge=len(found) > MAX_CARDS), MOST_CARDS)
    painter = _Painter(network, spans)
    painter.paint(drawn)
    counts = f"{len(network.layers)} layers, {network.params:,} parameters, {network.macs:,} multiply-accumulates"
    words = f"{network.name}, layer by layer", f"{counts}, from top to bottom."
    start = head(f"{network.name}-layers", *words, (WIDTH, painter.y + MARGIN), theme)
    return "\n".join([*start, *painter.lines, "</svg>"]) + "\n"


def _words(unit: Unit) -> str:
    """Every layer of a unit in full."""
    layers = (
        f"{layer.alias}, {layer.path}: {described(layer.layer)}, {typeset(layer.output)}" for layer in unit.layers
    )
    return "; ".join(layers)


def _room(x: float, right: str, size: float, bold: bool = False) -> float:
    """How much of a line is free between a place in it and the text at its right end."""
    return RIGHT - PADDING - x - text_length(right, size, bold) - (8 if right else 0)


def _wrapped(layer: ShapedLayer, indent: float, right: str) -> list[str]:
    """A layer in words, broken between its options where a line is full; `right` stands at the end of the last line."""
    room = _room(LEFT + indent, right, SMALL)
    lines = [""]
    for part in described(layer.layer).split(", "):
        longer = f"{lines[-1]}, {part}" if lines[-1] else part
        if lines[-1] and text_length(longer, SMALL) > room:
            lines[-1] += ","
            lines.append(part)
        else:
            lines[-1] = longer
    return lines


class _Painter:
    """Puts one card below the other; `y` is how far it has come."""

    def __init__(self, network: Network, spans: bool) -> None:
        self.network = network
        self.spans = spans
        self.lines: list[str] = []
        self.y = MARGIN
        maps = [layer.output for layer in network.layers if len(layer.output) == 3]
        vectors = [prod(layer.output) for layer in network.layers if len(layer.output) != 3]
        self.extent = max([24, max(network.input[1:]), *(max(shape[1:]) for shape in maps)])
        self.features = max([1024, *vectors])

    def paint(self, drawn: list[Run]) -> None:
        """The whole picture."""
        self._header()
        for section, group in groupby(drawn, key=lambda run: run.layers[0].node.section):
            in_section = list(group)
            if section in ("features", "classifier"):
                self._section(section, sum(run.params for run in in_section))
            for run in in_section:
                self._run(run)

    # --- text ---

    def text(self, text: str, x: float, size: float, ink: str = "ink", bold: bool = False, end: bool = False) -> None:
        """A text whose upper edge is where the painter stands."""
        weight = ' font-weight="600"' if bold else ""
        anchor = ' text-anchor="end"' if end else ""
        place = f'x="{number(x)}" y="{number(self.y + 0.8 * size)}"'
        self.lines.append(
            f'<text {place} font-size="{number(size)}" class="vggc-{ink}"{weight}{anchor}>{escaped(text)}</text>'
        )

    def pair(self, left: str, right: str, x: float, size: float, ink: str, bold: bool = False) -> None:
        """A text on the left, cut where it would meet the one on the right."""
        room = _room(x, right, size, bold)
        self.text(shortened(left, room, lambda text: text_length(text, size, bold)), x, size, ink, bold)
        if right:
            self.text(right, RIGHT - PADDING, size, ink, bold, end=True)

    def _header(self) -> None:
        network = self.network
        room = WIDTH - 2 * MARGIN
        self.text(shortened(network.name, room, lambda text: text_length(text, TITLE, True)), MARGIN, TITLE, bold=True)
        self.y += 1.4 * TITLE
        for words in (
            f"{typeset(network.input)} → {typeset(network.output)}",
            f"{network.params:,} parameters · {network.macs:,} MACs",
        ):
            self.text(words, MARGIN, 12.5, "pale")
            self.y += LINE
        self.y += GAP
        self._strip(network.input, network.input, LINE + 2 * PADDING, "input")
        self._board(LINE + 2 * PADDING - 3, "input")
        self.y += PADDING
        self.pair("input", typeset(network.input), LEFT + INDENT, NAME, "ink", bold=True)
        self.y += LINE + PADDING + GAP

    def _section(self, name: str, params: int) -> None:
        self.y += 8
        self.pair(name, f"{params:,} params", LEFT, NAME, "ink", bold=True)
        self.y += LINE + GAP

    # --- cards ---

    def _run(self, run: Run) -> None:
        if not run.units:
            self._ellipsis(run)
            return
        top = self.y
        for card in cards(run):
            self._card(card)
        if len(run.units) > 1:
            self._bracket(run, top)

    def _card(self, card: Card) -> None:
        unit, params = card.unit, f"{card.params:,}" if card.params else ""
        rows = [
            (layer, indent, line)
            for layer in unit.layers
            for indent in [INDENT if layer is unit.base else DOTTED]
            for line in _wrapped(layer, indent, params if layer is unit.layers[-1] else "")
        ]
        height = 2 * PADDING + LINE * (1 + len(rows)) - 4
        end = self.y + height + GAP
        positions = " ".join(f"{span.start} {span.stop}" for span in card.spans)
        data = f' class="vggc-block" data-layers="{positions}"' if self.spans else ""
        self.lines.append(f"<g{data}><title>{escaped(_words(unit))}</title>")
        self._strip(unit.base.input, unit.output, height + GAP, unit.base.layer.group)
        self._board(height, unit.base.layer.group)
        self.y += PADDING
        shape = typeset(unit.output)
        title = card.title(_room(LEFT + INDENT, shape, NAME, True), lambda text: text_length(text, NAME, True))
        self.pair(title, shape, LEFT + INDENT, NAME, "ink", bold=True)
        for position, (layer, indent, line) in enumerate(rows):
            self.y += LINE
            if layer is not unit.base and (position == 0 or rows[position - 1][0] is not layer):
                self._dot(layer)
            self.pair(line, params if position == len(rows) - 1 else "", LEFT + indent, SMALL, "pale")
        self.lines.append("</g>")
        self.y = end

    def _dot(self, layer: ShapedLayer) -> None:
        """The colour of a follower in front of its line."""
        place = f'x="{number(LEFT + INDENT)}" y="{number(self.y + 1)}"'
        self.lines.append(f'<rect {place} width="8" height="8" rx="2" fill="{COLOURS[layer.layer.group]}"/>')

    def _ellipsis(self, run: Run) -> None:
        self.y += 4
        self.pair(f"… {len(run.layers):,} layers …", f"{run.params:,}", LEFT + INDENT, NAME, "pale")
        self.y += LINE + 4

    def _board(self, height: float, group: str) -> None:
        place = f'x="{number(LEFT)}" y="{number(self.y)}" height="{number(height)}"'
        look = 'class="vggc-card vggc-pale" fill-opacity=".1"'
        self.lines.append(f'<rect {look} {place} width="{number(RIGHT - LEFT)}" rx="5"/>')
        self.lines.append(f'<rect fill="{COLOURS[group]}" {place} width="5" rx="2.5"/>')

    def _bracket(self, run: Run, top: float) -> None:
        """Around the cards of a repeat, with how often it is and what all of it learns."""
        x, bottom = LEFT - 5, self.y - GAP
        path = f"M{number(x + 3)} {number(top)}H{number(x)}V{number(bottom)}H{number(x + 3)}"
        self.lines.append(f'<path class="vggc-arrow" stroke="#59636e" fill="none" stroke-width="1.5" d="{path}"/>')
        self.pair(f"{TIMES}{run.times:,}", f"{run.params:,} params", LEFT, NAME, "ink", bold=True)
        self.y += LINE + GAP

    # --- the silhouette ---

    def _strip(self, above: Shape, below: Shape, height: float, group: str) -> None:
        """A piece of the strip, which narrows as the map does."""
        middle, (top, bottom) = MARGIN + STRIP / 2, (self._half(above), self._half(below))
        points = (
            (middle - top, self.y), (middle + top, self.y), (middle + bottom, self.y + height),
            (middle - bottom, self.y + height),
        )  # fmt: skip
        path = " ".join(f"{number(x)} {number(y)}" for x, y in points)
        self.lines.append(f'<path fill="{COLOURS[group]}" fill-opacity=".75" d="M{path}z"/>')

    def _half(self, shape: Shape) -> float:
        """Half the width of the strip at a shape; a root, or small maps would not be seen."""
        part = max(shape[1:]) / self.extent if len(shape) == 3 else prod(shape) / self.features
        scaled: float = STRIP / 2 * part**0.5
        return round(max(1.5, scaled if len(shape) == 3 else 0.5 * scaled), 1)
