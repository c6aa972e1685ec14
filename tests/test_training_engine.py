"""A run: what it leaves, what it says, and that it is the same every time."""

import csv
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Final

import numpy as np
import pytest
import torch
from PIL import Image

import vggc
from tests.training_runs import NETWORK, PLAIN, ROOT, fails, same, start, train, weights, write_spec
from vggc.cli import main
from vggc.data.source_formats import open_source
from vggc.data.splitting import split_indices
from vggc.training.loop import seed_epoch
from vggc.training.request import New, TrainingRequest
from vggc.training.run_folder import RunFolder
from vggc.weights.loading import save_weights

pytestmark = pytest.mark.usefixtures("one_thread")

FILES: Final = {
    "spec.yaml", "run.json", "seed", "split.json", "versions.json", "train.log", "metrics.csv", "losses.csv",
    "last.ckpt", "best.ckpt", "best.safetensors", "loss.png", "accuracy.png", "confusion.png", "examples.png",
    "test.json", "summary.json", "report.html", "tensorboard",
}  # fmt: skip
RECIPE: Final = (
    "{epochs: 3, batch_size: 64, seed: 3, optimizer: {sgd: {lr: 0.1, momentum: 0.9}}, "
    "schedule: {reduce_lr_on_plateau: 1}}"
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("engine")
    return train(write_spec(folder, train=RECIPE), folder / "run")


def rows(run: RunFolder, name: str) -> list[dict[str, str]]:
    with (run.path / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


# --- what it leaves ----------------------------------------------------------------------------------------------


def test_the_files(run: RunFolder) -> None:
    assert {path.name for path in run.path.iterdir()} == FILES
    assert len(list((run.path / "tensorboard").iterdir())) == 1


def test_the_spec_is_the_network(run: RunFolder) -> None:
    again = vggc.compile(run.spec)
    assert again.header.train is not None
    assert again.header.train.epochs == 3
    assert {key: tuple(tensor.shape) for key, tensor in weights(run).items()} == {
        key: tuple(tensor.shape) for key, tensor in again.module(init=False).state_dict().items()
    }


def test_the_split(run: RunFolder) -> None:
    split = run.read_json("split.json")
    labels = open_source("digits").images("train").labels
    training, held_out = split_indices(labels, 0.1, 3)
    assert split["training_images"] == training.tolist()
    assert split["validation_images"] == held_out.tolist()
    assert sorted(split["training_images"] + split["validation_images"]) == list(range(len(labels)))


def test_the_tables(run: RunFolder) -> None:
    metrics, losses = rows(run, "metrics.csv"), rows(run, "losses.csv")
    assert [row["epoch"] for row in metrics] == ["1", "2", "3"]
    assert len(losses) == 3 * 21, "1,294 images are 21 batches"
    for epoch, row in enumerate(metrics):
        of_epoch = [float(each["loss"]) for each in losses[21 * epoch : 21 * (epoch + 1)]]
        assert float(row["train_loss"]) == pytest.approx(np.mean(of_epoch))
    assert float(metrics[-1]["train_loss"]) < float(metrics[0]["train_loss"])


def test_the_events_are_those_of_the_tables(run: RunFolder) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run.path / "tensorboard"))
    events.Reload()
    batches = [(each.step, each.value) for each in events.Scalars("loss/batch")]
    expected = [(int(row["step"]), float(row["loss"])) for row in rows(run, "losses.csv")]
    assert batches == [(step, pytest.approx(loss)) for step, loss in expected]
    accuracies = [each.value for each in events.Scalars("accuracy/validation")]
    assert accuracies == pytest.approx([float(row["validation_accuracy"]) for row in rows(run, "metrics.csv")])


def test_the_summary(run: RunFolder) -> None:
    summary, metrics = run.read_json("summary.json"), rows(run, "metrics.csv")
    accuracies = [float(row["validation_accuracy"]) for row in metrics]
    assert summary["status"] == "complete"
    assert summary["best_epoch"] == 1 + accuracies.index(max(accuracies))
    assert summary["best_validation_accuracy"] == max(accuracies)
    assert (summary["test_used"], summary["test_images"], summary["warnings"]) == (1, 359, [])
    assert summary["test_accuracy"] == run.read_json("test.json")["accuracy"]


def test_the_pictures(run: RunFolder) -> None:
    for name in ("loss.png", "accuracy.png", "confusion.png", "examples.png"):
        with Image.open(run.path / name) as picture:
            assert picture.size[0] >= 700
            colours = picture.convert("RGB").getcolors(1 << 24)
        assert colours is not None
        assert len(colours) > 10, f"{name} is not empty"


def test_the_report_needs_no_other_file(run: RunFolder) -> None:
    text = run.report.read_text(encoding="utf-8")
    assert text.count('src="data:image/png;base64,') == 4
    assert not re.findall(r'(?:src|href)="(?!data:)', text)
    summary = run.read_json("summary.json")
    assert f"{100 * summary['test_accuracy']:.2f} %" in text
    for words in (f"vggc eval {run.path}", f"--weights {run.path}/best.safetensors", "features:", "torch"):
        assert words in text


def test_the_log_holds_what_was_said_and_a_loss_every_hundred_batches(run: RunFolder) -> None:
    lines = (run.path / "train.log").read_text(encoding="utf-8").splitlines()
    assert len([line for line in lines if re.fullmatch(r"epoch \d/3, batch 0/21: loss \d\.\d{4}", line)]) == 3
    assert len([line for line in lines if line.startswith("epoch ") and "validation: loss" in line]) == 3


def test_the_numbers_are_the_same_on_every_run(run: RunFolder, tmp_path: Path) -> None:
    spec = write_spec(tmp_path, train=RECIPE)
    again = train(spec, tmp_path / "again", "--deterministic")
    torch.use_deterministic_algorithms(False)
    assert same(weights(run), weights(again))
    assert (run.path / "losses.csv").read_bytes() == (again.path / "losses.csv").read_bytes()
    other = train(spec, tmp_path / "other", "--set", "train.seed=4")
    assert not same(weights(run), weights(other))


# --- what it says ------------------------------------------------------------------------------------------------


def test_the_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    train(write_spec(tmp_path), tmp_path / "run")
    said = capsys.readouterr()
    assert said.err == ""
    lines = said.out.splitlines()
    assert lines[0] == "small on digits: 1,294 training, 144 validation images, 10 classes, 1,010 params"
    assert lines[1] == "sgd, 2 epochs, batch size 64, seed 3, precision 32, on the CPU"
    figures = r"loss \d\.\d{4}, +\d+\.\d\d %"
    shape = rf"epoch 1/2  lr 0\.1 +training: {figures}  validation: {figures}  .* images/s"
    assert re.fullmatch(shape, lines[3])
    assert lines[5].startswith("test: ")
    assert lines[-4] == f"  vggc eval {tmp_path}/run"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "spec.yaml"], "nothing lies about"


def test_a_run_goes_on_when_nobody_reads_any_more(tmp_path: Path) -> None:
    spec = write_spec(tmp_path)
    process = start("train", str(spec), "-o", "run", "--export", cwd=tmp_path)
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline().startswith("small on digits")
    process.stdout.close()
    complaint = process.stderr.read()
    process.stderr.close()
    assert (process.wait(timeout=120), complaint) == (0, "")
    run = RunFolder(tmp_path / "run")
    assert run.read_json("summary.json")["status"] == "complete"
    assert "\ntest: " in (run.path / "train.log").read_text(encoding="utf-8")
    assert (run.path / "small.onnx").exists()


def test_runs_lie_by_name_and_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    spec = write_spec(tmp_path, train="{epochs: 1, batch_size: 512, optimizer: sgd}")
    main(["train", str(spec)])
    main(["train", str(spec), "--name", "other"])
    assert [path.parent.name for path in sorted(tmp_path.glob("runs/*/*"))] == ["other", "small"]


def test_it_exports_what_it_trained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = train(write_spec(tmp_path), tmp_path / "run", "--export")
    main(["verify", str(run.path / "small.onnx"), "--weights", str(run.weights)])
    assert "verified" in capsys.readouterr().out


def test_classes_that_a_split_holds_no_image_of_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = folder_of_images(tmp_path / "images", ("a", "b", "c"))
    shutil.rmtree(images / "test" / "b")
    for file in sorted((images / "train" / "c").iterdir())[1:]:
        file.unlink()
    network = PLAIN.replace("[1, 8, 8]", "[3, 8, 8]").replace("classes: 10", "classes: [a, b, c]")
    spec = write_spec(
        tmp_path, network + "preprocess: {resize: 8}\n", "{epochs: 1, batch_size: 8, optimizer: {adam: 0.01}}"
    )
    train(spec, tmp_path / "run", "--data", f"folder:{images}")
    out = capsys.readouterr().out
    assert "warning: no validation image is of c, so the best epoch is chosen without; " in out
    assert "warning: no test image is of b, so the test does not measure how they are recognised; " in out
    main(["eval", str(tmp_path / "run")])
    said = "warning: no test image is of b, so the figures do not measure how they are recognised\n"
    assert capsys.readouterr().err == said


# --- recipes -----------------------------------------------------------------------------------------------------


def test_without_validation_the_last_epoch_counts(tmp_path: Path) -> None:
    spec = write_spec(tmp_path, train="{epochs: 2, batch_size: 128, optimizer: sgd, validation: 0}")
    run = train(spec, tmp_path / "run")
    summary = run.read_json("summary.json")
    assert (summary["best_epoch"], summary["chosen_by"], summary["best_validation_accuracy"]) == (
        2,
        "being the last",
        None,
    )
    assert run.read_json("split.json")["validation_images"] == []
    assert rows(run, "metrics.csv")[0]["validation_accuracy"] == ""


def test_early_stop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = "{epochs: 50, batch_size: 256, optimizer: {sgd: 1e-9}, early_stop: 2}"
    run = train(write_spec(tmp_path, PLAIN, recipe), tmp_path / "run")
    summary = run.read_json("summary.json")
    assert (summary["status"], summary["epochs"], summary["best_epoch"]) == ("stopped early", 3, 1)
    assert "stopped early: 2 epochs without a better validation accuracy" in capsys.readouterr().out
    code, err = fails(["train", "--resume", str(run.path)], capsys)
    assert (code, "is complete" in err) == (3, True)


def test_reduced_precision_on_the_cpu(tmp_path: Path) -> None:
    run = train(write_spec(tmp_path), tmp_path / "run", "--precision", "bf16-mixed")
    assert vggc.compile(run.spec).header.train.precision == "bf16-mixed"  # type: ignore[union-attr]
    assert all(tensor.dtype != torch.bfloat16 for tensor in weights(run).values())
    full = train(write_spec(tmp_path), tmp_path / "full")
    assert not same(weights(run), weights(full))


def test_it_begins_with_given_weights(run: RunFolder, tmp_path: Path) -> None:
    spec = write_spec(tmp_path, train="{epochs: 1, batch_size: 64, seed: 3, optimizer: {sgd: 1e-9}}")
    begun = train(spec, tmp_path / "run", "--weights", str(run.weights))
    torch.testing.assert_close(weights(begun)["classifier.1.weight"], weights(run)["classifier.1.weight"])
    assert begun.read_json("run.json")["weights"] == str(run.weights)


# --- images of one's own -----------------------------------------------------------------------------------------


def folder_of_images(path: Path, names: tuple[str, ...] = ("a<b", "c")) -> Path:
    random = np.random.default_rng(0)
    for split, count in (("train", 20), ("test", 5)):
        for label, name in enumerate(names):
            (path / split / name).mkdir(parents=True)
            for i in range(count):
                pixels = random.integers(0, 80, (9, 7, 3), dtype=np.uint8) + np.uint8(120 * label)
                Image.fromarray(pixels).save(path / split / name / f"{i}.png")
    return path


def test_a_folder_of_images(tmp_path: Path) -> None:
    network = PLAIN.replace("[1, 8, 8]", "[3, 8, 8]").replace("classes: 10", "classes: ['a<b', c]")
    spec = write_spec(
        tmp_path, network + "preprocess: {resize: 8}\n", "{epochs: 4, batch_size: 8, optimizer: {adam: 0.01}}"
    )
    run = train(spec, tmp_path / "run", "--data", f"folder:{folder_of_images(tmp_path / 'images')}")
    assert run.read_json("summary.json")["test_accuracy"] == 1
    text = run.report.read_text(encoding="utf-8")
    assert "a&lt;b" in text
    assert "a<b" not in text


def test_a_stock_spec_without_a_recipe_is_trained_from_the_command_line(tmp_path: Path) -> None:
    """By the line of the page, on made-up images, with a network that is small enough for a test."""
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^vggc (train vgg16_bn --data folder:photos .*)$", page, re.MULTILINE)
    words = line.replace("folder:photos", f"folder:{folder_of_images(tmp_path / 'photos')}").replace("=224", "=32")
    narrow = ["input=[3,32,32]", "width=0.03125", "pool=none", "classifier=[{linear: classes}]", "train.epochs=2"]
    main([*words.split(), "-o", str(tmp_path / "run"), *(word for each in narrow for word in ("--set", each))])
    run = RunFolder(tmp_path / "run")
    assert run.read_json("summary.json")["status"] == "complete"
    assert "optimizer: adam" in run.spec.read_text(encoding="utf-8")


def test_the_ways_to_a_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, err = fails(["train", "vgg16_bn"], capsys)
    assert code == 1
    assert "--set train.epochs=10 --set train.batch_size=64 --set train.optimizer=adam" in err
    assert "write a spec of your own with `extends: vgg16_bn` and `train: {epochs: 10," in err
    assert "stock specs with a recipe: vgg11_digits, vgg16_bn_cifar10, vgg16_cifar10" in err
    spec = tmp_path / "mine.yaml"
    spec.write_text(PLAIN)
    assert "add to the spec `train: {epochs: 10" in fails(["train", str(spec)], capsys)[1]


# --- what cannot be ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["train"], 2, "name a SPEC, such as vgg11_digits"),
        (["train", "vgg16"], 1, "vgg16 has no recipe to train by"),
        (["train", "vgg16_cifar10"], 3, "the images of digits are grey"),
        (["train", "vgg16_cifar10", "--name", "a", "-o", "b"], 2, "both name the folder of the run"),
        (["train", "vgg16_cifar10", "--name", "../../evil"], 2, "not the name of a folder in runs; -o FOLDER"),
        (["train", "vgg16_cifar10", "--name", ".."], 2, "not the name of a folder in runs"),
        (["train", "vgg16_cifar10", "--data", "nowhere:x"], 3, "there is no source of images called 'nowhere'"),
        (["train", "vgg16_cifar10", "--set", "train.epochs=0"], 1, "must be at least 1"),
    ],
)
def test_what_cannot_be_trained(
    arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    found, err = fails(arguments, capsys)
    assert (found, message in err) == (code, True), err
    assert list(tmp_path.iterdir()) == []


def spoil(path: Path, kind: str) -> None:
    """Make something of a folder of images that the test at the end of a run would fail at."""
    place = path / "test" / "c" / "0.png"
    if kind == "damaged":
        place.write_bytes(place.read_bytes()[:60])
    elif kind == "grey":
        Image.new("L", (10, 12)).save(place)
    else:
        for file in (path / "test").rglob("*.png"):
            file.unlink()
        shutil.rmtree(path / "test")
        for folder in (path / "train").iterdir():
            for file in sorted(folder.iterdir())[1:]:
                file.unlink()


@pytest.mark.parametrize(
    ("kind", "message"),
    [("damaged", "0.png cannot be read"), ("grey", "0.png is grey (1 channel)"), ("none", "has no test images")],
)
def test_what_the_test_would_fail_at_is_said_before_the_first_step(
    kind: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = PLAIN.replace("[1, 8, 8]", "[3, 8, 8]").replace("classes: 10", "classes: [a, c]")
    recipe = "{epochs: 4, batch_size: 8, validation: 0, optimizer: {adam: 0.01}}"
    spec = write_spec(tmp_path, network + "preprocess: {resize: 8}\n", recipe)
    images = folder_of_images(tmp_path / "images", ("a", "c"))
    spoil(images, kind)
    run = tmp_path / "run"
    code, err = fails(["train", str(spec), "-o", str(run), "--data", f"folder:{images}"], capsys)
    assert (code, message in err) == (3, True), err
    assert not run.exists()


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = write_spec(tmp_path)
    code, err = fails(["train", str(spec), "-o", str(tmp_path)], capsys)
    assert (code, "exists already and is not a run; name another folder" in err) == (3, True)
    assert [path.name for path in tmp_path.iterdir()] == ["spec.yaml"]
    code, err = fails(["train", str(spec), "-o", str(spec)], capsys)
    assert (code, "spec.yaml is a file, and a run needs a folder of its own" in err, "--resume" in err) == (
        3,
        True,
        False,
    )


def test_a_run_that_is_there_may_be_resumed(run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, err = fails(["train", str(write_spec(tmp_path)), "-o", str(run.path)], capsys)
    assert (code, f"resume it with: --resume {run.path}" in err) == (3, True)


@pytest.mark.parametrize(
    ("command", "package"),
    [("train", "lightning"), ("train", "matplotlib"), ("eval", "torchmetrics")],
)
def test_without_the_extra_it_says_what_to_install(
    command: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    code, err = fails([command, str(write_spec(tmp_path))], capsys)
    assert code == 3
    assert err == f"error: `vggc {command}` needs {package}; install it with: pip install 'vggc[train]'\n"


def test_the_settings_are_kept(run: RunFolder) -> None:
    settings = json.loads(run.settings.read_text(encoding="utf-8"))
    assert {key: settings[key] for key in ("data", "seed", "devices", "precision", "deterministic")} == {
        "data": "digits", "seed": 3, "devices": 1, "precision": "32", "deterministic": False,
    }  # fmt: skip
    assert (run.path / "seed").read_text() == "3\n"
    assert {"torch", "lightning", "python", "vggc", "cpu"} <= set(run.read_json("versions.json"))


def test_the_network_of_the_tests(tmp_path: Path) -> None:
    assert vggc.compile(write_spec(tmp_path, NETWORK)).params == 1010


def test_a_run_begins_with_the_weights_of_a_network_for_other_classes(tmp_path: Path) -> None:
    """Fine-tuning: all but the last layer come from a file, and what was kept is said."""
    other = vggc.compile("vgg11_digits", {"classes": 7})
    save_weights(other.module(seed=5), tmp_path / "other.safetensors")
    network = vggc.compile("vgg11_digits")
    last = network.layers[-1].path
    matching = vggc.Matching(allow_missing=(f"{last}.*",))
    request = TrainingRequest(network, "digits", New(weights=tmp_path / "other.safetensors", matching=matching))
    module, report = request.start.module(network, request.recipe)
    assert report is not None
    assert report.kept == [f"{last}.weight", f"{last}.bias"]
    assert torch.equal(module.state_dict()["features.0.weight"], other.module(seed=5).state_dict()["features.0.weight"])
    drawn = network.module(seed=request.recipe.seed)
    assert torch.equal(module.state_dict()[f"{last}.weight"], drawn.state_dict()[f"{last}.weight"])


def test_a_batch_of_one_image_is_too_small_for_batch_norm(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    network = """\
vggc: 1
name: one_pixel
input: [3, 8, 8]
classes: [a, c]
features: [M, M, M, {conv: {out_channels: 4, kernel_size: 1, norm: batch_norm, bias: false}}]
classifier: [{linear: classes}]
preprocess: {resize: 8}
"""
    spec = write_spec(tmp_path, network, "{epochs: 1, batch_size: 1, optimizer: sgd}")
    code, err = fails(["train", str(spec), "--data", f"folder:{folder_of_images(tmp_path / 'i', ('a', 'c'))}"], capsys)
    assert (code, "use a larger batch, or more images" in err) == (3, True), err


def test_every_epoch_and_every_process_has_random_numbers_of_its_own() -> None:
    def drawn(*place: int) -> float:
        seed_epoch(*place, torch.device("cpu"))
        return float(torch.rand(()))

    places = [(seed, epoch, rank) for seed in (0, 1) for epoch in range(3) for rank in range(3)]
    assert len({drawn(*each) for each in places}) == len(places)
    assert drawn(1, 2, 0) == drawn(1, 2, 0)
