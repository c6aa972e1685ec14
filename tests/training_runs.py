"""Small runs for the tests: specs that learn the bundled digits within seconds."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import torch

from vggc.cli import main
from vggc.training.run_folder import RunFolder
from vggc.weights.state_dict_files import read_state

ROOT: Final = Path(__file__).parents[1]

# Convolutions, batch norm and dropout in a few hundred weights: everything that has a state of its own.
NETWORK: Final = """\
vggc: 1
name: small
input: [1, 8, 8]
classes: 10
features: [{conv: {out_channels: 8, bias: false}}, M, {conv: {out_channels: 8, bias: false}}, M]
defaults: {conv: {norm: batch_norm}}
classifier: [{dropout: 0.2}, {linear: classes}]
"""
PLAIN: Final = """\
vggc: 1
name: plain
input: [1, 8, 8]
classes: 10
features: [8, M]
classifier: [{linear: classes}]
"""
RECIPE: Final = "{epochs: 2, batch_size: 64, seed: 3, optimizer: {sgd: {lr: 0.1, momentum: 0.9}}}"


def write_spec(folder: Path, network: str = NETWORK, train: str = RECIPE, name: str = "spec.yaml") -> Path:
    path = folder / name
    path.write_text(f"{network}train: {train}\n", encoding="utf-8")
    return path


def train(spec: Path, output: Path, *options: str) -> RunFolder:
    """A run in this process."""
    main(["train", str(spec), "-o", str(output), *options])
    return RunFolder(output)


def fails(arguments: list[str], capsys: Any) -> tuple[int, str]:
    """The exit code of a command that fails, and what it says on stderr."""
    try:
        main(arguments)
    except SystemExit as leaving:
        return int(leaving.code or 0), capsys.readouterr().err
    raise AssertionError("it did not fail")


def start(*arguments: str, cwd: Path | None = None, **variables: str) -> "subprocess.Popen[str]":
    """The command in a process of its own, which leads a group of processes."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | variables
    return subprocess.Popen(
        [sys.executable, "-m", "vggc", *arguments], cwd=cwd, env=environment, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def until(condition: Callable[[], bool], process: "subprocess.Popen[str]", seconds: float = 60) -> None:
    """Wait for something to become true while a process runs."""
    ends = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < ends
        time.sleep(0.002)


def end(process: "subprocess.Popen[str]", number: signal.Signals) -> tuple[str, str]:
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    return out, err


def epochs_done(run: Path) -> int:
    path = run / "metrics.csv"
    return len(path.read_text(encoding="utf-8").splitlines()) - 1 if path.exists() else 0


def weights(run: RunFolder | Path) -> dict[str, torch.Tensor]:
    folder = run if isinstance(run, RunFolder) else RunFolder(run)
    return dict(read_state(folder.weights))


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Bit for bit."""
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)
