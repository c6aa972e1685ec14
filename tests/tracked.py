"""What git tracks, and what does not belong there: binary files, and large ones."""

import subprocess
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

MOST_BYTES: Final = 300_000
GENERATED: Final = ("specs/vggc.schema.json",)  # may be large
BINARY: Final = ("docs/*.png", "tests/cases/invalid/*.yaml")  # pictures, and specs that are not UTF-8 on purpose


def tracked_files(root: Path) -> list[str]:
    """The files that git tracks in a work tree, relative to its root; those deleted since the last commit aside."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, check=True, capture_output=True, text=True).stdout
    return [name for name in listed.split("\0") if name and (root / name).is_file()]


def misplaced_files(root: Path) -> list[str]:
    """One line for every tracked file that is too large, or binary and not one of `BINARY`."""
    return [f"{name}: {problem}" for name in tracked_files(root) for problem in _problems(root / name, name)]


def _problems(path: Path, name: str) -> list[str]:
    content = path.read_bytes()
    problems = []
    if len(content) > MOST_BYTES and name not in GENERATED:
        problems.append(f"{len(content):,} bytes, and at most {MOST_BYTES:,} may be tracked")
    if not _is_text(content) and not any(fnmatch(name, pattern) for pattern in BINARY):
        problems.append("a binary file")
    return problems


def _is_text(content: bytes) -> bool:
    try:
        return "\0" not in content.decode("utf-8")
    except UnicodeDecodeError:
        return False
