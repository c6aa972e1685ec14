"""Several processes on the CPU: the sums of one process with the same batches."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest
import torch
from lightning.fabric.strategies.launchers.subprocess_script import _ChildProcessObserver
from torch.distributed import DistStoreError

from tests.training_runs import PLAIN, ROOT, end, epochs_done, fails, start, train, until, weights, write_spec
from vggc.base.errors import ProductError
from vggc.data.dataset import Subset
from vggc.data.source_formats import open_source
from vggc.training.devices import Devices
from vggc.training.evaluation import evaluate, module_forward
from vggc.training.failures import reported_failures
from vggc.training.processes import launched
from vggc.training.run_folder import RunFolder
from vggc.training.run_output import RunOutput
from vggc.weights.loading import load_weights

pytestmark = pytest.mark.usefixtures("one_thread")

# 1,257 images in batches of 100: the last batch of 57 does not divide by two.
RECIPE: Final = (
    "{epochs: 2, batch_size: 100, seed: 3, optimizer: {sgd: {lr: 0.1, momentum: 0.9}}, validation: 0.125, "
    "augment: [{random_crop: {size: 8, padding: 1}}]}"
)


def test_two_processes_compute_what_one_does(tmp_path: Path) -> None:
    spec = write_spec(tmp_path, PLAIN, RECIPE)
    process = start("train", str(spec), "-o", "two", "--devices", "2", "--accelerator", "cpu", cwd=tmp_path)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    one, two = train(spec, tmp_path / "one"), RunFolder(tmp_path / "two")
    assert "in 2 processes" in out
    assert out.count("epoch 1/2") == 1, "only one of them speaks"
    expected, found = (run.read_json("split.json") for run in (one, two))
    assert found == expected
    for name in ("losses.csv", "metrics.csv"):
        for was, now in zip(_rows(one, name), _rows(two, name), strict=True):
            assert now == pytest.approx(was, rel=1e-4)
    for key, tensor in weights(one).items():
        torch.testing.assert_close(weights(two)[key], tensor, rtol=1e-4, atol=1e-5)
    assert two.read_json("test.json")["confusion"] == one.read_json("test.json")["confusion"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "spec.yaml", "two"], "nothing but the runs"


def test_what_is_validated_is_what_is_saved(tmp_path: Path) -> None:
    """On CPUs each process has running statistics of its own; those of the first one count, and are in the file."""
    spec = write_spec(tmp_path, train=RECIPE.replace("epochs: 2", "epochs: 1"))
    process = start("train", str(spec), "-o", "two", "--devices", "2", "--accelerator", "cpu", cwd=tmp_path)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    run = RunFolder(tmp_path / "two")
    held_out = Subset(
        open_source("digits").images("train"), torch.tensor(run.read_json("split.json")["validation_images"])
    )
    network = run.network()
    scores = evaluate(network, module_forward(load_weights(network, run.weights)[0]), held_out).scores
    assert _rows(run, "metrics.csv")[0][4:6] == pytest.approx([scores.loss, scores.accuracy], rel=1e-5)


def _rows(run: RunFolder, name: str) -> list[list[float]]:
    """The figures of a table, without those of time."""
    lines = (run.path / name).read_text(encoding="utf-8").splitlines()[1:]
    return [[float(value) for value in line.split(",")[:6]] for line in lines]


def test_a_signal_ends_all_processes(tmp_path: Path) -> None:
    spec = write_spec(tmp_path, PLAIN, RECIPE.replace("epochs: 2", "epochs: 10000"))
    process = start("train", str(spec), "-o", "run", "--devices", "2", "--accelerator", "cpu", cwd=tmp_path)
    until(lambda: epochs_done(tmp_path / "run") >= 1, process)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert children
    out, err = end(process, signal.SIGTERM)
    assert process.returncode == 143
    assert "stopped; run/last.ckpt is the checkpoint of the last epoch" in out
    assert "Traceback" not in err
    assert not [child for child in children if _runs(child)]


def test_two_machines_find_each_other(tmp_path: Path) -> None:
    """Started as a launcher starts them; the second is another process here."""
    spec = write_spec(tmp_path, PLAIN, RECIPE)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    arguments = ("train", str(spec), "-o", "run", "--num-nodes", "2", "--accelerator", "cpu")
    first, second = (
        start(*arguments, cwd=tmp_path, MASTER_ADDR="127.0.0.1", MASTER_PORT=port, NODE_RANK=rank) for rank in "01"
    )
    (out, err), silence = first.communicate(timeout=120), second.communicate(timeout=120)
    assert (first.returncode, err, second.returncode, silence) == (0, "", 0, ("", ""))
    assert "in 2 processes" in out
    assert RunFolder(tmp_path / "run").read_json("summary.json")["status"] == "complete"


def test_torchrun_without_devices_is_no_two_runs_in_one_folder(tmp_path: Path) -> None:
    spec = write_spec(tmp_path, PLAIN, RECIPE)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "vggc", "train", str(spec)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, "-o", "run"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode != 0
    message = "error: 2 processes were started for this run (WORLD_SIZE), and it is for 1; write --devices 2"
    assert message in done.stderr.splitlines()
    assert [path.name for path in tmp_path.iterdir()] == ["spec.yaml"]


@pytest.mark.parametrize(
    ("world", "local", "machine", "advice"),
    [
        ("8", "4", Devices(devices=4), "write --devices 4 --num-nodes 2"),
        ("4", None, Devices(devices=2), "write --devices 4"),
        ("4", "4", Devices(), "write --devices 4"),
        ("8", "1", Devices(), "write --devices 1 --num-nodes 8"),
        ("", None, Devices(), None),
        ("2", "1", Devices(num_nodes=2), None),
        ("1", "1", Devices(devices=2), None),
    ],
)
def test_the_launcher_and_the_command_agree(
    world: str, local: str | None, machine: Devices, advice: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", world)
    if local is not None:
        monkeypatch.setenv("LOCAL_WORLD_SIZE", local)
    if advice is None:
        machine.check_launcher()
        return
    with pytest.raises(ProductError, match=f"{advice}$"):
        machine.check_launcher()


def test_processes_that_do_not_find_each_other() -> None:
    fabric: Any = SimpleNamespace(
        launch=lambda: _raise(DistStoreError("Timed out after 601 seconds")),
        strategy=SimpleNamespace(launcher=SimpleNamespace(procs=[])),
    )
    with pytest.raises(ProductError, match=r"did not find each other: Timed out .*; try again"), launched(fabric):
        pass


def _raise(error: Exception) -> None:
    raise error


def test_a_process_that_vanishes_is_no_bug_of_ours(tmp_path: Path) -> None:
    """As gloo says it. Lightning looks after its processes every five seconds, so the real thing may end in a kill."""
    fabric = Devices(accelerator="cpu").fabric("32")
    said = "[third_party/gloo/gloo/transport/tcp/pair.cc:537] Read error [127.0.0.1]:8623: Connection reset by peer"
    ended = pytest.raises(ProductError, match=r"another process of the run has ended, .*go on with --resume")
    with ended, reported_failures(fabric, RunFolder(tmp_path), RunOutput()):
        raise RuntimeError(said)
    assert RunFolder(tmp_path).summary() == {"status": "failed", "error": said}


def test_lightning_lets_a_run_that_stops_say_its_last_words(tmp_path: Path) -> None:
    idle = [sys.executable, "-c", "import time; time.sleep(60)"]
    main, child = subprocess.Popen(idle), subprocess.Popen(idle)
    started = [child]
    fabric: Any = SimpleNamespace(strategy=SimpleNamespace(launcher=SimpleNamespace(procs=started)))
    observer = _ChildProcessObserver(main.pid, started)
    with pytest.raises(KeyboardInterrupt), reported_failures(fabric, RunFolder(tmp_path), RunOutput()):
        raise KeyboardInterrupt
    assert child.wait(timeout=60) == -signal.SIGTERM
    assert observer._run(), "it has nothing to look after any more"
    assert main.poll() is None, "and did not kill the first process"
    main.kill()
    main.wait()


def _runs(pid: str) -> bool:
    status = Path(f"/proc/{pid}/status")
    try:
        return "State:\tZ" not in status.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


REFUSED: Final = [
    (["--num-nodes", "2"], "--num-nodes 2: start the command on every machine with torchrun or srun"),
    (["--precision", "16-mixed"], "precision 16-mixed needs a GPU"),
    (["--devices", "2", "--set", "train.batch_size=1"], "a batch of 1 cannot be shared by 2 processes"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED, ids=lambda each: each[1] if isinstance(each, list) else "")
def test_what_cannot_be_done_is_said_before_anything_is_written(
    options: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    spec = write_spec(tmp_path)
    code, err = fails(["train", str(spec), "--accelerator", "cpu", *options], capsys)
    assert (code, message in err) == (3, True), err
    assert [path.name for path in tmp_path.iterdir()] == ["spec.yaml"]
