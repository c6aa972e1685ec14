"""The folder of a run: what lies where, and how it comes to be there."""

import json
import shlex
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from vggc.base.errors import ProductError
from vggc.base.staging import write_text
from vggc.ir.network import Network

RUNS: Final = Path("runs")
MAX_RUNS: Final = 1000  # that are begun in one second


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run; every file in it is whole or not there."""

    path: Path

    @classmethod
    def create(cls, network: Network, name: str | None = None, path: Path | None = None) -> "RunFolder":
        """A new folder: `path`, or `runs/NAME/STAMP`, where the name is the network's unless another is given.

        Raises:
            ProductError: there is something at the path already, or it cannot be made.
        """
        cls.check_free(path)
        if path is not None:
            return cls(_made(path))
        stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
        parent = _made(RUNS / (name or network.stem))
        for suffix in ("", *(f"-{n}" for n in range(2, MAX_RUNS))):
            with suppress(FileExistsError):  # begun in the same second
                (parent / f"{stamp}{suffix}").mkdir()
                return cls(parent / f"{stamp}{suffix}")
        raise ProductError(f"{parent} holds {MAX_RUNS} runs of this second")

    @classmethod
    def check_free(cls, path: Path | None) -> None:
        """See that a new folder can lie there; before anything else is done for it.

        Raises:
            ProductError: there is something at the path already.
        """
        if path is None or not path.exists():
            return
        if not path.is_dir():
            raise ProductError(f"{path} is a file, and a run is a folder of its own; name another place")
        if cls(path).is_run():
            raise ProductError(
                f"{path} is there already; name another folder, or go on with: --resume {shlex.quote(str(path))}"
            )
        if any(path.iterdir()):
            raise ProductError(f"{path} is there already, and is no run; name another folder, or one in it")

    def is_run(self) -> bool:
        """Whether it is the folder of a run that was begun."""
        return self.spec.is_file() and self.settings.is_file()

    @classmethod
    def open(cls, path: Path) -> "RunFolder":
        """The folder of a run that was begun.

        Raises:
            ProductError: it is no such folder.
        """
        folder = cls(path)
        if not folder.is_run():
            raise ProductError(f"{path} is no folder of a run: it holds no spec.yaml and run.json")
        return folder

    @property
    def spec(self) -> Path:
        """The expanded spec."""
        return self.path / "spec.yaml"

    @property
    def settings(self) -> Path:
        """What the run was asked to do besides."""
        return self.path / "run.json"

    @property
    def last(self) -> Path:
        """The checkpoint of the last epoch that was finished."""
        return self.path / "last.ckpt"

    @property
    def best(self) -> Path:
        """The checkpoint of the best epoch."""
        return self.path / "best.ckpt"

    @property
    def weights(self) -> Path:
        """The weights of the best epoch."""
        return self.path / "best.safetensors"

    @property
    def report(self) -> Path:
        """Everything on one page."""
        return self.path / "report.html"

    def summary(self) -> dict[str, Any]:
        """What `summary.json` holds; nothing where there is none yet."""
        found: dict[str, Any] = self.read_json("summary.json") if (self.path / "summary.json").is_file() else {}
        return found

    def is_complete(self, epochs: int) -> bool:
        """Whether the run was finished, with so many epochs or an early stop."""
        summary = self.summary()
        return summary.get("status") in ("complete", "stopped early") and summary["planned_epochs"] >= epochs

    def write(self, name: str, text: str) -> None:
        """Write a text file."""
        write_text(self.path / name, text)

    def write_json(self, name: str, value: object) -> None:
        """Write a JSON file; long lists of numbers stay on a line."""
        self.write(name, _json(value) + "\n")

    def read_json(self, name: str) -> Any:
        """Read a JSON file.

        Raises:
            ProductError: it is missing or no JSON.
        """
        try:
            return json.loads((self.path / name).read_text(encoding="utf-8"))
        except OSError as error:
            raise ProductError(
                f"{self.path / name} cannot be read: {(error.strerror or str(error)).lower()}"
            ) from error
        except ValueError as error:
            raise ProductError(f"{self.path / name} is no JSON: {error}") from error


def _made(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ProductError(f"{path} cannot be made: {(error.strerror or str(error)).lower()}") from error
    return path


def _json(value: object, indent: str = "") -> str:
    """JSON with a key a line, and every list of plain values on one."""
    deeper = indent + "  "
    if isinstance(value, dict) and value:
        lines = (f"{deeper}{json.dumps(str(key))}: {_json(each, deeper)}" for key, each in value.items())
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(each, dict | list) for each in value):
        return "[\n" + ",\n".join(deeper + _json(each, deeper) for each in value) + f"\n{indent}]"
    return json.dumps(value, ensure_ascii=False)
