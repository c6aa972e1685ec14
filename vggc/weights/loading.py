"""Weights from a file into a module, with a report of every key."""

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from vggc.base.errors import ProductError
from vggc.base.progress import Progress, silent
from vggc.base.staging import move_into_place, staging
from vggc.ir.network import Network
from vggc.weights.aligning import COUNT
from vggc.weights.key_matching import OPTIONS, Matching, matched
from vggc.weights.state_dict_files import read_state

if TYPE_CHECKING:
    import torch
    from torch import nn

    State = Mapping[str, torch.Tensor]


@dataclass
class WeightsReport:
    """What became of every key: of the file's (loaded, skipped for its shape, left over) and the module's (missing).

    `kept` are the module's keys that were allowed to be missing and keep their initial values, `passed_over` the
    file's that were allowed to be left over. `renamed` gives for a key of the module the key in the file, where it is
    another; `converted` the number of tensors that were converted to float32, by their type.
    """

    file: str
    loaded: list[str] = field(default_factory=list)
    renamed: dict[str, str] = field(default_factory=dict)
    converted: dict[str, int] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    left_over: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)

    def add(self, key: str, name: str, tensor: "torch.Tensor") -> None:
        """Note that the module's `key` was loaded from a tensor that the file calls `name`."""
        self.loaded.append(key)
        if name != key:
            self.renamed[key] = name
        dtype = str(tensor.dtype).removeprefix("torch.")
        if dtype not in ("float32", "int64"):
            self.converted[dtype] = self.converted.get(dtype, 0) + 1

    @property
    def complete(self) -> bool:
        """Whether every tensor fitted, or was allowed not to."""
        return not (self.skipped or self.missing or self.left_over)

    def __str__(self) -> str:
        lines = [f"{self.file}: {len(self.loaded)} tensors loaded"]
        lines += [f"  {count} converted from {dtype} to float32" for dtype, count in self.converted.items()]
        for what, names in (
            ("under other names", [f"{own} <- {key}" for own, key in self.renamed.items()]),
            ("left at their initialisation, as allowed", self.kept),
            ("passed over, as allowed", self.passed_over),
            ("skipped for their shape", self.skipped),
            ("missing in the file", self.missing),
            ("left over in the file", self.left_over),
        ):
            if names:
                more = f" and {len(names) - 5} more" if len(names) > 5 else ""
                lines.append(f"  {len(names)} {what}: {', '.join(names[:5])}{more}")
        return "\n".join(lines)


def load_weights(
    network: Network,
    path: Path,
    matching: Matching | None = None,
    seed: int = 0,
    progress: Progress = silent,
    offered: Collection[str] = OPTIONS,
) -> "tuple[nn.Sequential, WeightsReport]":
    """The module of a network on the CPU with the weights of a file, and what became of every key.

    Args:
        network: whose module it is.
        path: a safetensors file, or a torch file that holds nothing but weights.
        matching: how keys are matched, and which may be missing; every key by its name if left out.
        seed: of what keeps its initial values.
        progress: told what is initialised.
        offered: the options of the command that reads them; an error advises no other.

    Raises:
        ProductError: the file cannot be read, or its tensors are not those of the network.
    """
    from vggc.backends.torch import torch_module

    matching = matching or Matching()
    matching.check([f"{layer.path}.{name}" for layer in network.layers for name in layer.state])
    state = read_state(path)
    matching.check_file(state, path.name)
    module = (
        torch_module.materialize(network, seed, progress) if matching.allow_missing else torch_module.allocate(network)
    )
    report = assign(module, state, path.name, matching, ordered=path.suffix.lower() != ".safetensors")
    if not report.complete:
        advice = _advice(report, module.state_dict(), state, matching)
        if not any(option in advice for option in offered):
            advice = f"name a file with the weights of {network.name}"
        raise ProductError(f"the weights are not those of {network.name}\n{report}\n{advice}")
    _check_finite(module, report)
    return module, report


def _check_finite(module: "nn.Sequential", report: WeightsReport) -> None:
    state = module.state_dict()
    for key in report.loaded:
        if lost := int((~state[key].isfinite()).sum()):
            raise ProductError(
                f"{report.file}: {lost} of the {state[key].numel()} values of {key} are infinite or not a number; "
                "the training that it comes from diverged, or the file was damaged"
            )


def _advice(report: WeightsReport, own: "State", state: "State", matching: Matching) -> str:
    """What to do about the likeliest cause."""
    wrapped = {key.partition(".")[0] for key in report.left_over if key.partition(".")[2] in own}
    if len(wrapped) == 1:
        prefix = wrapped.pop()
        rule = f'`"{prefix}.*": "*"`'
        return f"the keys begin with `{prefix}.`: write {rule} into a file, and name it with --key-map"
    missing, left_over = {own[key].shape for key in report.missing}, {state[key].shape for key in report.left_over}
    if missing & left_over or (missing and left_over and not report.loaded):
        if matching.match == "name":
            return "other names? map them with --key-map FILE, or go by order and shape with --match shape"
        return "names, order and shapes do not say which tensor is which: map each key with --key-map FILE"
    if report.skipped or report.missing:
        key = (report.skipped or report.missing)[0].split(" ")[0]
        return f"to leave them at their initialisation: --allow-missing '{key.rpartition('.')[0]}.*'"
    return "to pass them over: --allow-left-over 'PATTERN'"


def assign(
    module: "nn.Sequential",
    state: "Mapping[str, torch.Tensor]",
    name: str,
    matching: Matching | None = None,
    *,
    ordered: bool = True,
) -> WeightsReport:
    """Copy every tensor that fits into the module; a file of an older torch may lack the batch counts."""
    import torch

    matching = matching or Matching()
    report = WeightsReport(name)
    own = module.state_dict()
    shapes, others = ({key: tuple(tensor.shape) for key, tensor in tensors.items()} for tensors in (own, state))
    pairs = matched(shapes, others, matching, ordered=ordered)
    for key, tensor in own.items():
        other = state[pairs[key]] if key in pairs else None
        if other is not None and _fits(other, tensor):
            with torch.no_grad():
                tensor.copy_(other)
            report.add(key, pairs[key], other)
        elif key.endswith(COUNT):
            tensor.zero_()
        elif matching.may_be_missing(key):
            report.kept.append(key)
        elif other is not None:
            report.skipped.append(f"{key} {_described(other)} instead of {_described(tensor)}")
        else:
            report.missing.append(key)
    taken = set(pairs.values())
    for key in [key for key in state if key not in taken]:
        allowed = matching.may_be_left_over(key, others[key])
        (report.passed_over if allowed else report.left_over).append(key)
    return report


def _fits(other: "torch.Tensor", tensor: "torch.Tensor") -> bool:
    """Whether values of one tensor can become those of another; quantised ones cannot."""
    return other.shape == tensor.shape and other.is_floating_point() == tensor.is_floating_point()


def _described(tensor: "torch.Tensor") -> str:
    dtype = str(tensor.dtype).removeprefix("torch.")
    return f"{list(tensor.shape)}" if tensor.is_floating_point() else f"{dtype}{list(tensor.shape)}"


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
                with staged.open("wb") as file:
                    torch.save(dict(state), file)
            else:
                staged.touch()
                mode = staged.stat().st_mode
                safetensors.torch.save_file(dict(state), staged)
                staged.chmod(mode)  # safetensors creates a file that only its owner may read
        except (RuntimeError, safetensors.SafetensorError) as error:
            raise _os_error(error) from error
        move_into_place(staged, path)


def _os_error(error: Exception) -> OSError:
    """The system's error: torch keeps it as the context of its own, safetensors quotes it."""
    if isinstance(error.__context__, OSError):
        return error.__context__
    if quoted := re.search(r"\(os error (\d+)\)", str(error)):
        return OSError(int(quoted[1]), os.strerror(int(quoted[1])))
    return OSError(str(error).splitlines()[0])


def check_suffix(path: Path) -> None:
    """Raise ProductError for a file that is neither `.safetensors` nor `.pt`."""
    if path.suffix not in (".safetensors", ".pt"):
        raise ProductError(f"{path}: weights are saved as .safetensors or .pt")
