"""Places in source text, and what is wrong there.

A `Span` is a value: it is made once, while reading, and carried by everything that comes from that place, so that an
error found long after the reading still points at the line that caused it.
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
    """A text and the name people know it by.

    `included_from` is the `extends` that asked for it, if one did; `path` the file that it was read from, if any.
    `elsewhere` says that this is no file of the author's: a stock spec, the command line, or standard input.
    """

    name: str
    text: str
    included_from: "Span | None" = None
    path: Path | None = None
    elsewhere: bool = False

    @cached_property
    def lines(self) -> list[str]:
        """The lines without their ends; YAML's line breaks, which are fewer than Python's."""
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
        found: list[Span] = []
        parent = self.source.included_from
        while parent is not None:
            found.append(parent)
            parent = parent.source.included_from
        return found


class Note(NamedTuple):
    """A line below the source excerpt: a trace, a help, another place, which is `span` where the note names one."""

    label: str
    text: str
    span: Span | None = None


@dataclass(frozen=True)
class Diagnostic:
    """One cause, one message: a code of `vggc.base.codes`, a sentence, and the place it speaks of (None: no place)."""

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
        """Where one can look or mend, the nearest first: its place, those of its notes, the `extends` on the way."""
        if self.span is None:
            return []
        return [self.span, *(note.span for note in self.notes if note.span is not None), *self.span.origins]

    @property
    def own_place(self) -> Span | None:
        """The nearest of its places that lies in a file of the author's, if one does."""
        return next((place for place in self.places if not place.source.elsewhere), None)

    def __str__(self) -> str:
        place = f"{self.span}: " if self.span else ""
        return f"{place}{self.severity}[{self.code}]: {self.message}"


class SpecError(ValueError):
    """A spec is wrong; `diagnostics` holds everything that was found, in the order of the text."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = _first(in_text_order(diagnostics))
        super().__init__("\n".join(str(each) for each in self.diagnostics))


def in_text_order(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Sorted by place within each source; the sources stay in the order in which they first appear."""
    found = list(diagnostics)
    rank: dict[str, int] = {}
    for each in found:
        rank.setdefault(each.span.source.name if each.span else "", len(rank))

    def place(each: Diagnostic) -> tuple[int, int, int]:
        span = each.span
        return (rank[span.source.name], span.line, span.column) if span else (-1, 0, 0)

    return sorted(found, key=place)


def _first(found: list[Diagnostic]) -> list[Diagnostic]:
    """The first hundred: nobody reads more, and a terminal would scroll the first ones away."""
    if len(found) <= MAX_DIAGNOSTICS:
        return found
    message = f"there are more errors than the {MAX_DIAGNOSTICS} above"
    more = Diagnostic("E009", message, found[MAX_DIAGNOSTICS].span, (Note("help", "mend those first"),))
    return [*found[:MAX_DIAGNOSTICS], more]


def nearest(word: str, legal: Iterable[str]) -> str | None:
    """The legal word that `word` was probably meant to be."""
    from difflib import get_close_matches

    wanted = word[:MAX_QUOTE].lower()
    folded = {each.lower(): each for each in legal}
    close = get_close_matches(wanted, folded, n=5, cutoff=0.6)
    # Two letters in the wrong order are likelier than a wrong letter.
    close.sort(key=lambda each: sorted(each) != sorted(wanted))
    return folded[close[0]] if close else None


def help_word(word: str, legal: Sequence[str], what: str) -> Note:
    """The note that ends a search for the right word: the nearest one, or all of them."""
    meant = nearest(word, legal)
    if meant is not None:
        return Note("help", f"did you mean `{meant}`?")
    return Note("help", f"{what}: {', '.join(legal)}")
