"""What a run prints while it trains: lines for the user, lines for its log file, and its progress."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from vggc.base.progress import Progress, silent


def _ignore(line: str) -> None:
    """Print nothing, as all processes but the first do."""


@dataclass
class RunOutput:
    """`say` and `warn` show a line to the user by `show`; they and `log` write to the log file once that is open."""

    show: Callable[[str], None] = _ignore
    progress: Progress = silent
    _log: TextIO | None = None

    def open_log(self, path: Path) -> None:
        """Append to a log file from now on."""
        self._log = path.open("a", encoding="utf-8")

    def say(self, line: str) -> None:
        """Show a line and log it."""
        self.show(line)
        self.log(line)

    def warn(self, warning: str) -> None:
        """Show a warning and log it."""
        self.say(f"warning: {warning}")

    def log(self, line: str) -> None:
        """Write a line to the log file alone."""
        if self._log is not None:
            self._log.write(line + "\n")
            self._log.flush()

    def close(self) -> None:
        """Close the log file."""
        if self._log is not None:
            self._log.close()
            self._log = None
