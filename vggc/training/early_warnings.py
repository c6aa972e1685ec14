"""Early warnings: the signs that a run will not succeed, and the likely cause, while it can still be stopped."""

from collections.abc import Iterator, Sequence
from math import isfinite, log
from typing import Any, Final

import torch
from torch import nn

from vggc.analysis.lints import LINTS
from vggc.base.errors import ProductError
from vggc.base.words import plural
from vggc.ir.network import Network
from vggc.recipe.recipe import Train
from vggc.recipe.schedules import OneCycleLR
from vggc.training.history import History
from vggc.training.scores import ClassScores, Scores
from vggc.training.splits import name_list

STUCK_STEPS: Final = 100  # steps after the warm-up before a loss counts as stuck, or a class as lost
STUCK_WINDOW: Final = 50  # steps whose mean loss is looked at
STUCK_BETWEEN: Final = (0.999, 1.005)  # times the loss of guessing; a little below it, something is being learned
DIVERGED: Final = 3.0  # times the loss of giving all classes the same probability
UNRECOGNIZED_EPOCHS: Final = 3  # epochs in a row without one correct answer, after which a class is warned of
RISING: Final = 0.03  # of all validation images; if so many more are correct than an epoch ago, classes still improve
LAGGING: Final = 0.5  # times the training accuracy, below which validation does not tell anything of classes yet
RARE_SHARE: Final = 0.5  # of an even share of the training images, below which a class is called rare
DEAD_SHARE: Final = 0.9  # of a layer's units that give 0 for every image, from which on the layer is called dead


class EarlyWarnings:
    """Looks at what a run measures, and gives each warning once.

    `chance` is the loss of the best answer that is the same for all images, which is what guessing gives.
    """

    def __init__(self, network: Network, recipe: Train, labels: torch.Tensor, warmup_steps: int) -> None:
        """Prepare for a run.

        Args:
            network: whose spec names the likely causes.
            recipe: the same network's.
            labels: int64 (N,), of the training images.
            warmup_steps: steps of the warm-up.
        """
        self._network = network
        self._recipe = recipe
        self._warmup_steps = warmup_steps
        classes = network.header.classes.count if network.header.classes is not None else 0
        self._shares = torch.bincount(labels, minlength=classes).double() / len(labels)
        smoothing = recipe.label_smoothing
        # The best answer for all images is the mean target, and its loss is the entropy of that.
        self.chance = _entropy((1 - smoothing) * self._shares + smoothing / len(self._shares))
        self._chance_unsmoothed = _entropy(self._shares)
        self._hopeless = False
        self._unrecognized: dict[int, int] = {}  # for how many epochs in a row, by the label of the class
        self._warned_of: set[int] = set()  # labels of classes

    def state_dict(self) -> dict[str, Any]:
        """Plain values for `load_state_dict`."""
        return {
            "hopeless": self._hopeless,
            "blind": dict(self._unrecognized),
            "told": sorted(self._warned_of),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state, so that no warning is given again."""
        self._hopeless = state["hopeless"]
        self._unrecognized, self._warned_of = dict(state.get("blind", {})), set(state.get("told", ()))

    # --- the loss ---

    def check_losses(self, history: History, first: int, steps_per_epoch: int) -> None:
        """Check the losses of the steps from the index `first` on.

        Raises:
            ProductError: one is not finite; the message names the step and what to change.
        """
        for step, loss in enumerate(history.losses[first:], start=first + 1):
            if not isfinite(loss):
                where = f"at step {step}, in epoch {1 + (step - 1) // steps_per_epoch}"
                raise ProductError(f"the loss is {loss} {where}, and training stopped there; {self._against_nan()}")

    def is_hopeless(self, history: History) -> bool:
        """Whether the loss has just turned out to be what guessing gives, or far above it; True once."""
        if self._hopeless or self._steps(history) < STUCK_STEPS:
            return False
        recent, chance = _recent_loss(history), self.chance
        if chance > 0:  # labels that are all the same are guessed without a loss
            self._hopeless = STUCK_BETWEEN[0] < recent / chance < STUCK_BETWEEN[1] or self._has_diverged(recent)
        return self._hopeless

    def hopeless(self, history: History, dead: tuple[str, float] | None) -> str:
        """The warning about it; `dead` is the alias of the first layer with dead units, and their share."""
        loss, classes = _recent_loss(history), len(self._shares)
        labels = "the smoothed labels" if self._recipe.label_smoothing else "the labels"
        formula = f"ln({classes})" if abs(self.chance - log(classes)) < 1e-3 else f"the entropy of {labels}"
        guessing = f"{formula} = {self.chance:.4f} is what guessing gives"
        start = f"the loss is {loss:.4f} after {len(history.losses)} steps, and {guessing}: "
        if self._has_diverged(loss):
            return f"{start}training diverges. Likely cause: a learning rate that is too high; {self._lower_rate()}"
        return f"{start}the network has learned nothing. {self._cause(dead)}"

    def _steps(self, history: History) -> int:
        """The number of steps after the warm-up."""
        return len(history.losses) - self._warmup_steps

    def _has_diverged(self, loss: float) -> bool:
        """Whether it is far above that of a network which knows nothing, not even how rare the classes are."""
        return loss > DIVERGED * log(len(self._shares))

    # --- the classes ---

    def after_epoch(self, history: History, scores: Scores | None) -> Iterator[str]:
        """Warn of classes of which no image is recognised.

        There is no warning while validation accuracy is far below training accuracy, because the running statistics of
        a norm lag behind; nor, before the last epoch, while accuracy rises fast, because the class may come by itself.
        """
        if scores is None or self._hopeless or scores.accuracy < LAGGING * history.epochs[-1].train_accuracy:
            return
        unrecognized = _unrecognized(scores)
        self._unrecognized = {row.label: self._unrecognized.get(row.label, 0) + 1 for row in unrecognized}
        done = len(history.epochs)
        is_last = done == self._recipe.epochs
        if not is_last and (self._steps(history) < STUCK_STEPS or _is_rising(history)):
            return
        enough = min(UNRECOGNIZED_EPOCHS, done) if is_last else UNRECOGNIZED_EPOCHS
        rows = [row for row in unrecognized if self._unrecognized[row.label] >= enough]
        if rows := [row for row in rows if row.label not in self._warned_of]:
            self._warned_of.update(row.label for row in rows)
            warning = f"after {plural(done, 'epoch')} {_none_recognized(rows, 'validation')}"
            yield f"{warning}. {self._cause_of_class(rows, scores)}"

    def after_test(self, scores: Scores) -> Iterator[str]:
        """Warn of classes of which no test image is recognised, also of those that were warned of before."""
        rows = _unrecognized(scores)
        if rows and not (self._hopeless and self._is_chance(scores)):
            yield f"{_none_recognized(rows, 'test')}. {self._cause_of_class(rows, scores)}"

    def _is_chance(self, scores: Scores) -> bool:
        """Whether the loss, which is without smoothing here, is what guessing gives."""
        return scores.loss > STUCK_BETWEEN[0] * self._chance_unsmoothed

    # --- causes, and what to do ---

    def _cause(self, dead: tuple[str, float] | None) -> str:
        if diagnostic := next(LINTS["W401"](self._network), None):
            return f"Likely cause: {diagnostic.message}; add {diagnostic.notes[0].text}"
        if dead is not None:
            alias, share = dead
            units = f"dead units, {share:.0%} of those of {alias} give 0 for every image"
            return f"Likely cause: {units}; {self._lower_rate()}, or use `activation: leaky_relu`"
        warmup = "" if self._is_warmed_up() else ", or add `warmup: 1`"
        return f"Likely cause: a learning rate that does not suit; {self._lower_rate()}{warmup}"

    def _cause_of_class(self, rows: Sequence[ClassScores], scores: Scores) -> str:
        rarest = min(rows, key=lambda row: float(self._shares[row.label]))
        share = float(self._shares[rarest.label])
        if share < RARE_SHARE / len(self._shares):
            return f"Likely cause: few training images, {share:.1%} of all are of {rarest.name}; add some"
        if self._is_chance(scores):
            return self._cause(None)
        predictions = scores.confusion[rows[0].label]
        mistaken_for = scores.names[predictions.index(max(predictions))]
        return (
            f"Images of {rows[0].name} are classified as {mistaken_for} most often: check whether they can be told "
            "apart at this size and are labelled correctly. If so, the learning rate may be too high; "
            f"{self._lower_rate()}"
        )

    def _against_nan(self) -> str:
        advice = [self._lower_rate().replace("lower it", "lower the learning rate")]
        if self._recipe.precision == "16-mixed":
            advice.append("use a precision with a wider range (--precision bf16-mixed, or 32)")
        if self._recipe.gradient_clip is None:
            advice.append("clip the gradient (--set train.gradient_clip=1)")
        if not self._is_warmed_up():
            advice.append("warm up (--set train.warmup=1)")
        return "; or ".join(advice)

    def _is_warmed_up(self) -> bool:
        """Whether the rate rises at first already; one cycle does that by itself, and takes no warm-up before it."""
        return bool(self._recipe.warmup) or isinstance(self._recipe.schedule, OneCycleLR)

    def _lower_rate(self) -> str:
        schedule, optimizer = self._recipe.schedule, self._recipe.optimizer
        if isinstance(schedule, OneCycleLR):
            return f"lower it: --set train.schedule.one_cycle_lr.max_lr={schedule.max_lr / 10:g}"
        return f"lower it: --set train.optimizer.{optimizer.kind}.lr={optimizer.lr / 10:g}"


def _entropy(shares: torch.Tensor) -> float:
    present = shares[shares > 0]
    return max(0.0, float(-(present * present.log()).sum()))


def _recent_loss(history: History) -> float:
    recent = history.losses[-STUCK_WINDOW:]
    return sum(recent) / len(recent)


def _is_rising(history: History) -> bool:
    """Whether many more validation images are correct than an epoch ago."""
    accuracies = [epoch.validation_accuracy or 0.0 for epoch in history.epochs[-2:]]
    return accuracies[-1] - accuracies[0] > RISING


def _unrecognized(scores: Scores) -> list[ClassScores]:
    return [row for row in scores.classes if row.support and row.correct == 0]


def _none_recognized(rows: Sequence[ClassScores], split: str) -> str:
    """The sentence on classes of which no image is recognised, with the number of images."""
    images = sum(row.support for row in rows)
    names = name_list([row.name for row in rows])
    if images == 1:
        return f"the only {split} image of {names} is not recognised"
    return f"not one of the {images:,} {split} images of {names} is recognised"


def dead_units(network: Network, module: nn.Module, inputs: torch.Tensor) -> tuple[str, float] | None:
    """The first ReLU with hardly a living unit on a batch (B, C, H, W).

    Returns:
        its alias, and the share of its channels or features that give 0 for every image; None if there is none.
    """
    shares: dict[str, float] = {}

    def record(alias: str) -> "torch.utils.hooks.RemovableHandle":
        def hook(_: nn.Module, __: object, output: torch.Tensor) -> None:
            units = output.detach().flatten(2).amax((0, 2)) if output.ndim == 4 else output.detach().amax(0)
            shares[alias] = float((units <= 0).double().mean())

        return module.get_submodule(paths[alias]).register_forward_hook(hook)

    paths = {layer.alias: layer.path for layer in network.layers if layer.layer.zeroes_negatives}
    hooks = [record(alias) for alias in paths]
    training = module.training
    try:
        with torch.no_grad():
            module.eval()(inputs)
    finally:
        module.train(training)
        for hook in hooks:
            hook.remove()
    return next(((alias, share) for alias, share in shares.items() if share >= DEAD_SHARE), None)
