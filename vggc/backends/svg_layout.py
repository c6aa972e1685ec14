"""Where everything stands in the picture of a network: Network -> blocks -> a Diagram of solids, arrows and labels.

Lengths are in units of the SVG's viewBox. Sizes are drawn on compressed scales, relative to the largest of the network:
between 224 and 7 pixels, or 3 and 512 channels, a linear scale would leave either the first or the last invisible.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from math import ceil, prod
from typing import Final, Literal

from vggc.ir import Network, ShapedLayer
from vggc.layers.base import Shape

FOLLOWERS: Final = ("norm", "activation", "dropout")  # groups that become a band on the block before them
INPUT: Final = "input"
ELLIPSIS: Final = ""

MAX_BLOCKS: Final = 60
ROW: Final = 1060.0  # a longer figure is broken into rows, or its text would be too small on a page
LEAST_WIDTH: Final = 360.0
MARGIN: Final = 24.0
TITLE_LENGTH: Final = 40

EM: Final = 0.64  # the width of a character, that of the widest common sans-serif fonts
PAD: Final = 5.0  # between two labels side by side
LINE: Final = 1.25  # the height of a line in font sizes

BAND: Final = 4.0
SLIT: Final = 4.0  # between two blocks of the same map
GAP: Final = 18.0  # between two maps, which leaves room for an arrow
DEPTH: Final = (0.26, 0.2)  # where the far edge of a map is seen, in widths of the map

Style = Literal["title", "summary", "map", "size", "name", "legend"]
FONT: Final[dict[Style, float]] = {"title": 20, "summary": 13, "map": 13, "size": 13, "name": 11, "legend": 12.5}

LEGEND: Final[dict[str, str]] = {
    "conv": "convolution",
    "norm": "normalisation",
    "activation": "activation",
    "dropout": "dropout",
    "pool": "pooling",
    "shape": "reshaping",
    "linear": "linear",
}


# --- Network -> blocks -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Block:
    """What is drawn as one thing: a layer and the bands that follow it, `times` over.

    `groups` are the colours from left to right, `shape` is that of the output, (C, H, W) or (F,).
    """

    names: tuple[str, ...]
    groups: tuple[str, ...]
    shape: Shape
    layers: int = 1
    times: int = 1

    @property
    def name(self) -> str:
        """The alias of the layer that gives the block its body, or the first and last where there are several."""
        return self.names[0] if self.names[0] == self.names[-1] else f"{self.names[0]} … {self.names[-1]}"

    @property
    def image(self) -> bool:
        """Whether the output is a map, (C, H, W)."""
        return len(self.shape) == 3

    @property
    def size(self) -> str:
        """The label under the block: channels or features, or what an ellipsis stands for."""
        if self.groups == (ELLIPSIS,):
            return f"{self.layers} layers"
        return str(self.shape[0]) if self.image else "×".join(map(str, self.shape))

    def takes(self, layer: ShapedLayer) -> bool:
        """Whether the layer is drawn as a band of this block."""
        group = layer.layer.group
        return INPUT not in self.groups and group in FOLLOWERS and group not in self.groups

    def alike(self, other: "Block") -> bool:
        """Whether both look the same."""
        return (self.groups, self.shape) == (other.groups, other.shape)


def blocks(network: Network) -> tuple[Block, ...]:
    """The blocks of a network from left to right, the input first; at most 60 besides it.

    Too many are made fewer by merging those that are alike, and then by leaving out the middle.
    """
    found = [Block((INPUT,), (INPUT,), network.input, layers=0)]
    for layer in network.layers:
        last = found[-1]
        if last.takes(layer):
            found[-1] = replace(last, groups=(*last.groups, layer.layer.group), layers=last.layers + 1)
        else:
            found.append(Block((layer.alias,), (layer.layer.group,), layer.output))
    drawn = found[1:]
    if len(drawn) > MAX_BLOCKS:
        drawn = _elided(_merged(drawn))
    return found[0], *drawn


def _merged(found: Iterable[Block]) -> list[Block]:
    merged: list[Block] = []
    for block in found:
        if merged and merged[-1].alike(block):
            last = merged[-1]
            layers, times = last.layers + block.layers, last.times + 1
            merged[-1] = replace(last, names=(last.names[0], block.name), layers=layers, times=times)
        else:
            merged.append(block)
    return merged


def _elided(found: list[Block]) -> list[Block]:
    if len(found) <= MAX_BLOCKS:
        return found
    head = MAX_BLOCKS // 2
    tail = len(found) - (MAX_BLOCKS - head - 1)
    middle = found[head:tail]
    names = middle[0].names[0], middle[-1].names[-1]
    ellipsis = Block(names, (ELLIPSIS,), middle[-1].shape, layers=sum(block.layers for block in middle))
    return [*found[:head], ellipsis, *found[tail:]]


# --- sizes -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Size:
    """A block as a cuboid in oblique projection: its front is `width` x `height`, its far edges are (dx, dy) away."""

    body: float
    width: float
    height: float
    dx: float = 0.0
    dy: float = 0.0

    @property
    def reach(self) -> float:
        """How far the block extends above and below the axis, which goes through its middle."""
        return (self.height + self.dy) / 2


@dataclass(frozen=True, slots=True)
class Scale:
    """Monotone scales, on which the largest of the network get a fixed length.

    Tiny networks are measured against usual sizes: a 1x1 map with 8 channels shall not fill the page.
    """

    extent: int
    channels: int
    features: int

    @classmethod
    def of(cls, drawn: Sequence[Block]) -> "Scale":
        """The scale on which all blocks fit."""
        maps = [block.shape for block in drawn if block.image]
        return cls(
            extent=max([24, *(max(shape[1:]) for shape in maps)]),
            channels=max([64, *(shape[0] for shape in maps)]),
            features=max([1024, *(prod(block.shape) for block in drawn if not block.image)]),
        )

    def size(self, block: Block) -> Size:
        """How large a block is drawn."""
        bands = BAND * (len(block.groups) - 1)
        if block.groups == (ELLIPSIS,):
            return Size(30, 30, 8)
        if not block.image:
            return Size(10, 10 + bands, _root(200, prod(block.shape), self.features, 3, 10), 4.2, 3.2)
        channels, height, width = block.shape
        body, depth = _root(28, channels, self.channels, 2.5, 4), _root(210, width, self.extent, 2, 8)
        dx, dy = (round(depth * part, 1) for part in DEPTH)
        return Size(body, body + bands, _root(210, height, self.extent, 2, 8), dx, dy)


def _root(length: float, value: int, largest: int, degree: float, least: float) -> float:
    # Rounded here, so that all that follows is the same on every machine, whatever its pow() does in the last bit.
    return round(max(least, length * (value / largest) ** (1 / degree)), 1)


# --- blocks -> positions ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Solid:
    """A block in its place: (x, y) is the upper left corner of its front."""

    block: Block
    size: Size
    x: float
    y: float

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom."""
        size = self.size
        return self.x, self.y - size.dy, self.x + size.width + size.dx, self.y + size.height


@dataclass(frozen=True, slots=True)
class Label:
    """A text; (x, y) is the middle of its upper edge, or where `anchor` is start, the upper left corner.

    An upright text is read from bottom to top and ends at (x, y).
    """

    text: str
    style: Style
    x: float
    y: float
    anchor: Literal["start", "middle", "upright"] = "middle"

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom, as estimated from the number of characters."""
        width, height = text_width(self.text, self.style), FONT[self.style]
        if self.anchor == "upright":
            return self.x - height / 2, self.y, self.x + height / 2, self.y + width
        left = self.x if self.anchor == "start" else self.x - width / 2
        return left, self.y, left + width, self.y + height


@dataclass(frozen=True, slots=True)
class Arrow:
    """An arrow to the right along the axis."""

    start: float
    end: float
    y: float


@dataclass(frozen=True, slots=True)
class Swatch:
    """The colour of a group in the legend."""

    group: str
    x: float
    y: float


@dataclass(slots=True)
class Diagram:
    """The picture, laid out; solids are in the order of painting."""

    width: float = LEAST_WIDTH
    height: float = 0.0
    solids: list[Solid] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    swatches: list[Swatch] = field(default_factory=list)
