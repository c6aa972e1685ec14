"""Diagnostics as JSON, for other programs."""

import json
from collections.abc import Iterable
from typing import Any

from vggc.base.diagnostics import Diagnostic
from vggc.cli.reporters.notes import notes


def emit(diagnostics: Iterable[Diagnostic]) -> str:
    """One JSON array in ASCII; lines and columns count from 1, the end is exclusive."""
    return json.dumps([_data(diagnostic) for diagnostic in diagnostics], indent=1)


def _data(diagnostic: Diagnostic) -> dict[str, Any]:
    span = diagnostic.span
    place = None
    if span is not None:
        place = {
            "file": span.source.name,
            "line": span.line + 1,
            "column": span.column + 1,
            "end_line": span.end_line + 1,
            "end_column": span.end_column + 1,
        }
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        "place": place,
        "notes": [{"label": note.label, "text": note.text} for note in notes(diagnostic)],
    }
