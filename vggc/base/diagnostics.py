"""Places in source text, and what is wrong there.

A `Span` is created once, by the reader, and kept by everything that comes from that place, so that a late error still
points at the line that caused it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final, Literal, NamedTuple

from vggc.base.words import MAX_QUOTE

MAX_DIAGNOSTICS: Final = 100

Severity = Literal["error", "warning"]


@dataclass(frozen=True, eq=False)
class Source:
    """A text and its name for the user.

    `included_from` is the `extends` that names it, and `path` the file that it was read from, if any. `elsewhere` marks
    what is not a file of the user's: a stock spec, the command line, or standard input.
    """

    name: str
    text: str
    included_from: "Span | None" = None
    path: Path | None = None
    elsewhere: bool = False

    @cached_property
    def lines(self) -> list[str]:
        """The lines without their ends, by YAML's line breaks, which are fewer than Python's."""
        return self.text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


class Span(NamedTuple):
    """A stretch of a source; lines and columns count from 0, `end` is exclusive."""

    source: Source
    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return f"{self.source.name}:{self.line + 1}:{self.column + 1}"

    @property
    def origins(self) -> list["Span"]:
        """The `extends` lines through which this place came to be part of the spec, the nearest first."""
        parent = self.source.included_from
        return [] if parent is None else [parent, *parent.origins]


class Note(NamedTuple):
    """A line below the source excerpt, such as a trace or a help; `span` is the place that it names, if any."""

    label: str
    text: str
    span: Span | None = None


@dataclass(frozen=True)
class Diagnostic:
    """One cause, one message: a code of `vggc.base.codes`, a sentence, and its place, if it has one."""

    code: str
    message: str
    span: Span | None = None
    notes: tuple[Note, ...] = field(default=())

    @property
    def severity(self) -> Severity:
        """`error` or `warning`; the letter of the code says which."""
        return "warning" if self.code.startswith("W") else "error"

    @property
    def places(self) -> list[Span]:
        """Where the user can look, the nearest first: its place, those of its notes, the `extends` lines."""
        if self.span is None:
            return []
        return [self.span, *(note.span for note in self.notes if note.span is not None), *self.span.origins]

    @property
    def own_place(self) -> Span | None:
        """The nearest of its places in a file of the user's, if there is one."""
        return next((place for place in self.places if not place.source.elsewhere), None)

    def __str__(self) -> str:
        place = f"{self.span}: " if self.span else ""
        return f"{place}{self.severity}[{self.code}]: {self.message}"


class SpecError(ValueError):
    """A spec is wrong; `diagnostics` has all its mistakes, in the order of the text."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = _first(in_text_order(diagnostics))
        super().__init__("\n".join(map(str, self.diagnostics)))


def in_text_order(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Sorted by place within each source; the sources stay in the order of their first diagnostics."""
    unordered = list(diagnostics)
    rank: dict[str, int] = {}
    for diagnostic in unordered:
        rank.setdefault(diagnostic.span.source.name if diagnostic.span else "", len(rank))

    def place(diagnostic: Diagnostic) -> tuple[int, int, int]:
        span = diagnostic.span
        return (rank[span.source.name], span.line, span.column) if span else (-1, 0, 0)

    return sorted(unordered, key=place)


def _first(diagnostics: list[Diagnostic]) -> list[Diagnostic]:
    """The first hundred; in a terminal more would scroll the first ones away."""
    if len(diagnostics) <= MAX_DIAGNOSTICS:
        return diagnostics
    message = f"there are more errors than the {MAX_DIAGNOSTICS} above"
    more = Diagnostic("E009", message, diagnostics[MAX_DIAGNOSTICS].span, (Note("help", "correct those first"),))
    return [*diagnostics[:MAX_DIAGNOSTICS], more]


def nearest(word: str, legal: Iterable[str]) -> str | None:
    """The legal word that the user probably meant."""
    from difflib import get_close_matches

    typed = word[:MAX_QUOTE].lower()
    by_lower_case = {name.lower(): name for name in legal}
    close = get_close_matches(typed, by_lower_case, n=5, cutoff=0.6)
    # Two letters in the wrong order are likelier than a wrong letter.
    close.sort(key=lambda name: sorted(name) != sorted(typed))
    return by_lower_case[close[0]] if close else None


def help_word(word: str, legal: Sequence[str], what: str) -> Note:
    """The note about an unknown word: the nearest legal one, or all of them after `what`."""
    meant = nearest(word, legal)
    if meant is not None:
        return Note("help", f"did you mean `{meant}`?")
    return Note("help", f"{what}: {', '.join(legal)}")
