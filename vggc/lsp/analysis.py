"""A text -> all that can be known of it: as much of the way as it goes, and what is wrong behind that."""

import os
import re
import time
from bisect import bisect_left
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from vggc import pipeline
from vggc.analysis import expectations, lints, shapes
from vggc.base.diagnostics import Diagnostic, Source, Span, SpecError
from vggc.frontend.text import inherit
from vggc.frontend.text.detection import is_spec
from vggc.frontend.text.document import Document, Table, read
from vggc.ir.network import Network, ShapedLayer

_MODELINE: Final = re.compile(r"^\ufeff?#\s*yaml-language-server:\s*\$schema=\S*vggc\.schema\.json\s*$", re.MULTILINE)


def is_meant(text: str) -> bool:
    """Whether a text is meant for vggc: it is a spec by its key `vggc`, or names the schema."""
    return _MODELINE.search(text) is not None or is_spec(text)


Place = tuple[int, int]  # line and column


@dataclass(eq=False)
class Analysis:
    """What is known of a spec.

    `layers` are those up to the first mistake, with their shapes; `network` is there when every layer takes its input.
    `parents` are the files that it extends, directly or through others, whether they can be read or not; `texts` are
    those of them that can.
    """

    source: Source
    diagnostics: list[Diagnostic] = field(default_factory=list)
    document: Document | None = None
    layers: tuple[ShapedLayer, ...] = ()
    network: Network | None = None
    parents: list[Path] = field(default_factory=list)
    texts: list[Source] = field(default_factory=list)
    seconds: float = 0.0

    @cached_property
    def tree(self) -> Table | None:
        """The text itself, without its ancestors; None where it is not YAML."""
        return _read(self.source)

    @cached_property
    def _placed(self) -> list[tuple[Place, int]]:
        """Where the layers of this very text are written, in the order of the text, and their positions."""
        own = ((span_of(layer), position) for position, layer in enumerate(self.layers))
        return sorted(((s.line, s.column), position) for s, position in own if s.source is self.source)

    def layers_between(self, start: Place, end: Place) -> list[ShapedLayer]:
        """The layers that are written in a stretch of this text, in the order of the data."""
        first, last = (bisect_left(self._placed, (place, -1)) for place in (start, end))
        return [self.layers[position] for position in sorted(position for _, position in self._placed[first:last])]

    @cached_property
    def ancestors(self) -> list[Table]:
        """The texts of the parents that are YAML, the nearest first."""
        return [table for text in self.texts if (table := _read(text)) is not None]


def _read(source: Source) -> Table | None:
    try:
        return read(source).table
    except SpecError:
        return None


def span_of(layer: ShapedLayer) -> Span:
    """The item that a layer comes from; in an editor every layer comes from a text."""
    assert layer.node.span is not None
    return layer.node.span


def analyse(source: Source, fetch: inherit.Fetch) -> Analysis:
    """Compile a text as far as it goes; `fetch` knows the texts of its ancestors."""
    found = Analysis(source)
    started = time.perf_counter()
    try:
        _compile(found, fetch)
    except SpecError as error:
        found.diagnostics = error.diagnostics
    found.seconds = time.perf_counter() - started
    return found


def _compile(found: Analysis, fetch: inherit.Fetch) -> None:
    """The way of `pipeline.compile_source`, which leaves behind what it had before it met an error."""

    def noted(path: Path, place: Span) -> Source:
        found.parents.append(Path(os.path.realpath(path)))
        found.texts.append(fetch(path, place))
        return found.texts[-1]

    found.document = inherit.load(found.source, noted)
    graph = pipeline.graph_of(found.document)
    found.layers = shapes.sound_layers(graph)
    found.network = shapes.infer(graph)
    if wrong := expectations.check(found.network):
        raise SpecError(wrong)
    found.diagnostics = lints.check(found.network)
