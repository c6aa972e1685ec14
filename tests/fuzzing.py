"""Broken specs by the thousand: texts and bytes mutated at random, and what must be true of the answer to each.

    python -m tests.fuzzing 100000 7     # so many inputs, from this seed
"""

import json
import random
import re
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vggc import lints, reporters
from vggc.backends.yaml_spec import emit
from vggc.codes import CODES
from vggc.diagnostics import Diagnostic, Source, Span, SpecError
from vggc.frontend.schema import DEFINITIONS, definition, root
from vggc.frontend.sources import read_source, stock_folder
from vggc.frontend.units import UNITS
from vggc.ir import Network
from vggc.layers import KINDS
from vggc.pipeline import compile_source, read_graph

LIMIT: Final = 1.0  # seconds of the processor for one input
GROWTH: Final = 128 * 2**20  # bytes by which the process may grow over all inputs
CASES: Final = Path(__file__).parent / "cases"

# --- mutations ---------------------------------------------------------------------------------------------------

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


Edit = Callable[["Mutator", str], str]


class Mutator:
    """Makes one broken text out of another; everything comes from the seed."""

    def __init__(self, seed: int, corpus: list[str]) -> None:
        self.random = random.Random(seed)
        self.corpus = corpus
        self.words = words()

    def text(self) -> str:
        """A text with a few mutations."""
        text = self.random.choice(self.corpus)
        for _ in range(self.random.choice((1, 1, 1, 2, 2, 3, 5, 12))):
            text = self.random.choice(EDITS)(self, text)
        return text

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


def _nest(mutator: Mutator, text: str) -> str:
    """A token inside many brackets."""
    opening, closing = mutator.random.choice((("[", "]"), ("{a: ", "}"), ("- ", ""), ("{repeat: {times: 9, layers: [", "]}}")))
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


# --- what must be true -------------------------------------------------------------------------------------------


class BrokenPromiseError(AssertionError):
    """An input that vggc does not answer as it promises to."""


@dataclass
class Tally:
    """How the inputs were answered."""

    fine: int = 0
    wrong: int = 0
    slowest: float = 0.0


def meaning(network: Network) -> object:
    """Everything that a spec says, without the places where it says it."""
    spec = network.spec
    layers = [(each.path, each.alias, each.layer, each.input, each.output) for each in network.layers]
    expected = {each.key: each.value for each in spec.expect}
    return layers, expected, (spec.name, spec.input, spec.classes, spec.init, spec.preprocess, spec.train, spec.allow)


def examine(source: Callable[[], Source], tally: Tally) -> None:
    """Compile a source; it is fine and its expansion means the same, or it is wrong and every diagnostic is sound.

    Raises:
        BrokenPromiseError: neither is so, or it took too long.
    """
    began = time.process_time()
    try:
        read = source()
        network = compile_source(read)
        found = lints.check(network)
        tally.fine += 1
        _check_expansion(read, network)
    except SpecError as error:
        found = error.diagnostics
        tally.wrong += 1
        if not found:
            raise BrokenPromiseError("an error without a diagnostic") from None
    _check_diagnostics(found)
    took = time.process_time() - began
    tally.slowest = max(tally.slowest, took)
    if took > LIMIT:
        raise BrokenPromiseError(f"it took {took:.1f} s")


def _check_expansion(source: Source, network: Network) -> None:
    text = emit(network.graph)
    try:
        again = compile_source(Source("expansion", text))
    except SpecError as error:
        raise BrokenPromiseError(f"the expansion does not compile: {error}\n{text}") from None
    if meaning(again) != meaning(network):
        raise BrokenPromiseError(f"the expansion means something else:\n{text}")
    if emit(read_graph(Source("expansion", text))) != text:
        raise BrokenPromiseError("the expansion of the expansion is another")


def _check_diagnostics(found: list[Diagnostic]) -> None:
    for each in found:
        if each.code not in CODES:
            raise BrokenPromiseError(f"there is no code {each.code}")
        if each.span is not None:
            _check_span(each.span)
        elif each.code != "E001":
            raise BrokenPromiseError(f"no place: {each}")
    text = reporters.report(found)
    if not all(line.isprintable() for line in text.splitlines()) or "\x85" in text:
        raise BrokenPromiseError(f"control characters in the report: {text!r}")
    if len(json.loads(reporters.to_json(found))) != len(found):
        raise BrokenPromiseError("the JSON report is not complete")
    json.loads(reporters.sarif(found))
    if len(reporters.github(found).splitlines()) != len(found):
        raise BrokenPromiseError("an annotation has several lines")


def _check_span(span: Span) -> None:
    lines = span.source.lines
    inside = 0 <= span.line < len(lines) and 0 <= span.column <= len(lines[span.line])
    forward = (span.end_line, span.end_column) >= (span.line, span.column) and span.end_line <= len(lines)
    if not inside or not forward:
        raise BrokenPromiseError(f"a place outside its source: {span} to {span.end_line + 1}:{span.end_column + 1}")


# --- runs --------------------------------------------------------------------------------------------------------


def corpus() -> list[str]:
    """The texts to begin with: the stock specs and all cases, those that are fine five times as often."""
    fine = [*sorted(stock_folder().glob("*.yaml")), *sorted((CASES / "valid").glob("*.yaml"))]
    wrong = sorted((CASES / "invalid").glob("*.yaml"))
    contents = (path.read_bytes() for path in [*fine * 5, *wrong] if path.is_file())
    return [content.decode() for content in contents if _is_text(content)]


def _is_text(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def inputs(count: int, seed: int, folder: Path) -> Iterator[tuple[bytes, Callable[[], Source]]]:
    """Broken texts and, every fifth time, a file of broken bytes; with what reads it."""
    mutator = Mutator(seed, corpus())
    file = folder / "broken.yaml"
    for number in range(count):
        if number % 5 == 0:
            content = mutator.bytes()
            file.write_bytes(content)
            yield content, lambda: read_source(file)
        else:
            text = mutator.text()
            yield text.encode(errors="surrogatepass"), lambda text=text: _beside_the_stock(text)


def _beside_the_stock(text: str) -> Source:
    """A text that finds its parents among the stock specs."""
    return Source("broken.yaml", text, None, stock_folder() / "broken.yaml")


def run(count: int, seed: int) -> Tally:
    """Examine so many inputs.

    Raises:
        BrokenPromiseError: with the input, for the first that is not answered as it should be.
    """
    tally = Tally()
    before = _memory()
    with tempfile.TemporaryDirectory() as folder:
        for content, source in inputs(count, seed, Path(folder)):
            try:
                examine(source, tally)
            except Exception as error:
                raise BrokenPromiseError(f"{type(error).__name__}: {error}\ninput: {content!r}") from error
    if _memory() - before > GROWTH:
        raise BrokenPromiseError(f"memory has grown by {(_memory() - before) / 2**20:.0f} MiB")
    return tally


def _memory() -> int:
    """The most that the process has had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    print(run(int(sys.argv[1]), int(sys.argv[2])))
