"""A table of networks as a picture."""

from vggc.authoring.comparing import ComparisonTable
from vggc.base.words import plural
from vggc.drawing import scatter_svg
from vggc.drawing.scatter import DataPoint


def emit(comparison: ComparisonTable) -> str:
    """The text of an SVG file, with the params of every network to the right and its MACs upwards."""
    points = [DataPoint(row.name, row.network.params, row.network.macs) for row in comparison.rows]
    title = f"Params and MACs of {plural(len(points), 'network')}"
    return scatter_svg.emit(points, scatter_svg.PlotTexts(title, "params", "MACs"))
