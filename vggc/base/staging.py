"""Files that are written whole or not at all: under another name first, then moved into place."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from vggc.base.errors import ProductError
from vggc.base.scratch import scratch_folder

_REMEDIES: Final = {
    errno.ENOSPC: "free some space, or write elsewhere",
    errno.EDQUOT: "free some of your quota, or write elsewhere",
    errno.EFBIG: "raise the limit (ulimit -f), or write to a file system that takes larger files",
    errno.EACCES: "write elsewhere, or have the folder's permissions changed",
    errno.EPERM: "write elsewhere, or have the file's owner or attributes changed",
    errno.EROFS: "write elsewhere: everything there is read-only",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOTDIR: "one of the folders in the path is a file",
    errno.EXDEV: "name the file itself rather than a link to another file system",
}


@contextmanager
def staging(target: Path) -> Iterator[Path]:
    """A folder beside the target for unfinished files; it is removed afterwards, whatever happens.

    It is in the folder of the target, or of the file that the target links to, so that moving a file out of it is one
    step of the file system.

    Raises:
        ProductError: the folder cannot be created or written to, or the disk is full.
    """
    try:
        with scratch_folder(_home(target)) as folder:
            yield folder
    except OSError as error:
        raise could_not_write(target, error) from error


def _home(target: Path) -> Path:
    """The folder of the file to write, which is created; raises ProductError if the file cannot be replaced."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir():
        raise ProductError(f"{target} is a folder; name a file")
    if target.exists() and not target.is_file():
        raise ProductError(f"{target} is no ordinary file; write elsewhere")
    if target.exists() and not os.access(target, os.W_OK):
        raise ProductError(f"{target} is read-only; remove it or write elsewhere")
    return final(target).parent


def final(target: Path) -> Path:
    """The file itself, where the target is a link to one."""
    return Path(os.path.realpath(target)) if target.is_symlink() else target


def could_not_write(target: Path, error: OSError) -> ProductError:
    """The error of a target that could not be written and is unchanged."""
    reason = (error.strerror or str(error)).lower()
    remedy = _REMEDIES.get(error.errno or 0, "try again, or write elsewhere")
    return ProductError(f"{target} could not be written: {reason}; what was there before is unchanged; {remedy}")


def move_into_place(staged: Path, target: Path) -> None:
    """Replace the target by a finished file, durably and in one step."""
    with staged.open("rb+") as file:
        os.fsync(file.fileno())
    os.replace(staged, final(target))
    sync_folder(final(target).parent)


def sync_folder(folder: Path) -> None:
    """Flush the names in a folder to the disk, if the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


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
