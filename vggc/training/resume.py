"""Resuming a run that was stopped: which runs can be resumed and how, and the state in which they go on.

A run is resumed from its last checkpoint. It keeps its folder, spec, seed and split, and may only get more epochs. What
is random in an epoch follows from the seed and the number of the epoch, so there is no generator to restore.
"""

import shlex
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from vggc.backends.text import yaml_spec
from vggc.backends.torch import torch_module
from vggc.base.errors import ProductError
from vggc.ir.network import Network
from vggc.recipe.recipe import Train
from vggc.training import checkpoints
from vggc.training.history import History
from vggc.training.run_folder import RunFolder
from vggc.training.splits import TrainingSplit

if TYPE_CHECKING:
    from vggc.training.request import TrainingRequest
    from vggc.training.training_state import TrainingState


@dataclass(frozen=True)
class Resumed:
    """A run that goes on from the last checkpoint in its folder; from the first epoch if it has none."""

    run: RunFolder

    @classmethod
    def open(cls, run: RunFolder, network: Network) -> "Resumed":
        """A run that is resumed, with a network that may have more epochs than before.

        Raises:
            ProductError: the network is of another spec; the message names the first lines that differ.
        """
        _check_same_spec(run, network)
        return cls(run)

    @property
    def deterministic(self) -> bool:
        """Whether the run was started with `--deterministic`."""
        return bool(self.run.read_json("run.json")["deterministic"])

    def check(self, recipe: Train) -> None:
        """Check that there are epochs left, and that the last checkpoint is readable.

        Raises:
            ProductError: the message says what to do instead.
        """
        if _is_complete(self.run, recipe.epochs):
            more = f"for more epochs than its {recipe.epochs}: --set train.epochs={2 * recipe.epochs}"
            if recipe.schedule is not None and recipe.schedule.whole_run:
                more = f"start a new run with its weights: --weights {self.run.weights}"
            raise ProductError(f"{self.run.path} is complete; {more}")
        if self.run.last.exists():
            try:
                checkpoints.read(self.run.last)
            except ProductError as error:
                raise ProductError(f"{error}; {_without_last_checkpoint(self.run)}") from error

    def split(self, labels: torch.Tensor, request: "TrainingRequest") -> TrainingSplit:
        """The split that the run started with.

        Raises:
            ProductError: the images are others.
        """
        return TrainingSplit.stored(self.run, labels, request.data)

    def module(self, network: Network, recipe: Train) -> tuple[nn.Sequential, None]:
        """The module as it is initialised; `restore` loads the weights."""
        return torch_module.materialize(network, recipe.seed), None

    def folder(self, request: "TrainingRequest", split: TrainingSplit) -> RunFolder:
        """The folder of the run, with the spec, whose number of epochs may have changed."""
        self.run.write("spec.yaml", expanded_spec(request.network))
        return self.run

    def restore(self, state: "TrainingState") -> None:
        """Load the last checkpoint into a state."""
        if not self.run.last.exists():
            return
        fabric = state.fabric
        rest = fabric.load(self.run.last, {"model": state.model, "optimizer": state.optimizer}, weights_only=True)
        fabric.strategy.precision.load_state_dict(rest.get("precision", {}))
        state.rate.load_state_dict(rest["rate"])
        state.history = History.from_state(rest["history"])
        state.early_warnings.load_state_dict(rest["watch"])
        state.output.say(f"resuming after epoch {len(state.history.epochs)} of {state.recipe.epochs}")


def how_to_resume(run: RunFolder) -> str:
    """The line that ends the output of a run that is stopped."""
    if not run.last.exists():
        return f"stopped in the first epoch; start it again with: vggc train --resume {run.shell_word}"
    return f"stopped; {run.last} is the checkpoint of the last epoch, resume with: vggc train --resume {run.shell_word}"


def expanded_spec(network: Network) -> str:
    """The expanded spec of a network, as a run keeps it."""
    return yaml_spec.emit(network.graph)


def _check_same_spec(run: RunFolder, network: Network) -> None:
    """Check that a run is resumed with its own spec, and with no fewer epochs."""
    before = run.network()
    old, new = before.header.train, network.header.train
    if old is None or new is None:
        raise ProductError(f"{run.path}: the spec has no recipe any more")
    old_lines, new_lines = _lines_without_epochs(before), _lines_without_epochs(network)
    if old_lines != new_lines:
        differences = [
            *(f"it started with `{line.strip()}`" for line in old_lines if line not in new_lines),
            *(f"this has `{line.strip()}`" for line in new_lines if line not in old_lines),
        ]
        raise ProductError(
            f"{run.path} is a run of another spec: {'; '.join(differences[:4]) or 'the order differs'}. A run is "
            "resumed with its own spec, and only `train.epochs` may grow; to start another run leave --resume out"
        )
    if new.epochs < old.epochs:
        raise ProductError(f"{run.path} was started for {old.epochs} epochs, and cannot be resumed for {new.epochs}")
    if new.epochs > old.epochs and old.schedule is not None and old.schedule.whole_run:
        raise ProductError(
            f"{run.path}: {old.schedule.kind} spreads over all {old.epochs} epochs, so {new.epochs} epochs would have "
            f"had other learning rates from the start; start a new run, with the weights of this one: "
            f"--weights {run.weights}"
        )


def _lines_without_epochs(network: Network) -> list[str]:
    return [line for line in expanded_spec(network).splitlines() if not line.startswith("  epochs: ")]


def _is_complete(run: RunFolder, epochs: int) -> bool:
    """Whether the run was finished, with so many epochs or an early stop."""
    summary = run.summary()
    return summary.get("status") in ("complete", "stopped early") and summary["planned_epochs"] >= epochs


def _without_last_checkpoint(run: RunFolder) -> str:
    """What to do when the last checkpoint is damaged."""
    with suppress(ProductError):
        epoch = len(checkpoints.read(run.best)["history"]["epochs"])
        copy = f"cp {shlex.quote(str(run.best))} {shlex.quote(str(run.last))}"
        return f"to resume after the best epoch, which was epoch {epoch}: {copy}"
    if run.weights.exists():
        return f"start a new run with the weights of the best epoch: --weights {shlex.quote(str(run.weights))}"
    return "start a new run"
