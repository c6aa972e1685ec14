"""A network that learns, in the state between two steps."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn

from vggc.data import Batches
from vggc.ir.network import Network
from vggc.recipe.recipe import Train
from vggc.training.classifier import Classifier
from vggc.training.history import History
from vggc.training.optimization import LearningRate
from vggc.training.run_output import Talk
from vggc.training.watch import Watch

if TYPE_CHECKING:
    from lightning.fabric import Fabric


@dataclass
class Learner:
    """A network that learns, with everything that a step needs.

    `model` and `optimizer` are `classifier` and its optimizer, wrapped by Lightning. `batches` and `held_out` hold what
    falls to this process; `together` says whether validation images are shared among the processes.
    """

    fabric: "Fabric"
    network: Network
    recipe: Train
    classifier: Classifier
    model: Any
    optimizer: Any
    rate: LearningRate
    batches: Batches
    images: int
    held_out: Batches | None
    together: bool
    history: History
    watch: Watch
    talk: Talk

    def reduced(self, values: torch.Tensor, operation: Literal["sum", "mean"]) -> torch.Tensor:
        """Values over all processes."""
        if self.fabric.world_size == 1:
            return values
        found = self.fabric.all_reduce(values, reduce_op=operation)
        assert isinstance(found, torch.Tensor)
        return found

    def warn(self, warning: str) -> None:
        """Tell people, and keep it."""
        self.history.warnings.append(warning)
        self.talk.say(f"warning: {warning}")

    @classmethod
    def prepare(
        cls,
        fabric: "Fabric",
        network: Network,
        module: nn.Sequential,
        batches: Batches,
        labels: torch.Tensor,
        held_out: Batches | None = None,
        *,
        together: bool = True,
        talk: Talk | None = None,
    ) -> "Learner":
        """A learner in its first state.

        Args:
            fabric: launched.
            network: with its recipe.
            module: the network's, with the weights to begin with.
            batches: of the training images.
            labels: int64 (N,), of the training images.
            held_out: batches of the validation images.
            together: whether the processes share the validation images.
            talk: who listens.
        """
        recipe = network.header.train
        assert recipe is not None
        if fabric.device.type == "cuda" and fabric.world_size > 1:
            module = nn.SyncBatchNorm.convert_sync_batchnorm(module)  # type: ignore[no-untyped-call]
        classifier = Classifier(module, recipe)
        plain = classifier.configure_optimizers()
        rate = LearningRate(plain, recipe, len(batches))
        model, optimizer = fabric.setup(classifier, plain)
        watch = Watch(network, recipe, labels, recipe.warmup * len(batches))
        return cls(
            fabric, network, recipe, classifier, model, optimizer, rate, batches, len(labels), held_out, together,
            History(), watch, talk or Talk(),
        )  # fmt: skip

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {
            "model": self.model,
            "optimizer": self.optimizer,
            "precision": self.fabric.strategy.precision.state_dict(),  # the scale of the loss, with 16-mixed
            "rate": self.rate.state_dict(),
            "history": self.history.state_dict(),
            "watch": self.watch.state_dict(),
        }

    def restore(self, checkpoint: Path) -> None:
        """Go on from a checkpoint."""
        rest = self.fabric.load(checkpoint, {"model": self.model, "optimizer": self.optimizer}, weights_only=True)
        self.fabric.strategy.precision.load_state_dict(rest.get("precision", {}))
        self.rate.load_state_dict(rest["rate"])
        self.history = History.from_state(rest["history"])
        self.watch.load_state_dict(rest["watch"])
