"""Early warnings, provoked for real where a few seconds are enough."""

import re
from collections.abc import Sequence
from math import log
from pathlib import Path
from typing import Final

import pytest
import torch

from tests.training_runs import PLAIN, fails, train, write_spec
from vggc.base.errors import ProductError
from vggc.model import Network
from vggc.training.early_warnings import STUCK_STEPS, EarlyWarnings, dead_units
from vggc.training.history import Epoch, History
from vggc.training.run_folder import RunFolder
from vggc.training.scores import Scores

pytestmark = pytest.mark.usefixtures("one_thread")

DEEP: Final = """\
vggc: 1
name: deep
input: [1, 8, 8]
classes: 10
features: [{repeat: {times: 12, layers: [16]}}, M]
classifier: [{linear: classes}]
"""
RECIPE: Final = "{epochs: 5, batch_size: 64, optimizer: {sgd: {lr: 0.02, momentum: 0.9}}}"
# Of several layers, whose gradients multiply.
TINY: Final = PLAIN.replace("[8, M]", "[16, M, 32, M]").replace("[{linear", "[32, {linear")


def test_a_deep_network_without_norm_is_stuck_and_is_told_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(write_spec(tmp_path, DEEP, RECIPE), tmp_path / "run")
    (said,) = [line for line in capsys.readouterr().out.splitlines() if "has learned nothing" in line]
    assert re.search(r"the loss is 2\.30\d\d after 10\d steps, and ln\(10\) = 2\.302\d is what guessing gives", said)
    assert "13 layers with weights, no norm and no He initialisation" in said
    assert "`defaults: {conv: {norm: batch_norm}}`" in said
    assert any("has learned nothing" in warning for warning in run.read_json("summary.json")["warnings"])
    assert "has learned nothing" in run.report.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "cure", ["defaults={conv: {norm: batch_norm}}", "init={conv2d: {kaiming_normal: {nonlinearity: relu}}}"]
)
def test_what_it_advises_helps(cure: str, tmp_path: Path) -> None:
    run = train(write_spec(tmp_path, DEEP, RECIPE), tmp_path / "run", "--set", cure)
    summary = run.read_json("summary.json")
    assert summary["warnings"] == []
    assert summary["last_training_loss"] < 2


def test_a_loss_that_is_no_number_stops_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = write_spec(tmp_path, TINY, "{epochs: 5, batch_size: 64, optimizer: {sgd: {lr: 1e9, momentum: 0.9}}}")
    code, err = fails(["train", str(spec), "-o", str(tmp_path / "run")], capsys)
    assert code == 3
    assert re.match(r"error: the loss is (nan|inf) at step \d+, in epoch 1, and training stopped there; ", err)
    assert "--set train.optimizer.sgd.lr=1e+08" in err
    assert "--set train.gradient_clip=1" in err
    run = RunFolder(tmp_path / "run")
    assert run.read_json("summary.json")["status"] == "failed"
    assert not run.last.exists(), "no checkpoint of weights that are no numbers"


def test_a_loss_that_grows_is_called_diverging(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = write_spec(tmp_path, PLAIN, "{epochs: 5, batch_size: 64, optimizer: {sgd: {lr: 1e9}}}")
    train(spec, tmp_path / "run")
    assert "training diverges. Likely cause: a learning rate that is too high" in capsys.readouterr().out


# --- the parts ---------------------------------------------------------------------------------------------------


def network(text: str = PLAIN, **train: object) -> Network:
    from tests.networks import compile_source
    from vggc.base.diagnostics import Source
    from vggc.frontend.text.inherit import from_mapping

    overrides = from_mapping({"train": {"epochs": 5, "batch_size": 64, "optimizer": "sgd", **train}})
    return compile_source(Source("spec", text), [overrides])


def watch(
    text: str = PLAIN, labels: torch.Tensor | None = None, warmup_steps: int = 0, **train: object
) -> EarlyWarnings:
    found = network(text, **train)
    assert found.header.train is not None
    even = torch.arange(1000) % 10
    return EarlyWarnings(found, found.header.train, labels if labels is not None else even, warmup_steps)


def test_chance_is_the_entropy_of_the_labels() -> None:
    assert watch().chance == pytest.approx(log(10))
    uneven = torch.tensor([0] * 900 + [1] * 100)
    assert watch(labels=uneven).chance == pytest.approx(-(0.9 * log(0.9) + 0.1 * log(0.1)))


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.3, 1.0])
def test_chance_is_the_least_loss_of_one_answer_for_all_images(smoothing: float) -> None:
    """As torch finds it, by gradients, for the loss that a run really has."""
    labels = torch.tensor([0] * 90 + [1] * 8 + [2] * 2)
    answer = torch.zeros(10, dtype=torch.double, requires_grad=True)
    optimizer = torch.optim.LBFGS([answer], max_iter=500, line_search_fn="strong_wolfe", tolerance_change=1e-12)

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        found = torch.nn.functional.cross_entropy(answer.expand(100, 10), labels, label_smoothing=smoothing)
        found.backward()  # type: ignore[no-untyped-call]
        return found

    optimizer.step(loss)  # type: ignore[arg-type]
    assert watch(labels=labels, label_smoothing=smoothing).chance == pytest.approx(loss().item(), abs=1e-4)


def test_smoothed_labels_of_uneven_classes_are_no_divergence() -> None:
    labels = torch.tensor([0] * 970 + [1] * 30)
    watched = watch(PLAIN.replace("classes: 10", "classes: 2"), labels, label_smoothing=0.3)
    assert not watched.is_hopeless(History([0.43] * STUCK_STEPS)), "all that smoothing leaves to be learned"


def test_uneven_classes_whose_shares_are_not_learned_yet_are_no_divergence() -> None:
    """100 steps at a low rate: the loss is still what an even guess gives, many times that of the best guess."""
    assert not watch(labels=torch.tensor([0] * 990 + [1] * 10)).is_hopeless(History([2.25] * STUCK_STEPS))


@pytest.mark.parametrize(
    ("losses", "warmup_steps", "hopeless"),
    [
        ([2.303] * STUCK_STEPS, 0, True),
        ([2.303] * (STUCK_STEPS - 1), 0, False),  # too early to tell
        ([2.303] * STUCK_STEPS, 10, False),  # the warm-up does not count
        ([2.303] * 50 + [2.297] * 50, 0, False),  # it has begun to learn
        ([2.5] * STUCK_STEPS, 0, False),  # a bad start
        ([9.0] * STUCK_STEPS, 0, True),  # it diverges
    ],
)
def test_when_a_loss_is_hopeless(losses: list[float], warmup_steps: int, hopeless: bool) -> None:
    watched, history = watch(warmup_steps=warmup_steps), History(losses)
    assert watched.is_hopeless(history) is hopeless
    assert not watched.is_hopeless(history), "said once"


def test_labels_that_are_all_the_same_are_no_reason_to_worry() -> None:
    watched = watch(labels=torch.zeros(100, dtype=torch.long))
    assert watched.chance == 0
    assert not watched.is_hopeless(History([0.0] * STUCK_STEPS))


def test_what_was_said_is_not_said_again_in_another_sitting() -> None:
    first, second, history = watch(), watch(), History([2.303] * STUCK_STEPS)
    assert first.is_hopeless(history)
    second.load_state_dict(first.state_dict())
    assert not second.is_hopeless(history)


def test_causes_are_told_apart() -> None:
    history = History([2.303] * STUCK_STEPS)
    assert "95% of those of relu2 give 0 for every image" in watch().hopeless(history, ("relu2", 0.95))
    assert "--set train.optimizer.sgd.lr=0.0001" in watch().hopeless(history, None)
    cycle = watch(schedule={"one_cycle_lr": 0.5}, optimizer={"sgd": {"momentum": 0.9}})
    assert "--set train.schedule.one_cycle_lr.max_lr=0.05" in cycle.hopeless(history, None)
    assert "or add `warmup: 1`" in watch().hopeless(history, None)
    for warm in (cycle, watch(warmup=2)):
        assert "warmup" not in warm.hopeless(history, None), "it is there already, or has no place"


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_the_step_of_a_loss_that_is_no_number_is_named(loss: float) -> None:
    history = History([2.0] * 30 + [loss, 1.0])
    with pytest.raises(ProductError, match=r"at step 31, in epoch 4,.*--precision bf16-mixed"):
        watch(precision="16-mixed").check_losses(history, 28, steps_per_epoch=10)


def test_dead_units_are_found_where_they_are() -> None:
    found = network(PLAIN.replace("[8, M]", "[8, 8, M]"))
    module = found.module(seed=0).train()
    images = torch.rand(16, 1, 8, 8)
    assert dead_units(found, module, images) is None
    with torch.no_grad():
        module.get_submodule("features.2").bias.fill_(-100)  # type: ignore[union-attr, operator]
    assert dead_units(found, module, images) == ("relu1_2", 1.0)
    assert module.training


def epochs(count: int, accuracies: Sequence[float] = (), steps: int = 100) -> History:
    """The history of so many epochs of so many steps, with validation accuracies where they matter."""
    found = [accuracies[i] if i < len(accuracies) else 0.5 for i in range(count)]
    return History(
        [1.0] * count * steps, [Epoch(i + 1, 0.1, 1.0, 0.5, 1.0, found[i], 1.0, 0.1, 100.0) for i in range(count)]
    )


def blind(loss: float = 1.0) -> Scores:
    """Of three classes the second is always taken for the third."""
    return Scores(("ant", "bee", "cow"), ((9, 1, 0), (1, 0, 9), (0, 0, 10)), loss)


FINE: Final = Scores(("ant", "bee", "cow"), ((9, 1, 0), (1, 1, 8), (0, 0, 10)), 1.0)
THREE: Final = PLAIN.replace("classes: 10", "classes: 3")
EVEN: Final = torch.arange(300) % 3


def said(watched: EarlyWarnings, scores: Sequence[Scores | None], accuracies: Sequence[float] = ()) -> list[list[str]]:
    """What is said behind each epoch."""
    return [list(watched.after_epoch(epochs(i, accuracies), each)) for i, each in enumerate(scores, start=1)]


def test_a_class_that_nothing_is_recognised_of() -> None:
    *before, warnings, after = said(watch(THREE, EVEN), [blind()] * 4)
    assert before == [[], []], "too early"
    (warning,) = warnings
    assert warning.startswith("after 3 epochs not one of the 10 validation images of bee is recognised.")
    assert "Images of bee are classified as cow most often" in warning
    assert after == [], "said once"
    assert said(watch(THREE, EVEN), [None] * 5) == [[]] * 5


def test_a_class_that_comes_by_itself_is_not_spoken_of() -> None:
    assert said(watch(THREE, EVEN), [blind(), blind(), FINE, FINE, FINE]) == [[]] * 5


def test_a_class_that_is_lost_later_is_spoken_of() -> None:
    found = said(watch(THREE, EVEN, epochs=20), [FINE, FINE, blind(), blind(), blind()])
    assert [len(each) for each in found] == [0, 0, 0, 0, 1]


def test_nothing_is_said_while_accuracy_still_rises_fast() -> None:
    found = said(watch(THREE, EVEN, epochs=20), [blind()] * 6, [0.2, 0.3, 0.4, 0.5, 0.6, 0.61])
    assert [len(each) for each in found] == [0, 0, 0, 0, 0, 1]


def test_nothing_is_said_while_the_rate_warms_up() -> None:
    found = said(watch(THREE, EVEN, warmup_steps=400, epochs=20), [blind()] * 5)
    assert [len(each) for each in found] == [0, 0, 0, 0, 1]


def test_nothing_is_said_after_a_few_steps() -> None:
    watched = watch(THREE, EVEN, epochs=20)
    found = [list(watched.after_epoch(epochs(i, steps=15), blind())) for i in range(1, 8)]
    assert [len(each) for each in found] == [0, 0, 0, 0, 0, 0, 1], "105 steps"


def test_a_single_image_is_called_so() -> None:
    lonely = Scores(("ant", "bee", "cow"), ((9, 1, 0), (0, 0, 1), (0, 0, 10)), 0.5)
    (warning,) = watch(THREE, EVEN).after_test(lonely)
    assert warning.startswith("the only test image of bee is not recognised. Images of bee are classified as cow")


def test_behind_the_last_epoch_it_is_said_in_any_case() -> None:
    assert [len(each) for each in said(watch(THREE, EVEN, epochs=2), [blind()] * 2, [0.1, 0.6])] == [0, 1]


def test_what_was_seen_of_the_classes_is_not_forgotten_between_sittings() -> None:
    first, second = watch(THREE, EVEN), watch(THREE, EVEN)
    assert said(first, [blind()] * 2) == [[], []]
    second.load_state_dict(first.state_dict())
    assert len(list(second.after_epoch(epochs(3), blind()))) == 1
    first.load_state_dict(second.state_dict())
    assert list(first.after_epoch(epochs(4), blind())) == []


def test_validation_that_lags_behind_training_says_nothing_yet() -> None:
    lagging = Scores(("ant", "bee", "cow"), ((1, 9, 0), (0, 0, 10), (10, 0, 0)), 5.0)
    found = said(watch(THREE, EVEN, epochs=20), [lagging] * 3 + [blind()] * 3)
    assert [len(each) for each in found] == [0, 0, 0, 0, 0, 1], "it is looked at when it means something"


def test_a_rare_class_is_called_rare_whatever_the_loss_is() -> None:
    rare = torch.tensor([0] * 100 + [1] * 4 + [2] * 100)
    for loss in (0.5, 5.0):
        *_, (warning,) = said(watch(THREE, rare), [blind(loss)] * 3)
        assert "few training images, 2.0% of all are of bee" in warning


def test_a_network_at_chance_is_told_the_cause_of_that() -> None:
    *_, (warning,) = said(watch(DEEP.replace("classes: 10", "classes: 3"), EVEN), [blind(loss=log(3))] * 3)
    assert "no norm and no He initialisation" in warning


def test_the_test_is_looked_at_too() -> None:
    (warning,) = watch(THREE, EVEN).after_test(blind())
    assert warning.startswith("not one of the 10 test images of bee is recognised. Images of bee are classified as cow")
    assert list(watch(THREE, EVEN).after_test(FINE)) == []
    hopeless = watch(THREE, EVEN)
    assert hopeless.is_hopeless(History([log(3)] * STUCK_STEPS))
    assert list(hopeless.after_test(blind(loss=log(3)))) == [], "that it has learned nothing was said"
    assert len(list(hopeless.after_test(blind()))) == 1, "it has recovered"


def test_all_is_well_without_warnings() -> None:
    fine = Scores(("ant", "bee"), ((9, 1), (1, 9)), 0.3)
    two = watch(PLAIN.replace("classes: 10", "classes: 2"), torch.arange(10) % 2)
    assert said(two, [fine] * 5) == [[]] * 5
