"""Epochs: what happens between two checkpoints."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import nn
from torchmetrics.functional.classification import multiclass_confusion_matrix

from vggc.data import Batches
from vggc.frontend.recipe import Train
from vggc.ir import Network
from vggc.training.classifier import Batch, Classifier
from vggc.training.history import Epoch, History
from vggc.training.optimization import LearningRate
from vggc.training.scores import Scores
from vggc.training.talk import Talk
from vggc.training.watch import Watch, dead_units

if TYPE_CHECKING:
    from lightning.fabric import Fabric

LOG_EVERY: Final = 100  # batches between two lines in the log
FLUSH_EVERY: Final = 50  # steps whose losses are fetched from a GPU, or shared between processes, at once


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
    _last_rate: float = 0.0

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
        recipe = network.spec.train
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
            "rate": self.rate.state_dict(),
            "history": self.history.state_dict(),
        }

    def restore(self, checkpoint: Path) -> None:
        """Go on from a checkpoint."""
        rest = self.fabric.load(checkpoint, {"model": self.model, "optimizer": self.optimizer}, weights_only=True)
        self.rate.load_state_dict(rest["rate"])
        self.history = History.from_state(rest["history"])

    # --- an epoch ---

    def epoch(self, number: int) -> Scores | None:
        """Train on every batch once, validate, and put the figures into the history; `number` counts from 0.

        Raises:
            ProductError: the loss is no number.
        """
        _seed(self.recipe.seed, number, self.fabric.global_rank)
        started = time.perf_counter()
        correct = self._train(number)
        trained = time.perf_counter()
        rate = self._last_rate
        scores = self._validate()
        self.rate.after_epoch(scores.accuracy if scores is not None else None)
        losses = self.history.losses[-len(self.batches) :]
        seen = self._seen()
        self.history.epochs.append(
            Epoch(
                epoch=number + 1,
                rate=rate,
                train_loss=sum(losses) / len(losses),
                train_accuracy=correct / seen,
                validation_loss=scores.loss if scores is not None else None,
                validation_accuracy=scores.accuracy if scores is not None else None,
                seconds=trained - started,
                validation_seconds=time.perf_counter() - trained,
                speed=seen / (trained - started),
            )
        )
        for warning in self.watch.epoch(self.history, scores):
            self._warn(warning)
        return scores

    def _train(self, number: int) -> int:
        """The steps of an epoch; how many images were right when they were seen."""
        model, optimizer, recipe, fabric = self.model, self.optimizer, self.recipe, self.fabric
        self.batches.set_epoch(number)
        model.train()
        total = len(self.batches)
        tally = Tally(total, fabric.device)
        flush_every = 1 if fabric.device.type == "cpu" and fabric.world_size == 1 else FLUSH_EVERY
        what = f"epoch {number + 1}/{recipe.epochs}"
        training_step = model.training_step
        for place, batch in enumerate(self.batches):
            share = self._images_of(place) / fabric.world_size
            with fabric.autocast():
                step = training_step(batch, share)
            fabric.backward(step["loss"])
            if recipe.gradient_clip is not None:
                fabric.clip_gradients(model, optimizer, max_norm=recipe.gradient_clip)
            self._last_rate = self.rate.rate
            optimizer.step()
            optimizer.zero_grad()
            self.rate.after_step()
            tally.add(place, step)
            if (place + 1) % flush_every == 0 or place + 1 == total:
                self._flush(tally, number, place + 1, batch)
            self.talk.progress(what, place + 1, total)
        return int(self._reduced(tally.correct, "sum"))

    def _images_of(self, place: int) -> int:
        """How many images the whole batch holds, those of all processes together."""
        return min(self.batches.batch_size, self.images - place * self.batches.batch_size)

    def _seen(self) -> int:
        """How many images an epoch holds; a last batch of a single image is left out."""
        return min(self.images, len(self.batches) * self.batches.batch_size)

    def _flush(self, tally: "Tally", number: int, done: int, batch: Batch) -> None:
        """Fetch the losses of the last steps, write them down, and look at them."""
        since = len(self.history.losses)
        fresh = self._reduced(tally.losses[tally.fetched : done], "mean").tolist()
        tally.fetched = done
        self.history.losses += fresh
        self.watch.losses(self.history, since, len(self.batches))
        for place in range(done - len(fresh), done):
            if place % LOG_EVERY == 0:
                loss = fresh[place - done]
                self.talk.log(f"epoch {number + 1}/{self.recipe.epochs}, batch {place}/{tally.steps}: loss {loss:.4f}")
        if self.watch.is_hopeless(self.history):
            self._warn(self.watch.hopeless(self.history, self._dead_units(batch)))

    def _dead_units(self, batch: Batch) -> tuple[str, float] | None:
        """Looks into the module itself, which is whole on every process unless it is sharded."""
        sharded = self.fabric.world_size > 1 and not self.together
        return None if sharded else dead_units(self.network, self.classifier.network, batch[0])

    def _warn(self, warning: str) -> None:
        self.history.warnings.append(warning)
        self.talk.say(f"warning: {warning}")

    # --- validation ---

    def _validate(self) -> Scores | None:
        """Scores of the held-out images, over all processes."""
        if self.held_out is None:
            return None
        self._equalize_buffers()
        step = self.classifier.validation_step if self.together else self.model.validation_step
        confusion, loss = confuse(step, self.classifier, self.held_out, len(self._names), self.fabric)
        if self.together:
            confusion, loss = self._reduced(confusion, "sum"), self._reduced(loss, "sum")
        return Scores.of(self._names, confusion, float(loss))

    @property
    def _names(self) -> list[str]:
        classes = self.network.spec.classes
        assert classes is not None
        return list(classes.names or map(str, range(classes.count)))

    def _equalize_buffers(self) -> None:
        """Running statistics of the first process for all: on GPUs they are the same already, on CPUs they are not."""
        if self.fabric.world_size > 1 and self.together:
            for buffer in self.classifier.buffers():
                buffer.copy_(self.fabric.broadcast(buffer))

    def _reduced(self, values: torch.Tensor, operation: str) -> torch.Tensor:
        """Over all processes."""
        reduced = self.fabric.all_reduce(values, reduce_op=operation)
        assert isinstance(reduced, torch.Tensor)
        return reduced


class Tally:
    """What is counted in the steps of an epoch, on the device, so that no step waits for another."""

    def __init__(self, steps: int, device: torch.device) -> None:
        self.steps = steps
        self.losses = torch.zeros(steps, device=device)
        self.correct = torch.zeros((), dtype=torch.long, device=device)
        self.fetched = 0

    def add(self, place: int, step: dict[str, torch.Tensor]) -> None:
        """Count a step."""
        self.losses[place] = step["loss"].detach()
        self.correct += step["correct"]


def confuse(
    step: Callable[[Batch], dict[str, torch.Tensor]],
    module: nn.Module,
    batches: Batches,
    classes: int,
    fabric: "Fabric",
) -> tuple[torch.Tensor, torch.Tensor]:
    """The confusion matrix (classes, classes) of some batches, and their sum of losses, in evaluation mode."""
    confusion = torch.zeros(classes, classes, dtype=torch.long, device=fabric.device)
    loss = torch.zeros((), dtype=torch.double, device=fabric.device)
    module.eval()
    with torch.no_grad():
        for batch in batches:
            with fabric.autocast():
                found = step(batch)
            confusion += multiclass_confusion_matrix(found["logits"], batch[1], classes, validate_args=False)
            loss += found["loss"].double()
    return confusion, loss


def _seed(seed: int, epoch: int, rank: int) -> None:
    """Give an epoch random numbers of its own, for dropout: those of a run that is resumed are those of one that never
    stopped, and no state of a generator needs to be kept.
    """
    mixed = int(torch.randint(2**31, (), generator=torch.Generator().manual_seed(seed)))
    torch.manual_seed(mixed + 1_000_003 * epoch + 7_919 * rank)
