"""Folders for files that are not finished, which not even a killed process leaves behind for good.

Whoever works in such a folder holds the lock on a file in it, and the kernel gives the lock up for a process that ends
in whatever way. A folder whose lock is free belongs to nobody any more, and the next process that works in the same
place removes it. A process number would not do: numbers are used again, and mean nothing on another machine.
"""

import os
import platform
import secrets
import shutil
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from vggc.base.signals import uninterrupted

if sys.platform != "win32":
    import fcntl

_LOCK: Final = ".vggc.lock"


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """A new folder in `parent`, gone afterwards; those of processes that were killed are removed first.

    Raises:
        OSError: it cannot be made.
    """
    _remove_abandoned(parent)
    folder = parent / f"{_prefix()}{secrets.token_hex(4)}"
    lock = None
    try:  # before the folder is there: a signal may end the process at any moment
        try:
            lock = _claimed(folder)
            yield folder
        finally:
            with uninterrupted():
                shutil.rmtree(folder, ignore_errors=True)
    finally:  # once more, for the moment before signals are put off
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


@contextmanager
def exclusively(folder: Path) -> Iterator[bool]:
    """Let one process at a time go on in a folder; gives whether that holds: not every file system knows locks."""
    if sys.platform == "win32":
        yield False
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield _locked(descriptor, wait=True)
    finally:
        os.close(descriptor)


def _prefix() -> str:
    """How the folders of this machine begin: on some file systems another machine's locks are not seen."""
    return f".vggc.{zlib.crc32(platform.node().encode()):08x}."


def _claimed(folder: Path) -> int:
    """Make a folder, and give the descriptor of its locked file."""
    while True:
        folder.mkdir(mode=0o700, exist_ok=True)
        try:
            lock = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
        except FileNotFoundError:
            continue  # another process saw the folder before it was locked, and took it for abandoned
        _locked(lock, wait=True)
        if _is_open_as(lock, folder / _LOCK):
            return lock
        os.close(lock)


def _is_open_as(descriptor: int, path: Path) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), path.stat())
    return False


def _locked(descriptor: int, *, wait: bool) -> bool:
    """Take the lock; whether it could be had, which also fails where the file system knows no locks."""
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True


def _remove_abandoned(parent: Path) -> None:
    with suppress(OSError), os.scandir(parent) as entries:
        found = [
            Path(each) for each in entries if each.name.startswith(_prefix()) and each.is_dir(follow_symlinks=False)
        ]
        for folder in found:
            _remove_if_abandoned(folder)


def _remove_if_abandoned(folder: Path) -> None:
    try:
        lock = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    except OSError:
        return  # gone meanwhile, or somebody else's
    try:
        if _locked(lock, wait=False):
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)
