"""Diagnostics in the form of the protocol. One about a parent is shown at the `extends` of the child."""

from collections.abc import Iterator
from typing import Final

from lsprotocol import types

from vggc.base.diagnostics import Diagnostic, Note, Span
from vggc.lsp.positions import Positions
from vggc.lsp.spec_analysis import Analysis

_SEVERITIES: Final = {"error": types.DiagnosticSeverity.Error, "warning": types.DiagnosticSeverity.Warning}
UNNECESSARY: Final = ("E107",)  # about a key that has no effect, which an editor may show faded


def lsp_diagnostics(analysis: Analysis, uri: str, positions: Positions) -> list[types.Diagnostic]:
    """The diagnostics of a spec, in the order of the text."""
    return [_lsp_diagnostic(diagnostic, analysis, uri, positions) for diagnostic in analysis.diagnostics]


def place_in_text(diagnostic: Diagnostic, analysis: Analysis) -> Span:
    """Where a diagnostic is shown in this text: the nearest of its places, or the beginning."""
    places = (place for place in diagnostic.places if place.source is analysis.source)
    return next(places, Span(analysis.source, 0, 0, 0, 0))


def _is_inherited(diagnostic: Diagnostic, analysis: Analysis) -> bool:
    return diagnostic.span is not None and diagnostic.span.source is not analysis.source


def _lsp_diagnostic(diagnostic: Diagnostic, analysis: Analysis, uri: str, positions: Positions) -> types.Diagnostic:
    place = f"{diagnostic.span}: " if _is_inherited(diagnostic, analysis) else ""
    lines = [f"{place}{diagnostic.message}", *(f"{note.label}: {note.text}" for note in diagnostic.notes)]
    return types.Diagnostic(
        range=positions.range(place_in_text(diagnostic, analysis)),
        message="\n".join(lines),
        severity=_SEVERITIES[diagnostic.severity],
        code=diagnostic.code,
        source="vggc",
        tags=[types.DiagnosticTag.Unnecessary] if diagnostic.code in UNNECESSARY else None,
        related_information=list(_related(diagnostic, analysis, uri, positions)) or None,
    )


def _related(
    diagnostic: Diagnostic, analysis: Analysis, uri: str, positions: Positions
) -> Iterator[types.DiagnosticRelatedInformation]:
    """The place in a parent, the `extends` that lead there, and the places of the notes."""
    notes = list(diagnostic.notes)
    if diagnostic.span is not None and _is_inherited(diagnostic, analysis):
        inherited = [Note("note", "inherited here", origin) for origin in diagnostic.span.origins[:-1]]
        notes = [Note("note", diagnostic.message, diagnostic.span), *inherited, *notes]
    for note in notes:
        if note.span is None or note.span == place_in_text(diagnostic, analysis):
            continue
        if (location := location_of(note.span, analysis, uri, positions)) is not None:
            yield types.DiagnosticRelatedInformation(location, note.text)


def location_of(span: Span, analysis: Analysis, uri: str, positions: Positions) -> types.Location | None:
    """A span as a location of the protocol; None if it is in no file."""
    if span.source is analysis.source:
        return types.Location(uri, positions.range(span))
    path = span.source.path
    return None if path is None else types.Location(path.resolve().as_uri(), positions.range(span))
