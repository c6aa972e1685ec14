"""A table of networks for a page or a pull request."""

from vggc.authoring.comparing import ComparisonTable
from vggc.authoring.markdown import code, table


def emit(comparison: ComparisonTable) -> str:
    """The whole text; the names of the networks are code."""
    rows = ([code(name), *cells] for name, *cells in comparison.text_rows())
    return "\n".join(table(comparison.labels, rows, "-" + "r" * len(comparison.figures))) + "\n"
