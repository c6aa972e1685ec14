"""Files that are either there, whole, or not there: written under another name and moved into place."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from vggc.base.errors import ProductError
from vggc.base.scratch import scratch_folder

_WAYS_OUT: Final = {
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
    """A folder beside the target for files that are not finished; it is gone afterwards, whatever happens.

    It lies in the folder of the file that the target is, or links to, so that moving a file out of it is one step of
    the file system.

    Raises:
        ProductError: the folder cannot be made or written to, or the disk is full.
    """
    try:
        with scratch_folder(_home(target)) as folder:
            yield folder
    except OSError as error:
        raise could_not_write(target, error) from error


def _home(target: Path) -> Path:
    """The folder of the file that is to be replaced, which is made; the target is one that can be."""
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
    """What to raise when writing a target failed before anything of it was touched."""
    reason = (error.strerror or str(error)).lower()
    way_out = _WAYS_OUT.get(error.errno or 0, "try again, or write elsewhere")
    return ProductError(f"{target} could not be written: {reason}; what was there before is unchanged; {way_out}")


def move_into_place(staged: Path, target: Path) -> None:
    """Make a finished file the target, durably and in one step."""
    with staged.open("rb+") as file:
        os.fsync(file.fileno())
    os.replace(staged, final(target))
    sync_folder(final(target).parent)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder written to the disk, where the system can."""
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
