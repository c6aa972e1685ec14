"""Diagnostics as a SARIF 2.1.0 log (OASIS, 2020), for code scanning."""

import json
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from vggc.base.codes import CODES
from vggc.base.diagnostics import Diagnostic, Span
from vggc.base.version import __version__
from vggc.cli.reporters.notes import paragraph


def emit(diagnostics: Sequence[Diagnostic]) -> str:
    """A log with one run; an error in a stock spec is placed where a file of the user's refers to it."""
    codes = sorted({diagnostic.code for diagnostic in diagnostics})
    run = {
        "tool": {"driver": {"name": "vggc", "version": __version__, "rules": [_rule(code) for code in codes]}},
        "columnKind": "unicodeCodePoints",
        "results": [_result(diagnostic) for diagnostic in diagnostics],
    }
    log = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=1)


def _rule(code: str) -> dict[str, Any]:
    texts = {"shortDescription": CODES[code].title, "fullDescription": CODES[code].explanation}
    return {"id": code, **{key: {"text": text} for key, text in texts.items()}}


def _result(diagnostic: Diagnostic) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": diagnostic.code,
        "level": diagnostic.severity,
        "message": {"text": paragraph(diagnostic)},
    }
    if (place := diagnostic.own_place) is not None:
        result["locations"] = [_location(place)]
        origins = diagnostic.span.origins if diagnostic.span is not None else []
        if related := [origin for origin in origins if origin != place and not origin.source.elsewhere]:
            result["relatedLocations"] = [{**_location(span), "message": {"text": "inherited"}} for span in related]
    return result


def _location(span: Span) -> dict[str, Any]:
    from urllib.parse import quote

    region = {
        "startLine": span.line + 1,
        "startColumn": span.column + 1,
        "endLine": span.end_line + 1,
        "endColumn": span.end_column + 1,
    }
    uri = quote(PurePath(span.source.name).as_posix(), errors="surrogateescape")
    return {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": region}}
