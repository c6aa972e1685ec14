"""Broken specs by the thousand: lines, tokens, letters and values changed at random, all of it from a seed."""

import copy
import json
import random
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from vggc.base.diagnostics import Source, SpecError
from vggc.frontend.schema.definitions import DEFINITIONS, definition
from vggc.frontend.schema.json_schema import root
from vggc.frontend.schema.units import UNITS
from vggc.frontend.text.document import plain
from vggc.frontend.text.parser import parse
from vggc.layers import KINDS

NUMBERS: Final = (
    "0", "1", "-1", "2", "64.0", "1e-3", "1e308", "-1e999", "2147483647", "2147483648", "9" * 30, "9" * 300, ".nan",
    "-.inf", "0x7fffffff", "0o17", "010", "1_000", "1:30", "+3", "0.1", ".5", "1e", "true", "null", "~",
)  # fmt: skip
PUNCTUATION: Final = (
    ":", ": ", "- ", ",", "[", "]", "{", "}", "#", " #", "&a ", "*a", "!", "!!int ", "|", ">", "'", '"', "%", "@", "`",
    "?", "? ", "<<: ", "---\n", "...\n", "\n", "\n  ", "\t", " ", "\\", "\\u", '"\\x', "~", "=", "\r", "\r\n",
)  # fmt: skip
LETTERS: Final = (
    "\x00", "\x07", "\x1b[2J", "\x7f", "\x85", "\xa0", "\u2028", "\u2029", "\ufeff", "\ufffe", "\u202e", "\u0301", "é",
    "ﬁ", "漢字", "😀", "\U0010ffff", "٣", "İ",
)  # fmt: skip


def words() -> list[str]:
    """The words of the language."""
    found = {*KINDS, *UNITS, *root()["properties"], "none", "classes", "M", "repeat"}
    for name in (*DEFINITIONS, *KINDS):
        found |= set(re.findall(r"'([a-z0-9_]+)'", str(definition(name))))
    return sorted(found)


VALUES: Final[tuple[object, ...]] = (
    0, 1, -1, 2, 3, 7, 8, 10, 64, 1000, 10**6, 2**31 - 1, 2**31, 10**30, 10**299, 0.0, 0.5, 1.0, 64.0, -0.5, 1e-300,
    1e308, True, False, None, "", "none", "M", "classes", "64", "a b", "same", [], [1], [2, 2], [3, 224, 224], [[]], {},
    {"a": 1}, {"conv": 8}, {"repeat": {"times": 10**4, "layers": [8]}}, {"max_pool2d": [1, 2]},
)  # fmt: skip


def _is_mapping(text: str) -> bool:
    try:
        return bool(parse(Source("", text)).valid_table().entries)
    except SpecError:
        return False


def _holders(value: object) -> Iterator[Any]:
    """Every mapping and list inside a value, itself included."""
    if isinstance(value, dict | list):
        yield value
        for each in value.values() if isinstance(value, dict) else value:
            yield from _holders(each)


Edit = Callable[["Mutator", str], str]


class Mutator:
    """Makes one broken text out of another; everything comes from the seed."""

    def __init__(self, seed: int, corpus: list[str]) -> None:
        self.random = random.Random(seed)
        self.corpus = corpus
        self.words = words()
        self.trees = [plain(parse(Source("", text)).table) for text in corpus if _is_mapping(text)]

    def text(self) -> str:
        """A text with a few mutations."""
        text = self.random.choice(self.corpus)
        for _ in range(self.random.choice((1, 1, 1, 2, 2, 3, 5, 12))):
            text = self.random.choice(EDITS)(self, text)
        return text

    def tree(self) -> str:
        """A well-formed text whose values are mutated: what gets past the reader."""
        document = copy.deepcopy(self.random.choice(self.trees))
        for _ in range(self.random.choice((1, 1, 2, 3, 8))):
            holders = [each for each in _holders(document) if each]
            if holders:
                self.change(self.random.choice(holders))
        return json.dumps(document, ensure_ascii=False)

    def change(self, holder: Any) -> None:
        """Delete, rename, double or replace one thing in a mapping or a list."""
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        key = self.random.choice(keys)
        action = self.random.randrange(6)
        value = holder.pop(key) if action < 3 else holder[key]
        if action in (1, 2) and isinstance(holder, dict):
            holder[self.random.choice(self.words)] = value
        elif action in (1, 2):
            holder[0:0] = [value, value]
        elif action == 3:
            holder[key] = copy.deepcopy(self.random.choice(VALUES))
        elif action == 4:
            holder[key] = self.random.choice(self.words)
        elif action == 5:
            others = [each for each in _holders(self.random.choice(self.trees)) if each]
            holder[key] = copy.deepcopy(self.random.choice(others))

    def bytes(self) -> bytes:
        """The bytes of a text with a few mutations of its own, which need not be UTF-8."""
        content = bytearray(self.text().encode(errors="replace"))
        for _ in range(self.random.choice((1, 1, 2, 8))):
            position = self.random.randrange(len(content) + 1)
            stretch = self.random.choice((0, 1, 1, 4))
            content[position : position + stretch] = self.random.randbytes(self.random.choice((0, 1, 1, 2, 16)))
        return bytes(content)

    def place(self, text: str) -> int:
        return self.random.randrange(len(text) + 1)

    def lines(self, text: str) -> list[str]:
        return text.splitlines(keepends=True) or [""]

    def of_lines(self, text: str, change: Callable[[list[str], int, int], None]) -> str:
        """The text with its lines changed at two random places."""
        lines = self.lines(text)
        change(lines, self.random.randrange(len(lines)), self.random.randrange(len(lines)))
        return "".join(lines)

    def of_tokens(self, text: str, change: Callable[[list[str], int, int], None], pattern: str = r"\w+|\s+|.") -> str:
        """The text with its tokens changed at two random places."""
        tokens = re.findall(pattern, text, re.DOTALL) or [""]
        change(tokens, self.random.randrange(len(tokens)), self.random.randrange(len(tokens)))
        return "".join(tokens)

    def of_words(self, text: str, replacement: str, pattern: str = r"[A-Za-z_]\w*") -> str:
        """The text with one word replaced."""
        found = list(re.finditer(pattern, text))
        if not found:
            return text + replacement
        chosen = self.random.choice(found)
        return text[: chosen.start()] + replacement + text[chosen.end() :]


def _delete(parts: list[str], i: int, _: int) -> None:
    del parts[i]


def _double(parts: list[str], i: int, _: int) -> None:
    parts.insert(i, parts[i])


def _swap(parts: list[str], i: int, j: int) -> None:
    parts[i], parts[j] = parts[j], parts[i]


def _move(parts: list[str], i: int, j: int) -> None:
    parts.insert(j, parts.pop(i))


def _insert(mutator: Mutator, text: str, what: tuple[str, ...] | list[str]) -> str:
    position = mutator.place(text)
    return text[:position] + mutator.random.choice(what) + text[position:]


def _indent(mutator: Mutator, text: str) -> str:
    spaces = mutator.random.choice(("", " ", "  ", "    ", "\t"))
    return mutator.of_lines(text, lambda lines, i, _: lines.__setitem__(i, spaces + lines[i].lstrip()))


def _misspell(mutator: Mutator, text: str) -> str:
    """Two letters of a word in the wrong order, one lost, or one twice."""
    found = list(re.finditer(r"[A-Za-z_]\w+", text))
    if not found:
        return text
    chosen = mutator.random.choice(found)
    i = mutator.random.randrange(chosen.start(), chosen.end() - 1)
    changed = mutator.random.choice((text[i + 1] + text[i], text[i], text[i] * 2 + text[i + 1]))
    return text[:i] + changed + text[i + 2 :]


def _splice(mutator: Mutator, text: str) -> str:
    other = mutator.random.choice(mutator.corpus)
    return text[: mutator.place(text)] + other[mutator.place(other) :]


BRACKETS: Final = (("[", "]"), ("{a: ", "}"), ("- ", ""), ("{repeat: {times: 9, layers: [", "]}}"))


def _nest(mutator: Mutator, text: str) -> str:
    """A token inside many brackets."""
    opening, closing = mutator.random.choice(BRACKETS)
    times = mutator.random.choice((1, 2, 20, 100))
    return mutator.of_words(text, opening * times + "64" + closing * times, r"\w+")


EDITS: Final[tuple[Edit, ...]] = (
    lambda mutator, text: mutator.of_lines(text, _delete),
    lambda mutator, text: mutator.of_lines(text, _double),
    lambda mutator, text: mutator.of_lines(text, _swap),
    lambda mutator, text: mutator.of_lines(text, _move),
    lambda mutator, text: mutator.of_tokens(text, _delete),
    lambda mutator, text: mutator.of_tokens(text, _double),
    lambda mutator, text: mutator.of_tokens(text, _swap),
    lambda mutator, text: mutator.of_tokens(text, _move),
    lambda mutator, text: mutator.of_words(text, mutator.random.choice(mutator.words)),
    lambda mutator, text: mutator.of_words(text, mutator.random.choice(NUMBERS)),
    lambda mutator, text: mutator.of_words(text, mutator.random.choice(NUMBERS), r"[0-9.]+"),
    lambda mutator, text: mutator.of_words(text, mutator.random.choice(mutator.words), r"[0-9.]+"),
    lambda mutator, text: _insert(mutator, text, PUNCTUATION),
    lambda mutator, text: _insert(mutator, text, LETTERS),
    lambda mutator, text: text[: mutator.place(text)],
    _indent,
    _misspell,
    _splice,
    _nest,
)
