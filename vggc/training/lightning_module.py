"""The LightningModule around a compiled network: what one step computes."""

from typing import final

import torch
from lightning.pytorch import LightningModule
from torch import nn

from vggc.recipe.recipe import Train
from vggc.training.optimization import build_optimizer

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # inputs (B, C, H, W), labels (B,), indices (B,)


@final
class ClassifierModule(LightningModule):
    """Trains `network` by cross-entropy with the recipe's label smoothing.

    `network` is the module that the spec compiles to, of torch's own classes alone; its state dict is what is exported.
    """

    def __init__(self, network: nn.Sequential, recipe: Train) -> None:
        super().__init__()
        self.network = network
        self._recipe = recipe

    def training_step(self, batch: Batch, share: float) -> dict[str, torch.Tensor]:
        """The loss of a batch, and how many of its images were classified correctly.

        Args:
            batch: the share of this process.
            share: images of the whole batch over processes. The sum of losses is divided by it rather than by the
                images here, so that the mean over processes, which is what DDP takes of the gradients, is the mean over
                the whole batch even where it does not divide evenly.
        """
        inputs, labels, _ = batch
        logits = self.network(inputs)
        loss = nn.functional.cross_entropy(logits, labels, label_smoothing=self._recipe.label_smoothing)
        if share != len(labels):
            loss = loss * (len(labels) / share)
        return {"loss": loss, "correct": (logits.detach().argmax(1) == labels).sum()}

    def validation_step(self, batch: Batch) -> dict[str, torch.Tensor]:
        """The logits (B, classes) of a batch, and its sum of losses without smoothing."""
        inputs, labels, _ = batch
        logits = self.network(inputs).float()
        return {"logits": logits, "loss": nn.functional.cross_entropy(logits, labels, reduction="sum")}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The recipe's optimizer over all weights."""
        return build_optimizer(self.network.parameters(), self._recipe.optimizer)
