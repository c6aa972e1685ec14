"""What a run is asked to do, and how it starts: as a new run, or as one that was stopped and is resumed."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from vggc.backends.torch import torch_module
from vggc.base.diagnostics import Diagnostic, Note, SpecError
from vggc.data.source_formats import absolute
from vggc.frontend.text.sources import read_source, stock_folder, stock_names
from vggc.ir.network import Network
from vggc.recipe.recipe import Train
from vggc.training.devices import Devices
from vggc.training.resume import Resumed, expanded_spec
from vggc.training.run_folder import RunFolder
from vggc.training.splits import TrainingSplit
from vggc.weights.key_matching import Matching

if TYPE_CHECKING:
    from vggc.training.training_state import TrainingState
    from vggc.weights.loading import WeightsReport


@dataclass(frozen=True)
class New:
    """A new run. Its folder is created last, when nothing can go wrong any more.

    Attributes:
        output: the folder; if left out, `runs/NAME/STAMP`.
        name: NAME in it; if left out, the network's name.
        weights: a file to start with; if left out, the weights are initialised.
        matching: how the file's keys are matched with the network's.
    """

    output: Path | None = None
    name: str | None = None
    weights: Path | None = None
    matching: Matching = field(default_factory=Matching)

    def check(self, recipe: Train) -> None:
        """Check that the folder does not exist yet; raises ProductError."""
        RunFolder.check_free(self.output)

    def split(self, labels: torch.Tensor, request: "TrainingRequest") -> TrainingSplit:
        """Hold out validation images; `labels` are those of all training images, int64 (N,)."""
        return TrainingSplit.random(labels, request.recipe)

    def module(self, network: Network, recipe: Train) -> "tuple[nn.Sequential, WeightsReport | None]":
        """The module with weights from the file, or initialised under the recipe's seed."""
        if self.weights is None:
            return torch_module.materialize(network, recipe.seed), None
        from vggc.weights.loading import load_weights

        return load_weights(network, self.weights, self.matching, recipe.seed)

    def folder(self, request: "TrainingRequest", split: TrainingSplit) -> RunFolder:
        """A new folder with everything that is known before the first step."""
        folder = RunFolder.create(request.network, self.name, self.output)
        folder.write("spec.yaml", expanded_spec(request.network))
        folder.write("seed", f"{request.recipe.seed}\n")
        split.store(folder, request.recipe)
        # Written last: a folder that has it can be resumed.
        folder.write_json("run.json", self._settings(request))
        return folder

    def _settings(self, request: "TrainingRequest") -> dict[str, Any]:
        """The contents of `run.json`."""
        return {
            "data": request.data,
            "data_at": absolute(request.data),
            "seed": request.recipe.seed,
            "weights": str(self.weights) if self.weights is not None else None,
            "accelerator": request.devices.accelerator,
            "devices": request.devices.devices,
            "num_nodes": request.devices.num_nodes,
            "precision": request.recipe.precision,
            "deterministic": request.devices.deterministic,
            "started": datetime.now().isoformat(timespec="seconds"),
        }

    def restore(self, state: "TrainingState") -> None:
        """Leave the state as it is: a new run has no checkpoint."""


Start = New | Resumed


@dataclass(frozen=True)
class TrainingRequest:
    """Train `network` by its recipe on the images of the source `data`, such as `folder:photos`."""

    network: Network
    data: str
    start: Start = field(default_factory=New)
    devices: Devices = field(default_factory=Devices)

    @property
    def recipe(self) -> Train:
        """The recipe of the spec.

        Raises:
            SpecError: E104, it has none.
        """
        if self.network.header.train is None:
            raise SpecError([_without_recipe(self.network)])
        return self.network.header.train


def _without_recipe(network: Network) -> Diagnostic:
    """The error, with three ways to a recipe: for this run, in a spec, or from a stock spec."""
    place = network.header.places["name"]
    recipe = "`train: {epochs: 10, batch_size: 64, optimizer: {sgd: {lr: 0.01, momentum: 0.9}}}`"
    is_stock = place.source.path is not None and place.source.path.parent == stock_folder()
    where = f"write a spec of your own with `extends: {network.name}` and" if is_stock else "add to the spec"
    with_recipe = [name for name in stock_names() if "\ntrain:" in read_source(name).text]
    notes = (
        Note("help", "for one run: --set train.epochs=10 --set train.batch_size=64 --set train.optimizer=adam"),
        Note("help", f"for all runs: {where} {recipe}"),
        Note("help", f"stock specs with a recipe: {', '.join(with_recipe)}"),
    )
    return Diagnostic("E104", f"{network.name} has no recipe to train by", place, notes)
