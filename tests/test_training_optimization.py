"""The learning rate of every step and the optimizers, against torch's own schedulers and a loop by hand."""

import json
from pathlib import Path
from typing import Any, Final

import pytest
import torch
from torch import nn

import vggc
from tests.training_runs import PLAIN, train, weights, write_spec
from vggc.data.batches import Batches, BatchSettings
from vggc.data.source_formats import open_source
from vggc.data.splitting import split_indices
from vggc.model import Network
from vggc.recipe.optimizers import OPTIMIZERS
from vggc.recipe.recipe import Train
from vggc.training.optimization import LearningRate, build_optimizer

pytestmark = pytest.mark.usefixtures("one_thread")

STEPS: Final = 3  # of an epoch


def recipe(epochs: int, **train: object) -> Train:
    overrides = {"train": {"epochs": epochs, "batch_size": 8, **train}}
    found = vggc.compile("vgg11", overrides={**overrides, "input": [3, 32, 32], "pool": 1}).header.train
    assert found is not None
    return found


def rates(found: Train, accuracies: list[float] | None = None, stop: int | None = None) -> list[float]:
    """The rate of every step; with `stop`, everything is thrown away and loaded again before that epoch."""
    weight = nn.Parameter(torch.ones(1))
    optimizer = build_optimizer([weight], found.optimizer)
    rate = LearningRate(optimizer, found, STEPS)
    seen = []
    for epoch in range(found.epochs):
        if epoch == stop:
            kept = optimizer.state_dict(), rate.state_dict()
            optimizer = build_optimizer([weight], found.optimizer)
            rate = LearningRate(optimizer, found, STEPS)
            optimizer.load_state_dict(kept[0])
            rate.load_state_dict(kept[1])
        for _ in range(STEPS):
            seen.append(rate.rate)
            weight.grad = torch.ones(1)
            optimizer.step()
            rate.after_step()
        rate.after_epoch(accuracies[epoch] if accuracies is not None else 0.5)
    return seen


TORCH: Final[dict[str, Any]] = {
    "step_lr": ({"step_size": 2, "gamma": 0.5}, lambda o: torch.optim.lr_scheduler.StepLR(o, 2, 0.5)),
    "multi_step_lr": ({"milestones": [1, 4]}, lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [1, 4])),
    "exponential_lr": ({"gamma": 0.9}, lambda o: torch.optim.lr_scheduler.ExponentialLR(o, 0.9)),
    "constant_lr": ({"factor": 0.5}, lambda o: torch.optim.lr_scheduler.ConstantLR(o, 0.5, 99)),
    "polynomial_lr": ({"power": 2}, lambda o: torch.optim.lr_scheduler.PolynomialLR(o, 6, 2)),
    "cosine_annealing_lr": ({"eta_min": 0.01}, lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 6, 0.01)),
    "cosine_annealing_warm_restarts": (
        {"T_0": 2, "T_mult": 2}, lambda o: torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(o, 2, 2),
    ),
}  # fmt: skip


def torch_rates(make: Any) -> list[float]:
    """Of each epoch, by torch's scheduler alone."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.4)
    scheduler = make(optimizer)
    seen = []
    for _ in range(6):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return seen


@pytest.mark.parametrize("kind", TORCH)
def test_schedules_are_torchs(kind: str) -> None:
    options, make = TORCH[kind]
    found = recipe(6, optimizer={"sgd": 0.4}, schedule={kind: options})
    assert rates(found) == [rate for rate in torch_rates(make) for _ in range(STEPS)]


@pytest.mark.parametrize("kind", TORCH)
@pytest.mark.parametrize("stop", [1, 3, 5])
def test_schedules_go_on_where_they_were(kind: str, stop: int) -> None:
    found = recipe(6, optimizer={"sgd": 0.4}, schedule={kind: TORCH[kind][0]}, warmup=2)
    assert rates(found, stop=stop) == rates(found)


def test_one_cycle_moves_at_every_step() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.4, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps=18)
    expected = []
    for _ in range(18):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step() if len(expected) < 18 else None
    found = recipe(6, optimizer={"sgd": {"momentum": 0.9}}, schedule={"one_cycle_lr": 1.0})
    assert rates(found) == expected
    assert rates(found, stop=3) == expected


@pytest.mark.parametrize("three_phase", [False, True])
@pytest.mark.parametrize("share", [0, 1 / 18, 0.5 + 0.5 / 18, 1])
def test_one_cycle_may_rise_on_any_share_of_the_steps(share: float, three_phase: bool) -> None:
    """Torch divides by the length of a phase, which is 0 for some of these."""
    cycle = {"max_lr": 1.0, "pct_start": share, "three_phase": three_phase}
    found = rates(recipe(6, optimizer={"sgd": {"momentum": 0.9}}, schedule={"one_cycle_lr": cycle}))
    assert len(found) == 18
    assert 0 < min(found) <= max(found) <= 1 + 1e-9


def test_one_cycle_that_has_risen_at_once_begins_at_its_top() -> None:
    cycle = {"one_cycle_lr": {"max_lr": 1.0, "pct_start": 1 / 18}}
    assert rates(recipe(6, optimizer={"sgd": {"momentum": 0.9}}, schedule=cycle))[0] == pytest.approx(1.0)


def test_plateau_waits_for_validation_accuracy() -> None:
    found = recipe(6, optimizer={"sgd": 0.4}, schedule={"reduce_lr_on_plateau": {"patience": 1, "factor": 0.5}})
    accuracies = [0.5, 0.6, 0.6, 0.6, 0.7, 0.7]  # better at first, then not for two epochs, then better again
    assert rates(found, accuracies)[::STEPS] == [0.4, 0.4, 0.4, 0.4, 0.2, 0.2]
    assert rates(found, accuracies, stop=3) == rates(found, accuracies)


def test_the_warm_up_multiplies_what_the_schedule_says() -> None:
    found = recipe(4, optimizer={"sgd": 0.6}, schedule={"step_lr": {"step_size": 1, "gamma": 0.5}}, warmup=2)
    schedule = [0.6] * 3 + [0.3] * 3 + [0.15] * 3 + [0.075] * 3
    factors = [1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1] + [1] * 6
    assert rates(found) == pytest.approx([a * b for a, b in zip(schedule, factors, strict=True)], rel=1e-12)


def test_a_warm_up_alone() -> None:
    found = recipe(2, optimizer={"sgd": 0.3}, warmup=1)
    assert rates(found) == pytest.approx([0.1, 0.2, 0.3, 0.3, 0.3, 0.3], rel=1e-12)


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_every_optimizer_steps(kind: str) -> None:
    weight = nn.Parameter(torch.ones(3, 3))
    optimizer = build_optimizer([weight], recipe(1, optimizer=kind).optimizer)
    assert type(optimizer).__name__ == OPTIMIZERS[kind].__name__
    (weight**2).sum().backward()
    optimizer.step()
    assert not torch.equal(weight, torch.ones(3, 3))


# --- the whole loop against one that is written by hand ----------------------------------------------------------

LOOPS: Final = {
    "sgd": (
        {"sgd": {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-3, "nesterov": True}},
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=1e-3, nesterov=True),
    ),
    "adamw": ({"adamw": {"lr": 0.01}}, lambda p: torch.optim.AdamW(p, lr=0.01)),
}


@pytest.mark.parametrize("kind", LOOPS)
def test_a_run_is_the_loop_that_one_would_write(kind: str, tmp_path: Path) -> None:
    words, make = LOOPS[kind]
    text = (
        f"{{epochs: 2, batch_size: 64, seed: 3, optimizer: {json.dumps(words)}, label_smoothing: 0.1, "
        "gradient_clip: 0.5, schedule: {step_lr: 1}, validation: 0, augment: [{random_crop: {size: 8, padding: 1}}]}"
    )
    spec = write_spec(tmp_path, PLAIN, text)
    run = train(spec, tmp_path / "run")
    expected = _by_hand(vggc.compile(spec), make).state_dict()
    for key, tensor in weights(run).items():
        torch.testing.assert_close(tensor, expected[key], rtol=1e-4, atol=1e-6)


def _by_hand(network: Network, make: Any) -> nn.Module:
    found = network.header.train
    assert found is not None
    images = open_source("digits").images("train")
    indices, _ = split_indices(images.labels, 0.0, 3)
    batches = Batches(images, indices, network, BatchSettings(64, augment=found.augment, shuffle=True, seed=3))
    module = network.module(seed=3)
    optimizer = make(module.parameters())
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    for epoch in range(2):
        batches.set_epoch(epoch)
        for inputs, labels, _ in batches:
            loss = nn.functional.cross_entropy(module(inputs), labels, label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(module.parameters(), 0.5)
            optimizer.step()
        schedule.step()
    return module
