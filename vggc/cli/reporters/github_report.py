"""Diagnostics as GitHub's workflow commands, which GitHub shows beside the changed lines."""

from collections.abc import Iterable

from vggc.base.diagnostics import Diagnostic
from vggc.base.words import printable
from vggc.cli.reporters.notes import paragraph


def emit(diagnostics: Iterable[Diagnostic]) -> str:
    """One line for each diagnostic; an error in a stock spec is placed where a file of the user's refers to it."""
    return "\n".join(_annotation(diagnostic) for diagnostic in diagnostics)


def _annotation(diagnostic: Diagnostic) -> str:
    span = diagnostic.own_place
    properties = {"title": diagnostic.code}
    if span is not None:
        name = printable(span.source.name)
        properties |= {"file": name, "line": str(span.line + 1), "col": str(span.column + 1)}
    described = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{diagnostic.severity} {described}::{_escaped(paragraph(diagnostic))}"


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
