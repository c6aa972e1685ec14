"""What the picture of a network shows: Network -> blocks, as many as an eye can follow, and how large they are.

Lengths are in units of the SVG's viewBox. They are on compressed scales, relative to the largest of the network:
between 224 and 7 pixels, or 3 and 512 channels, a linear scale would leave either the first or the last invisible.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from math import prod
from typing import Final

from vggc.base.words import TIMES, typeset
from vggc.drawing.layer_units import elided, units
from vggc.ir.network import Network
from vggc.layers.answers import Shape

MAX_BLOCKS: Final = 60
MAX_COPIES: Final = 3  # of a merged block, which show that it is one
BAND: Final = 3.5
DEPTH: Final = (0.22, 0.18)  # how far right and up the far edge of a map is seen, in widths of the map


@dataclass(frozen=True, slots=True)
class Block:
    """What is shown as one thing: a layer and the bands that follow it, `times` over.

    `groups` are the colours from left to right, `shape` is that of the output, (C, H, W) or (F,). An ellipsis has no
    groups, and represents the layers that are left out.
    """

    names: tuple[str, ...]
    groups: tuple[str, ...]
    shape: Shape
    caption: str
    layers: int = 1
    times: int = 1

    @property
    def name(self) -> str:
        """The alias of the layer that gives the block its body; the first and the last where there are several."""
        return self.names[0] if len(self.names) == 1 else f"{self.names[0]} … {self.names[-1]}"

    @property
    def is_ellipsis(self) -> bool:
        """Whether it only says how many layers are left out."""
        return not self.groups

    @property
    def sizes(self) -> list[str]:
        """The lines under the block: channels, features or the layers of an ellipsis, and how many times."""
        if self.is_ellipsis:
            return [f"{self.layers} layers"]
        size = str(self.shape[0]) if is_map(self.shape) else typeset(self.shape)
        return [size] if self.times == 1 else [size, f"{TIMES}{self.times}"]


def is_map(shape: Shape) -> bool:
    """Whether a shape is (C, H, W)."""
    return len(shape) == 3


def blocks(network: Network) -> tuple[Block, ...]:
    """The blocks of a network from left to right, the input first; at most 60 besides it.

    Too many are made fewer by merging equal neighbours, and then by leaving out the middle.
    """
    parts = [
        Block((unit.base.alias,), unit.groups, unit.output, _caption(unit.output), len(unit.layers))
        for unit in units(network, across_sections=True)
    ]
    classes = network.header.classes
    if classes is not None and parts[-1].shape == (classes.count,):
        parts[-1] = replace(parts[-1], caption="classes")
    if len(parts) > MAX_BLOCKS:
        parts = elided(_merged(parts), MAX_BLOCKS, lambda middle: replace(_joined(middle), groups=(), caption=""))
    return Block(("input",), ("input",), network.input, _caption(network.input)), *parts


def _caption(shape: Shape) -> str:
    return typeset(shape[1:]) if is_map(shape) else ""


def _merged(parts: Iterable[Block]) -> list[Block]:
    """One block in place of each run of equal ones."""
    runs = [list(run) for _, run in groupby(parts, key=lambda block: (block.groups, block.shape, block.caption))]
    return [run[0] if len(run) == 1 else replace(_joined(run), times=len(run)) for run in runs]


def _joined(run: Sequence[Block]) -> Block:
    names = run[0].names[0], run[-1].names[-1]
    return replace(run[0], names=names, shape=run[-1].shape, layers=sum(block.layers for block in run))


# --- sizes ---


@dataclass(frozen=True, slots=True)
class BlockSize:
    """A block as a cuboid in oblique projection: its front is `width` x `height`, its far edges are (dx, dy) away.

    `body` is the part of the width before the bands; both come `copies` times, touching.
    """

    body: float
    width: float
    height: float
    dx: float = 0.0
    dy: float = 0.0
    copies: int = 1

    @property
    def reach(self) -> float:
        """How far the block extends above and below the axis, which goes through its middle."""
        return (self.height + self.dy) / 2


@dataclass(frozen=True, slots=True)
class BlockScale:
    """Monotone scales on which the largest map, the most channels and the longest vector get a fixed length."""

    extent: int
    channels: int
    features: int

    @classmethod
    def of(cls, parts: Sequence[Block]) -> "BlockScale":
        """The scale of a network; a tiny one is compared with usual sizes, so that it does not fill the page."""
        maps = [block.shape for block in parts if is_map(block.shape)]
        vectors = [prod(block.shape) for block in parts if not is_map(block.shape)]
        return cls(
            extent=max([24, *(max(shape[1:]) for shape in maps)]),
            channels=max([64, *(shape[0] for shape in maps)]),
            features=max([1024, *vectors]),
        )

    def size(self, block: Block) -> BlockSize:
        """How large a block is."""
        if block.is_ellipsis:
            return BlockSize(30, 30, 8)
        bands, copies = BAND * (len(block.groups) - 1), min(block.times, MAX_COPIES)
        if not is_map(block.shape):
            height = _root(200, prod(block.shape) / self.features, 4, 10)
            return BlockSize(10, (10 + bands) * copies, height, 4.4, 3.6, copies)
        channels, rows, columns = block.shape
        body = _root(26, channels / self.channels, 2.5, 4)
        height, depth = (_root(210, extent / self.extent, 2, 8) for extent in (rows, columns))
        dx, dy = (round(depth * part, 1) for part in DEPTH)
        return BlockSize(body, (body + bands) * copies, height, dx, dy, copies)


def _root(length: float, part: float, degree: float, least: float) -> float:
    # Rounded here, so that all that follows is the same on every machine, whatever its pow() does in the last bit.
    scaled: float = length * part ** (1 / degree)
    return round(max(least, scaled), 1)
