"""A table of networks and their figures: a row for each network."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from vggc.authoring.network_figures import FIGURES, Figure, Value, file_of
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
)  # unless the user asks for others


@dataclass(frozen=True, slots=True)
class Row:
    """A network and its figures; its name is unique in the table."""

    name: str
    network: Network
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class ComparisonTable:
    """The table: its columns are figures, its rows networks."""

    figures: tuple[Figure, ...]
    rows: tuple[Row, ...]

    @property
    def labels(self) -> list[str]:
        """The headings of the columns, that of the names first."""
        return ["name", *(figure.label for figure in self.figures)]

    def text_rows(self) -> list[list[str]]:
        """The name of each network and its figures in words."""
        return [
            [row.name, *(figure.text(value) for figure, value in zip(self.figures, row.values, strict=True))]
            for row in self.rows
        ]


def compare_networks(
    networks: Sequence[Network], columns: Iterable[str] = COLUMNS, sort: str | None = None, reverse: bool = False
) -> ComparisonTable:
    """The table of networks.

    Args:
        networks: the rows, in their order unless `sort` is given.
        columns: keys of `FIGURES`.
        sort: the key of the figure to sort by, ascending, or `name`; networks without that figure come last.
        reverse: whether the order is reversed.
    """
    figures = tuple(FIGURES[key] for key in columns)
    rows = [
        Row(name, network, tuple(figure.of(network) for figure in figures))
        for name, network in zip(_names(networks), networks, strict=True)
    ]
    if sort is not None:
        key: Callable[[Network], Any] = FIGURES[sort].of if sort in FIGURES else lambda network: network.name
        known = [row for row in rows if key(row.network) is not None]
        unknown = [row for row in rows if key(row.network) is None]
        rows = [*sorted(known, key=lambda row: key(row.network), reverse=reverse), *unknown]
    elif reverse:
        rows.reverse()
    return ComparisonTable(figures, tuple(rows))


def _names(networks: Sequence[Network]) -> Iterator[str]:
    """The names, with the file where several networks have the same name."""
    counts = Counter(network.name for network in networks)
    for network in networks:
        yield network.name if counts[network.name] == 1 else f"{network.name} ({file_of(network)})"
