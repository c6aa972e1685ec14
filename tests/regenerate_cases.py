"""Writes what vggc says of every spec in tests/cases beside it, for a person to read in the diff; and tests/drawings.

    python -m tests.regenerate_cases

Beside a valid spec stands its expansion (`vggc expand`), beside an invalid one the report (`vggc check`). The file with
the answer makes the case: one without a spec beside it asks about a file that is missing.
"""

import os
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Final

from tests import networks
from vggc.cli import main
from vggc.drawing.draw import render

ROOT: Final = Path(__file__).resolve().parents[1]
VALID: Final = Path("tests/cases/valid")
INVALID: Final = Path("tests/cases/invalid")
DRAWINGS: Final = ROOT / "tests/drawings"


def cases(folder: Path) -> list[Path]:
    """The specs of a folder, relative to the root of the repository; some of them are missing on purpose."""
    return [folder / f"{path.stem}.yaml" for path in sorted((ROOT / folder).glob("*.txt"))]


def answer(command: str, spec: Path) -> tuple[int | str | None, str]:
    """The exit code of a command and what it prints; to be run in the root of the repository."""
    out = StringIO()
    code: int | str | None = 0
    with redirect_stdout(out), redirect_stderr(out):
        try:
            main([command, spec.as_posix()])
        except SystemExit as leaving:
            code = leaving.code
    return code, out.getvalue()


def _regenerate(command: str, folder: Path, expected: int) -> None:
    for spec in (ROOT / folder).glob("*.yaml"):
        spec.with_suffix(".txt").touch()
    for spec in cases(folder):
        code, text = answer(command, spec)
        assert code == expected, f"{spec} left with {code}:\n{text}"
        spec.with_suffix(".txt").write_text(text, encoding="utf-8")


def drawings() -> dict[Path, bytes]:
    """The drawings of the small networks, by their files."""
    files = {}
    for name, text in networks.ALL.items():
        for file in (f"{name}.paper.svg", f"{name}.mmd", f"{name}.dot"):
            files[DRAWINGS / file] = render(networks.network(text), Path(file))
    return files


if __name__ == "__main__":
    os.chdir(ROOT)
    _regenerate("expand", VALID, 0)
    _regenerate("check", INVALID, 1)
    for file, content in drawings().items():
        file.write_bytes(content)
