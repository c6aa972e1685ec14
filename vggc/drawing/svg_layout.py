"""Where everything is in the picture of a network: blocks -> a Diagram of solids, arrows and labels.

Lengths are in units of the SVG's viewBox.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from math import ceil
from typing import Final

from vggc.drawing.svg_blocks import Block, BlockScale, BlockSize, blocks, is_map
from vggc.drawing.svg_marks import FONT, LINE, MARGIN, SWATCH, Arrow, Label, Mark, Solid, Swatch, text_width
from vggc.ir.network import Network

ROW: Final = 1300.0  # a longer figure is broken into rows, or its text would be too small on a page
PIECE: Final = 4  # blocks of the same map that stay in one row, at least
LEAST_WIDTH: Final = 330.0
TITLE_LENGTH: Final = 40

SLIT: Final = 4.0  # between two blocks of the same map
GAP: Final = 13.0  # between two maps, which leaves room for an arrow

LEGEND: Final[dict[str, str]] = {
    "conv": "convolution",
    "norm": "normalisation",
    "activation": "activation",
    "dropout": "dropout",
    "pool": "pooling",
    "shape": "reshaping",
    "linear": "linear",
}


@dataclass(frozen=True, slots=True)
class Diagram:
    """The picture, laid out; `marks` are in the order of painting."""

    width: float
    height: float
    marks: tuple[Mark, ...]


def lay_out(network: Network) -> Diagram:
    """The whole picture: title and counts, the rows of blocks, the legend."""
    parts = blocks(network)
    title = network.name if len(network.name) <= TITLE_LENGTH else network.name[: TITLE_LENGTH - 1] + "…"
    counts = f"{network.params:,} parameters · {network.macs:,} MACs"
    header = [
        Label(title, "title", MARGIN, MARGIN, "start"),
        Label(counts, "summary", MARGIN, MARGIN + LINE * FONT["title"], "start"),
    ]
    rows = _rows(parts)
    inner = max([LEAST_WIDTH, *(row.width for row in rows), *(label.box.right - MARGIN for label in header)])
    marks: list[Mark] = [*header]
    y = header[-1].box.bottom + GAP
    for row in rows:
        marks += row.marks(MARGIN + ((inner - row.width) / 2 if len(rows) == 1 else 0), y)
        y += row.height + GAP
    legend = list(_legend(parts, y, MARGIN + inner))
    bottom = max([y - GAP, *(mark.y + SWATCH for mark in legend)])
    return Diagram(inner + 2 * MARGIN, bottom + MARGIN, (*marks, *legend))


def _legend(parts: Iterable[Block], y: float, right: float) -> Iterator[Swatch | Label]:
    """The colours that occur, in as many lines as they need."""
    x, groups = MARGIN, {group for block in parts for group in block.groups}
    for group, text in LEGEND.items():
        if group not in groups:
            continue
        width = SWATCH + 5 + text_width(text, "legend")
        if x + width > right:
            x, y = MARGIN, y + 1.6 * FONT["legend"]
        yield Swatch(group, x, y)
        yield Label(text, "legend", x + SWATCH + 5, y, "start")
        x += width + 10


@dataclass(frozen=True, slots=True)
class Stage:
    """Blocks side by side whose maps have the same height and width; a vector is a stage of its own."""

    blocks: tuple[Block, ...]
    sizes: tuple[BlockSize, ...]

    @property
    def columns(self) -> list[float]:
        """The width of every block with its labels."""
        texts = (max(text_width(text, "size") for text in block.sizes) for block in self.blocks)
        return [max(size.width, text, FONT["name"]) for size, text in zip(self.sizes, texts, strict=True)]

    @property
    def blocks_width(self) -> float:
        """The width of the blocks alone."""
        return sum(self.columns) + SLIT * (len(self.blocks) - 1) + self.sizes[-1].dx

    @property
    def width(self) -> float:
        """The width with the caption, which is wider above a few thin blocks."""
        return max(self.blocks_width, text_width(self.blocks[0].caption, "map"))

    def marks(self, left: float, axis: float) -> Iterator[Solid | Label]:
        """The caption, then the blocks with their labels from left to right."""
        top = axis - self.sizes[0].reach - LINE * FONT["map"]
        over = min(self.width / 2 + self.sizes[0].dx / 2, self.width - text_width(self.blocks[0].caption, "map") / 2)
        yield Label(self.blocks[0].caption, "map", left + over, top)
        x = left + (self.width - self.blocks_width) / 2
        for block, size, column in zip(self.blocks, self.sizes, self.columns, strict=True):
            yield Solid(block, size, x + (column - size.width) / 2, axis + (size.dy - size.height) / 2)
            yield from _below(block, x + column / 2, axis + size.reach + 4)
            x += column + SLIT


def _below(block: Block, x: float, y: float) -> Iterator[Label]:
    """The labels under a block."""
    for text in block.sizes:
        yield Label(text, "size", x, y)
        y += LINE * FONT["size"]
    yield Label(block.name, "name", x, y, "upright")


@dataclass(frozen=True, slots=True)
class BlockRow:
    """Stages from left to right along an axis; an arrow shows that the figure goes on in another row."""

    stages: tuple[Stage, ...]
    first: bool
    last: bool

    @property
    def width(self) -> float:
        """The width with the gaps and the arrows."""
        gaps = len(self.stages) + 1 - self.first - self.last
        return sum(stage.width for stage in self.stages) + GAP * gaps

    @property
    def above(self) -> float:
        """How far it extends above the axis."""
        return -min(mark.box.top for stage in self.stages for mark in stage.marks(0, 0))

    @property
    def height(self) -> float:
        """From the topmost caption to the end of the lowest name."""
        return self.above + max(mark.box.bottom for stage in self.stages for mark in stage.marks(0, 0))

    def marks(self, left: float, top: float) -> Iterator[Mark]:
        """The arrows, which end at the blocks, and then the stages."""
        axis, x = top + self.above, left + (0 if self.first else GAP)
        placed: list[list[Solid | Label]] = []
        for stage in self.stages:
            placed.append(list(stage.marks(x, axis)))
            x += stage.width + GAP
        yield from self._arrows(placed, left, axis)
        for marks in placed:
            yield from (mark for mark in marks if not isinstance(mark, Label) or mark.text)

    def _arrows(self, placed: Iterable[Iterable[Mark]], left: float, axis: float) -> Iterator[Arrow]:
        solids = [[mark for mark in marks if isinstance(mark, Solid)] for marks in placed]
        ends = [(stage[0].entry(axis), stage[-1].exit) for stage in solids]
        if not self.first:
            yield Arrow(left, ends[0][0], axis)
        for (_, start), (end, _) in pairwise(ends):
            yield Arrow(start, end, axis)
        if not self.last:
            yield Arrow(ends[-1][1], left + self.width, axis)


def _rows(parts: Sequence[Block]) -> list[BlockRow]:
    """The figure in as many rows as it needs, all about equally long."""
    scale = BlockScale.of(parts)
    stages = _stages(parts, scale)
    total = sum(stage.width + GAP for stage in stages)
    count = ceil(total / ROW)
    lines: list[list[Block]] = [[] for _ in range(count)]
    x = 0.0
    for stage in stages:
        for block, middle in zip(stage.blocks, _middles(stage), strict=True):
            lines[min(count - 1, int(count * (x + middle) / total))].append(block)
        x += stage.width + GAP
    lines = [line for line in lines if line]
    ends = [(line is lines[0], line is lines[-1]) for line in lines]
    return [BlockRow(tuple(_stages(line, scale)), *end) for line, end in zip(lines, ends, strict=True)]


def _stages(parts: Iterable[Block], scale: BlockScale) -> list[Stage]:
    """Runs of equal maps."""
    keyed = groupby(enumerate(parts), key=lambda item: item[1].caption if is_map(item[1].shape) else item[0])
    runs = [tuple(block for _, block in run) for _, run in keyed]
    return [Stage(run, tuple(scale.size(block) for block in run)) for run in runs]


def _middles(stage: Stage) -> list[float]:
    """Where every block counts as standing when rows are broken: all of a piece at its middle, so that none is torn."""
    count = len(stage.blocks)
    pieces = max(1, count // PIECE)
    return [(i * pieces // count + 0.5) / pieces * stage.width for i in range(count)]
