"""A table of networks for other programs."""

import json

from vggc.authoring.comparing import ComparisonTable


def emit(comparison: ComparisonTable) -> str:
    """A list of objects, with the keys of `vggc shapes --json`."""
    keys = [figure.key for figure in comparison.figures]
    rows = [{"name": row.name, **dict(zip(keys, row.values, strict=True))} for row in comparison.rows]
    return json.dumps(rows, indent=1) + "\n"
