"""Early warnings: a run that will come to nothing says so, and why, while there is time to stop it."""

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
from vggc.training.splits import listed

STUCK_STEPS: Final = 100  # steps behind the warm-up before a loss counts as stuck, or a class as lost
STUCK_WINDOW: Final = 50  # steps whose mean is looked at
STUCK_BETWEEN: Final = (0.999, 1.005)  # times chance; a little below it, something is being learned
DIVERGED: Final = 3.0  # how many times the loss of calling all classes equally likely
BLIND_EPOCHS: Final = 3  # in a row without one right answer, after which it is said of a class
RISING: Final = 0.03  # of all validation images; while so many more are right than an epoch ago, classes still come
LAGGING: Final = 0.5  # times the training accuracy, below which validation says nothing of classes yet
RARE_SHARE: Final = 0.5  # of an even share of the training images, below which a class is called rare
DEAD_SHARE: Final = 0.9  # units of a layer that give nothing for any image, from which on the layer is called dead


class Watch:
    """Looks at what a run measures, and puts what it says into the history, each thing once."""

    def __init__(self, network: Network, recipe: Train, labels: torch.Tensor, warm_steps: int) -> None:
        """Begin with what a run is about to do.

        Args:
            network: whose spec names the likely causes.
            recipe: the same network's.
            labels: int64 (N,), of the training images.
            warm_steps: steps of the warm-up.
        """
        self._network = network
        self._recipe = recipe
        self._warm_steps = warm_steps
        classes = network.header.classes.count if network.header.classes is not None else 0
        self._shares = torch.bincount(labels, minlength=classes).double() / len(labels)
        smoothing = recipe.label_smoothing
        # The best that one answer for all images can do is the mean target, and its loss is the entropy of that.
        self.chance = _entropy((1 - smoothing) * self._shares + smoothing / len(self._shares))
        self._unsmoothed = _entropy(self._shares)
        self._hopeless = False
        self._blind: dict[int, int] = {}  # classes by their labels, and for how many epochs in a row
        self._told: set[int] = set()

    def state_dict(self) -> dict[str, Any]:
        """Plain values, from which `load_state_dict` goes on: what was said is not said again."""
        return {"hopeless": self._hopeless, "blind": dict(self._blind), "told": sorted(self._told)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self._hopeless = state["hopeless"]
        self._blind, self._told = dict(state.get("blind", {})), set(state.get("told", ()))

    def losses(self, history: History, since: int, steps_per_epoch: int) -> None:
        """Look at the losses of the steps from `since` on.

        Raises:
            ProductError: one is no number; the message names the step and what to change.
        """
        for step, loss in enumerate(history.losses[since:], start=since + 1):
            if not isfinite(loss):
                raise ProductError(self._diverged(loss, step, 1 + (step - 1) // steps_per_epoch))

    def is_hopeless(self, history: History) -> bool:
        """Whether the loss has just turned out to be what guessing gives, or far above it; True once."""
        if self._hopeless or self._steps(history) < STUCK_STEPS:
            return False
        recent, chance = _recent(history), self.chance
        if chance > 0:  # labels that are all the same are guessed without a loss
            self._hopeless = STUCK_BETWEEN[0] < recent / chance < STUCK_BETWEEN[1] or self._has_diverged(recent)
        return self._hopeless

    def _steps(self, history: History) -> int:
        """How many there were behind the warm-up."""
        return len(history.losses) - self._warm_steps

    def _has_diverged(self, loss: float) -> bool:
        """Whether it is far above that of a network which knows nothing, not even how rare the classes are."""
        return loss > DIVERGED * log(len(self._shares))

    def hopeless(self, history: History, dead: tuple[str, float] | None) -> str:
        """What to say of it. `dead` names the first layer whose units are dead, and their share."""
        mean, classes = _recent(history), len(self._shares)
        even = abs(self.chance - log(classes)) < 1e-3
        labels = "the smoothed labels" if self._recipe.label_smoothing else "the labels"
        guessing = f"{f'ln({classes})' if even else f'the entropy of {labels}'} = {self.chance:.4f}"
        said = f"the loss is {mean:.4f} after {len(history.losses)} steps, and {guessing} is what guessing gives: "
        if self._has_diverged(mean):
            return f"{said}training diverges. Likely cause: a learning rate that is too high; {self._lower_rate()}"
        return f"{said}the network has learned nothing. {self._cause(dead)}"

    def epoch(self, history: History, scores: Scores | None) -> Iterator[str]:
        """Look at the classes behind an epoch whose validation means something: far below the training accuracy, it is
        the running statistics of a norm that lag behind.

        A class that nothing is recognised of is spoken of when that has lasted, and once the rest no longer improves
        fast; or behind the last epoch. What comes by itself is no reason for a warning.
        """
        if scores is None or self._hopeless or scores.accuracy < LAGGING * history.epochs[-1].train_accuracy:
            return
        unseen = [row for row in scores.classes if row.support and row.correct == 0]
        self._blind = {row.label: self._blind.get(row.label, 0) + 1 for row in unseen}
        done, last = len(history.epochs), len(history.epochs) == self._recipe.epochs
        if not last and (self._steps(history) < STUCK_STEPS or _is_rising(history)):
            return
        enough = min(BLIND_EPOCHS, done) if last else BLIND_EPOCHS
        blind = [row for row in unseen if row.label not in self._told and self._blind[row.label] >= enough]
        if blind:
            self._told.update(row.label for row in blind)
            said = f"after {plural(done, 'epoch')} {_not_one(blind, 'validation')}. "
            yield said + self._why_blind(blind, scores)

    def test(self, scores: Scores) -> Iterator[str]:
        """Look at the classes in the test; those that validation has spoken of, or could not help to see, again."""
        blind = [row for row in scores.classes if row.support and row.correct == 0]
        if blind and not (self._hopeless and self._is_chance(scores)):
            yield f"{_not_one(blind, 'test')}. {self._why_blind(blind, scores)}"

    def _cause(self, dead: tuple[str, float] | None) -> str:
        if found := next(LINTS["W401"](self._network), None):
            return f"Likely cause: {found.message}; add {found.notes[0].text}"
        if dead is not None:
            alias, share = dead
            return (
                f"Likely cause: dead units, {share:.0%} of those of {alias} give 0 for every image; "
                f"{self._lower_rate()}, or use `activation: leaky_relu`"
            )
        warm_up = "" if self._is_warmed_up() else ", or add `warmup: 1`"
        return f"Likely cause: a learning rate that does not suit; {self._lower_rate()}{warm_up}"

    def _why_blind(self, blind: Sequence[ClassScores], scores: Scores) -> str:
        rarest = min(blind, key=lambda row: float(self._shares[row.label]))
        share = float(self._shares[rarest.label])
        if share < RARE_SHARE / len(self._shares):
            return f"Likely cause: few training images, {share:.1%} of all are of {rarest.name}; add some"
        if self._is_chance(scores):
            return self._cause(None)
        row = scores.confusion[blind[0].label]
        taken_for = scores.names[row.index(max(row))]
        return (
            f"Images of {blind[0].name} are called {taken_for} most often: see whether they can be told apart at this "
            f"size and are labelled rightly. If so, the learning rate may be too high; {self._lower_rate()}"
        )

    def _is_chance(self, scores: Scores) -> bool:
        """Whether it is what guessing gives; scores know of no smoothing."""
        return scores.loss > STUCK_BETWEEN[0] * self._unsmoothed

    def _diverged(self, loss: float, step: int, epoch: int) -> str:
        ways = [self._lower_rate().replace("lower it", "lower the learning rate")]
        if self._recipe.precision == "16-mixed":
            ways.append("take a precision with a wider range (--precision bf16-mixed, or 32)")
        if self._recipe.gradient_clip is None:
            ways.append("clip the gradient (--set train.gradient_clip=1)")
        if not self._is_warmed_up():
            ways.append("warm up (--set train.warmup=1)")
        return f"the loss is {loss} at step {step}, in epoch {epoch}, and training stopped there; {'; or '.join(ways)}"

    def _is_warmed_up(self) -> bool:
        """Whether the rate rises at first as it is; one cycle does that by itself, and takes no warm-up before it."""
        return bool(self._recipe.warmup) or isinstance(self._recipe.schedule, OneCycleLR)

    def _lower_rate(self) -> str:
        schedule, optimizer = self._recipe.schedule, self._recipe.optimizer
        if isinstance(schedule, OneCycleLR):
            return f"lower it: --set train.schedule.one_cycle_lr.max_lr={schedule.max_lr / 10:g}"
        return f"lower it: --set train.optimizer.{optimizer.kind}.lr={optimizer.lr / 10:g}"


def _entropy(shares: torch.Tensor) -> float:
    present = shares[shares > 0]
    return max(0.0, float(-(present * present.log()).sum()))


def _is_rising(history: History) -> bool:
    """Whether the last epoch has made many more validation images right than the one before."""
    accuracies = [each.validation_accuracy or 0.0 for each in history.epochs[-2:]]
    return accuracies[-1] - accuracies[0] > RISING


def _not_one(blind: Sequence[ClassScores], split: str) -> str:
    """The sentence on classes that nothing is recognised of, with the number of images that this goes by."""
    images = sum(row.support for row in blind)
    names = listed([row.name for row in blind])
    if images == 1:
        return f"the only {split} image of {names} is not recognised"
    return f"not one of the {images:,} {split} images of {names} is recognised"


def _recent(history: History) -> float:
    recent = history.losses[-STUCK_WINDOW:]
    return sum(recent) / len(recent)


def dead_units(network: Network, module: nn.Module, inputs: torch.Tensor) -> tuple[str, float] | None:
    """The first ReLU that is all but dead on a batch (B, C, H, W): its alias, and the share of its channels or features
    that give 0 everywhere.
    """
    found: dict[str, float] = {}

    def watch(alias: str) -> "torch.utils.hooks.RemovableHandle":
        def hook(_: nn.Module, __: object, output: torch.Tensor) -> None:
            units = output.detach().flatten(2).amax((0, 2)) if output.ndim == 4 else output.detach().amax(0)
            found[alias] = float((units <= 0).double().mean())

        return module.get_submodule(paths[alias]).register_forward_hook(hook)

    paths = {layer.alias: layer.path for layer in network.layers if layer.layer.zeroes_negatives}
    hooks = [watch(alias) for alias in paths]
    training = module.training
    try:
        with torch.no_grad():
            module.eval()(inputs)
    finally:
        module.train(training)
        for each in hooks:
            each.remove()
    return next(((alias, share) for alias, share in found.items() if share >= DEAD_SHARE), None)
