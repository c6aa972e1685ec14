"""Functions called in processes of their own, which may be crippled or killed; torch and onnx are imported already.

The processes are forked from a server that imports once, so that a hundred of them take seconds.
"""

import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

_SERVER: Final = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["pytest", "safetensors.torch", "vggc.exporting.export", "vggc.verify.verification"])
KILLED: Final = -signal.SIGKILL


def in_child(function: Callable[..., object], *arguments: object) -> int:
    """The exit code of a process that calls a function of a module: 0 when it returned, 1 when it raised."""
    process = start(function, *arguments)
    process.join(60)
    assert process.exitcode is not None, "the process hangs"
    return process.exitcode


def start(function: Callable[..., object], *arguments: object) -> Any:
    """The same process, not waited for; it is ended with the tests, whatever became of them."""
    process = _SERVER.Process(target=_call, args=(function, arguments), daemon=True)
    process.start()
    return process


def _call(function: Callable[..., object], arguments: tuple[object, ...]) -> None:
    import torch

    torch.set_num_threads(1)
    try:
        function(*arguments)
    except BaseException:
        traceback.print_exc()
        sys.exit(1)


# What Python tells of before it does it, with the path as the first argument.
_STEPS: Final = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.scandir", "os.listdir", "fcntl.flock"}


class Steps:
    """Calls a function before every step of this process's work in a folder: a file operation or a word of progress."""

    def __init__(self, folder: Path, call: Callable[[int], None]) -> None:
        self.folder = str(folder)
        self.call = call
        self.n = 0
        self.busy = False
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[object, ...]) -> None:
        if event in _STEPS and (event == "fcntl.flock" or str(arguments[0]).startswith(self.folder)):
            self.step()

    def step(self, *_: object) -> None:
        """A step; takes what a `Progress` is told."""
        if not self.busy:
            self.busy = True
            self.call(self.n)
            self.n += 1
            self.busy = False


def die() -> None:
    """End this process as nothing can prevent."""
    os.kill(os.getpid(), signal.SIGKILL)
