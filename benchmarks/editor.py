"""`vggc lsp` and `vggc draw`: the time until an editor has its answer, and a picture is written.

An answer is measured twice: from the functions of the server, which is the time that vggc needs, and from the server
as a process over stdio, which is the time that a user waits. The latter includes the pause before a text is read (as
long as the last reading took), the JSON on both sides, and two switches of processes.
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.check import CHECK
from benchmarks.measure import ROOT, Plan, in_turn, python, ratios, times, warm
from benchmarks.row import Row
from tests.language_client import Client
from vggc.base.diagnostics import Source
from vggc.lsp.completion_items import complete
from vggc.lsp.documents import Documents
from vggc.lsp.hover import hover
from vggc.lsp.inlay_hints import inlay_hints
from vggc.lsp.positions import Positions
from vggc.lsp.publish_diagnostics import lsp_diagnostics

PEER = "check, in process"
SPEC = ROOT / "specs" / "vgg16.yaml"


def rows(plan: Plan) -> Iterator[Row]:
    """The answers to a keystroke relative to a check of the same text; a picture relative to `vggc check`."""
    text = SPEC.read_text("utf-8")
    with TemporaryDirectory() as folder, Client(Path(folder)) as client:
        inside = keystroke(text), hovering(text), completing(text)
        outside = changing(client, text), pointing(client, text)
        sides = [warm(side) for side in (*inside, *outside, checking(text))]
        strokes, hovers, completions, changes, answers, checks = in_turn("editor", plan.rounds(15), *sides)
    yield Row("a keystroke: diagnostics and hints", PEER, 2.0, ratios(strokes, checks), note=_took("check", checks))
    yield Row("a hover", PEER, 1.0, ratios(hovers, checks))
    yield Row("a completion", PEER, 1.0, ratios(completions, checks))
    change = "vggc lsp over stdio: didChange to publishDiagnostics"
    yield Row(change, PEER, 5.0, ratios(changes, checks), note=_took("change", changes))
    yield Row("vggc lsp over stdio: hover", PEER, 2.0, ratios(answers, checks), note=_took("hover", answers))
    with TemporaryDirectory() as folder:
        draw = partial(python, "-m", "vggc", "draw", "specs/vgg16.yaml", "-o", str(Path(folder, "vgg16.svg")))
        draws, check_processes = in_turn("draw", plan.rounds(9), draw, CHECK)
    yield Row("vggc draw, SVG", "vggc check", 1.3, ratios(times(draws), times(check_processes)))


def _took(what: str, seconds: list[float]) -> str:
    return f"{what}: {1000 * median(seconds):.1f} ms"


def checking(text: str) -> Callable[[], object]:
    """What `vggc check` does, without the process."""
    from vggc import pipeline
    from vggc.analysis import lints

    source = Source("vgg16.yaml", text, path=SPEC)
    return lambda: lints.check(pipeline.compile_source(source))


def _opened(text: str) -> Documents:
    documents = Documents()
    documents.put("vgg16", SPEC, text)
    return documents


def keystroke(text: str) -> Callable[[], object]:
    """A new text is read, and its diagnostics and hints are computed for the editor."""
    documents, positions = _opened(text), Positions()

    def side() -> object:
        documents.put("vgg16", SPEC, text)
        analysis = documents.analysis("vgg16")
        assert analysis is not None
        return lsp_diagnostics(analysis, "vgg16", positions), inlay_hints(analysis, None, 0, 99)

    return side


def hovering(text: str) -> Callable[[], object]:
    """The table of a layer in the middle of a text that was read before."""
    analysis = _opened(text).analysis("vgg16")
    assert analysis is not None
    line = _features(text)
    assert hover(analysis, line, 40) is not None
    return lambda: hover(analysis, line, 40)


def _features(text: str) -> int:
    return next(number for number, line in enumerate(text.split("\n")) if line.startswith("features"))


def completing(text: str) -> Callable[[], object]:
    """The kinds of layers, in an unfinished text."""
    source = Source("vgg16.yaml", text + "rewrite: [{after: relu, insert: ", path=SPEC)
    line = len(source.lines) - 1
    assert complete(source, line, len(source.lines[line]), None, Positions())
    return lambda: complete(source, line, len(source.lines[line]), None, Positions())


def changing(client: Client, text: str) -> Callable[[], object]:
    """A text that is open in the editor changes, and its diagnostics come back; the text differs each time."""
    client.open("changed.yaml", text)
    client.diagnostics("changed.yaml")
    number = count()

    def side() -> object:
        client.change("changed.yaml", f"{text}# {next(number)}\n")
        return client.diagnostics("changed.yaml")

    return side


def pointing(client: Client, text: str) -> Callable[[], object]:
    """The table of the same layer, for a text that was read before."""
    client.open("pointed.yaml", text)
    client.diagnostics("pointed.yaml")
    line = _features(text)
    assert client.at("hover", "pointed.yaml", line, 40) is not None
    return partial(client.at, "hover", "pointed.yaml", line, 40)
