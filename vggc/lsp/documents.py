"""The texts that are open in the editor and their analyses; when a parent changes, its children are analysed again."""

import os
from dataclasses import dataclass
from pathlib import Path

from vggc.base.diagnostics import Source, Span
from vggc.frontend.text.sources import display_path, read_source
from vggc.lsp.spec_analysis import Analysis, analyse, is_for_vggc


@dataclass(slots=True)
class OpenText:
    """An open text and its analysis.

    `path` is None if it was never saved, `version` the editor's number of the text. `last_valid` is the last analysis
    that gave a network, which is used while the text is being changed.
    """

    path: Path | None
    text: str
    version: int | None
    seconds: float = 0.0  # of the last analysis
    analysis: Analysis | None = None
    last_valid: Analysis | None = None


class Documents:
    """The open texts by URI."""

    def __init__(self) -> None:
        self._open: dict[str, OpenText] = {}

    def put(self, uri: str, path: Path | None, text: str, version: int | None = None) -> list[str]:
        """Open a text, or replace it; returns the open specs that extend it, whose analyses are dropped."""
        previous = self._open.get(uri)
        opened = OpenText(path, text, version)
        if previous is not None:
            opened.last_valid, opened.seconds = previous.last_valid, previous.seconds
        self._open[uri] = opened
        return self.invalidate(path)

    def close(self, uri: str) -> list[str]:
        """Use the file on the disk again; returns as `put`."""
        closed = self._open.pop(uri, None)
        return self.invalidate(closed.path) if closed is not None else []

    def invalidate(self, path: Path | None) -> list[str]:
        """Drop the analyses of the open specs that extend a changed file, and return their URIs."""
        if path is None:
            return []
        real = Path(os.path.realpath(path))
        children = {uri: text for uri, text in self._open.items() if text.analysis and real in text.analysis.parents}
        for text in children.values():
            text.analysis = None
        return list(children)

    def get(self, uri: str) -> OpenText:
        """An open text; an empty one if nothing of that name is open."""
        return self._open.get(uri) or OpenText(None, "", None)

    def analysis(self, uri: str) -> Analysis | None:
        """The analysis of a spec; None if no such text is open, or it is not a spec."""
        opened = self._open.get(uri)
        if opened is None or not is_for_vggc(opened.text):
            return None
        if opened.analysis is None:
            name = display_path(opened.path) if opened.path is not None else uri
            opened.analysis = analyse(Source(name, opened.text, path=opened.path), self._fetch)
            if opened.analysis.network is not None:
                opened.last_valid = opened.analysis
            opened.seconds = opened.analysis.seconds
        return opened.analysis

    def _fetch(self, path: Path, span: Span) -> Source:
        """A parent from the editor if it is open, otherwise from the disk."""
        real = os.path.realpath(path)
        for text in self._open.values():
            if text.path is not None and os.path.realpath(text.path) == real:
                return Source(display_path(path), text.text, span, path)
        return read_source(path, span)
