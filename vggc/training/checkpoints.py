"""Checkpoints: written under another name and moved into place, so that one of them is always whole.

The best is in place before the last: a run that is ended between the two goes on from the epoch before, and makes the
same best again.
"""

import os
import shlex
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from vggc.base.errors import ProductError
from vggc.base.staging import move_into_place
from vggc.training.run_folder import RunFolder
from vggc.weights.loading import save_state

if TYPE_CHECKING:
    from lightning.fabric import Fabric

FORMAT = 2


def save(fabric: "Fabric", folder: RunFolder, state: dict[str, Any], *, best: bool) -> None:
    """Write the last checkpoint, and the best as well where this is it; to be called by every process."""
    part = folder.last.with_suffix(".part")
    if fabric.is_global_zero:
        part.unlink(missing_ok=True)  # of a run that was killed; it may be the best checkpoint under a second name
    fabric.save(part, {"format": FORMAT, **state})
    if not fabric.is_global_zero:
        return
    if best:
        _link(part, folder.best)
        save_state(network_state(folder.best), folder.weights)
    move_into_place(part, folder.last)


def _link(part: Path, target: Path) -> None:
    """The same file under a second name; a copy where the file system has no links."""
    second = target.with_suffix(".part.best")
    second.unlink(missing_ok=True)
    try:
        os.link(part, second)
    except OSError:
        shutil.copyfile(part, second)
    move_into_place(second, target)


def check_last(folder: RunFolder) -> None:
    """See that a run can go on from its last checkpoint, if it has one.

    Raises:
        ProductError: it is damaged; the message says what else there is to go on from.
    """
    if not folder.last.exists():
        return
    try:
        read(folder.last)
    except ProductError as error:
        raise ProductError(f"{error}; {_else(folder)}") from error


def _else(folder: RunFolder) -> str:
    best, last = (shlex.quote(str(path)) for path in (folder.best, folder.last))
    with suppress(ProductError):
        epochs = len(read(folder.best)["history"]["epochs"])
        return f"to go on behind the best epoch, which was epoch {epochs}: cp {best} {last}"
    if folder.weights.exists():
        return f"begin a new run with the weights of the best epoch: --weights {shlex.quote(str(folder.weights))}"
    return "begin a new run"


def network_state(path: Path) -> dict[str, torch.Tensor]:
    """The weights in a checkpoint, by the network's own keys."""
    state: dict[str, torch.Tensor] = read(path)["model"]
    return {key.removeprefix("network."): value for key, value in state.items()}


def read(path: Path) -> dict[str, Any]:
    """What a checkpoint holds: tensors and plain values alone.

    Raises:
        ProductError: it is missing, or no checkpoint.
    """
    import pickle

    try:
        found = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except OSError as error:
        raise ProductError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from error
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise ProductError(f"{path} is no checkpoint, or damaged") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise ProductError(f"{path} is no checkpoint of this vggc")
    return found
