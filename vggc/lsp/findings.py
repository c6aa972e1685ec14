"""What is wrong -> the protocol's diagnostics. One that lies in a parent stands where the child is to blame for it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lsprotocol import types

from vggc.base.diagnostics import Diagnostic, Note, Span
from vggc.lsp.analysis import Analysis
from vggc.lsp.positions import Positions

_SEVERITIES: Final = {"error": types.DiagnosticSeverity.Error, "warning": types.DiagnosticSeverity.Warning}
_NEEDLESS: Final = ("E107",)  # what an editor may show faded: it has no effect


def findings(analysis: Analysis, uri: str, positions: Positions) -> list[types.Diagnostic]:
    """The diagnostics of a spec, in the order of the text."""
    return [_finding(each, analysis, uri, positions) for each in analysis.diagnostics]


def own_place(diagnostic: Diagnostic, analysis: Analysis) -> Span:
    """Where in this text a diagnostic is shown: the nearest of its places, or the beginning."""
    own = (place for place in diagnostic.places if place.source is analysis.source)
    return next(own, Span(analysis.source, 0, 0, 0, 0))


def _finding(diagnostic: Diagnostic, analysis: Analysis, uri: str, positions: Positions) -> types.Diagnostic:
    span = diagnostic.span
    inherited = span is not None and span.source is not analysis.source
    message = f"{span}: {diagnostic.message}" if inherited else diagnostic.message
    lines = [message, *(f"{note.label}: {note.text}" for note in diagnostic.notes)]
    return types.Diagnostic(
        range=positions.range(own_place(diagnostic, analysis)),
        message="\n".join(lines),
        severity=_SEVERITIES[diagnostic.severity],
        code=diagnostic.code,
        source="vggc",
        tags=[types.DiagnosticTag.Unnecessary] if diagnostic.code in _NEEDLESS else None,
        related_information=list(_related(diagnostic, analysis, uri, positions)) or None,
    )


def _related(
    diagnostic: Diagnostic, analysis: Analysis, uri: str, positions: Positions
) -> Iterator[types.DiagnosticRelatedInformation]:
    """The place in a parent, the `extends` on the way there, and the places that notes speak of."""
    places = [Note("note", diagnostic.message, diagnostic.span)] if diagnostic.span is not None else []
    if diagnostic.span is not None:
        places += [Note("note", "inherited here", origin) for origin in diagnostic.span.origins[:-1]]
    if diagnostic.span is None or diagnostic.span.source is analysis.source:
        places = []
    shown = own_place(diagnostic, analysis)
    for note in (*places, *diagnostic.notes):
        if (
            note.span not in (None, shown)
            and (location := location_of(note.span, analysis, uri, positions)) is not None
        ):
            yield types.DiagnosticRelatedInformation(location, note.text)


def location_of(span: Span, analysis: Analysis, uri: str, positions: Positions) -> types.Location | None:
    """A place as the protocol names it; None where it lies in no file."""
    if span.source is analysis.source:
        return types.Location(uri, positions.range(span))
    return None if span.source.path is None else types.Location(uri_of(span.source.path), positions.range(span))


def uri_of(path: Path) -> str:
    """A file as the protocol names it."""
    return path.resolve().as_uri()
