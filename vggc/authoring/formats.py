"""The formats of `vggc diff` and `vggc compare`: a file and a line in a table for each."""

from collections.abc import Callable
from typing import Final

from vggc.authoring import (
    compare_csv,
    compare_json,
    compare_markdown,
    compare_text,
    diff_json,
    diff_markdown,
    diff_text,
)
from vggc.authoring.comparing import ComparisonTable
from vggc.authoring.diffing import Difference

DIFF_FORMATS: Final[dict[str, Callable[[Difference], str]]] = {
    "text": diff_text.emit,
    "json": diff_json.emit,
    "markdown": diff_markdown.emit,
}
COMPARE_FORMATS: Final[dict[str, Callable[[ComparisonTable], str]]] = {
    "text": compare_text.emit,
    "markdown": compare_markdown.emit,
    "csv": compare_csv.emit,
    "json": compare_json.emit,
}
