"""`vggc lsp` and `vggc draw`: how fast an editor is answered, and a picture made."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.check import CHECK
from benchmarks.measure import ROOT, Plan, in_turn, python, ratios, times, warm
from benchmarks.row import Row
from vggc.diagnostics import Source
from vggc.lsp.completion import complete
from vggc.lsp.documents import Documents
from vggc.lsp.findings import findings
from vggc.lsp.hints import hints
from vggc.lsp.hover import hover
from vggc.lsp.positions import Positions

PEER = "check, in process"
SPEC = ROOT / "specs" / "vgg16.yaml"


def rows(plan: Plan) -> Iterator[Row]:
    """What follows a keystroke beside the bare check of the same text; a picture beside `vggc check`."""
    text = SPEC.read_text("utf-8")
    sides = keystroke(text), hovering(text), completing(text), checking(text)
    strokes, hovers, completions, checks = in_turn("editor", plan.rounds(15), *(warm(side) for side in sides))
    milliseconds = f"check: {1000 * min(checks):.1f} ms"
    yield Row("a keystroke: diagnostics and hints", PEER, 2.0, ratios(strokes, checks), note=milliseconds)
    yield Row("a hover", PEER, 1.0, ratios(hovers, checks))
    yield Row("a completion", PEER, 1.0, ratios(completions, checks))
    with TemporaryDirectory() as folder:
        draw = partial(python, "-m", "vggc", "draw", "specs/vgg16.yaml", "-o", str(Path(folder, "vgg16.svg")))
        drawn, checked = in_turn("draw", plan.rounds(9), draw, CHECK)
    yield Row("vggc draw, SVG", "vggc check", 1.3, ratios(times(drawn), times(checked)))


def checking(text: str) -> Callable[[], object]:
    """What `vggc check` does, less the process."""
    from vggc import lints, pipeline

    source = Source("vgg16.yaml", text, path=SPEC)
    return lambda: lints.check(pipeline.compile_source(source))


def _opened(text: str) -> Documents:
    documents = Documents()
    documents.put("vgg16", SPEC, text)
    return documents


def keystroke(text: str) -> Callable[[], object]:
    """The text is put anew and read, and what is wrong and the hints are made for the editor."""
    documents, positions = _opened(text), Positions()

    def side() -> object:
        documents.put("vgg16", SPEC, text)
        analysis = documents.analysis("vgg16")
        assert analysis is not None
        return findings(analysis, "vgg16", positions), hints(analysis, None, 0, 99)

    return side


def hovering(text: str) -> Callable[[], object]:
    """The table of a layer in the middle of a text that was read before."""
    analysis = _opened(text).analysis("vgg16")
    assert analysis is not None
    line = next(number for number, line in enumerate(text.split("\n")) if line.startswith("features"))
    assert hover(analysis, line, 40) is not None
    return lambda: hover(analysis, line, 40)


def completing(text: str) -> Callable[[], object]:
    """The kinds of layers, in a text that is not whole."""
    source = Source("vgg16.yaml", text + "rewrite: [{after: relu, insert: ", path=SPEC)
    line = len(source.lines) - 1
    assert complete(source, line, len(source.lines[line]), None, Positions())
    return lambda: complete(source, line, len(source.lines[line]), None, Positions())
