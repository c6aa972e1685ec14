"""Runs the commands that a page shows, in an empty folder: `python docs/console.py` writes their output into the pages.

A `console` block contains commands, each after a dollar sign, followed by what they print on stdout and stderr. A block
with a `title` is a file of that name, for the commands below it. A test compares the pages with what is printed now.
Figures that depend on the machine may differ: seconds, rounding errors, and in a block `console trained` every number.
Blocks `console measured` need data that a checkout does not have, and are not run.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
PAGES = ("authoring.md", "ci.md", "data.md", "how-to.md", "index.md", "tutorial.md")
BLOCK = re.compile(
    r'^(?P<head>```(?:console(?P<kind>(?: trained)?)|\w+ title="(?P<file>[\w./-]+)"))\n(?P<text>.*?)^```$',
    re.MULTILINE | re.DOTALL,
)
MEASURED = re.compile(r"\bin \d+\.\d\d s\b|\b\d\.\de[+-]\d\d\b")
TRAINED = re.compile(r"^```console trained\n.*?^```$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r" *\d+(?:[.,]\d+)*(?:e-?\d+)?")


def answered(page: str, folder: Path) -> str:
    """A page with the output of its commands, run in a folder one after the other."""
    commands = environment(folder)
    work = folder / "work"
    work.mkdir()

    def answer(block: re.Match[str]) -> str:
        if block["file"] is None:
            return f"{block['head']}\n{''.join(_answers(block['text'], work, commands))}```"
        (work / block["file"]).parent.mkdir(parents=True, exist_ok=True)
        (work / block["file"]).write_text(block["text"], encoding="utf-8")
        return block[0]

    return BLOCK.sub(answer, page)


def _answers(block: str, work: Path, commands: dict[str, str]) -> Iterator[str]:
    for line in block.splitlines():
        if line.startswith("$ "):
            done = subprocess.run(
                ["bash", "-c", line.removeprefix("$ ")], cwd=work, env=commands, text=True, check=False,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
            yield f"{line}\n{done.stdout}"


def environment(folder: Path) -> dict[str, str]:
    """The environment in which `vggc` and `python` are those of this checkout."""
    for name, arguments in {"vggc": '-m vggc "$@"', "python": '"$@"'}.items():
        command = folder / "bin" / name
        command.parent.mkdir(exist_ok=True)
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments}\n', encoding="utf-8")
        command.chmod(0o755)
    path = os.pathsep.join([str(folder / "bin"), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "PYTHONPATH": str(HERE.parent), "COLUMNS": "80"}


def without_measurements(page: str) -> str:
    """A page without the figures that depend on the machine."""
    page = TRAINED.sub(lambda block: NUMBER.sub("0", block[0]), page)
    return MEASURED.sub("0", page)


def main(names: list[str]) -> None:
    """Write the output into all pages, or those named, where it differs by more than measurements."""
    for name in names or PAGES:
        page = HERE / name
        text = page.read_text(encoding="utf-8")
        with tempfile.TemporaryDirectory() as folder:
            new = answered(text, Path(folder))
        if without_measurements(new) != without_measurements(text):
            page.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
