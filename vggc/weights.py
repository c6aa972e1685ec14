"""Weights from a file into a module, with a report of every key."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from vggc.backends import load
from vggc.errors import ProductError
from vggc.files import move_into_place, staging
from vggc.ir import Network

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass
class WeightsReport:
    """What became of every key: of the file's (loaded, skipped for its shape, left over) and the module's (missing)."""

    file: str
    loaded: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    left_over: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether everything fitted."""
        return not (self.skipped or self.missing or self.left_over)

    def __str__(self) -> str:
        lines = [f"{self.file}: {len(self.loaded)} tensors loaded"]
        for what, names in (
            ("skipped for their shape", self.skipped),
            ("missing in the file", self.missing),
            ("left over in the file", self.left_over),
        ):
            if names:
                more = f" and {len(names) - 5} more" if len(names) > 5 else ""
                lines.append(f"  {len(names)} {what}: {', '.join(names[:5])}{more}")
        return "\n".join(lines)


def load_weights(network: Network, path: Path) -> "nn.Sequential":
    """The module of a network on the CPU with the weights of a file, every key of it.

    Raises:
        ProductError: the file cannot be read, or its tensors are not those of the network.
    """
    state = read_state(path)
    module: nn.Sequential = load("torch_module").allocate(network)
    report = assign(module, state, path.name)
    if not report.complete:
        raise ProductError(f"the weights are not those of {network.name}\n{report}")
    return module


def read_state(path: Path) -> "Mapping[str, torch.Tensor]":
    """The tensors of a safetensors file, or of a torch file that holds nothing but weights.

    Raises:
        ProductError: the file cannot be read, or holds something else.
    """
    import pickle

    import safetensors
    import safetensors.torch
    import torch

    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except OSError as error:
        raise ProductError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from error
    except (safetensors.SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise ProductError(f"{path} holds no weights: {str(error).splitlines()[0]}") from error
    if isinstance(found, Mapping) and isinstance(found.get("state_dict"), Mapping):
        found = found["state_dict"]
    if not isinstance(found, Mapping) or not all(isinstance(each, torch.Tensor) for each in found.values()):
        raise ProductError(f"{path} holds no state dict; save one with torch.save(model.state_dict(), ...)")
    return found


def assign(module: "nn.Sequential", state: "Mapping[str, torch.Tensor]", name: str) -> WeightsReport:
    """Copy every tensor that fits into the module; a file of an older torch may lack the batch counts."""
    import torch

    report = WeightsReport(name)
    own = module.state_dict()
    for key, tensor in own.items():
        if key in state and state[key].shape == tensor.shape:
            with torch.no_grad():
                tensor.copy_(state[key])
            report.loaded.append(key)
        elif key in state:
            report.skipped.append(f"{key} {list(state[key].shape)} instead of {list(tensor.shape)}")
        elif key.endswith("num_batches_tracked"):
            tensor.zero_()
        else:
            report.missing.append(key)
    report.left_over = [key for key in state if key not in own]
    return report


def save_weights(module: "nn.Sequential", path: Path) -> None:
    """Write the state dict as `save_state` does."""
    save_state(module.state_dict(), path)


def save_state(state: "Mapping[str, torch.Tensor]", path: Path) -> None:
    """Write a state dict as safetensors or, by the suffix `.pt`, as torch does.

    Raises:
        ProductError: the suffix is neither, or the file could not be written.
    """
    check_suffix(path)
    import safetensors
    import safetensors.torch
    import torch

    with staging(path) as folder:
        staged = folder / path.name
        try:
            if path.suffix == ".pt":
                torch.save(dict(state), staged)
            else:
                safetensors.torch.save_file(dict(state), staged)
        except (RuntimeError, safetensors.SafetensorError) as error:  # how both report a full disk
            raise ProductError(f"{path} could not be written: {str(error).splitlines()[0]}") from error
        move_into_place(staged, path)


def check_suffix(path: Path) -> None:
    """Raise ProductError for a file that is neither `.safetensors` nor `.pt`; before anything is drawn."""
    if path.suffix not in (".safetensors", ".pt"):
        raise ProductError(f"{path}: weights are saved as .safetensors or .pt")
