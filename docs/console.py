"""Runs what a page shows on the command line, in an empty folder: `python docs/console.py` writes the answers anew.

A `console` block holds commands, each behind a dollar sign, and below each what it prints on stdout and stderr. A test
holds the pages against what is printed now; seconds may differ.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
PAGES = ("authoring.md", "ci.md", "data.md")
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECONDS = re.compile(r"\bin \d+\.\d\d s\b")


def answered(page: str, folder: Path) -> str:
    """A page with the answers that its commands give in a folder, one after the other."""
    commands = environment(folder)
    work = folder / "work"
    work.mkdir()
    return BLOCK.sub(lambda block: f"```console\n{''.join(_answers(block[1], work, commands))}```", page)


def _answers(block: str, work: Path, commands: dict[str, str]) -> Iterator[str]:
    for line in block.splitlines():
        if line.startswith("$ "):
            done = subprocess.run(
                ["bash", "-c", line.removeprefix("$ ")], cwd=work, env=commands, text=True, check=False,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
            yield f"{line}\n{done.stdout}"


def environment(folder: Path) -> dict[str, str]:
    """With this checkout's vggc as the command."""
    command = folder / "bin" / "vggc"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m vggc "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    path = os.pathsep.join([str(command.parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "PYTHONPATH": str(HERE.parent), "COLUMNS": "80"}


def without_seconds(page: str) -> str:
    """A page in which every duration is the same."""
    return SECONDS.sub("in 0.00 s", page)


def main() -> None:
    """Write the answers into the pages where they differ by more than seconds."""
    for name in PAGES:
        page = HERE / name
        text = page.read_text(encoding="utf-8")
        with tempfile.TemporaryDirectory() as folder:
            new = answered(text, Path(folder))
        if without_seconds(new) != without_seconds(text):
            page.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
