"""What the picture of a network shows: Network -> blocks, as many as an eye can follow, and how large they are.

Lengths are in units of the SVG's viewBox. They are on compressed scales, relative to the largest of the network:
between 224 and 7 pixels, or 3 and 512 channels, a linear scale would leave either the first or the last invisible.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from math import prod
from typing import Final, Literal

from vggc.base.words import typeset
from vggc.ir.network import Network, ShapedLayer
from vggc.layers.layer import Shape

Group = Literal["input", "conv", "pool", "norm", "activation", "dropout", "linear", "shape", "ellipsis"]

MAX_BLOCKS: Final = 60
MAX_COPIES: Final = 3  # of a merged block, which show that it is one
BAND: Final = 3.5
DEPTH: Final = (0.22, 0.18)  # how far right and up the far edge of a map is seen, in widths of the map
FOLLOWERS: Final = ("norm", "activation", "dropout")  # the groups that become a band of the block before them


@dataclass(frozen=True, slots=True)
class Block:
    """What is drawn as one thing: a layer and the bands that follow it, `times` over.

    `groups` are the colours from left to right, `shape` is that of the output, (C, H, W) or (F,).
    """

    names: tuple[str, ...]
    groups: tuple[Group, ...]
    shape: Shape
    caption: str
    layers: int = 1
    times: int = 1

    @property
    def name(self) -> str:
        """The alias of the layer that gives the block its body; the first and the last where there are several."""
        return self.names[0] if len(self.names) == 1 else f"{self.names[0]} … {self.names[-1]}"

    @property
    def size(self) -> str:
        """The text under the block: channels or features, or what an ellipsis stands for."""
        if self.groups == ("ellipsis",):
            return f"{self.layers} layers"
        return str(self.shape[0]) if is_map(self.shape) else typeset(self.shape)

    def takes(self, layer: ShapedLayer) -> bool:
        """Whether the layer is drawn as a band of this block."""
        group = layer.layer.group
        return self.groups != ("input",) and group in FOLLOWERS and group not in self.groups


def is_map(shape: Shape) -> bool:
    """Whether a shape is (C, H, W)."""
    return len(shape) == 3


def blocks(network: Network) -> tuple[Block, ...]:
    """The blocks of a network from left to right, the input first; at most 60 besides it.

    Too many are made fewer by merging equal neighbours, and then by leaving out the middle.
    """
    found = [Block(("input",), ("input",), network.input, _caption(network.input))]
    for layer in network.layers:
        last, group = found[-1], layer.layer.group
        if last.takes(layer):
            found[-1] = replace(last, groups=(*last.groups, group), layers=last.layers + 1)
        else:
            found.append(Block((layer.alias,), (group,), layer.output, _caption(layer.output)))
    classes = network.header.classes
    if classes is not None and found[-1].shape == (classes.count,):
        found[-1] = replace(found[-1], caption="classes")
    drawn = found[1:]
    if len(drawn) > MAX_BLOCKS:
        drawn = _elided(_merged(drawn))
    return found[0], *drawn


def _caption(shape: Shape) -> str:
    return typeset(shape[1:]) if is_map(shape) else ""


def _merged(found: Iterable[Block]) -> list[Block]:
    """One block in place of each run of equal ones."""
    runs = [list(run) for _, run in groupby(found, key=lambda block: (block.groups, block.shape, block.caption))]
    return [run[0] if len(run) == 1 else _joined(run, run[0].groups, len(run)) for run in runs]


def _elided(found: list[Block]) -> list[Block]:
    """An ellipsis in place of the middle."""
    if len(found) <= MAX_BLOCKS:
        return found
    head, tail = MAX_BLOCKS // 2, len(found) - (MAX_BLOCKS - 1) // 2
    return [*found[:head], _joined(found[head:tail], ("ellipsis",), 1), *found[tail:]]


def _joined(run: Sequence[Block], groups: tuple[Group, ...], times: int) -> Block:
    layers = sum(block.layers for block in run)
    caption = "" if groups == ("ellipsis",) else run[0].caption
    return Block((run[0].names[0], run[-1].names[-1]), groups, run[-1].shape, caption, layers, times)


# --- sizes -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Size:
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
class Scale:
    """Monotone scales on which the largest map, the most channels and the longest vector get a fixed length."""

    extent: int
    channels: int
    features: int

    @classmethod
    def of(cls, drawn: Sequence[Block]) -> "Scale":
        """The scale of a network; a tiny one is measured against usual sizes, so that it does not fill the page."""
        maps = [block.shape for block in drawn if is_map(block.shape)]
        vectors = [prod(block.shape) for block in drawn if not is_map(block.shape)]
        return cls(
            extent=max([24, *(max(shape[1:]) for shape in maps)]),
            channels=max([64, *(shape[0] for shape in maps)]),
            features=max([1024, *vectors]),
        )

    def size(self, block: Block) -> Size:
        """How large a block is drawn."""
        bands, copies = BAND * (len(block.groups) - 1), min(block.times, MAX_COPIES)
        if block.groups == ("ellipsis",):
            return Size(30, 30, 8)
        if not is_map(block.shape):
            height = _root(200, prod(block.shape) / self.features, 4, 10)
            return Size(10, (10 + bands) * copies, height, 4.4, 3.6, copies)
        channels, rows, columns = block.shape
        body = _root(26, channels / self.channels, 2.5, 4)
        height, depth = (_root(210, extent / self.extent, 2, 8) for extent in (rows, columns))
        dx, dy = (round(depth * part, 1) for part in DEPTH)
        return Size(body, (body + bands) * copies, height, dx, dy, copies)


def _root(length: float, part: float, degree: float, least: float) -> float:
    # Rounded here, so that all that follows is the same on every machine, whatever its pow() does in the last bit.
    scaled: float = length * part ** (1 / degree)
    return round(max(least, scaled), 1)
