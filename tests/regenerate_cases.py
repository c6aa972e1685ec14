"""Writes what `vggc check` says of every spec in tests/cases/invalid beside it, for a person to read in the diff.

python -m tests.regenerate_cases
"""

import os
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Final

from vggc.cli import main

ROOT: Final = Path(__file__).resolve().parents[1]
INVALID: Final = Path("tests/cases/invalid")


def cases() -> Iterator[Path]:
    """The expected outputs; the spec of that name stands beside it, or is missing on purpose."""
    return iter(sorted((ROOT / INVALID).glob("*.txt")))


def output_of(case: Path) -> tuple[int | str | None, str]:
    """The exit code of `vggc check` and what it prints, run in the root of the repository."""
    out = StringIO()
    code: int | str | None = 0
    with redirect_stdout(out), redirect_stderr(out):
        try:
            main(["check", str(INVALID / f"{case.stem}.yaml")])
        except SystemExit as leaving:
            code = leaving.code
    return code, out.getvalue()


if __name__ == "__main__":
    os.chdir(ROOT)
    for each in cases():
        code, text = output_of(each)
        assert code == 1, f"{each.stem} left with {code}:\n{text}"
        each.write_text(text, encoding="utf-8")
