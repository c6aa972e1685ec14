"""What all formats say of a diagnostic besides its message."""

from vggc.base.diagnostics import Diagnostic, Note
from vggc.base.words import printable


def notes(diagnostic: Diagnostic) -> list[Note]:
    """The notes, after the `extends` lines through which an inherited place came to be part of the spec."""
    origins = diagnostic.span.origins if diagnostic.span else []
    return [*(Note("note", f"inherited by {origin}") for origin in origins), *diagnostic.notes]


def paragraph(diagnostic: Diagnostic) -> str:
    """The message and the notes, a line each; with the place if that is in none of the user's files."""
    span = diagnostic.span
    place = f"{span}: " if span is not None and span.source.elsewhere else ""
    lines = [f"{place}{diagnostic.message}", *(f"{note.label}: {note.text}" for note in notes(diagnostic))]
    return "\n".join(printable(line) for line in lines)
