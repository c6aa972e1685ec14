"""Where everything stands in the picture of a comparison: points, and labels that cover neither points nor each other.

Lengths are in units of the SVG's viewBox; y grows downwards. Networks whose points nearly coincide share one label, a
line each. A label that is not beside its points has a line to them, which crosses no other label.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import hypot
from typing import Final

from vggc.authoring.comparing import Row
from vggc.drawing.axes import PlotAxis
from vggc.drawing.svg_marks import FONT, LINE, Box, text_width

WIDTH: Final = 860.0
HEIGHT: Final = 560.0
FRAME: Final = Box(78, 64, WIDTH - 110, HEIGHT - 58)
ROOM: Final = Box(FRAME.left, FRAME.top, WIDTH - 8, FRAME.bottom)  # for labels

RADIUS: Final = 5.0
NEAR: Final = 2.2 * RADIUS  # points nearer than that share a label
MAX_LINES: Final = 6
AWAY: Final = (4, 14, 26, 40, 58, 80, 108, 140, 180, 230)  # of a label from its points, the nearest that is free
# The sides on which a label may stand, the best first; (0, 0) is the middle of the points.
SIDES: Final = ((1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (1, 1), (-1, -1), (-1, 1))


@dataclass(frozen=True, slots=True)
class Point:
    """A network in its place."""

    row: Row
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Label:
    """The names of some points, a line each, with the upper left corner at (x, y); `x1, y1` is where its line ends."""

    lines: tuple[str, ...]
    x: float
    y: float
    x1: float
    y1: float

    @property
    def box(self) -> Box:
        """What it covers at most."""
        return Box(self.x, self.y, self.x + _width(self.lines), self.y + _height(self.lines))

    @property
    def link(self) -> tuple[float, float]:
        """Where the line from its points meets its edge."""
        box = self.box
        return min(max(self.x1, box.left), box.right), min(max(self.y1, box.top), box.bottom)

    @property
    def distance(self) -> float:
        """From its edge to its points."""
        x, y = self.link
        return hypot(x - self.x1, y - self.y1)

    def crosses(self, box: Box) -> bool:
        """Whether the line to its points passes through a box."""
        x, y = self.link
        steps = max(1, int(self.distance))
        way = ((self.x1 + (x - self.x1) * i / steps, self.y1 + (y - self.y1) * i / steps) for i in range(steps + 1))
        return any(box.left < across < box.right and box.top < down < box.bottom for across, down in way)


@dataclass(frozen=True, slots=True)
class Scatter:
    """The picture, laid out; `unlabelled` counts the networks for whose names there was no room."""

    x: PlotAxis
    y: PlotAxis
    points: tuple[Point, ...]
    labels: tuple[Label, ...]
    unlabelled: int


def lay_out(rows: Sequence[Row]) -> Scatter:
    """The params of every network to the right, its MACs upwards."""
    x = PlotAxis.over([row.network.params for row in rows])
    y = PlotAxis.over([row.network.macs for row in rows])
    points = [
        Point(
            row,
            FRAME.left + x.place(row.network.params) * (FRAME.right - FRAME.left),
            FRAME.bottom - y.place(row.network.macs) * (FRAME.bottom - FRAME.top),
        )
        for row in rows
    ]
    clusters = sorted(_clusters(points), key=len, reverse=True)
    labels: list[Label] = []
    unlabelled = 0
    for cluster in clusters:
        label = _placed(cluster, points, labels)
        if label is None:
            unlabelled += len(cluster)
        else:
            labels.append(label)
    return Scatter(x, y, tuple(points), tuple(labels), unlabelled)


def _clusters(points: Sequence[Point]) -> list[list[Point]]:
    """The points in groups, each around its first."""
    found: list[list[Point]] = []
    for point in points:
        near = next((each for each in found if hypot(each[0].x - point.x, each[0].y - point.y) <= NEAR), None)
        if near is None:
            found.append([point])
        else:
            near.append(point)
    return found


def _placed(cluster: Sequence[Point], points: Sequence[Point], labels: Sequence[Label]) -> Label | None:
    """The label of a cluster in the first place that is free."""
    names = [point.row.name for point in cluster]
    lines = tuple(
        names if len(names) <= MAX_LINES else [*names[: MAX_LINES - 1], f"and {len(names) - MAX_LINES + 1} more"]
    )
    taken = [*(_around(point) for point in points), *(label.box for label in labels)]
    others = [_around(point) for point in points if point not in cluster]
    for label in _candidates(lines, cluster):
        free = _inside(label.box) and not any(overlap(label.box, each) for each in taken)
        crossing = any(label.crosses(each) for each in [*others, *(each.box for each in labels)])
        if free and not crossing and not any(each.crosses(label.box) for each in labels):
            return label
    return None


def _candidates(lines: tuple[str, ...], cluster: Sequence[Point]) -> Iterator[Label]:
    width, height = _width(lines), _height(lines)
    x, y = (sum(getattr(point, axis) for point in cluster) / len(cluster) for axis in ("x", "y"))
    for away in AWAY:
        reach = RADIUS + away
        for across, down in SIDES:
            left = x + across * reach - (0 if across > 0 else width if across < 0 else width / 2)
            top = y + down * reach - (0 if down > 0 else height if down < 0 else height / 2)
            yield Label(lines, left, top, x, y)


def _width(lines: Sequence[str]) -> float:
    return max(text_width(line, "name") for line in lines)


def _height(lines: Sequence[str]) -> float:
    return len(lines) * LINE * FONT["name"]


def _around(point: Point) -> Box:
    return Box(point.x - RADIUS - 1, point.y - RADIUS - 1, point.x + RADIUS + 1, point.y + RADIUS + 1)


def _inside(box: Box) -> bool:
    within = ROOM.left <= box.left and box.right <= ROOM.right
    return within and ROOM.top <= box.top and box.bottom <= ROOM.bottom


def overlap(one: Box, other: Box) -> bool:
    """Whether two boxes share more than an edge."""
    across = one.left < other.right and other.left < one.right
    return across and one.top < other.bottom and other.top < one.bottom
