"""A run that is killed loses at most the epoch it is in, and ends in the weights of one that was not, bit for bit."""

import os
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Final

import pytest
import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins.precision import MixedPrecision

from tests.pictures import noise, save
from tests.training_runs import NETWORK, ROOT, end, epochs_done, fails, same, start, train, until, weights, write_spec
from vggc.cli import main
from vggc.training import checkpoints
from vggc.training.devices import Devices
from vggc.training.run_folder import RunFolder

pytestmark = pytest.mark.usefixtures("one_thread")

LONG: Final = (
    "{epochs: 12, batch_size: 32, seed: 5, optimizer: {sgd: {lr: 0.05, momentum: 0.9, weight_decay: 1e-4}}, "
    "schedule: {reduce_lr_on_plateau: {patience: 0, factor: 0.5}}, warmup: 3, "
    "augment: [{random_crop: {size: 8, padding: 1}}]}"
)
SCHEDULES: Final = ["{one_cycle_lr: 0.2}", "{multi_step_lr: [1, 3]}", "cosine_annealing_lr", "{step_lr: 1}"]


def last_weights(run: RunFolder) -> dict[str, torch.Tensor]:
    return checkpoints.network_state(run.last)


def test_a_run_that_is_killed_and_resumed_ends_in_the_same_weights(tmp_path: Path) -> None:
    spec = write_spec(tmp_path, train=LONG)
    run = tmp_path / "killed"
    process = start("train", str(spec), "-o", str(run))
    until(lambda: epochs_done(run) >= 2, process)
    end(process, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    done = epochs_done(run)
    assert done < 12, "it was killed in the middle"
    main(["train", "--resume", str(run)])
    whole = train(spec, tmp_path / "whole")
    killed = RunFolder(run)
    assert same(last_weights(killed), last_weights(whole))
    assert same(weights(killed), weights(whole))
    losses = [(each.path / "losses.csv").read_text(encoding="utf-8") for each in (killed, whole)]
    assert losses[0] == losses[1]
    assert killed.read_json("test.json") == whole.read_json("test.json")
    assert not [path for path in run.iterdir() if ".part" in path.name], "no litter"
    assert events(run) == events(whole.path), "the epochs of both sittings"


def broken_off(spec: Path, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run whose second checkpoint is the last thing that happens before the process is gone."""
    written = checkpoints.save

    def save_and_vanish(*arguments: object, **options: object) -> None:
        written(*arguments, **options)  # type: ignore[arg-type]
        if len(arguments[2]["history"]["epochs"]) == 2:  # type: ignore[index]
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints, "save", save_and_vanish)
    with pytest.raises(SystemExit):
        train(spec, run)
    monkeypatch.setattr(checkpoints, "save", written)


def broken_off_and_resumed(spec: Path, run: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    broken_off(spec, run, monkeypatch)
    main(["train", "--resume", str(run)])
    return RunFolder(run)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_goes_on_where_it_was(schedule: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = f"{{epochs: 4, batch_size: 256, optimizer: {{adam: 0.01}}, schedule: {schedule}}}"
    spec = write_spec(tmp_path, train=recipe)
    whole = train(spec, tmp_path / "whole")
    resumed = broken_off_and_resumed(spec, tmp_path / "broken", monkeypatch)
    assert same(last_weights(resumed), last_weights(whole))


def test_the_scale_of_the_loss_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With float16, whose scaler Lightning leaves out of its checkpoints; the CPU's stands for that of a GPU."""

    def half(_: Devices, precision: str) -> Fabric:
        scaler = torch.amp.GradScaler("cpu", init_scale=16.0, growth_interval=5)
        return Fabric(accelerator="cpu", devices=1, plugins=[MixedPrecision("16-mixed", "cpu", scaler)])

    monkeypatch.setattr(Devices, "fabric", half)
    spec = write_spec(tmp_path, train="{epochs: 4, batch_size: 256, optimizer: {adam: 0.01}}")
    whole = train(spec, tmp_path / "whole")
    resumed = broken_off_and_resumed(spec, tmp_path / "broken", monkeypatch)
    assert checkpoints.read(whole.last)["precision"]["scale"] > 16
    assert checkpoints.read(resumed.last)["precision"] == checkpoints.read(whole.last)["precision"]
    assert same(last_weights(resumed), last_weights(whole))


def events(run: Path) -> dict[str, list[tuple[int, float]]]:
    """Everything that TensorBoard shows of a run, but for what was measured with a clock."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(run / "tensorboard"))
    found.Reload()
    names = set(found.Tags()["scalars"]) - {"images_per_second"}
    return {name: [(each.step, each.value) for each in found.Scalars(name)] for name in names}


def test_a_run_that_vanished_behind_its_last_epoch_has_all_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = write_spec(tmp_path)
    broken_off(spec, tmp_path / "run", monkeypatch)
    assert epochs_done(tmp_path / "run") == 1
    main(["train", "--resume", str(tmp_path / "run")])
    assert epochs_done(tmp_path / "run") == 2


def test_a_folder_without_its_settings_was_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a run is resumed by is written last."""
    order: list[str] = []
    written = RunFolder.write

    def write(self: RunFolder, name: str, text: str) -> None:
        order.append(name)
        written(self, name, text)

    monkeypatch.setattr(RunFolder, "write", write)
    train(write_spec(tmp_path), tmp_path / "run", "--set", "train.epochs=1")
    begun = order.index("run.json")
    assert {"spec.yaml", "seed", "split.json"} <= set(order[:begun])


def test_an_interrupt_stops_a_run_tidily(tmp_path: Path) -> None:
    spec = write_spec(tmp_path, train=LONG.replace("epochs: 12", "epochs: 1000"))
    process = start("train", str(spec), "-o", "run", cwd=tmp_path)
    until(lambda: epochs_done(tmp_path / "run") >= 1, process)
    out, err = end(process, signal.SIGINT)
    assert process.returncode == 130
    assert (
        out.splitlines()[-1]
        == "stopped; run/last.ckpt is the checkpoint of the last epoch, resume with: vggc train --resume run"
    )
    assert "Traceback" not in out + err
    summary = RunFolder(tmp_path / "run").read_json("summary.json")
    assert summary["status"] == "interrupted"


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="no limits on the size of a file")
def test_a_file_that_cannot_be_written_is_said_and_the_run_goes_on_later(tmp_path: Path) -> None:
    """A limit of 9,000 bytes a file, which a checkpoint does not keep."""
    import resource

    spec = write_spec(tmp_path)
    limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (9000, 9000))
    arguments = [sys.executable, "-m", "vggc", "train", str(spec), "-o", "run"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        arguments, cwd=tmp_path, env=environment, preexec_fn=limit, capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert "error: run could not be written: file too large; " in done.stderr
    assert "raise the limit (ulimit -f)" in done.stderr


def test_a_checkpoint_holds_nothing_that_runs(tmp_path: Path) -> None:
    run = train(write_spec(tmp_path), tmp_path / "run")
    held = torch.load(run.last, weights_only=True)
    assert set(held) == {"format", "model", "optimizer", "precision", "rate", "history", "watch"}


# --- what a run that is resumed may change -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("finished")
    return train(write_spec(folder), folder / "run")


@pytest.fixture
def run(finished: RunFolder, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished.path, tmp_path / "copy"))


def test_more_epochs_go_on(run: Path, tmp_path: Path) -> None:
    main(["train", "--resume", str(run), "--set", "train.epochs=4"])
    longer = train(write_spec(tmp_path), tmp_path / "longer", "--set", "train.epochs=4")
    assert same(last_weights(RunFolder(run)), last_weights(longer))
    summary = RunFolder(run).read_json("summary.json")
    assert (summary["epochs"], summary["test_used"]) == (4, 2)


REFUSED: Final = [
    ([], "is complete; for more epochs than its 2: --set train.epochs=4"),
    (["--set", "train.epochs=1"], "was started for 2 epochs, and cannot be resumed for 1"),
    (["--set", "train.seed=4"], "it started with `seed: 3`; this has `seed: 4`"),
    (["--set", "train.label_smoothing=0.1"], "this has `label_smoothing: 0.1`"),
    (["--set", "classifier=[{linear: classes}]"], "it started with `- dropout: 0.2`"),
    (["--name", "other"], "a run that is resumed keeps its folder"),
    (["--weights", "w.pt"], "a run that is resumed keeps its folder"),
]


@pytest.mark.parametrize(
    ("options", "message"), REFUSED, ids=lambda each: " ".join(each) if isinstance(each, list) else ""
)
def test_another_run_is_refused(
    options: list[str], message: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    code, err = fails(["train", "--resume", str(run), *options], capsys)
    assert code in (2, 3)
    assert message in err
    assert {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()} == before


def test_a_schedule_over_the_whole_run_cannot_be_prolonged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = "{epochs: 1, batch_size: 256, optimizer: sgd, schedule: {one_cycle_lr: 0.1}}"
    run = train(write_spec(tmp_path, train=recipe), tmp_path / "run")
    code, err = fails(["train", "--resume", str(run.path), "--set", "train.epochs=2"], capsys)
    assert code == 3
    assert "one_cycle_lr spreads over all 1 epochs" in err
    code, err = fails(["train", "--resume", str(run.path)], capsys)
    assert (code, "is complete; start a new run with its weights: --weights " in err) == (3, True), err


def test_other_images_are_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = RunFolder(run)
    split = folder.read_json("split.json")
    folder.write_json("split.json", {**split, "labels_sha256": "0" * 64})
    code, err = fails(["train", "--resume", str(run), "--set", "train.epochs=3"], capsys)
    assert code == 3
    assert "are not the images that" in err


def test_what_is_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, err = fails(["train", "--resume", str(tmp_path)], capsys)
    assert (code, "it has no spec.yaml and run.json" in err) == (3, True)


def test_a_broken_checkpoint_is_named(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("last.ckpt", "best.ckpt"):
        (run / name).write_bytes(b"no checkpoint")
    code, err = fails(["train", "--resume", str(run), "--set", "train.epochs=3"], capsys)
    assert code == 3
    assert "last.ckpt is not a checkpoint, or is damaged; start a new run with the weights of the best epoch: " in err
    assert err.endswith(f"--weights {run / 'best.safetensors'}\n")


def test_the_best_checkpoint_takes_the_place_of_a_broken_one(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = RunFolder(run)
    best = folder.best.read_bytes()
    folder.last.write_bytes(best[: len(best) // 2])
    _, err = fails(["train", "--resume", str(run), "--set", "train.epochs=3"], capsys)
    epoch = folder.read_json("summary.json")["best_epoch"]
    way_on = f"to resume after the best epoch, which was epoch {epoch}: "
    assert way_on in err
    command = err.strip().split(way_on)[1]
    subprocess.run(command.split(), check=True)
    main(["train", "--resume", str(run), "--set", "train.epochs=3"])
    assert folder.read_json("summary.json")["epochs"] == 3


def test_images_are_found_from_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    network = NETWORK.replace("[1, 8, 8]", "[3, 8, 8]").replace("classes: 10", "classes: [ant, bee]")
    spec = write_spec(tmp_path, network + "preprocess: {resize: 8}\n")
    for i, name in enumerate(["ant", "bee"] * 10):
        save(tmp_path / "images" / name / f"{i}.png", noise(8, 8, 3, seed=i))
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path)
    run = train(spec, Path("run"), "--data", "folder:images").path.resolve()
    capsys.readouterr()
    main(["eval", "run"])
    assert "images of folder:images: " in capsys.readouterr().out, "in the words that were typed"
    monkeypatch.chdir(tmp_path / "below")
    main(["eval", "../run"])
    assert f"images of folder:{tmp_path}/images: " in capsys.readouterr().out
    main(["train", "--resume", "../run", "--set", "train.epochs=3"])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").rename(tmp_path / "moved")
    code, err = fails(["eval", str(run)], capsys)
    assert code == 3
    assert f"was trained on, folder:{tmp_path}/images, do not exist any more; say where they are: --data SOURCE" in err
    main(["eval", "run", "--data", "folder:moved"])


def test_a_checkpoint_that_would_run_something_is_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"format": checkpoints.FORMAT, "model": Trap(run / "sprung")}, run / "last.ckpt")
    code, err = fails(["train", "--resume", str(run), "--set", "train.epochs=3"], capsys)
    assert (code, "last.ckpt is not a checkpoint" in err) == (3, True), err
    assert not (run / "sprung").exists()


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_the_network_of_the_tests_has_every_kind_of_state() -> None:
    assert "dropout" in NETWORK
    assert "batch_norm" in NETWORK
