"""What happens when a run is interrupted or fails: what is printed and written, and how to go on."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from vggc.base.errors import ProductError
from vggc.base.signals import signal_first
from vggc.base.staging import could_not_write
from vggc.training.processes import stop_child_processes
from vggc.training.resume import how_to_resume
from vggc.training.run_folder import RunFolder
from vggc.training.run_output import RunOutput

if TYPE_CHECKING:
    from lightning.fabric import Fabric

INTERRUPTED: Final = 130  # the exit code, as shells have it

_PROCESS_ENDED: Final = "another process of the run has ended, perhaps for lack of memory; go on with --resume: {line}"

# Words in the errors of torch, and what the user can do; `line` is the first line of the error.
_KNOWN_ERRORS: Final = {
    "not have a deterministic implementation": "--deterministic: {sentence}; leave it out, or use a layer that has one",
    "out of memory": "{line}: use a smaller batch (--set train.batch_size=...), or --precision bf16-mixed",
    "can't allocate memory": "{line}: use a smaller batch (--set train.batch_size=...)",
    "gloo": _PROCESS_ENDED,
    "nccl": _PROCESS_ENDED,
    "more than 1 value per channel": (
        "batch norm has a single value to normalise in a batch of one image: use a larger batch, or more images"
    ),
}


@contextmanager
def reported_failures(fabric: "Fabric", folder: RunFolder | None, output: RunOutput) -> Iterator[None]:
    """When the block fails or is interrupted, write why, print how to resume, and end the processes of the run.

    `folder` is None in all processes but the first, which print nothing.

    Raises:
        ProductError: torch or the file system refused something that the user can change.
    """
    if folder is not None:
        output.open_log(folder.path / "train.log")
    try:
        with signal_first():
            yield
    except BaseException as error:
        stop_child_processes(fabric)
        if folder is None and isinstance(error, KeyboardInterrupt | SystemExit):
            raise SystemExit(INTERRUPTED) from None
        if folder is not None:
            _report(error, folder, output)
        if (explanation := _explanation(error, folder)) is not None:
            raise explanation from error
        raise
    finally:
        output.close()


def _report(error: BaseException, folder: RunFolder, output: RunOutput) -> None:
    """Write the failure into the log and the summary, and print how an interrupted run is resumed."""
    if isinstance(error, KeyboardInterrupt | SystemExit):
        _write_status(folder, "interrupted", None)
        output.say(how_to_resume(folder))
        return
    with suppress(OSError, ProductError):  # the disk may be full
        output.log(f"error: {error}")
        _write_status(folder, "failed", str(error))


def _write_status(folder: RunFolder, status: str, error: str | None) -> None:
    """Write the status into the summary, and keep what an earlier session has written there."""
    folder.write_json("summary.json", {**folder.summary(), "status": status, "error": error})


def _explanation(error: BaseException, folder: RunFolder | None) -> ProductError | None:
    """The error for the user, if vggc knows the cause of this one and it is not one for the user already."""
    if isinstance(error, OSError) and folder is not None:
        return could_not_write(folder.path, error)
    if not isinstance(error, RuntimeError | ValueError) or isinstance(error, ProductError):
        return None
    line = (str(error).splitlines() or [""])[0]
    for words, explanation in _KNOWN_ERRORS.items():
        if words in str(error).lower():
            return ProductError(explanation.format(line=line, sentence=line.split(".")[0]))
    return None
