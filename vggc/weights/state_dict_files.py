"""State dicts in files of others: read, and nothing in them executed."""

import pickle
import re
import struct
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vggc.base.errors import ProductError

if TYPE_CHECKING:
    import torch

_WRAPPINGS: Final = ("state_dict", "model_state_dict", "model")  # what checkpoints call the state dict inside
# What torch's reader raises for a damaged pickle, or for another file; it documents no error of its own.
_DAMAGED: Final = (
    pickle.UnpicklingError, EOFError, ValueError, LookupError, TypeError, AttributeError, AssertionError, struct.error,
)  # fmt: skip


def read_state(path: Path) -> "Mapping[str, torch.Tensor]":
    """The tensors of a safetensors file, or of a torch file that holds nothing but weights.

    Raises:
        ProductError: the file cannot be read, or holds something else.
    """
    import safetensors
    import safetensors.torch
    import torch

    try:
        path.open("rb").close()  # for the system's own message; that of safetensors is another
        if path.suffix.lower() == ".safetensors":
            return safetensors.torch.load_file(path)
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # about the pickle's protocol
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except OSError as error:
        raise ProductError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from error
    except (safetensors.SafetensorError, *_DAMAGED, RuntimeError) as error:
        raise ProductError(f"{path} holds no weights: {_why(error)}") from error
    state = _unwrapped(content)
    if not isinstance(state, Mapping) or not all(isinstance(key, str) for key in state):
        raise ProductError(f"{path} holds no state dict; save one with torch.save(model.state_dict(), ...)")
    for key, tensor in state.items():
        if not isinstance(tensor, torch.Tensor) or tensor.layout != torch.strided or tensor.is_meta:
            raise ProductError(
                f"{path} holds no state dict: `{key}` is not a tensor with values; "
                "save one with torch.save(model.state_dict(), ...)"
            )
    return state


def _unwrapped(content: object) -> object:
    """The state dict in a checkpoint, or the content itself."""
    inside = (content.get(name) for name in _WRAPPINGS) if isinstance(content, Mapping) else ()
    return next((value for value in inside if isinstance(value, Mapping)), content)


def _why(error: Exception) -> str:
    """What is wrong with a file, in a line; torch's own message says how to execute what is in it."""
    text = str(error)
    if refused := re.search(r"GLOBAL (\S+)", text):
        return (
            f"it needs the class {refused[1]}, and nothing in a file is executed; "
            "save the tensors alone with torch.save(model.state_dict(), ...)"
        )
    if isinstance(error, _DAMAGED) or not text:
        return "it is not a file of torch, or was damaged"
    return text.splitlines()[0]
