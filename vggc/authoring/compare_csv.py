"""A table of networks for a spreadsheet."""

import csv
import io

from vggc.authoring.comparing import ComparisonTable
from vggc.base.words import compact


def emit(comparison: ComparisonTable) -> str:
    """The whole text: bare numbers, shapes as 3x224x224, nothing where there is no value."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["name", *(figure.key for figure in comparison.figures)])
    for row in comparison.rows:
        writer.writerow([row.name, *(compact(value) if isinstance(value, tuple) else value for value in row.values)])
    return file.getvalue()
