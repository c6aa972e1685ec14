"""What a run says while it happens: lines for people, lines for its log, and how far it is."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from vggc.base.progress import Progress, silent


def _nothing(line: str) -> None:
    """Nobody listens."""


@dataclass
class Talk:
    """`say` shows a line to people; both it and `log` write to the run's log once that is open."""

    show: Callable[[str], None] = _nothing
    progress: Progress = silent
    _log: TextIO | None = None

    def open_log(self, path: Path) -> None:
        """Write to a log from here on, behind what it holds."""
        self._log = path.open("a", encoding="utf-8")

    def say(self, line: str) -> None:
        """Tell people, and the log."""
        self.show(line)
        self.log(line)

    def log(self, line: str) -> None:
        """Tell the log alone."""
        if self._log is not None:
            self._log.write(line + "\n")
            self._log.flush()

    def close(self) -> None:
        """Close the log."""
        if self._log is not None:
            self._log.close()
            self._log = None
