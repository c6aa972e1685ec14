"""The processes of a run: how they start, find each other, and end."""

import gc
import logging
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from torch import distributed
from torch.distributed import DistError

from vggc.base.errors import ProductError
from vggc.base.signals import exit_on_signal

if TYPE_CHECKING:
    from lightning.fabric import Fabric

PATIENCE: Final = 2.0  # seconds in which another process may end by itself; it has nothing to write


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Hide Lightning's banners, tips and hints, but not its errors."""
    loggers = [logging.getLogger(name) for name in ("lightning.fabric", "lightning.pytorch", "lightning")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def launched(fabric: "Fabric") -> Iterator[None]:
    """Start the processes of a run and wait for those of other machines; a signal ends the waiting.

    If this block fails, before the processes have a folder in common, those that were started here are ended.

    Raises:
        ProductError: the processes do not find each other.
    """
    try:
        with exit_on_signal(lambda: stop_child_processes(fabric)):
            fabric.launch()
        yield
    except BaseException as error:
        stop_child_processes(fabric)
        if isinstance(error, DistError):
            reason = str(error).splitlines()[0]
            raise ProductError(f"the processes of the run did not find each other: {reason}; try again") from error
        raise


def stop_child_processes(fabric: "Fabric") -> None:
    """End the processes that Lightning's launcher has started from this one.

    Lightning is made to forget them: every few seconds it kills this process if one of them has ended, even while this
    one prints its last lines.
    """
    started = getattr(fabric.strategy.launcher, "procs", [])
    children = tuple(started)
    started.clear()
    for process in children:
        process.terminate()
    for process in children:
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:  # it waits for this one, deep in a sum over all processes
            process.kill()
            process.wait()


def leave_process_group() -> None:
    """Leave the group of processes; its threads would still run when the process ends, and might abort it.

    The models that use the group must be gone: a model that goes after the group is the last to hold it, and then waits
    for threads that wait for Python's lock, which it has.
    """
    if distributed.is_available() and distributed.is_initialized():
        gc.collect()
        distributed.destroy_process_group()
