"""Where everything is in a scatter plot: points, and labels that cover neither points nor each other.

Lengths are in units of the SVG's viewBox; y grows downwards. Points that nearly coincide share one label, a line each.
A label that is not beside its points has a line to them, which crosses no other label.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import hypot
from typing import Final

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
# The sides on which a label may be, the best first; (0, 0) is the middle of the points.
SIDES: Final = ((1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (1, 1), (-1, -1), (-1, 1))


@dataclass(frozen=True, slots=True)
class DataPoint:
    """A name and its two values."""

    name: str
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class PlacedPoint:
    """A point in its place."""

    data: DataPoint
    x: float
    y: float

    @property
    def box(self) -> Box:
        """What it covers, with a margin."""
        reach = RADIUS + 1
        return Box(self.x - reach, self.y - reach, self.x + reach, self.y + reach)


@dataclass(frozen=True, slots=True)
class PointLabel:
    """The names of some points, a line each, with the upper left corner at (x, y).

    (points_x, points_y) is the middle of the points.
    """

    lines: tuple[str, ...]
    x: float
    y: float
    points_x: float
    points_y: float

    @property
    def box(self) -> Box:
        """What it covers at most."""
        width, height = _size(self.lines)
        return Box(self.x, self.y, self.x + width, self.y + height)

    @property
    def link(self) -> tuple[float, float]:
        """Where the line from its points meets its edge."""
        box = self.box
        return min(max(self.points_x, box.left), box.right), min(max(self.points_y, box.top), box.bottom)

    @property
    def distance(self) -> float:
        """From its edge to its points."""
        x, y = self.link
        return hypot(x - self.points_x, y - self.points_y)

    def crosses(self, box: Box) -> bool:
        """Whether the line to its points passes through a box."""
        x, y = self.link
        steps = max(1, int(self.distance))
        for i in range(steps + 1):
            across = self.points_x + (x - self.points_x) * i / steps
            down = self.points_y + (y - self.points_y) * i / steps
            if box.left < across < box.right and box.top < down < box.bottom:
                return True
        return False


@dataclass(frozen=True, slots=True)
class ScatterPlot:
    """The picture, laid out; `unlabelled` counts the points for whose names there was no room."""

    x: PlotAxis
    y: PlotAxis
    points: tuple[PlacedPoint, ...]
    labels: tuple[PointLabel, ...]
    unlabelled: int


def lay_out(data: Sequence[DataPoint]) -> ScatterPlot:
    """The points in their places, x to the right and y upwards, and their labels."""
    x, y = PlotAxis.over([point.x for point in data]), PlotAxis.over([point.y for point in data])
    points = [PlacedPoint(point, across(x, point.x), down(y, point.y)) for point in data]
    labels: list[PointLabel] = []
    unlabelled = 0
    for cluster in sorted(_clusters(points), key=len, reverse=True):
        label = _free_label(cluster, points, labels)
        if label is None:
            unlabelled += len(cluster)
        else:
            labels.append(label)
    return ScatterPlot(x, y, tuple(points), tuple(labels), unlabelled)


def across(axis: PlotAxis, value: float) -> float:
    """The x of a value."""
    return FRAME.left + axis.place(value) * (FRAME.right - FRAME.left)


def down(axis: PlotAxis, value: float) -> float:
    """The y of a value."""
    return FRAME.bottom - axis.place(value) * (FRAME.bottom - FRAME.top)


def _clusters(points: Sequence[PlacedPoint]) -> list[list[PlacedPoint]]:
    """The points in groups, each around its first."""
    clusters: list[list[PlacedPoint]] = []
    for point in points:
        near = (cluster for cluster in clusters if hypot(cluster[0].x - point.x, cluster[0].y - point.y) <= NEAR)
        cluster = next(near, None)
        if cluster is None:
            clusters.append([point])
        else:
            cluster.append(point)
    return clusters


def _free_label(
    cluster: Sequence[PlacedPoint], points: Sequence[PlacedPoint], labels: Sequence[PointLabel]
) -> PointLabel | None:
    """The label of a cluster in the first place that is free, with a line to it that is free."""
    boxes = [label.box for label in labels]
    occupied = [*(point.box for point in points), *boxes]
    in_the_way = [*(point.box for point in points if point not in cluster), *boxes]
    for label in _candidates(cluster):
        free = _inside(label.box) and not any(overlap(label.box, box) for box in occupied)
        crossing = any(label.crosses(box) for box in in_the_way) or any(other.crosses(label.box) for other in labels)
        if free and not crossing:
            return label
    return None


def _candidates(cluster: Sequence[PlacedPoint]) -> Iterator[PointLabel]:
    names = [point.data.name for point in cluster]
    more = [f"and {len(names) - MAX_LINES + 1} more"]
    lines = tuple(names if len(names) <= MAX_LINES else names[: MAX_LINES - 1] + more)
    width, height = _size(lines)
    x = sum(point.x for point in cluster) / len(cluster)
    y = sum(point.y for point in cluster) / len(cluster)
    for reach in (RADIUS + away for away in AWAY):
        for right, below in SIDES:
            left = x + right * reach - (0 if right > 0 else width if right < 0 else width / 2)
            top = y + below * reach - (0 if below > 0 else height if below < 0 else height / 2)
            yield PointLabel(lines, left, top, x, y)


def _size(lines: Sequence[str]) -> tuple[float, float]:
    return max(text_width(line, "name") for line in lines), len(lines) * LINE * FONT["name"]


def _inside(box: Box) -> bool:
    within = ROOM.left <= box.left and box.right <= ROOM.right
    return within and ROOM.top <= box.top and box.bottom <= ROOM.bottom


def overlap(one: Box, other: Box) -> bool:
    """Whether two boxes share more than an edge."""
    beside = one.left < other.right and other.left < one.right
    return beside and one.top < other.bottom and other.top < one.bottom
