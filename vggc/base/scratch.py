"""Temporary folders for unfinished files, which are removed later even if the process is killed.

A process that works in such a folder has the lock on a file in it, which the kernel releases when the process ends. A
folder whose lock is free is abandoned, and the next process that works in the same place removes it. A process id would
not do: ids are reused, and mean nothing on another machine.
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
    """A new folder in `parent`, removed afterwards; those of processes that were killed are removed first.

    Raises:
        OSError: it cannot be created.
    """
    _remove_abandoned(parent)
    folder = parent / f"{_prefix()}{secrets.token_hex(4)}"
    lock = None
    try:  # before the folder exists: a signal may end the process at any moment
        try:
            lock = _claimed(folder)
            yield folder
        finally:
            with uninterrupted():
                shutil.rmtree(folder, ignore_errors=True)
    finally:  # once more, as a signal may come just before `uninterrupted` begins
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


@contextmanager
def exclusively(folder: Path) -> Iterator[bool]:
    """Let only one process at a time into a block; gives False if the file system has no locks, so others may enter."""
    if sys.platform == "win32":
        yield False
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield _locked(descriptor, wait=True)
    finally:
        os.close(descriptor)


def _prefix() -> str:
    """The prefix of this machine's folders: on some file systems the locks of other machines are not visible."""
    return f".vggc.{zlib.crc32(platform.node().encode()):08x}."


def _claimed(folder: Path) -> int:
    """Create a folder, and return the descriptor of its locked file."""
    while True:
        folder.mkdir(mode=0o700, exist_ok=True)
        try:
            lock = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
        except FileNotFoundError:
            continue  # another process removed the folder, which was not locked yet, as abandoned
        _locked(lock, wait=True)
        if _is_open_as(lock, folder / _LOCK):
            return lock
        os.close(lock)


def _is_open_as(descriptor: int, path: Path) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), path.stat())
    return False


def _locked(descriptor: int, *, wait: bool) -> bool:
    """Take the lock; whether that succeeded, which it does not if the file system has no locks."""
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True


def _remove_abandoned(parent: Path) -> None:
    with suppress(OSError), os.scandir(parent) as entries:
        ours = [entry for entry in entries if entry.name.startswith(_prefix()) and entry.is_dir(follow_symlinks=False)]
        for entry in ours:
            _remove_if_abandoned(Path(entry))


def _remove_if_abandoned(folder: Path) -> None:
    try:
        lock = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    except OSError:
        return  # removed meanwhile, or another user's
    try:
        if _locked(lock, wait=False):
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)
