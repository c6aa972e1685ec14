"""A table of networks for a terminal."""

from vggc.authoring.comparing import ComparisonTable
from vggc.backends.text.text_summary import aligned


def emit(comparison: ComparisonTable) -> str:
    """The whole text: a row for each network, a column for each figure."""
    rows = [comparison.labels, *comparison.text_rows()]
    return "\n".join(aligned(rows, [False] + [True] * len(comparison.figures))) + "\n"
