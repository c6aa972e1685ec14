"""The folder of a run: where each file is, and how it is written and read."""

import json
import shlex
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from vggc.base.diagnostics import Source
from vggc.base.errors import ProductError, could_not_read
from vggc.base.staging import write_text
from vggc.data.source_formats import absolute, images_exist
from vggc.ir.network import Network
from vggc.pipeline import compile_source

RUNS: Final = Path("runs")
MAX_RUNS: Final = 1000  # that start in one second


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run; every file in it is whole or not there."""

    path: Path

    @classmethod
    def create(cls, network: Network, name: str | None = None, path: Path | None = None) -> "RunFolder":
        """A new folder: `path`, or `runs/NAME/STAMP`, where the name is the network's unless another is given.

        Raises:
            ProductError: there is something at the path already, or the folder cannot be created.
        """
        cls.check_free(path)
        if path is not None:
            return cls(_created(path))
        stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
        parent = _created(RUNS / (name or network.stem))
        for suffix in ("", *(f"-{n}" for n in range(2, MAX_RUNS))):
            with suppress(FileExistsError):  # another run started in the same second
                (parent / f"{stamp}{suffix}").mkdir()
                return cls(parent / f"{stamp}{suffix}")
        raise ProductError(f"{parent} contains {MAX_RUNS} runs that started in this second")

    @classmethod
    def check_free(cls, path: Path | None) -> None:
        """Check that a new folder can be created at a path, before anything else is done for it.

        Raises:
            ProductError: there is something at the path already.
        """
        if path is None or not path.exists():
            return
        if not path.is_dir():
            raise ProductError(f"{path} is a file, and a run needs a folder of its own; name another place")
        if cls(path).is_run():
            raise ProductError(f"{path} exists already; name another folder, or resume it with: --resume {_word(path)}")
        if any(path.iterdir()):
            raise ProductError(f"{path} exists already and is not a run; name another folder, or one in it")

    def is_run(self) -> bool:
        """Whether this is the folder of a run that has started."""
        return self.spec.is_file() and self.settings.is_file()

    @classmethod
    def open(cls, path: Path) -> "RunFolder":
        """The folder of a run that has started.

        Raises:
            ProductError: it is not such a folder.
        """
        folder = cls(path)
        if not folder.is_run():
            raise ProductError(f"{path} is not the folder of a run: it has no spec.yaml and run.json")
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
        """The whole run on one page."""
        return self.path / "report.html"

    @property
    def shell_word(self) -> str:
        """The path, quoted for a shell."""
        return _word(self.path)

    def network(self) -> Network:
        """The network of the run.

        Raises:
            SpecError: its spec.yaml was changed, and is wrong now.
        """
        return compile_source(Source(str(self.spec), self.spec.read_text(encoding="utf-8"), path=self.spec))

    def data(self) -> str:
        """The source of the run's images: as it was typed, if that means the same from the current folder.

        Raises:
            ProductError: the images have been moved.
        """
        settings = self.read_json("run.json")
        typed: str = settings["data"]
        from_here = absolute(typed)
        when_started: str = settings.get("data_at", from_here)
        source = next(filter(images_exist, (when_started, from_here)), None)
        if source is None:
            raise ProductError(
                f"the images that {self.path} was trained on, {when_started}, do not exist any more; "
                "say where they are: --data SOURCE"
            )
        return typed if source == from_here else source

    def summary(self) -> dict[str, Any]:
        """The contents of `summary.json`; empty before it is written."""
        summary: dict[str, Any] = self.read_json("summary.json") if (self.path / "summary.json").is_file() else {}
        return summary

    def write(self, name: str, text: str) -> None:
        """Write a text file."""
        write_text(self.path / name, text)

    def write_json(self, name: str, value: object) -> None:
        """Write a JSON file; long lists of numbers stay on a line."""
        self.write(name, _json(value) + "\n")

    def read_json(self, name: str) -> Any:
        """Read a JSON file.

        Raises:
            ProductError: it is missing or not JSON.
        """
        path = self.path / name
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise could_not_read(path, error) from error
        except ValueError as error:
            raise ProductError(f"{path} is not JSON: {error}") from error


def _created(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ProductError(f"{path} cannot be created: {(error.strerror or str(error)).lower()}") from error
    return path


def _word(path: Path) -> str:
    return shlex.quote(str(path))


def _json(value: object, indent: str = "") -> str:
    """JSON with a key on each line, and every list of plain values on one."""
    deeper = indent + "  "
    if isinstance(value, dict) and value:
        lines = (f"{deeper}{json.dumps(str(key))}: {_json(item, deeper)}" for key, item in value.items())
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        return "[\n" + ",\n".join(deeper + _json(item, deeper) for item in value) + f"\n{indent}]"
    return json.dumps(value, ensure_ascii=False)
