"""The recipe is torch's: names, arguments, defaults, and what torch refuses."""

import inspect
from typing import Final

import pytest
import torch

import vggc
from vggc.base.records import Named
from vggc.recipe.optimizers import OPTIMIZERS, Optimizer
from vggc.recipe.schedules import SCHEDULES, Schedule

IMPLEMENTATION: Final = {"foreach", "maximize", "capturable", "differentiable", "fused"}
CANNOT_TRAIN: Final = {"SparseAdam", "LBFGS", "Muon", "Optimizer"}
OF_THE_RUN: Final = {"T_max", "total_iters", "total_steps", "epochs", "steps_per_epoch", "mode", "last_epoch"}
LEFT_OUT: Final = {
    "Adafactor": {"eps"},  # a pair whose first may be nothing, for which a spec has no word
}


def signature(cls: type) -> dict[str, object]:
    """The arguments of a constructor of torch, and their defaults."""
    parameters = list(inspect.signature(cls).parameters.values())[1:]
    return {each.name: None if each.default is each.empty else each.default for each in parameters}


def fields(cls: type[Named]) -> dict[str, object]:
    return {name: cls.default(name) for name in cls.field_names()}


@pytest.mark.parametrize("cls", OPTIMIZERS.values(), ids=lambda cls: cls.kind)
def test_optimizers_are_torchs(cls: type[Optimizer]) -> None:
    expected = signature(getattr(torch.optim, cls.__name__))
    for name in IMPLEMENTATION | LEFT_OUT.get(cls.__name__, set()):
        expected.pop(name, None)
    assert fields(cls) == expected


def test_every_optimizer_of_torch_is_there_or_cannot_train() -> None:
    every = {
        name for name in dir(torch.optim)
        if inspect.isclass(found := getattr(torch.optim, name)) and issubclass(found, torch.optim.Optimizer)
    }  # fmt: skip
    assert {cls.__name__ for cls in OPTIMIZERS.values()} == every - CANNOT_TRAIN


@pytest.mark.parametrize("cls", SCHEDULES.values(), ids=lambda cls: cls.kind)
def test_schedules_are_torchs(cls: type[Schedule]) -> None:
    expected = signature(getattr(torch.optim.lr_scheduler, cls.__name__))
    assert fields(cls) == {name: default for name, default in expected.items() if name not in OF_THE_RUN}


REFUSED_BY_TORCH: Final = [
    ("Adam", {"betas": (1.0, 0.9)}),
    ("Adam", {"betas": (-0.1, 0.9)}),
    ("Adam", {"lr": -1.0}),
    ("Adam", {"eps": -1.0}),
    ("AdamW", {"weight_decay": -1.0}),
    ("Adadelta", {"rho": -0.1}),
    ("Adagrad", {"initial_accumulator_value": -1.0}),
    ("RMSprop", {"alpha": -0.5}),
    ("RMSprop", {"momentum": -0.5}),
    ("SGD", {"momentum": -0.1}),
    ("SGD", {"nesterov": True, "momentum": 0.0}),
    ("SGD", {"nesterov": True, "momentum": 0.9, "dampening": 0.1}),
    ("Rprop", {"etas": (0.5, 0.9)}),
    ("Rprop", {"etas": (1.5, 1.9)}),
    ("NAdam", {"momentum_decay": -1.0}),
    ("Adafactor", {"beta2_decay": 0.5}),
    ("Adafactor", {"d": 0.5}),
]


@pytest.mark.parametrize(("name", "arguments"), REFUSED_BY_TORCH, ids=str)
def test_what_torch_refuses_is_an_error_of_the_spec(name: str, arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        getattr(torch.optim, name)([torch.zeros(1, requires_grad=True)], **arguments)
    kind = next(cls.kind for cls in OPTIMIZERS.values() if cls.__name__ == name)
    with pytest.raises(vggc.SpecError) as error:
        vggc.compile("vgg16_cifar10", overrides={"train.optimizer": {kind: arguments}})
    assert {each.code for each in error.value.diagnostics} <= {"E103", "E106"}
    assert all(each.span is not None for each in error.value.diagnostics)


@pytest.mark.parametrize("word", ["sparse_adam", "lbfgs", "muon", "foreach"])
def test_words_that_cannot_train_are_refused(word: str) -> None:
    with pytest.raises(vggc.SpecError) as error:
        vggc.compile("vgg16_cifar10", overrides={"train.optimizer": word})
    assert [each.code for each in error.value.diagnostics] == ["E101"]
    assert error.value.diagnostics[0].notes, "there is a way out"


def test_the_recipe_of_the_lecture() -> None:
    """As in the notebook L14/1.1-vgg16 of STAT 453: every number of it."""
    recipe = vggc.compile("vgg16_cifar10").header.train
    assert recipe is not None
    assert (recipe.epochs, recipe.batch_size, recipe.seed, recipe.validation) == (50, 256, 123, 0.1)
    assert repr(recipe.optimizer) == "SGD(lr=0.01, momentum=0.9)"
    assert repr(recipe.schedule) == "ReduceLROnPlateau()"
    assert (recipe.schedule.factor, recipe.schedule.patience) == (0.1, 10)  # type: ignore[union-attr]
    assert repr(recipe.augment) == "(RandomCrop(size=64),)"


def test_a_spec_without_a_recipe_does_not_import_one() -> None:
    import subprocess
    import sys

    needless = "[m for m in sys.modules if m == 'vggc.recipe.recipe' or 'optim' in m]"
    program = f"import sys, vggc; vggc.compile('vgg16'); print({needless})"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
