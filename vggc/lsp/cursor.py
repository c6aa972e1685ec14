"""Where the cursor is: the path of keys and list indices that leads there, in a text that need not be valid YAML.

An editor asks mostly while a text is being typed, when no parser would accept it. This follows the lines above the
cursor by indentation and brackets, and never fails; it knows the part of YAML that specs use.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

Slot = Literal["key", "value", "either"]


@dataclass(frozen=True, slots=True)
class Cursor:
    """The word at the cursor.

    Attributes:
        path: the path to the mapping of which the word is a key, or to the value that it is (the beginning of).
        slot: whether the word is a key or a value; `either` if it may be a value or its first key.
        flow: whether it is between brackets.
        quoted: whether it follows a quote.
        colon: whether a colon follows it.
        keys: the other keys of the mapping.
    """

    path: tuple[str | int, ...]
    slot: Slot
    word: str
    line: int
    start: int
    end: int
    flow: bool
    quoted: bool
    colon: bool
    keys: frozenset[str]


@dataclass(slots=True)
class _Level:
    """An open mapping or list; `step` is its current key or index, None before the first key."""

    kind: Literal["map", "list", "pair"]
    indent: int
    flow: bool
    step: str | int | None = None
    keys: set[str] = field(default_factory=set)


_DASH: Final = re.compile(r"-(?:\s+|$)")
_KEY: Final = re.compile(r"""(?:"([^"]*)"|'([^']*)'|([^\s\[\]{},#"'][^\[\]{},"'#]*?))\s*:(?=\s|$)""")
_PROPERTY: Final = re.compile(r"[&!]\S*\s+")  # an anchor or a tag
_TOKEN: Final = re.compile(
    r"""\s+|\#.*|"(?:[^"\\]|\\.)*"?|'[^']*'?|[\[\]{},]|[^\s,\[\]{}"'](?:[^,\[\]{}:]|:(?![\s,\[\]{}]|$))*|:"""
)
_COLON: Final = re.compile(r"\s*:(?=[\s,\[\]{}]|$)")
_TOP_KEY: Final = re.compile(r"[A-Za-z_]\w*\s*:(?=\s|$)")
_QUOTES: Final = ('"', "'")
_WORD: Final = re.compile(r"[^\s,\[\]{}:\"'#]")  # a character of one


def cursor_at(lines: Sequence[str], line: int, column: int) -> Cursor | None:
    """The word at a column, or the empty one that could begin there; None inside a comment."""
    text = lines[line]
    start = end = column
    while start > 0 and _WORD.match(text, start - 1):
        start -= 1
    while _WORD.match(text, end):
        end += 1
    if _in_comment(text[:start]):
        return None
    scanner = _Scanner()
    for number in range(line):
        scanner.scan(lines[number])
    return scanner.cursor(lines, line, start, end)


def _in_comment(text: str) -> bool:
    bare = re.sub(r"\"[^\"]*\"|'[^']*'", "", text)
    return re.search(r"(?:^|\s)#", bare) is not None


class _Scanner:
    """Follows the open mappings and lists down to the cursor."""

    def __init__(self) -> None:
        self.levels: list[_Level] = []

    @property
    def in_flow(self) -> bool:
        return bool(self.levels) and self.levels[-1].flow

    @property
    def path(self) -> tuple[str | int, ...]:
        return tuple(level.step for level in self.levels if level.step is not None)

    def scan(self, text: str) -> bool:
        """Scan a line or a part of one; whether it has a key of a block mapping."""
        if self.in_flow and _TOP_KEY.match(text):  # a bracket above was never closed
            self.levels = [level for level in self.levels if not level.flow]
        if self.in_flow:
            self._flow(text, 0)
            return True
        column = len(text) - len(text.lstrip())
        if not text.strip() or text.lstrip().startswith(("#", "---")):
            return False
        while (dash := _DASH.match(text, column)) is not None:
            self._dash(column)
            column = _skip_properties(text, dash.end())
        key = _KEY.match(text, column)
        if key is not None:
            self._close(column)
            self._key(column, _name(key), flow=False)
            column = _skip_properties(text, key.end())
        if text[column : column + 1] in ("[", "{"):
            self._flow(text, column)
        return key is not None

    def _dash(self, column: int) -> None:
        while self.levels and self.levels[-1].indent > column:
            self.levels.pop()
        if self.levels and self.levels[-1].kind == "list" and self.levels[-1].indent == column:
            self._next()
        else:
            self.levels.append(_Level("list", column, flow=False, step=0))

    def _key(self, column: int, name: str, flow: bool) -> None:
        if not self.levels or self.levels[-1].kind == "list" or self.levels[-1].indent < column:
            self.levels.append(_Level("pair" if flow else "map", column, flow))
        self.levels[-1].step = name
        self.levels[-1].keys.add(name)

    def _close(self, column: int) -> None:
        """Close what a key at this column ends: everything indented more, and a list indented equally."""
        while self.levels and (
            self.levels[-1].indent > column or (self.levels[-1].kind == "list" and self.levels[-1].indent == column)
        ):
            self.levels.pop()

    def _flow(self, text: str, column: int) -> None:
        """Scan brackets and their content, up to the end of the line or of the outermost bracket."""
        while (token := _TOKEN.match(text, column)) is not None:
            column = token.end()
            self._token(token.group(), text, column)
            if not self.in_flow:
                return

    def _token(self, word: str, text: str, end: int) -> None:
        if word in ("[", "{"):
            self.levels.append(_Level("map" if word == "{" else "list", -1, True, None if word == "{" else 0))
        elif word in ("]", "}", ","):
            if self.levels[-1].kind == "pair":
                self.levels.pop()
            if word == ",":
                self._next()
            else:
                self.levels.pop()
        elif not word.isspace() and not word.startswith("#") and _COLON.match(text, end):
            self._key(-1, word.strip().strip("\"'"), flow=True)

    def _next(self) -> None:
        top = self.levels[-1]
        top.step = top.step + 1 if isinstance(top.step, int) else None

    def cursor(self, lines: Sequence[str], line: int, start: int, end: int) -> Cursor:
        """The word at a column of the next line."""
        text, slot = lines[line], self._slot(lines[line], start)
        path, level = self.path, self.levels[-1] if self.levels else None
        keys = frozenset(self._keys(lines, line, end)) if slot == "key" else frozenset[str]()
        if slot == "key" and level is not None and level.step is not None:
            path = path[:-1]
        quoted = text[:start].endswith(_QUOTES)
        colon = _COLON.match(text, end + text[end:].startswith(_QUOTES)) is not None
        if slot == "either" and colon:
            slot = "key"
        return Cursor(path, slot, text[start:end], line, start, end, self.in_flow, quoted, colon, keys)

    def _slot(self, text: str, start: int) -> Slot:
        before = text[:start].rstrip("\"'")
        has_key = self.scan(before)
        if self.in_flow:
            top = self.levels[-1]
            return "either" if top.kind == "list" else "key" if top.step is None else "value"
        if has_key:
            return "value"
        if before.strip():  # dashes, or something unexpected
            return "either"
        self._close(start)
        if not self.levels or (self.levels[-1].kind == "map" and self.levels[-1].indent == start):
            return "key"
        return "either"

    def _keys(self, lines: Sequence[str], line: int, end: int) -> set[str]:
        """The keys of the mapping around the cursor, above and below it."""
        if not self.levels or self.levels[-1].kind == "list":
            return set()
        top = self.levels[-1]
        if top.flow:
            inside = re.match(r"[^\[\]{}]*(?:[\[{][^\[\]{}]*[\]}][^\[\]{}]*)*", lines[line][end:])
            return top.keys | set(re.findall(r"([A-Za-z_]\w*)\s*:\s", inside.group() if inside is not None else ""))
        below = set(top.keys)
        for text in lines[line + 1 :]:
            indent = len(text) - len(text.lstrip())
            if text.strip() and indent < top.indent:
                break
            if indent == top.indent and (key := _KEY.match(text, indent)) is not None:
                below.add(_name(key))
        return below


def _skip_properties(text: str, column: int) -> int:
    """The column after spaces, anchors and tags."""
    column += len(text[column:]) - len(text[column:].lstrip())
    while (match := _PROPERTY.match(text, column)) is not None:
        column = match.end()
    return column


def _name(key: re.Match[str]) -> str:
    return next(group for group in key.groups() if group is not None)
