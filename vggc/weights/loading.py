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
from vggc.weights.key_matching import OPTIONS, Matching, Option, matched
from vggc.weights.state_dict_files import read_state

if TYPE_CHECKING:
    import torch
    from torch import nn

    State = Mapping[str, torch.Tensor]


@dataclass
class WeightsReport:
    """What became of every key: of the file's (loaded, skipped for its shape, left over) and the module's (missing).

    `kept` are the module's keys that were allowed to be missing and keep their initial values, `passed_over` the
    file's that were allowed to be left over. `renamed` says for a key of the module which key of the file it took.
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

    @property
    def complete(self) -> bool:
        """Whether everything fitted, or was allowed not to."""
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
    offered: Collection[Option] = OPTIONS,
) -> "tuple[nn.Sequential, WeightsReport]":
    """The module of a network on the CPU with the weights of a file, and what became of every key.

    Args:
        network: whose module it is.
        path: a safetensors file, or a torch file that holds nothing but weights.
        matching: how keys are matched, and which may be missing; every key by its name if left out.
        seed: of what keeps its initial values.
        progress: told what is drawn.
        offered: the options of the command that reads them, of which an error may speak.

    Raises:
        ProductError: the file cannot be read, or its tensors are not those of the network.
    """
    matching = matching or Matching()
    from vggc.backends.torch import torch_module

    shell = torch_module.build(network)
    matching.check(shell.state_dict())
    state = read_state(path)
    matching.check_found(state, path.name)
    module: nn.Sequential = (
        torch_module.materialize(network, seed, progress) if matching.allow_missing else torch_module.allocate(network)
    )
    ordered = path.suffix.lower() != ".safetensors"
    report = assign(module, state, path.name, matching, ordered=ordered)
    if not report.complete:
        option, advice = _advice(report, module.state_dict(), state, matching, ordered=ordered)
        advice = advice if option in offered else f"name a file with the weights of {network.name}"
        raise ProductError(f"the weights are not those of {network.name}\n{report}\n{advice}")
    _check_finite(module, report)
    return module, report


def _check_finite(module: "nn.Sequential", report: WeightsReport) -> None:
    state = module.state_dict()
    for key in report.loaded:
        if lost := int((~state[key].isfinite()).sum()):
            raise ProductError(
                f"{report.file}: {lost} of the {state[key].numel()} values of {key} are infinite or no number; "
                "the training that it comes from diverged, or the file was damaged"
            )


def _advice(
    report: WeightsReport, own: "State", found: "State", matching: Matching, *, ordered: bool
) -> tuple[Option, str]:
    """What to do about the likeliest cause, and the option that it is done with."""
    wrapped = {key.partition(".")[0] for key in report.left_over if key.partition(".")[2] in own}
    if len(wrapped) == 1:
        prefix = wrapped.pop()
        rule = f'`"{prefix}.*": "*"`'
        return "--key-map", f"the keys begin with `{prefix}.`: write {rule} into a file, and name it with --key-map"
    missing, left_over = {own[key].shape for key in report.missing}, {found[key].shape for key in report.left_over}
    if missing & left_over or (missing and left_over and not report.loaded):
        return _by_other_names(matching, ordered=ordered)
    if report.skipped or report.missing:
        key = (report.skipped or report.missing)[0].split(" ")[0]
        return "--allow-missing", f"to leave them at their initialisation: --allow-missing '{key.rpartition('.')[0]}.*'"
    return "--allow-left-over", "to pass them over: --allow-left-over 'PATTERN'"


def _by_other_names(matching: Matching, *, ordered: bool) -> tuple[Option, str]:
    """What to do where keys are those of the network under other names, as it seems."""
    if matching.match == "name":
        return "--match", "other names? map them with --key-map FILE, or go by order and shape with --match shape"
    if ordered:
        return "--key-map", "neither names nor order and shape tell them apart: map each key with --key-map FILE"
    return "--key-map", (
        "a safetensors file keeps no order, and its names have to say layer and tensor, as conv1.weight does: "
        "map each key with --key-map FILE, or take the .pt that it was made of"
    )


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
    shapes, others = ({key: tuple(each.shape) for key, each in tensors.items()} for tensors in (own, state))
    pairs = matched(shapes, others, matching, ordered=ordered)
    for key, tensor in own.items():
        found = state[pairs[key]] if key in pairs else None
        if found is not None and found.shape == tensor.shape and _suits(found, tensor):
            with torch.no_grad():
                tensor.copy_(found)
            _note_loaded(report, key, pairs[key], found)
        elif key.endswith(COUNT):
            tensor.zero_()
        elif matching.may_be_missing(key):
            report.kept.append(key)
        elif found is not None:
            report.skipped.append(f"{key} {_described(found)} instead of {_described(tensor)}")
        else:
            report.missing.append(key)
    taken = set(pairs.values())
    for key in (each for each in state if each not in taken):
        allowed = matching.may_be_left_over(key, tuple(state[key].shape))
        (report.passed_over if allowed else report.left_over).append(key)
    return report


def _suits(found: "torch.Tensor", tensor: "torch.Tensor") -> bool:
    """Whether numbers of one type may become those of the other: quantised weights are no weights."""
    return found.is_floating_point() == tensor.is_floating_point()


def _note_loaded(report: WeightsReport, key: str, name: str, found: "torch.Tensor") -> None:
    report.loaded.append(key)
    if name != key:
        report.renamed[key] = name
    dtype = str(found.dtype).removeprefix("torch.")
    if dtype not in ("float32", "int64"):
        report.converted[dtype] = report.converted.get(dtype, 0) + 1


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
                staged.chmod(mode)  # safetensors makes it for its owner alone, unlike every other file
        except (RuntimeError, safetensors.SafetensorError) as error:
            raise _os_error(error) from error
        move_into_place(staged, path)


def _os_error(error: Exception) -> OSError:
    """What the system said: torch writes on and keeps it as the context, safetensors quotes it."""
    if isinstance(error.__context__, OSError):
        return error.__context__
    if quoted := re.search(r"\(os error (\d+)\)", str(error)):
        return OSError(int(quoted[1]), os.strerror(int(quoted[1])))
    return OSError(str(error).splitlines()[0])


def check_suffix(path: Path) -> None:
    """Raise ProductError for a file that is neither `.safetensors` nor `.pt`; before anything is drawn."""
    if path.suffix not in (".safetensors", ".pt"):
        raise ProductError(f"{path}: weights are saved as .safetensors or .pt")
