"""Checkpoints: written under another name and moved into place, so that one of them is always whole.

The best is in place before the last: a run that is killed between the two goes on from the epoch before, and writes the
same best again.
"""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from vggc.base.errors import ProductError, could_not_read
from vggc.base.staging import move_into_place
from vggc.training.run_folder import RunFolder
from vggc.weights.loading import save_state

if TYPE_CHECKING:
    from lightning.fabric import Fabric

FORMAT = 2


def save(fabric: "Fabric", folder: RunFolder, state: dict[str, Any], *, best: bool) -> None:
    """Write the last checkpoint, and the best as well if this is the best; to be called by every process."""
    part = folder.last.with_suffix(".part")
    fabric.save(part, {"format": FORMAT, **state})
    if not fabric.is_global_zero:
        return
    if best:
        copy = folder.best.with_suffix(".part")
        shutil.copyfile(part, copy)
        move_into_place(copy, folder.best)
        save_state(network_state(folder.best), folder.weights)
    move_into_place(part, folder.last)


def network_state(path: Path) -> dict[str, torch.Tensor]:
    """The weights in a checkpoint, by the network's own keys."""
    state: dict[str, torch.Tensor] = read(path)["model"]
    return {key.removeprefix("network."): value for key, value in state.items()}


def read(path: Path) -> dict[str, Any]:
    """The contents of a checkpoint: tensors and plain values alone.

    Raises:
        ProductError: it is missing, or not a checkpoint.
    """
    import pickle

    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except OSError as error:
        raise could_not_read(path, error) from error
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise ProductError(f"{path} is not a checkpoint, or is damaged") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise ProductError(f"{path} is not a checkpoint of this version of vggc")
    return state
