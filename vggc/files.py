"""Files that are either there, whole, or not there: written under another name and moved into place."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vggc.errors import ProductError


@contextmanager
def staging(target: Path) -> Iterator[Path]:
    """A folder beside the target for files that are not finished; it is gone afterwards, whatever happens.

    It lies in the target's own folder, so that moving a file out of it is one step of the file system.

    Raises:
        ProductError: the folder cannot be made or written to, or the disk is full.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            raise ProductError(f"{target} is a folder; name a file")
        if target.exists() and not target.is_file():
            raise ProductError(f"{target} is no ordinary file; write elsewhere")
        if target.exists() and not os.access(target, os.W_OK):
            raise ProductError(f"{target} is read-only; remove it or write elsewhere")
        folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise _failed(target, error) from error
    try:
        yield folder
    except OSError as error:
        raise _failed(target, error) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _failed(target: Path, error: OSError) -> ProductError:
    reason = (error.strerror or str(error)).lower()
    return ProductError(f"{target} could not be written: {reason}; what was there before is unchanged")


def move_into_place(staged: Path, target: Path) -> None:
    """Make a finished file the target, durably and in one step."""
    with staged.open("rb+") as file:
        os.fsync(file.fileno())
    os.replace(staged, target.resolve() if target.is_symlink() else target)


def write_text(target: Path, text: str) -> None:
    """Write a whole text file, or nothing.

    Raises:
        ProductError: it could not be written.
    """
    write_bytes(target, text.encode())


def write_bytes(target: Path, content: bytes) -> None:
    """Write a whole file, or nothing.

    Raises:
        ProductError: it could not be written.
    """
    with staging(target) as folder:
        staged = folder / target.name
        staged.write_bytes(content)
        move_into_place(staged, target)
