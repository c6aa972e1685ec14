"""A text -> all that can be known of it: as much of the way as it goes, and what is wrong behind that."""

import os
import re
import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from vggc import expectations, lints, pipeline, shapes
from vggc.diagnostics import Diagnostic, Source, Span, SpecError
from vggc.frontend import inherit
from vggc.frontend.document import Document, Table, read
from vggc.ir import Network, ShapedLayer

_SPEC: Final = re.compile(r"^(vggc\s*:|#\s*yaml-language-server:\s*\$schema=\S*vggc\.schema\.json\s*$)", re.MULTILINE)


def is_spec(text: str) -> bool:
    """Whether a text is meant for vggc: it has a line that begins with `vggc:`, or names the schema."""
    return _SPEC.search(text) is not None


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
    def ancestors(self) -> list[Table]:
        """The texts of the parents that are YAML, the nearest first."""
        return [table for text in self.texts if (table := _read(text)) is not None]


def _read(source: Source) -> Table | None:
    try:
        return read(source).table
    except SpecError:
        return None


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
