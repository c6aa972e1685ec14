"""What must be true of the answer to every input, and runs over thousands of broken ones (`mutations` makes them).

python -m tests.fuzzing 100000 7     # so many inputs, from this seed
"""

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import click

from tests.mutations import Mutator
from tests.networks import compile_source
from vggc.analysis import lints
from vggc.backends.text.yaml_spec import emit
from vggc.base.codes import CODES
from vggc.base.diagnostics import Diagnostic, Source, Span, SpecError
from vggc.cli.reporters import github_report, json_report, sarif_report, text_report
from vggc.frontend.text.sources import read_source, stock_folder
from vggc.model import Network
from vggc.pipeline import read_graph

LIMIT: Final = 1.0  # seconds of the processor for one input
GROWTH: Final = 128 * 2**20  # bytes by which the process may grow over all inputs
CASES: Final = Path(__file__).parent / "cases"

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
    header = network.header
    layers = [(each.path, each.alias, each.layer, each.input, each.output) for each in network.layers]
    expected = {each.key: each.value for each in header.expect}
    return (
        layers,
        expected,
        (header.name, header.input, header.classes, header.init, header.preprocess, header.train, header.allow),
    )


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
    text = click.unstyle(text_report.emit(found))
    if not all(line.isprintable() for line in text.splitlines()) or "\x85" in text:
        raise BrokenPromiseError(f"control characters in the report: {text!r}")
    if len(json.loads(json_report.emit(found))) != len(found):
        raise BrokenPromiseError("the JSON report is not complete")
    json.loads(sarif_report.emit(found))
    if len(github_report.emit(found).splitlines()) != len(found):
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
    """Broken trees and texts and, every fifth time, a file of broken bytes; with what reads it."""
    mutator = Mutator(seed, corpus())
    file = folder / "broken.yaml"
    for number in range(count):
        if number % 5 == 0:
            content = mutator.bytes()
            file.write_bytes(content)
            yield content, partial(read_source, file)
        else:
            text = mutator.tree() if number % 2 else mutator.text()
            yield text.encode(errors="surrogatepass"), partial(_beside_the_stock, text)


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
