"""`vggc compare`: a table of networks, a row each, in the order asked for."""

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from vggc.authoring.diff_markdown import code, table
from vggc.authoring.network_figures import FIGURES, Figure, Value, file_of
from vggc.backends.text.text_summary import aligned
from vggc.base.words import compact, plural
from vggc.drawing import scatter_svg
from vggc.drawing.scatter import DataPoint
from vggc.ir.network import Network

COLUMNS: Final = (
    "params",
    "macs",
    "weight_bytes",
    "peak_activation_bytes",
    "activation_bytes",
    "flatten",
    "min_input",
    "receptive_field",
    "depth",
)  # unless others are asked for


@dataclass(frozen=True, slots=True)
class Row:
    """A network and its figures; the name tells it from those of other files."""

    name: str
    network: Network
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The table: what its columns are, and its rows in order."""

    figures: tuple[Figure, ...]
    rows: tuple[Row, ...]


def compare(
    networks: Sequence[Network], columns: Iterable[str] = COLUMNS, sort: str | None = None, reverse: bool = False
) -> Comparison:
    """The table of networks.

    Args:
        networks: in the order in which they stand unless they are sorted.
        columns: keys of `FIGURES`.
        sort: the key of the figure by which the rows ascend, or `name`; networks without it stand last.
        reverse: whether they descend instead.
    """
    figures = tuple(FIGURES[key] for key in columns)
    rows = [
        Row(name, network, tuple(figure.of(network) for figure in figures))
        for name, network in zip(_names(networks), networks, strict=True)
    ]
    if sort is not None:
        of: Callable[[Network], Any] = FIGURES[sort].of if sort in FIGURES else lambda network: network.name
        having = [row for row in rows if of(row.network) is not None]
        rest = [row for row in rows if of(row.network) is None]
        rows = [*sorted(having, key=lambda row: of(row.network), reverse=reverse), *rest]
    elif reverse:
        rows.reverse()
    return Comparison(figures, tuple(rows))


def _names(networks: Sequence[Network]) -> Iterator[str]:
    """The names, and the files of those that have the same."""
    counts = Counter(network.name for network in networks)
    for network in networks:
        yield network.name if counts[network.name] == 1 else f"{network.name} ({file_of(network)})"


def _texts(row: Row, figures: Iterable[Figure]) -> list[str]:
    return [figure.shown(value) for figure, value in zip(figures, row.values, strict=True)]


def text(comparison: Comparison) -> str:
    """The table for a terminal."""
    figures = comparison.figures
    rows = [
        ["name", *(figure.label for figure in figures)],
        *([row.name, *_texts(row, figures)] for row in comparison.rows),
    ]
    return "\n".join(aligned(rows, [False] + [True] * len(figures))) + "\n"


def markdown(comparison: Comparison) -> str:
    """The table for a page or a pull request."""
    figures = comparison.figures
    heading = ["name", *(figure.label for figure in figures)]
    rows = ([code(row.name), *_texts(row, figures)] for row in comparison.rows)
    return "\n".join(table(heading, rows, "-" + "r" * len(figures))) + "\n"


def comma_separated(comparison: Comparison) -> str:
    """The table for a spreadsheet: bare numbers, shapes as 3x224x224, nothing where there is no value."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["name", *(figure.key for figure in comparison.figures)])
    for row in comparison.rows:
        cells = (compact(value) if isinstance(value, tuple) else value for value in row.values)
        writer.writerow([row.name, *cells])
    return file.getvalue()


def as_json(comparison: Comparison) -> str:
    """The table as a list of objects, with the keys of `vggc shapes --json`."""
    keys = [figure.key for figure in comparison.figures]
    rows = [{"name": row.name, **dict(zip(keys, row.values, strict=True))} for row in comparison.rows]
    return json.dumps(rows, indent=1) + "\n"


def picture(comparison: Comparison) -> str:
    """The params of every network to the right and its MACs upwards, as the text of an SVG file."""
    points = [DataPoint(row.name, row.network.params, row.network.macs) for row in comparison.rows]
    title = f"Params and MACs of {plural(len(points), 'network')}"
    return scatter_svg.emit(points, scatter_svg.PlotTexts(title, "params", "MACs"))


FORMATS: Final[dict[str, Callable[[Comparison], str]]] = {
    "text": text,
    "markdown": markdown,
    "csv": comma_separated,
    "json": as_json,
}
