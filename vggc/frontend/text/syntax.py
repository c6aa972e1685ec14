"""What is not YAML, in words that a person can act on.

The reader knows only where it gave up. For a bracket or a quote that is never closed, that place is far below the
mistake; there, the place that is shown is the one where the unfinished thing begins.
"""

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import yaml

from vggc.base.diagnostics import Diagnostic, Note, Source, Span, SpecError
from vggc.base.words import quoted

MAX_KEY: Final = 1024  # characters, before the reader asks for the colon

Mark = Any  # of PyYAML; the two parsers have one each, with `line` and `column`


class _Failure(NamedTuple):
    """Where the reader gave up, what it was reading and where that began, and what it missed."""

    source: Source
    problem: str
    context: str
    at: Span
    begun: Span | None

    @property
    def before(self) -> str:
        """The line up to the place."""
        return self.source.lines[self.at.line][: self.at.column]

    @property
    def character(self) -> str:
        """The character at the place; nothing at the end of a line."""
        return self.source.lines[self.at.line][self.at.column : self.at.column + 1]

    @property
    def above(self) -> int | None:
        """The next line above that has something on it."""
        filled = (line for line in range(self.at.line - 1, -1, -1) if self.source.lines[line].strip())
        return next(filled, None)


Explained = tuple[Span, str, str]


def error_of(source: Source, error: yaml.MarkedYAMLError) -> SpecError:
    """The error that says what the reader says, and what to do."""
    at = point(source, error.problem_mark or error.context_mark)
    begun = point(source, error.context_mark) if error.context_mark is not None else None
    failure = _Failure(source, error.problem or "", error.context or "", at, begun)
    span, message, help = _explained(failure)
    notes = [Note("help", help)] if help else []
    if span == begun and span.line != at.line:
        notes.insert(0, Note("note", f"the reader gave up at line {at.line + 1}"))
    code = "E006" if "tag" in failure.problem + failure.context else "E004"
    return SpecError([Diagnostic(code, message, span, tuple(notes))])


def point(source: Source, mark: Mark) -> Span:
    """The one character at a mark; marks at the end of the text are drawn back to its last line."""
    lines = source.lines
    line, column = mark.line, mark.column
    if line >= len(lines) or (line > 0 and line == len(lines) - 1 and not lines[line]):
        line = max(0, min(line, len(lines)) - 1)
        column = len(lines[line])
    return Span(source, line, column, line, column + 1)


def _explained(failure: _Failure) -> Explained:
    for pattern, explain in _RULES:
        if re.search(pattern, f"{failure.context}: {failure.problem}"):
            return explain(failure)
    return failure.at, f"this is not YAML: {failure.problem}", ""


def _tab(failure: _Failure) -> Explained:
    return failure.at, "a tab stands where YAML allows only spaces", "indent with spaces"


def _unclosed(failure: _Failure) -> Explained:
    opening, closing = ("[", "]") if "sequence" in failure.context else ("{", "}")
    assert failure.begun is not None
    if failure.begun.line != failure.at.line or not failure.character:
        help = f"write the `{closing}` behind its last item, or the `,` that is missing between two items"
        return failure.begun, f"this `{opening}` is never closed", help
    message = f"a `,` or the `{closing}` is missing before this"
    return failure.at, message, f"the `{opening}` is at column {failure.begun.column + 1}"


def _open_quote(failure: _Failure) -> Explained:
    assert failure.begun is not None
    return failure.begun, "this quote is never closed", "write the same quote at the end of the value"


def _escape(failure: _Failure) -> Explained:
    help = "write the value in single quotes, where a `\\` is only a `\\`; or write `\\\\`"
    return failure.at, "inside double quotes, a `\\` begins an escape, and this is none that YAML knows", help


def _glued(failure: _Failure, line: int) -> Explained | None:
    """`name:mine`, which YAML takes for one word."""
    found = re.match(r"\s*(?:- )?[\w.-]+(:)\S", failure.source.lines[line])
    if found is None:
        return None
    place = Span(failure.source, line, found.start(1), line, found.end(1))
    return place, "a space is missing behind this colon", "write `key: value`"


def _second_colon(failure: _Failure) -> Explained:
    above = failure.above
    if re.search(r":\s", failure.before):
        help = "quote the value if the colon belongs to it; otherwise put the key on a line of its own"
        return failure.at, "there is a second key inside the value of the first", help
    if above is not None and (glued := _glued(failure, above)) is not None:
        return glued
    if above is not None and _indent(failure.before) > _indent(failure.source.lines[above]):
        help = f"give it the indentation of line {above + 1}, or end that line with a `:`"
        return failure.at, "this key is indented as if it belonged to the line above, which has a value already", help
    return failure.at, "a key is not possible here", f"is a `:` missing at the end of line {(above or 0) + 1}?"


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _dash(failure: _Failure) -> Explained:
    help = "put each `- ` on a line of its own below, or write the list as [a, b]"
    return failure.at, "a `-` cannot begin a list here", help


def _misplaced(failure: _Failure) -> Explained:
    """Something that does not continue the mapping or list that it stands in."""
    assert failure.begun is not None
    first, above = f"line {failure.begun.line + 1}", f"line {(failure.above or 0) + 1}"
    if failure.before.strip():
        help = "quote the whole value if this belongs to it"
        return failure.at, "the value has ended before this, and nothing may follow it on the line", help
    if failure.begun.column < failure.at.column:
        either = first if first == above else f"{above}, or with {first}"
        return failure.at, "this line is indented like none above it", f"align it with {either}"
    if failure.character == "-":
        help = f"indent the list below its key, or write a key as in {first}"
        return failure.at, "a list item stands where a key is expected", help
    what = "a `- `" if "collection" in failure.context else "a key"
    help = f"begin it with {what}, or indent it if it belongs to {above}"
    return failure.at, f"{what} is expected here, as in {first}", help


def _no_colon(failure: _Failure) -> Explained:
    assert failure.begun is not None
    begun = failure.begun
    if (glued := _glued(failure, begun.line)) is not None:
        return glued
    end = len(begun.source.lines[begun.line])
    # The lines of the two places are no sign of it: at the end of the text both are on the last one.
    if end - begun.column > MAX_KEY:
        return begun, "this is too long for a key", f"a key has at most {MAX_KEY:,} characters"
    place = begun._replace(end_column=end)
    return place, "a `:` is missing behind this key", "write `key: value`"


def _character(failure: _Failure) -> Explained:
    if failure.character == "\t":
        return _tab(failure)
    return failure.at, f"{quoted(failure.character)} cannot begin a value", "quote the value"


def _no_name(failure: _Failure) -> Explained:
    sign, what = ("*", "an alias") if "alias" in failure.context else ("&", "an anchor")
    help = f"quote the value if the `{sign}` belongs to it"
    return failure.begun or failure.at, f"a `{sign}` begins {what}, and its name is missing", help


def _no_value(failure: _Failure) -> Explained:
    if failure.character:
        what = "key" if failure.character == ":" else "value"
        help = f"write the {what}, or remove it"
        return failure.at, f"a {what} is missing before this {quoted(failure.character)}", help
    return _unclosed_bare(failure)


def _unclosed_bare(failure: _Failure) -> Explained:
    """The text ends behind a bracket or a comma."""
    return failure.begun or failure.at, "the text ends before this is complete", "close every `[` and `{`"


def _directive(failure: _Failure) -> Explained:
    place = failure.at._replace(end_column=len(failure.source.lines[failure.at.line]))
    return place, "a line that begins with `%` is a directive to the reader, and a spec has none", "remove it"


def _document(failure: _Failure) -> Explained:
    for line in (failure.at.line, failure.above):
        if line is not None and failure.source.lines[line].startswith("%"):
            return _directive(failure._replace(at=Span(failure.source, line, 0, line, 1)))
    return failure.at, "the spec has ended before this", "remove the `...` above, or what follows it"


def _tag(failure: _Failure) -> Explained:
    help = "remove the tag, or quote the value if the `!` belongs to it"
    place = failure.begun or failure.at
    written = re.match(r"\S+", place.source.lines[place.line][place.column :])
    end = place.column + (written.end() if written else 1)
    return place._replace(end_column=end), "a tag has no meaning in a spec", help


def _header(failure: _Failure) -> Explained:
    help = "quote the value if the sign belongs to it"
    return failure.at, "a `|` or `>` begins a text on the lines below, and nothing may follow it on its own", help


def _question(failure: _Failure) -> Explained:
    return failure.at, "a `?` cannot begin a key here", "quote the value if it belongs to it"


# What the reader says -> who explains it; the first that fits. The words are those of libyaml and of PyYAML's parser.
_RULES: Final[list[tuple[str, Callable[[_Failure], Explained]]]] = [
    (r"tab character|'\\t'", _tab),
    (r"flow (sequence|mapping): (did not find )?expected ',' or", _unclosed),
    (r"quoted scalar: found unexpected", _open_quote),
    (r"unknown escape|escape (code|sequence)|hexadecimal|character code", _escape),
    (r"mapping values are not allowed", _second_colon),
    (r"sequence entries are not allowed", _dash),
    (r"mapping keys are not allowed", _question),
    (r"block (mapping|collection): (did not find expected (key|'-')|expected <block end>)", _misplaced),
    (r"could not find expected ':'", _no_colon),
    (r"cannot start any token", _character),
    (r"(alias|anchor): (did not find )?expected alphabetic", _no_name),
    (r"node content", _no_value),
    (r"directive|incompatible YAML", _directive),
    (r"document start", _document),
    (r"\btag\b", _tag),
    (r"block scalar", _header),
]
