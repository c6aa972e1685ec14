"""The commands that train networks and evaluate them."""

import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vggc.base.extras import require
from vggc.cli.exporting import files_of_model
from vggc.cli.options import SPEC, CompileOptions, overrides
from vggc.cli.output import progress_bars
from vggc.cli.places import check_places, check_suffix, files_of_specs
from vggc.cli.weights_options import weights_file

if TYPE_CHECKING:
    from vggc.data.dataset import SplitName
    from vggc.ir.network import Network
    from vggc.training.request import TrainingRequest
    from vggc.training.run_folder import RunFolder
    from vggc.training.run_output import RunOutput
    from vggc.weights.key_matching import Matching

PRECISIONS = ("32", "16-mixed", "bf16-mixed")


@dataclass(frozen=True)
class _TrainOptions:
    """The options of `vggc train`, by their names."""

    spec: str | None
    data: str | None
    assignments: tuple[str, ...]
    precision: str | None
    accelerator: str
    devices: int
    num_nodes: int
    deterministic: bool
    weights: Path | None
    matching: "Matching"
    resume: Path | None
    name: str | None
    output: Path | None

    def check(self) -> None:
        """Check that the options fit together; raises UsageError."""
        name = self.name
        if self.spec is None and self.resume is None:
            raise click.UsageError("name a SPEC, such as vgg11_digits, or a run to --resume")
        if self.resume is not None and (name or self.output or self.weights):
            raise click.UsageError(
                "a run that is resumed keeps its folder and its weights: leave --name, -o, --weights out"
            )
        if name is not None and (name in ("", ".", "..") or any(mark in name for mark in "/\\:")):
            raise click.UsageError(f"--name {name}: not the name of a folder in runs; -o FOLDER names any place")
        if name is not None and self.output is not None:
            raise click.UsageError("--name and --output both name the folder of the run")

    def request(self) -> "TrainingRequest":
        """The run that is asked for; a run that is resumed has what is left out."""
        from vggc.training.devices import Devices
        from vggc.training.request import New, TrainingRequest
        from vggc.training.resume import Resumed
        from vggc.training.run_folder import RunFolder

        devices = Devices(self.accelerator, self.devices, self.num_nodes, self.deterministic)  # type: ignore[arg-type]
        if self.resume is None:
            start = New(self.output, self.name, self.weights, self.matching)
            return TrainingRequest(self._network(self.spec or ""), self.data or "digits", start, devices)
        run = RunFolder.open(self.resume)
        network = self._network(self.spec or str(run.spec))
        resumed = Resumed.open(run, network)
        devices = replace(devices, deterministic=devices.deterministic or resumed.deterministic)
        return TrainingRequest(network, self.data or run.data(), resumed, devices)

    def _network(self, spec: str) -> "Network":
        precision = () if self.precision is None else (f'train.precision="{self.precision}"',)
        return CompileOptions((*self.assignments, *precision)).network(spec)


@click.command(short_help="Train by the recipe in the spec; test once; report.")
@click.argument("spec", required=False, type=SPEC)
@click.option("--data", metavar="SOURCE", help="Such as digits, which is the default, cifar10:PATH or folder:PATH.")
@overrides
@click.option("--precision", type=click.Choice(PRECISIONS), help="Instead of the recipe's.")
@click.option("--accelerator", type=click.Choice(["auto", "cpu", "gpu"]), default="auto", show_default=True)
@click.option("--devices", type=click.IntRange(min=1), default=1, show_default=True, help="On each machine.")
@click.option("--num-nodes", type=click.IntRange(min=1), default=1, show_default=True, help="Machines.")
@click.option("--deterministic", is_flag=True, help="The same numbers on every run, also on a GPU; slower there.")
@weights_file
@click.option("--resume", type=click.Path(path_type=Path), metavar="RUN", help="Resume a run that was stopped.")
@click.option("--name", help="The run is written to runs/NAME/STAMP; the network's name if left out.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The folder of the run, instead.")
@click.option("--export", is_flag=True, help="Also write a verified ONNX file into it.")
def train(export: bool, **options: Any) -> None:
    """Train a network by the recipe in its spec, on a CPU, a GPU, or several of them.

    With --weights it starts with those of a file instead of initialising them. The best weights by validation accuracy
    are tested once, at the end. Everything is written to the folder of the run.
    """
    chosen = _TrainOptions(**options)
    chosen.check()
    request = chosen.request()
    from vggc.training.engine import train as run

    with _terminal() as output:
        folder = run(request, output)
        if export and folder is not None:
            _export(folder, request.network, output)


@contextmanager
def _terminal() -> "Iterator[RunOutput]":
    """Lines to stdout and, on a terminal, a bar for the epoch below them."""
    from vggc.training.run_output import RunOutput

    if not sys.stderr.isatty():
        yield RunOutput(_show)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        TextColumn("left"), TimeRemainingColumn(),
    )  # fmt: skip
    console = Console(stderr=True)
    bars = Progress(*columns, console=console, transient=True)
    task = bars.add_task("")
    current = ""

    def advance(work: str, done: int, total: int) -> None:
        nonlocal current
        if work != current:
            bars.reset(task, description=work, total=total)
            current = work
        bars.update(task, completed=done)
        bars.start()  # only now: a process that prints nothing must not draw over the one that does

    def show(line: str) -> None:
        if sys.stdout.isatty():
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            _show(line)

    try:
        yield RunOutput(show, advance)
    finally:
        bars.stop()


def _show(line: str) -> None:
    """Print a line; when stdout is closed, as after `| head`, the run goes on, and its log with it."""
    try:
        click.echo(line)
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _export(folder: "RunFolder", network: "Network", output: "RunOutput") -> None:
    from vggc.exporting.export import export_onnx

    exported = export_onnx(network, folder.path / f"{network.stem}.onnx", weights=folder.weights)
    output.say(str(exported.report))
    output.say(f"wrote {exported.path}")


@click.command("eval", short_help="Accuracy, per-class table and confusion matrix.")
@click.argument("target", type=click.Path(path_type=Path), metavar="RUN|WEIGHTS|FILE.onnx")
@click.argument("spec", required=False, type=SPEC)
@click.option("--data", metavar="SOURCE", help="The run's own if left out; without a run, digits.")
@overrides
@click.option("--split", type=click.Choice(["train", "test"]), default="test", show_default=True)
@click.option("--device", default="cpu", show_default=True, help="Where torch computes, such as cuda.")
@click.option("--png", type=click.Path(path_type=Path), help="Also draw the confusion matrix.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of the text.")
def evaluate(
    target: Path,
    spec: str | None,
    assignments: tuple[str, ...],
    split: "SplitName",
    png: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Evaluate a network on images: the best weights of a RUN, a file of WEIGHTS with its SPEC, or an ONNX file.

    An ONNX file is run by onnxruntime, with the preprocessing that is in it.
    """
    if assignments and spec is None:
        raise click.UsageError("--set changes a spec, and none is named")
    check_suffix("--png", png, (".png",), "the picture is a PNG")
    check_places({"--png": [png]}, {**_files_of(target), "spec": files_of_specs(spec) if spec is not None else ()})
    network = CompileOptions(assignments).network(spec) if spec is not None else None
    require("torchmetrics", extra="train", by="`vggc eval`")
    from vggc.training.evaluation import evaluate_target

    with progress_bars() as progress:
        evaluation = evaluate_target(
            target, network, options["data"], split, device=options["device"], progress=progress
        )
    for warning in evaluation.warnings:
        click.echo(f"warning: {warning}", err=True)
    if png is not None:
        from vggc.training import plots

        plots.save(plots.confusion(evaluation.scores, f"confusion on the {split} images"), png)
    if as_json:
        answer = {"data": evaluation.data, "split": split, **evaluation.scores.to_json()}
        click.echo(json.dumps(answer, ensure_ascii=False))
    else:
        click.echo(f"{target} on the {split} images of {evaluation.data}: {evaluation.scores}")


def _files_of(target: Path) -> dict[str, Iterable[Path]]:
    """The files that are read, by a word for them: of a run, an ONNX file or a file of weights."""
    if target.suffix == ".onnx":
        return {"model": files_of_model(target)}
    if not target.is_dir():
        return {"weights": [target]}
    from vggc.training.run_folder import RunFolder

    run = RunFolder(target)
    return {"file of the run": [run.spec, run.settings, run.weights]}
