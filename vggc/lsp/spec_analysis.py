"""The analysis of a text: its diagnostics, and everything that the compiler knows up to the first error."""

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
from vggc.frontend.text.document import Document, Table
from vggc.frontend.text.parser import parse
from vggc.ir.network import Network, ShapedLayer

_MODELINE: Final = re.compile(r"^\ufeff?#\s*yaml-language-server:\s*\$schema=\S*vggc\.schema\.json\s*$", re.MULTILINE)

Location = tuple[int, int]  # line and column


def is_for_vggc(text: str) -> bool:
    """Whether a text is a spec: it has the key `vggc`, or names the schema."""
    return _MODELINE.search(text) is not None or is_spec(text)


@dataclass(eq=False)
class Analysis:
    """What is known about a spec.

    Attributes:
        layers: the layers up to the first error, with their shapes.
        network: the network, if every layer accepts its input.
        parents: the files that the spec extends, directly or through others, readable or not.
        texts: the texts of the readable ones.
        seconds: how long the analysis took.
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
        """The text without its ancestors; None if it is not valid YAML."""
        return _parse(self.source)

    @cached_property
    def ancestors(self) -> list[Table]:
        """The texts of the parents that are valid YAML, the nearest first."""
        return [table for text in self.texts if (table := _parse(text)) is not None]

    @cached_property
    def _locations(self) -> list[tuple[Location, int]]:
        """The locations of the layers that are written in this text, sorted, and their indices."""
        spans = ((span_of(layer), index) for index, layer in enumerate(self.layers))
        return sorted(((span.line, span.column), index) for span, index in spans if span.source is self.source)

    def layers_between(self, start: Location, end: Location) -> list[ShapedLayer]:
        """The layers that are written in a part of this text, in the order of the data."""
        first, last = (bisect_left(self._locations, (location, -1)) for location in (start, end))
        return [self.layers[index] for index in sorted(index for _, index in self._locations[first:last])]


def _parse(source: Source) -> Table | None:
    try:
        return parse(source).table
    except SpecError:
        return None


def span_of(layer: ShapedLayer) -> Span:
    """The item that a layer comes from; in an editor every layer comes from a text."""
    assert layer.node.span is not None
    return layer.node.span


def analyse(source: Source, fetch: inherit.Fetch) -> Analysis:
    """Compile a text as far as possible; `fetch` reads the texts of its ancestors."""
    analysis = Analysis(source)
    started = time.perf_counter()
    try:
        _compile(analysis, fetch)
    except SpecError as error:
        analysis.diagnostics = error.diagnostics
    analysis.seconds = time.perf_counter() - started
    return analysis


def _compile(analysis: Analysis, fetch: inherit.Fetch) -> None:
    """As `pipeline.compile_source`, but every intermediate result is kept."""

    def recording_fetch(path: Path, span: Span) -> Source:
        analysis.parents.append(Path(os.path.realpath(path)))
        analysis.texts.append(fetch(path, span))
        return analysis.texts[-1]

    analysis.document = inherit.load(analysis.source, recording_fetch)
    graph = pipeline.graph_of(analysis.document)
    analysis.layers = shapes.sound_layers(graph)
    analysis.network = shapes.infer(graph)
    if unmet := expectations.check(analysis.network):
        raise SpecError(unmet)
    analysis.diagnostics = lints.check(analysis.network)
