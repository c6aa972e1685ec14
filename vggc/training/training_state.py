"""Everything that a training step needs and changes."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn

from vggc.data.batches import Batches
from vggc.ir.network import Network
from vggc.recipe.recipe import Train
from vggc.training.early_warnings import EarlyWarnings
from vggc.training.history import History
from vggc.training.lightning_module import ClassifierModule
from vggc.training.optimization import LearningRate
from vggc.training.run_output import RunOutput

if TYPE_CHECKING:
    from lightning.fabric import Fabric


@dataclass(frozen=True)
class TrainingData:
    """The batches of this process, and `labels`, int64 (N,), of all training images of the run.

    `validation` is None if no images are held out.
    """

    training: Batches
    labels: torch.Tensor
    validation: Batches | None = None


@dataclass
class TrainingState:
    """Everything that a training step needs and changes.

    `model` and `optimizer` are `module` and its optimizer, wrapped by Lightning.
    """

    fabric: "Fabric"
    network: Network
    recipe: Train
    data: TrainingData
    module: ClassifierModule
    model: Any
    optimizer: Any
    rate: LearningRate
    history: History
    early_warnings: EarlyWarnings
    output: RunOutput

    @classmethod
    def first(
        cls, fabric: "Fabric", network: Network, module: nn.Sequential, data: TrainingData, output: RunOutput
    ) -> "TrainingState":
        """The state before the first step.

        Args:
            fabric: launched.
            network: with its recipe.
            module: the network's, with the weights to start with.
            data: what to train on.
            output: where lines and progress go.
        """
        recipe = network.header.train
        assert recipe is not None
        if fabric.device.type == "cuda" and fabric.world_size > 1:
            module = nn.SyncBatchNorm.convert_sync_batchnorm(module)  # type: ignore[no-untyped-call]
        classifier = ClassifierModule(module, recipe)
        optimizer = classifier.configure_optimizers()
        steps = len(data.training)
        rate = LearningRate(optimizer, recipe, steps)
        model, wrapped_optimizer = fabric.setup(classifier, optimizer)
        early_warnings = EarlyWarnings(network, recipe, data.labels, recipe.warmup * steps)
        return cls(
            fabric, network, recipe, data, classifier, model, wrapped_optimizer, rate, History(), early_warnings, output
        )

    def over_processes(self, values: torch.Tensor, operation: Literal["sum", "mean"]) -> torch.Tensor:
        """The sum or mean of values over all processes."""
        if self.fabric.world_size == 1:
            return values
        result = self.fabric.all_reduce(values, reduce_op=operation)
        assert isinstance(result, torch.Tensor)
        return result

    def warn(self, warning: str) -> None:
        """Print a warning, and keep it for the summary."""
        self.history.warnings.append(warning)
        self.output.warn(warning)

    def state_dict(self) -> dict[str, Any]:
        """The contents of a checkpoint; `resume.Resumed.restore` loads them."""
        return {
            "model": self.model,
            "optimizer": self.optimizer,
            "precision": self.fabric.strategy.precision.state_dict(),  # the scale of the loss, with 16-mixed
            "rate": self.rate.state_dict(),
            "history": self.history.state_dict(),
            "watch": self.early_warnings.state_dict(),
        }
