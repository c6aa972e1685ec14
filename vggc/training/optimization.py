"""The optimizer of a recipe, and the learning rate of every step."""

from collections.abc import Iterable
from typing import Any, Final

import torch

from vggc.recipe.recipe import Optimizer, Schedule, Train
from vggc.recipe.schedules import (
    ConstantLR,
    CosineAnnealingLR,
    OneCycleLR,
    PolynomialLR,
    ReduceLROnPlateau,
)

_NEVER: Final = 2**31  # epochs: also a run that gets more epochs does not reach it


def build_optimizer(parameters: Iterable[torch.nn.Parameter], recipe: Optimizer) -> torch.optim.Optimizer:
    """The optimizer of `torch.optim` that a recipe names."""
    cls = getattr(torch.optim, type(recipe).__name__)
    optimizer: torch.optim.Optimizer = cls(parameters, **{"lr": recipe.lr, **recipe.changed()})
    return optimizer


class LearningRate:
    """Sets the learning rate of an optimizer: by torch's scheduler, and below it during the warm-up.

    In the first `warmup` epochs the scheduler's rate is multiplied by a factor that rises to 1 in equal steps, one for
    each batch.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, recipe: Train, steps_per_epoch: int) -> None:
        self._optimizer = optimizer
        self._per_step = isinstance(recipe.schedule, OneCycleLR)
        self._needs_accuracy = isinstance(recipe.schedule, ReduceLROnPlateau)
        self._warmup_steps = recipe.warmup * steps_per_epoch
        self._last_step = recipe.epochs * steps_per_epoch
        self._steps = 0
        self._scheduler: Any = None
        if recipe.schedule is not None:
            self._scheduler = _scheduler(optimizer, recipe.schedule, recipe.epochs, steps_per_epoch)
        self._rates = self._current()
        self._apply_warmup()

    @property
    def rate(self) -> float:
        """The rate of the next step."""
        return self._current()[0]

    def after_step(self) -> None:
        """Set the rate of the next step."""
        self._steps += 1
        if self._per_step:
            if self._steps < self._last_step:
                self._scheduler.step()
        elif self._steps <= self._warmup_steps:
            self._apply_warmup()

    def after_epoch(self, accuracy: float | None) -> None:
        """Set the rate of the next epoch; `accuracy` is that of the validation, if there was one."""
        if self._scheduler is None or self._per_step:
            return
        self._set(self._rates)
        self._scheduler.step(*([accuracy] if self._needs_accuracy else []))
        self._rates = self._current()
        self._apply_warmup()

    def state_dict(self) -> dict[str, Any]:
        """Plain values for `load_state_dict`."""
        scheduler = self._scheduler.state_dict() if self._scheduler is not None else None
        if scheduler is not None and "milestones" in scheduler:
            scheduler["milestones"] = dict(scheduler["milestones"])  # a Counter, which is no plain value
        return {"steps": self._steps, "rates": self._rates, "scheduler": scheduler}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state; that of the optimizer itself is restored before."""
        self._steps, self._rates = state["steps"], list(state["rates"])
        if self._scheduler is not None:
            scheduler = dict(state["scheduler"])
            if "milestones" in scheduler:
                scheduler["milestones"] = type(self._scheduler.milestones)(scheduler["milestones"])
            self._scheduler.load_state_dict(scheduler)
        if not self._per_step:
            self._apply_warmup()

    def _current(self) -> list[float]:
        return [float(group["lr"]) for group in self._optimizer.param_groups]

    def _set(self, rates: Iterable[float]) -> None:
        for group, rate in zip(self._optimizer.param_groups, rates, strict=True):
            group["lr"] = rate

    def _apply_warmup(self) -> None:
        factor = min(1.0, (self._steps + 1) / self._warmup_steps) if self._warmup_steps else 1.0
        self._set(rate * factor for rate in self._rates)


def _scheduler(optimizer: torch.optim.Optimizer, schedule: Schedule, epochs: int, steps_per_epoch: int) -> Any:
    """Torch's scheduler, with the length of the run filled in."""
    steps = epochs * steps_per_epoch
    arguments: dict[str, Any] = schedule.changed()
    match schedule:
        case ReduceLROnPlateau():
            arguments["mode"] = "max"
        case CosineAnnealingLR():
            arguments["T_max"] = epochs
        case ConstantLR():
            arguments["total_iters"] = _NEVER
        case PolynomialLR():
            arguments["total_iters"] = epochs
        case OneCycleLR():
            arguments |= {"total_steps": steps, "pct_start": _rising_share(schedule.pct_start, steps)}
    return getattr(torch.optim.lr_scheduler, type(schedule).__name__)(optimizer, **arguments)


def _rising_share(share: float, steps: int) -> float:
    """The share of the steps on which one cycle rises; torch takes no integer for it.

    A rise that ends at the first step is made a trifle shorter, because torch would divide by its length, which is 0.
    """
    return share * (1 - 1e-9) if share * steps == 1 else float(share)
