"""The texts that are open in the editor, and what is known of each; a spec whose parent changes is read again."""

import os
from dataclasses import dataclass
from pathlib import Path

from vggc.base.diagnostics import Source, Span
from vggc.frontend.text.sources import read_source, shown_path
from vggc.lsp.analysis import Analysis, analyse, is_meant


@dataclass(slots=True)
class _Open:
    """An open text; `path` is None where it has never been saved. `sound` is the last reading with a whole network."""

    path: Path | None
    text: str
    version: int | None
    seconds: float = 0.0  # that the last reading took
    analysis: Analysis | None = None
    sound: Analysis | None = None


class Documents:
    """Everything that is open, by its URI."""

    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}

    def put(self, uri: str, path: Path | None, text: str, version: int | None = None) -> list[str]:
        """Open a text, or replace it; the open specs that extend it, whose reading is stale by that."""
        before = self._open.get(uri)
        opened = _Open(path, text, version)
        if before is not None:
            opened.sound, opened.seconds = before.sound, before.seconds
        self._open[uri] = opened
        return self.forget(path)

    def close(self, uri: str) -> list[str]:
        """What is on the disk counts again; as `put`."""
        closed = self._open.pop(uri, None)
        return self.forget(closed.path) if closed is not None else []

    def forget(self, path: Path | None) -> list[str]:
        """Drop what is known of the open specs that extend a file, which has changed, directly or through others."""
        if path is None:
            return []
        real = Path(os.path.realpath(path))
        heirs = {uri: each for uri, each in self._open.items() if each.analysis and real in each.analysis.parents}
        for each in heirs.values():
            each.analysis = None
        return list(heirs)

    def text(self, uri: str) -> str | None:
        """The text that is open."""
        return self._open[uri].text if uri in self._open else None

    def version(self, uri: str) -> int | None:
        """The editor's number of that text."""
        return self._open[uri].version if uri in self._open else None

    def seconds(self, uri: str) -> float:
        """How long the last reading of a text took."""
        return self._open[uri].seconds if uri in self._open else 0.0

    def analysis(self, uri: str) -> Analysis | None:
        """What is known of a spec; None where nothing of that name is open, or it is no spec."""
        opened = self._open.get(uri)
        if opened is None or not is_meant(opened.text):
            return None
        if opened.analysis is None:
            name = shown_path(opened.path) if opened.path is not None else uri
            opened.analysis = analyse(Source(name, opened.text, path=opened.path), self._fetch)
            if opened.analysis.network is not None:
                opened.sound = opened.analysis
            opened.seconds = opened.analysis.seconds
        return opened.analysis

    def sound(self, uri: str) -> Analysis | None:
        """The last reading of a text that gave a whole network, which is of use while the text is being changed."""
        return self._open[uri].sound if uri in self._open else None

    def _fetch(self, path: Path, place: Span) -> Source:
        """A parent as it stands in the editor, or on the disk."""
        real = os.path.realpath(path)
        for each in self._open.values():
            if each.path is not None and os.path.realpath(each.path) == real:
                return Source(shown_path(path), each.text, place, path)
        return read_source(path, place)
