"""Syntax errors of YAML, explained: the message of PyYAML -> a place, a message and what to do about it.

PyYAML reports where it gave up. For a bracket or a quote that is never closed, that is far below the mistake, so the
place that is reported is the one where the bracket or the quote begins.
"""

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import yaml

from vggc.base.diagnostics import Diagnostic, Note, Source, Span, SpecError
from vggc.base.words import quoted

MAX_KEY: Final = 1024  # characters, after which PyYAML no longer looks for the colon

Mark = Any  # of PyYAML; its two parsers have one each, with `line` and `column`


class _Failure(NamedTuple):
    """Where parsing failed, what was being parsed and where that begins, and what was missing."""

    source: Source
    problem: str
    context: str
    at: Span
    start: Span

    @property
    def before(self) -> str:
        """The line up to the place."""
        return self.source.lines[self.at.line][: self.at.column]

    @property
    def character(self) -> str:
        """The character at the place; empty at the end of a line."""
        return self.source.lines[self.at.line][self.at.column : self.at.column + 1]

    @property
    def previous(self) -> int | None:
        """The last line above that is not empty."""
        lines = (line for line in range(self.at.line - 1, -1, -1) if self.source.lines[line].strip())
        return next(lines, None)


Explanation = tuple[Span, str, str]  # the place, the message, and what to do
Explain = Callable[[_Failure], Explanation]


def syntax_error(source: Source, error: yaml.MarkedYAMLError) -> SpecError:
    """The error of PyYAML as one of ours."""
    at = point(source, error.problem_mark or error.context_mark)
    start = point(source, error.context_mark) if error.context_mark is not None else at
    failure = _Failure(source, error.problem or "", error.context or "", at, start)
    span, message, help = _explain(failure)
    notes = [Note("help", help)] if help else []
    if span == start and span.line != at.line:
        notes.insert(0, Note("note", f"parsing failed at line {at.line + 1}"))
    code = "E006" if "tag" in failure.problem + failure.context else "E004"
    return SpecError([Diagnostic(code, message, span, tuple(notes))])


def point(source: Source, mark: Mark) -> Span:
    """The character at a mark; a mark after the last line means the end of that line."""
    lines = source.lines
    line, column = mark.line, mark.column
    if line >= len(lines) or (line > 0 and line == len(lines) - 1 and not lines[line]):
        line = max(0, min(line, len(lines)) - 1)
        column = len(lines[line])
    return Span(source, line, column, line, column + 1)


def _explain(failure: _Failure) -> Explanation:
    for pattern, explain in _RULES:
        if re.search(pattern, f"{failure.context}: {failure.problem}"):
            return explain(failure)
    return failure.at, f"this is not YAML: {failure.problem}", ""


def _at_failure(message: str, help: str) -> Explain:
    return lambda failure: (failure.at, message, help)


def _at_start(message: str, help: str) -> Explain:
    return lambda failure: (failure.start, message, help)


_TAB: Final = _at_failure("a tab is used where YAML allows only spaces", "indent with spaces")


def _unclosed_bracket(failure: _Failure) -> Explanation:
    opening, closing = ("[", "]") if "sequence" in failure.context else ("{", "}")
    if failure.start.line != failure.at.line or not failure.character:
        help = f"write the `{closing}` after its last item, or the `,` that is missing between two items"
        return failure.start, f"this `{opening}` is never closed", help
    message = f"a `,` or the `{closing}` is missing before this"
    return failure.at, message, f"the `{opening}` is at column {failure.start.column + 1}"


def _missing_space(failure: _Failure, line: int) -> Explanation | None:
    """For `name:mine`, which YAML reads as one word."""
    match = re.match(r"\s*(?:- )?[\w.-]+(:)\S", failure.source.lines[line])
    if match is None:
        return None
    place = Span(failure.source, line, match.start(1), line, match.end(1))
    return place, "a space is missing after this colon", "write `key: value`"


def _unexpected_colon(failure: _Failure) -> Explanation:
    previous = failure.previous
    if re.search(r":\s", failure.before):
        help = "quote the value if the colon belongs to it; otherwise write the key on a line of its own"
        return failure.at, "there is a second key inside the value of the first", help
    if previous is not None and (explanation := _missing_space(failure, previous)) is not None:
        return explanation
    if previous is not None and _indent(failure.before) > _indent(failure.source.lines[previous]):
        help = f"give it the indentation of line {previous + 1}, or end that line with a `:`"
        return failure.at, "this key is indented as if it belonged to the line above, which already has a value", help
    return failure.at, "a key is not possible here", f"is a `:` missing at the end of line {(previous or 0) + 1}?"


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _unexpected_line(failure: _Failure) -> Explanation:
    """For something that does not continue the mapping or list that it is in."""
    first, previous = f"line {failure.start.line + 1}", f"line {(failure.previous or 0) + 1}"
    if failure.before.strip():
        help = "quote the whole value if this belongs to it"
        return failure.at, "the value ends before this, and nothing may follow it on the line", help
    if failure.start.column < failure.at.column:
        either = first if first == previous else f"{previous}, or with {first}"
        return failure.at, "the indentation of this line matches none above it", f"align it with {either}"
    if failure.character == "-":
        help = f"indent the list below its key, or write a key as in {first}"
        return failure.at, "this is a list item where a key is expected", help
    what = "a `- `" if "collection" in failure.context else "a key"
    help = f"begin it with {what}, or indent it if it belongs to {previous}"
    return failure.at, f"{what} is expected here, as in {first}", help


def _missing_colon(failure: _Failure) -> Explanation:
    start = failure.start
    if (explanation := _missing_space(failure, start.line)) is not None:
        return explanation
    end = len(start.source.lines[start.line])
    # Whether both places are on one line says nothing: at the end of the text both are on the last one.
    if end - start.column > MAX_KEY:
        return start, "this is too long for a key", f"a key has at most {MAX_KEY:,} characters"
    return start._replace(end_column=end), "a `:` is missing after this key", "write `key: value`"


def _unexpected_character(failure: _Failure) -> Explanation:
    if failure.character == "\t":
        return _TAB(failure)
    return failure.at, f"{quoted(failure.character)} cannot begin a value", "quote the value"


def _missing_name(failure: _Failure) -> Explanation:
    sign, what = ("*", "an alias") if "alias" in failure.context else ("&", "an anchor")
    help = f"quote the value if the `{sign}` belongs to it"
    return failure.start, f"a `{sign}` begins {what}, and its name is missing", help


def _missing_value(failure: _Failure) -> Explanation:
    if not failure.character:
        return failure.start, "the text ends before this is complete", "close every `[` and `{`"
    what = "key" if failure.character == ":" else "value"
    return failure.at, f"a {what} is missing before this {quoted(failure.character)}", f"write the {what}, or remove it"


def _directive(failure: _Failure) -> Explanation:
    place = failure.at._replace(end_column=len(failure.source.lines[failure.at.line]))
    return place, "a line that begins with `%` is a directive, and a spec has none", "remove it"


def _end_of_document(failure: _Failure) -> Explanation:
    for line in (failure.at.line, failure.previous):
        if line is not None and failure.source.lines[line].startswith("%"):
            return _directive(failure._replace(at=Span(failure.source, line, 0, line, 1)))
    return failure.at, "the spec ends before this", "remove the `...` above, or what follows it"


def _tag(failure: _Failure) -> Explanation:
    help = "remove the tag, or quote the value if the `!` belongs to it"
    start = failure.start
    match = re.match(r"\S+", start.source.lines[start.line][start.column :])
    end = start.column + (match.end() if match else 1)
    return start._replace(end_column=end), "tags are not allowed in a spec", help


_OPEN_QUOTE: Final = _at_start("this quote is never closed", "write the same quote at the end of the value")
_ESCAPE: Final = _at_failure(
    "inside double quotes a `\\` begins an escape, and YAML does not know this one",
    "write the value in single quotes, where a `\\` is only a `\\`; or write `\\\\`",
)
_DASH: Final = _at_failure(
    "a `-` cannot begin a list here", "put each `- ` on a line of its own below, or write the list as [a, b]"
)
_QUESTION_MARK: Final = _at_failure("a `?` cannot begin a key here", "quote the value if it belongs to it")
_BLOCK_SCALAR: Final = _at_failure(
    "a `|` or `>` begins a text on the lines below, and nothing may follow it on its own line",
    "quote the value if the sign belongs to it",
)

# The first pattern that matches PyYAML's message explains it; the words are those of libyaml and of PyYAML's parser.
_RULES: Final[list[tuple[str, Explain]]] = [
    (r"tab character|'\\t'", _TAB),
    (r"flow (sequence|mapping): (did not find )?expected ',' or", _unclosed_bracket),
    (r"quoted scalar: found unexpected", _OPEN_QUOTE),
    (r"unknown escape|escape (code|sequence)|hexadecimal|character code", _ESCAPE),
    (r"mapping values are not allowed", _unexpected_colon),
    (r"sequence entries are not allowed", _DASH),
    (r"mapping keys are not allowed", _QUESTION_MARK),
    (r"block (mapping|collection): (did not find expected (key|'-')|expected <block end>)", _unexpected_line),
    (r"could not find expected ':'", _missing_colon),
    (r"cannot start any token", _unexpected_character),
    (r"(alias|anchor): (did not find )?expected alphabetic", _missing_name),
    (r"node content", _missing_value),
    (r"directive|incompatible YAML", _directive),
    (r"document start", _end_of_document),
    (r"\btag\b", _tag),
    (r"block scalar", _BLOCK_SCALAR),
]
