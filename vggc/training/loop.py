"""Epochs: what happens between two checkpoints."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import torch
from torchmetrics.functional.classification import multiclass_confusion_matrix

from vggc.data import Batches
from vggc.training.classifier import Batch
from vggc.training.evaluation import class_names
from vggc.training.history import Epoch
from vggc.training.learner import Learner
from vggc.training.scores import Scores
from vggc.training.watch import dead_units

if TYPE_CHECKING:
    from lightning.fabric import Fabric

LOG_EVERY: Final = 100  # batches between two lines in the log
FLUSH_EVERY: Final = 50  # steps whose losses are fetched from the device, and shared between processes, at once
FLUSH_AFTER: Final = 1.0  # seconds after which a process that is alone fetches them anyway


def run_epoch(learner: Learner, number: int) -> Scores | None:
    """Train on every batch once, validate, and put the figures into the history; `number` counts from 0.

    Raises:
        ProductError: the loss is no number.
    """
    history, fabric = learner.history, learner.fabric
    seed_epoch(learner.recipe.seed, number, fabric.global_rank, fabric.device)
    started = time.perf_counter()
    tally = _train(learner, number)
    trained = time.perf_counter()
    scores = _validate(learner)
    learner.rate.after_epoch(scores.accuracy if scores is not None else None)
    losses = history.losses[-tally.steps :]
    seen = min(learner.images, tally.steps * learner.batches.batch_size)  # a last batch of one image is left out
    history.epochs.append(
        Epoch(
            epoch=number + 1,
            rate=tally.rate,
            train_loss=sum(losses) / len(losses),
            train_accuracy=int(learner.reduced(tally.correct, "sum")) / seen,
            validation_loss=scores.loss if scores is not None else None,
            validation_accuracy=scores.accuracy if scores is not None else None,
            seconds=trained - started,
            validation_seconds=time.perf_counter() - trained,
            speed=seen / (trained - started),
        )
    )
    for warning in learner.watch.epoch(history, scores):
        learner.warn(warning)
    return scores


def seed_epoch(seed: int, epoch: int, rank: int, device: torch.device) -> None:
    """Give an epoch random numbers of its own, for dropout: those of a run that is resumed are those of one that never
    stopped, and no state of a generator needs to be kept.
    """
    mixed = int(torch.randint(2**31, (), generator=torch.Generator().manual_seed(seed)))
    number = mixed + 1_000_003 * epoch + 7_919 * rank
    torch.default_generator.manual_seed(number)
    if device.type == "cuda":
        torch.cuda.manual_seed(number)


# --- training ----------------------------------------------------------------------------------------------------


class Tally:
    """What is counted in the steps of an epoch, on the device, so that no step waits for another.

    `rate` is the learning rate of the last step.
    """

    def __init__(self, steps: int, device: torch.device) -> None:
        self.steps = steps
        self._losses: list[torch.Tensor] = []
        self.correct = torch.zeros((), dtype=torch.long, device=device)
        self.rate = 0.0
        self._fetched_at = time.perf_counter()

    def add(self, step: dict[str, torch.Tensor], rate: float) -> None:
        """Count a step."""
        self._losses.append(step["loss"].detach())
        self.correct += step["correct"]
        self.rate = rate

    @property
    def seconds(self) -> float:
        """Since losses were fetched."""
        return time.perf_counter() - self._fetched_at

    def fetch(self) -> torch.Tensor:
        """The losses that were not fetched yet."""
        losses = torch.stack(self._losses)
        self._losses = []
        self._fetched_at = time.perf_counter()
        return losses


def _train(learner: Learner, number: int) -> Tally:
    """The steps of an epoch."""
    model, optimizer, recipe, fabric = learner.model, learner.optimizer, learner.recipe, learner.fabric
    batches, training_step = learner.batches, model.training_step
    batches.set_epoch(number)
    model.train()
    tally = Tally(len(batches), fabric.device)
    processes = fabric.world_size
    what = f"epoch {number + 1}/{recipe.epochs}"
    for place, batch in enumerate(batches):
        together = min(batches.batch_size, learner.images - place * batches.batch_size)
        with fabric.autocast():
            step = training_step(batch, together / processes)
        optimizer.zero_grad()
        fabric.backward(step["loss"])
        if recipe.gradient_clip is not None:
            fabric.clip_gradients(model, optimizer, max_norm=recipe.gradient_clip)
        tally.add(step, learner.rate.rate)
        optimizer.step()
        learner.rate.after_step()
        done = place + 1
        if done % FLUSH_EVERY == 0 or done == tally.steps or (processes == 1 and tally.seconds > FLUSH_AFTER):
            _flush(learner, tally, number, batch)
        learner.talk.progress(what, done, tally.steps)
    return tally


def _flush(learner: Learner, tally: Tally, number: int, batch: Batch) -> None:
    """Fetch the losses of the last steps, write them down, and look at them."""
    history, watch = learner.history, learner.watch
    since = len(history.losses)
    fresh = learner.reduced(tally.fetch(), "mean").tolist()
    history.losses += fresh
    watch.losses(history, since, tally.steps)
    for place, loss in enumerate(fresh, start=since - number * tally.steps):
        if place % LOG_EVERY == 0:
            learner.talk.log(
                f"epoch {number + 1}/{learner.recipe.epochs}, batch {place}/{tally.steps}: loss {loss:.4f}"
            )
    if watch.is_hopeless(history):
        learner.warn(watch.hopeless(history, _dead_units(learner, batch)))


def _dead_units(learner: Learner, batch: Batch) -> tuple[str, float] | None:
    """Looks into the module itself, which is whole on every process unless it is sharded."""
    sharded = learner.fabric.world_size > 1 and not learner.together
    return None if sharded else dead_units(learner.network, learner.classifier.network, batch[0])


# --- validation --------------------------------------------------------------------------------------------------


def _validate(learner: Learner) -> Scores | None:
    """Scores of the held-out images, over all processes."""
    if learner.held_out is None:
        return None
    _equalize_buffers(learner)
    names = class_names(learner.network)
    step = learner.classifier.validation_step if learner.together else learner.model.validation_step
    confusion, loss = _confuse(step, learner.classifier, learner.held_out, len(names), learner.fabric)
    if learner.together:
        confusion, loss = learner.reduced(confusion, "sum"), learner.reduced(loss, "sum")
    return Scores.of(names, confusion, float(loss))


def _equalize_buffers(learner: Learner) -> None:
    """Running statistics of the first process for all: on GPUs they are the same already, on CPUs they are not."""
    if learner.fabric.world_size > 1 and learner.fabric.device.type == "cpu":
        for buffer in learner.classifier.buffers():
            buffer.copy_(learner.fabric.broadcast(buffer))


def _confuse(
    step: Callable[[Batch], dict[str, torch.Tensor]],
    module: torch.nn.Module,
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
