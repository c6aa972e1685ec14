"""Diagnostics as text, JSON, SARIF and GitHub's annotations: a file and a line in the table for each format."""

from collections.abc import Callable, Sequence
from typing import Final

from vggc.base.diagnostics import Diagnostic
from vggc.cli.reporters import github_report, json_report, sarif_report, text_report

# By the word after --format. A format may give an empty text where there are no diagnostics; then nothing is printed.
FORMATS: Final[dict[str, Callable[[Sequence[Diagnostic]], str]]] = {
    "text": text_report.emit,
    "json": json_report.emit,
    "sarif": sarif_report.emit,
    "github": github_report.emit,
}
