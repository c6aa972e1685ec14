"""What happens when a run does not come to its end: what is said, and what becomes of its other processes."""

import logging
import shlex
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from vggc.base.errors import ProductError
from vggc.base.signals import signal_first
from vggc.base.staging import could_not_write
from vggc.training.run_folder import RunFolder
from vggc.training.run_output import Talk

if TYPE_CHECKING:
    from lightning.fabric import Fabric


INTERRUPTED: Final = 130  # the exit code, as shells have it
PATIENCE: Final = 2.0  # seconds in which another process may end by itself; it has nothing to write


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Lightning's banners, tips and hints are kept off the screen; its errors are not."""
    loggers = [logging.getLogger(name) for name in ("lightning.fabric", "lightning.pytorch", "lightning")]
    levels = [each.level for each in loggers]
    for each in loggers:
        each.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            yield
    finally:
        for each, level in zip(loggers, levels, strict=True):
            each.setLevel(level)


@contextmanager
def explained(fabric: "Fabric", folder: RunFolder | None, talk: Talk) -> Iterator[None]:
    """Say how a run that is broken off goes on, and end the processes that were started for it.

    `folder` is that of the first process, which alone speaks.

    Raises:
        ProductError: for what torch or the file system refuses in the middle of a run.
    """
    if folder is not None:
        talk.open_log(folder.path / "train.log")
    try:
        with signal_first():
            yield
    except (KeyboardInterrupt, SystemExit):
        stop_others(fabric)
        if folder is None:
            raise SystemExit(INTERRUPTED) from None  # the first process speaks for all
        _write_down(folder, talk, "interrupted")
        talk.say(_way_on(folder))
        raise
    except ProductError as error:
        stop_others(fabric)
        _write_down(folder, talk, "failed", str(error))
        raise
    except OSError as error:
        stop_others(fabric)
        if folder is None:
            raise
        with suppress(OSError, ProductError):  # the disk may be full
            _write_down(folder, talk, "failed", str(error))
        raise could_not_write(folder.path, error) from error
    except (RuntimeError, ValueError) as error:
        stop_others(fabric)
        _write_down(folder, talk, "failed", str(error))
        if (known := _known(str(error))) is not None:
            raise ProductError(known) from error
        raise
    finally:
        talk.close()


def _write_down(folder: RunFolder | None, talk: Talk, status: str, error: str | None = None) -> None:
    """Leave the state in the log and the summary, beside what an earlier sitting has written there."""
    if folder is None:
        return
    if error is not None:
        talk.log(f"error: {error}")
    folder.write_json("summary.json", {**folder.summary(), "status": status, "error": error})


def stop_others(fabric: "Fabric") -> None:
    """End the processes that Lightning's launcher has started from this one.

    It forgets them, too: every few seconds it kills this process if one of them has ended, were it at its last words.
    """
    started = getattr(fabric.strategy.launcher, "procs", [])
    ending = tuple(started)
    started.clear()
    for process in ending:
        process.terminate()
    for process in ending:
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:  # it waits for this one, deep in a sum over all processes
            process.kill()
            process.wait()


def _way_on(folder: RunFolder) -> str:
    if not folder.last.exists():
        return f"stopped in the first epoch; begin anew in the same folder with: vggc train --resume {_quoted(folder)}"
    return f"stopped; {folder.last} holds the last whole epoch, go on with: vggc train --resume {_quoted(folder)}"


def _quoted(folder: RunFolder) -> str:
    return shlex.quote(str(folder.path))


def _known(message: str) -> str | None:
    """What is not vggc's fault, in a sentence with a way out."""
    first = message.splitlines()[0] if message else ""
    if "does not have a deterministic implementation" in message:
        return f"--deterministic: {first.split('.')[0]}; leave it out, or use a layer that has one"
    if "out of memory" in message.lower():
        return f"{first}: use a smaller batch (--set train.batch_size=...), or --precision bf16-mixed"
    if "can't allocate memory" in message.lower():
        return f"{first}: use a smaller batch (--set train.batch_size=...)"
    if "gloo" in message or "NCCL" in message:
        return f"another process of the run has ended, perhaps for want of memory; go on with --resume: {first}"
    if "more than 1 value per channel" in message:
        return "batch norm has a single value to normalise in a batch of one image: use a larger batch, or more images"
    return None
