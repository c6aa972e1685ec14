"""The training loop: what happens in an epoch."""

import time
from typing import Final

import torch
from torchmetrics.functional.classification import multiclass_confusion_matrix

from vggc.training.early_warnings import dead_units
from vggc.training.evaluation import class_names
from vggc.training.history import Epoch
from vggc.training.lightning_module import Batch
from vggc.training.scores import Scores
from vggc.training.training_state import TrainingState

LOG_EVERY: Final = 100  # batches between two lines in the log
FETCH_EVERY: Final = 50  # steps whose losses are fetched from the device, and shared between processes, at once
FETCH_AFTER: Final = 1.0  # seconds after which a single process fetches them anyway


def run_epoch(state: TrainingState, number: int) -> Scores | None:
    """Train on every batch once, validate, and add the epoch to the history; `number` counts from 0.

    Raises:
        ProductError: the loss is not finite.
    """
    history, batches = state.history, state.data.training
    seed_epoch(state.recipe.seed, number, state.fabric.global_rank, state.fabric.device)
    started = time.perf_counter()
    steps = _train(state, number)
    trained = time.perf_counter()
    scores = _validate(state)
    state.rate.after_epoch(scores.accuracy if scores is not None else None)
    losses = history.losses[-steps.count :]
    images = min(len(state.data.labels), steps.count * batches.batch_size)  # a last batch of one image is left out
    history.epochs.append(
        Epoch(
            epoch=number + 1,
            rate=steps.rate,
            train_loss=sum(losses) / len(losses),
            train_accuracy=int(state.over_processes(steps.correct, "sum")) / images,
            validation_loss=scores.loss if scores is not None else None,
            validation_accuracy=scores.accuracy if scores is not None else None,
            seconds=trained - started,
            validation_seconds=time.perf_counter() - trained,
            speed=images / (trained - started),
        )
    )
    for warning in state.early_warnings.after_epoch(history, scores):
        state.warn(warning)
    return scores


def seed_epoch(seed: int, epoch: int, rank: int, device: torch.device) -> None:
    """Give an epoch random numbers of its own, for dropout.

    A run that is resumed so has those of one that was never stopped, and no generator's state needs to be kept.
    """
    mixed = int(torch.randint(2**31, (), generator=torch.Generator().manual_seed(seed)))
    number = mixed + 1_000_003 * epoch + 7_919 * rank
    torch.default_generator.manual_seed(number)
    if device.type == "cuda":
        torch.cuda.manual_seed(number)


# --- training ----------------------------------------------------------------------------------------------------


class _Steps:
    """The results of an epoch's steps, kept on the device so that no step waits for the one before.

    `count` is the number of steps in the epoch, `correct` that of the images classified correctly, and `rate` the
    learning rate of the last step.
    """

    def __init__(self, count: int, device: torch.device) -> None:
        self.count = count
        self.correct = torch.zeros((), dtype=torch.long, device=device)
        self.rate = 0.0
        self._losses: list[torch.Tensor] = []
        self._fetched_at = time.perf_counter()

    def add(self, step: dict[str, torch.Tensor], rate: float) -> None:
        """Add the result of a step."""
        self._losses.append(step["loss"].detach())
        self.correct += step["correct"]
        self.rate = rate

    @property
    def seconds_since_fetch(self) -> float:
        """How long ago losses were fetched."""
        return time.perf_counter() - self._fetched_at

    def fetch(self) -> torch.Tensor:
        """The losses since the last call."""
        losses = torch.stack(self._losses)
        self._losses = []
        self._fetched_at = time.perf_counter()
        return losses


def _train(state: TrainingState, number: int) -> _Steps:
    """The steps of an epoch."""
    model, optimizer, recipe, fabric = state.model, state.optimizer, state.recipe, state.fabric
    batches, training_step = state.data.training, model.training_step
    batches.set_epoch(number)
    model.train()
    steps = _Steps(len(batches), fabric.device)
    processes = fabric.world_size
    epoch = f"epoch {number + 1}/{recipe.epochs}"
    for index, batch in enumerate(batches):
        whole_batch = min(batches.batch_size, len(state.data.labels) - index * batches.batch_size)
        with fabric.autocast():
            step = training_step(batch, whole_batch / processes)
        optimizer.zero_grad()
        fabric.backward(step["loss"])
        if recipe.gradient_clip is not None:
            fabric.clip_gradients(model, optimizer, max_norm=recipe.gradient_clip)
        steps.add(step, state.rate.rate)
        optimizer.step()
        state.rate.after_step()
        done = index + 1
        fetch_early = processes == 1 and steps.seconds_since_fetch > FETCH_AFTER
        if done % FETCH_EVERY == 0 or done == steps.count or fetch_early:
            _fetch_losses(state, steps, number, batch)
        state.output.progress(epoch, done, steps.count)
    return steps


def _fetch_losses(state: TrainingState, steps: _Steps, number: int, batch: Batch) -> None:
    """Fetch the losses of the last steps, log them, and look for the signs of a failing run."""
    history, early_warnings = state.history, state.early_warnings
    first = len(history.losses)
    losses = state.over_processes(steps.fetch(), "mean").tolist()
    history.losses += losses
    early_warnings.check_losses(history, first, steps.count)
    for index, loss in enumerate(losses, start=first - number * steps.count):
        if index % LOG_EVERY == 0:
            epoch = f"epoch {number + 1}/{state.recipe.epochs}"
            state.output.log(f"{epoch}, batch {index}/{steps.count}: loss {loss:.4f}")
    if early_warnings.is_hopeless(history):
        state.warn(early_warnings.hopeless(history, dead_units(state.network, state.module.network, batch[0])))


# --- validation --------------------------------------------------------------------------------------------------


def _validate(state: TrainingState) -> Scores | None:
    """The scores of the validation images, over all processes."""
    if state.data.validation is None:
        return None
    _copy_buffers_to_all_processes(state)
    names = class_names(state.network)
    classes = len(names)
    confusion = torch.zeros(classes, classes, dtype=torch.long, device=state.fabric.device)
    loss = torch.zeros((), dtype=torch.double, device=state.fabric.device)
    state.module.eval()
    with torch.no_grad():
        for batch in state.data.validation:
            with state.fabric.autocast():
                result = state.module.validation_step(batch)
            confusion += multiclass_confusion_matrix(result["logits"], batch[1], classes, validate_args=False)
            loss += result["loss"].double()
    return Scores.of(names, state.over_processes(confusion, "sum"), float(state.over_processes(loss, "sum")))


def _copy_buffers_to_all_processes(state: TrainingState) -> None:
    """Give all processes the running statistics of the first: on GPUs they are equal already, on CPUs they are not."""
    if state.fabric.world_size > 1 and state.fabric.device.type == "cpu":
        for buffer in state.module.buffers():
            buffer.copy_(state.fabric.broadcast(buffer))
