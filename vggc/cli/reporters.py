"""Diagnostics as text for people, as JSON, as SARIF 2.1.0, and as GitHub's annotations."""

import json
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import PurePath
from typing import Any, Final

from vggc.base.codes import CODES
from vggc.base.diagnostics import Diagnostic, Note, Span
from vggc.base.version import __version__
from vggc.base.words import plural, printable

MAX_WIDTH: Final = 140  # of a source line; longer ones are cut around the place


def notes(diagnostic: Diagnostic) -> list[Note]:
    """The notes, and the way by which an inherited place came to be part of the spec."""
    origins = diagnostic.span.origins if diagnostic.span else []
    return [*(Note("note", f"inherited by {origin}") for origin in origins), *diagnostic.notes]


# --- text --------------------------------------------------------------------------------------------------------


def report(diagnostics: Sequence[Diagnostic], color: bool = False) -> str:
    """What a person reads on the terminal: every diagnostic, how many there are, and where to learn more."""
    return f"{text(diagnostics, color)}\n\n{_totals(diagnostics)}\n"


def _totals(diagnostics: Sequence[Diagnostic]) -> str:
    counts = []
    for severity in ("error", "warning"):
        number = sum(each.severity == severity for each in diagnostics)
        if number:
            counts.append(plural(number, severity))
    codes = sorted({each.code for each in diagnostics})
    return f"{' and '.join(counts)}; to know more: vggc explain {' '.join(codes)}"


def text(diagnostics: Sequence[Diagnostic], color: bool = False) -> str:
    """Each with its place, its line, a caret, and its notes."""
    paint = _paint if color else _plain
    blocks = ["\n".join(_block(each, paint)) for each in diagnostics]
    return "\n\n".join(blocks)


Paint = Callable[[str, str], str]

_COLORS: Final = {"error": "\x1b[1;31m", "warning": "\x1b[1;33m", "bold": "\x1b[1m", "frame": "\x1b[34m"}


def _paint(style: str, words: str) -> str:
    return f"{_COLORS[style]}{words}\x1b[0m"


def _plain(_: str, words: str) -> str:
    return words


def _block(diagnostic: Diagnostic, paint: Paint) -> Iterator[str]:
    head = paint(diagnostic.severity, f"{diagnostic.severity}[{diagnostic.code}]")
    yield head + paint("bold", f": {printable(diagnostic.message)}")
    span = diagnostic.span
    gutter = "" if span is None else " " * len(str(span.line + 1))
    if span is not None:
        yield f"{gutter}{paint('frame', '-->')} {printable(str(span))}"
        yield from _excerpt(span, gutter, paint)
    for note in notes(diagnostic):
        yield f"{gutter} {paint('frame', '=')} {note.label}: {printable(note.text)}"


def _excerpt(span: Span, gutter: str, paint: Paint) -> Iterator[str]:
    lines = span.source.lines
    if span.line >= len(lines) or not lines[span.line].strip():
        return
    line = lines[span.line]
    end = span.end_column if span.end_line == span.line else len(line.split(" #")[0].rstrip())
    line, start, end = _cut(line, span.column, max(end, span.column + 1))
    line = _visible(line)
    carets = "^" * max(1, _cells(line[start:end]))
    yield f"{gutter} {paint('frame', '|')}"
    yield f"{paint('frame', f'{span.line + 1} |')} {line}"
    yield f"{gutter} {paint('frame', '|')} {' ' * _cells(line[:start])}{paint('error', carets)}"


def _visible(line: str) -> str:
    """Tabs as one space, and what a terminal would act upon as a replacement character; the columns stay."""
    return "".join(" " if char == "\t" else char if char.isprintable() else "\ufffd" for char in line)


def _cells(line: str) -> int:
    """How many cells of a terminal the text fills: none for accents that combine, two for wide characters."""
    if line.isascii():
        return len(line)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in line
    )


def _cut(line: str, start: int, end: int) -> tuple[str, int, int]:
    """A window of a long line around a place, and the place in it."""
    if len(line) <= MAX_WIDTH:
        return line, start, min(end, max(len(line), start + 1))
    first = max(0, start - MAX_WIDTH // 2)
    window = line[first : first + MAX_WIDTH]
    prefix = "..." if first else ""
    suffix = "..." if first + MAX_WIDTH < len(line) else ""
    begin = start - first + len(prefix)
    return f"{prefix}{window}{suffix}", begin, min(end - first + len(prefix), len(prefix) + len(window))


# --- formats for machines ----------------------------------------------------------------------------------------


def to_json(diagnostics: Iterable[Diagnostic]) -> str:
    """One JSON array in ASCII; lines and columns count from 1, the end is exclusive."""
    return json.dumps([_record(each) for each in diagnostics], indent=1)


def _record(diagnostic: Diagnostic) -> dict[str, Any]:
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


def _paragraph(diagnostic: Diagnostic) -> str:
    """The message and the notes, a line each; the place before it where that is in no file of the author's."""
    span = diagnostic.span
    place = f"{span}: " if span is not None and span.source.elsewhere else ""
    lines = [f"{place}{diagnostic.message}", *(f"{note.label}: {note.text}" for note in notes(diagnostic))]
    return "\n".join(printable(line) for line in lines)


def github(diagnostics: Iterable[Diagnostic]) -> str:
    """Workflow commands, one line each, which GitHub shows beside the changed lines.

    What is wrong in a stock spec stands where a file of the author's makes use of it.
    """
    return "\n".join(_annotation(each) for each in diagnostics)


def _annotation(diagnostic: Diagnostic) -> str:
    span = diagnostic.own_place
    properties = {"title": diagnostic.code}
    if span is not None:
        name = printable(span.source.name)
        properties |= {"file": name, "line": str(span.line + 1), "col": str(span.column + 1)}
    described = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{diagnostic.severity} {described}::{_escaped(_paragraph(diagnostic))}"


def _property(words: str) -> str:
    return _escaped(words).replace(":", "%3A").replace(",", "%2C")


def _escaped(words: str) -> str:
    return words.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def sarif(diagnostics: Sequence[Diagnostic]) -> str:
    """A SARIF 2.1.0 log with one run (OASIS, 2020); places as in GitHub's annotations."""
    rules = [
        {
            "id": code,
            "shortDescription": {"text": CODES[code].title},
            "fullDescription": {"text": CODES[code].explanation},
        }
        for code in sorted({each.code for each in diagnostics})
    ]
    run = {
        "tool": {"driver": {"name": "vggc", "version": __version__, "rules": rules}},
        "columnKind": "unicodeCodePoints",
        "results": [_result(each) for each in diagnostics],
    }
    return json.dumps(
        {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}, indent=1
    )


def _result(diagnostic: Diagnostic) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": diagnostic.code,
        "level": diagnostic.severity,
        "message": {"text": _paragraph(diagnostic)},
    }
    if (place := diagnostic.own_place) is not None:
        result["locations"] = [_location(place)]
        origins = diagnostic.span.origins if diagnostic.span is not None else []
        if related := [each for each in origins if each != place and not each.source.elsewhere]:
            result["relatedLocations"] = [{**_location(each), "message": {"text": "inherited"}} for each in related]
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


FORMATS: Final[dict[str, Callable[[Sequence[Diagnostic]], str]]] = {
    "text": text,
    "json": to_json,
    "sarif": sarif,
    "github": github,
}
