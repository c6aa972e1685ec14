"""What only some commands need may be missing: the compiler does not notice, a command says what to install."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.networks import SMALL
from tests.pictures import noise, save
from vggc.base.errors import ProductError
from vggc.base.extras import require

EXTRAS = ("lightning", "matplotlib", "PIL", "pyarrow", "sklearn", "tensorboard", "torchmetrics")

# A Python in which these packages cannot be found, as on a machine where nobody installed them.
WITHOUT = """\
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name.partition(".")[0])

sys.meta_path.insert(0, Blocked())
from vggc.cli import main
for line in sys.argv[1:]:
    try:
        main(line.split())
    except SystemExit as end:
        print(line, "ended with", end.code)
"""


def run_without(blocked: tuple[str, ...], folder: Path, *lines: str) -> subprocess.CompletedProcess[str]:
    """Command lines, one after the other in one process."""
    code = WITHOUT.format(blocked=blocked)
    return subprocess.run([sys.executable, "-c", code, *lines], cwd=folder, capture_output=True, text=True, check=True)


def test_what_is_there_is_imported() -> None:
    assert require("json.decoder", extra="train").__name__ == "json.decoder"


@pytest.mark.parametrize(
    ("module", "extra", "by", "message"),
    [
        ("no_such_package", "train", None,
         "`vggc train` needs no_such_package; install it with: pip install 'vggc[train]'"),
        ("no_such_package.inside", "editor", "an editor",
         "an editor needs no_such_package; install it with: pip install 'vggc[editor]'"),
        ("no_such_package", None, "reading images",
         "reading images needs no_such_package; install it with: pip install no_such_package"),
    ],
)  # fmt: skip
def test_what_is_missing_is_named(module: str, extra: str | None, by: str | None, message: str) -> None:
    with pytest.raises(ProductError) as error:
        require(module, extra=extra, by=by)
    assert str(error.value) == message


@pytest.mark.parametrize("text", ["import no_such_dependency", "from os import no_such_name"])
def test_what_is_broken_is_not_called_missing(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "half_installed.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ProductError, match=r"needs half_installed, which is there and does not import: .*no_such"):
        require("half_installed", extra="train")


def test_the_compiler_needs_none_of_it(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SMALL)
    done = run_without(EXTRAS, tmp_path, "check small.yaml", "build small.yaml", "export small.yaml --onnx -o x.onnx")
    assert "ended with" not in done.stdout
    assert done.stderr == ""
    assert (tmp_path / "x.onnx").exists()


def test_a_command_says_what_to_install(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save(tmp_path / "photos" / name / "1.png", noise(4, 4, 3))
    done = run_without(EXTRAS, tmp_path, "stats", "stats --data parquet:x", "stats --data folder:photos")
    assert done.stdout.count("ended with 3") == 3
    assert done.stderr.splitlines() == [
        "error: the source `digits` needs scikit-learn; install it with: pip install 'vggc[train]'",
        "error: the source `parquet` needs pyarrow; install it with: pip install 'vggc[train]'",
        "error: reading images needs pillow; install it with: pip install pillow",
    ]
