"""The commands that train networks and measure how right they are."""

import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
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
    from vggc.data.dataset import Split
    from vggc.ir.network import Network
    from vggc.training.request import Request
    from vggc.training.run_folder import RunFolder
    from vggc.training.run_output import Talk
    from vggc.weights.key_matching import Matching

PRECISIONS = ("32", "16-mixed", "bf16-mixed")


@click.command(short_help="Train by the recipe in the spec; test once; report.")
@click.argument("spec", required=False, type=SPEC)
@click.option("--data", metavar="SOURCE", help="Such as digits, which is the default, cifar10:PATH or folder:PATH.")
@overrides
@click.option("--precision", type=click.Choice(PRECISIONS), help="Instead of the recipe's.")
@click.option("--accelerator", type=click.Choice(["auto", "cpu", "gpu"]), default="auto", show_default=True)
@click.option("--devices", type=click.IntRange(min=1), default=1, show_default=True, help="On each machine.")
@click.option("--num-nodes", type=click.IntRange(min=1), default=1, show_default=True, help="Machines.")
@click.option("--strategy", type=click.Choice(["auto", "ddp", "fsdp"]), default="auto", help="With several devices.")
@click.option("--deterministic", is_flag=True, help="The same numbers on every run, also on a GPU; slower there.")
@weights_file
@click.option("--resume", type=click.Path(path_type=Path), metavar="RUN", help="Go on with a run that was broken off.")
@click.option("--name", help="The run lies in runs/NAME/STAMP; the network's name if left out.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The folder of the run, instead.")
@click.option("--export", is_flag=True, help="Also write a verified ONNX file into it.")
def train(
    spec: str | None,
    data: str | None,
    assignments: tuple[str, ...],
    precision: str | None,
    resume: Path | None,
    weights: Path | None,
    matching: "Matching",
    name: str | None,
    output: Path | None,
    export: bool,
    **machine: Any,
) -> None:
    """Train a network by the recipe in its spec, on a CPU, a GPU, or several of them.

    With --weights it begins with those of a file instead of drawing. The best weights by validation accuracy are
    tested once, at the end. Everything lies in the folder of the run.
    """
    if spec is None and resume is None:
        raise click.UsageError("name a SPEC, such as vgg11_digits, or a run to --resume")
    if resume is not None and (name or output or weights):
        raise click.UsageError(
            "a run that is resumed keeps its folder and its weights: leave --name, -o, --weights out"
        )
    if name is not None and (name in ("", ".", "..") or any(mark in name for mark in "/\\:")):
        raise click.UsageError(f"--name {name}: the name of a folder in runs is meant; -o FOLDER names any place")
    if name is not None and output is not None:
        raise click.UsageError("--name and --output both say where the run lies")
    if precision is not None:
        assignments = (*assignments, f'train.precision="{precision}"')
    request = _request(spec, data, assignments, resume, name, output, machine)
    if resume is None:
        request = replace(request, weights=weights, matching=matching)
    from vggc.training.engine import train as run

    with _terminal() as talk:
        folder = run(request, talk)
        if export and folder is not None:
            _export(folder, request.network, talk)


def _request(
    spec: str | None,
    data: str | None,
    assignments: tuple[str, ...],
    resume: Path | None,
    name: str | None,
    output: Path | None,
    machine: dict[str, Any],
) -> "Request":
    """What is asked for; a run that is resumed says itself what is left open."""
    network = CompileOptions(assignments).network(spec) if spec is not None else None
    from vggc.training.devices import Machine
    from vggc.training.request import Request, check_resumable, data_of
    from vggc.training.run_folder import RunFolder

    if resume is None:
        assert network is not None
        return Request(network, data or "digits", Machine(**machine), name=name, output=output)
    folder = RunFolder.open(resume)
    network = network or CompileOptions(assignments).network(str(folder.spec))
    check_resumable(folder, network)
    settings = folder.read_json("run.json")
    machine["deterministic"] = machine["deterministic"] or settings["deterministic"]
    begun_with = Path(settings["weights"]) if settings["weights"] else None
    return Request(network, data or data_of(folder), Machine(**machine), begun_with, folder=folder)


@contextmanager
def _terminal() -> "Iterator[Talk]":
    """Lines to stdout and, on a terminal, a bar for the epoch below them."""
    from vggc.training.run_output import Talk

    if not sys.stderr.isatty():
        yield Talk(_show)
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

    def advance(what: str, done: int, total: int) -> None:
        nonlocal current
        if what != current:
            bars.reset(task, description=what, total=total)
            current = what
        bars.update(task, completed=done)
        bars.start()  # only now: a process that never has anything to say must not draw over the one that has

    def show(line: str) -> None:
        if sys.stdout.isatty():
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            _show(line)

    try:
        yield Talk(show, advance)
    finally:
        bars.stop()


def _show(line: str) -> None:
    """Print a line; where nobody reads any more, as behind `| head`, the run goes on, and its log with it."""
    try:
        click.echo(line)
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _export(folder: "RunFolder", network: "Network", talk: "Talk") -> None:
    from vggc.exporting.export import export_onnx

    exported = export_onnx(network, folder.path / f"{network.stem}.onnx", weights=folder.weights)
    talk.show(str(exported.report))
    talk.show(f"wrote {exported.path}")


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
    data: str | None,
    assignments: tuple[str, ...],
    split: "Split",
    device: str,
    png: Path | None,
    as_json: bool,
) -> None:
    """Measure how right a network is: the best weights of a RUN, a file of WEIGHTS with its SPEC, or an ONNX file.

    An ONNX file is run by onnxruntime, with the preprocessing that is in it.
    """
    if assignments and spec is None:
        raise click.UsageError("--set changes a spec, and none is named")
    check_suffix("--png", png, (".png",), "the picture is a PNG")
    check_places({"--png": [png]}, {**_read_of(target), "spec": files_of_specs(spec) if spec is not None else ()})
    network = CompileOptions(assignments).network(spec) if spec is not None else None
    require("torchmetrics", extra="train", by="`vggc eval`")
    from vggc.training.evaluation import evaluate_target

    with progress_bars() as progress:
        found = evaluate_target(target, network, data, split, device=device, progress=progress)
    for warning in found.warnings:
        click.echo(f"warning: {warning}", err=True)
    if png is not None:
        from vggc.training import plots

        plots.save(plots.confusion(found.scores, f"confusion on the {split} images"), png)
    if as_json:
        click.echo(json.dumps({"data": found.data, "split": split, **found.scores.to_json()}, ensure_ascii=False))
    else:
        click.echo(f"{target} on the {split} images of {found.data}: {found.scores}")


def _read_of(target: Path) -> dict[str, Iterable[Path]]:
    """What is read of a run, an ONNX file or a file of weights, by the word for it."""
    if target.suffix == ".onnx":
        return {"model": files_of_model(target)}
    if not target.is_dir():
        return {"weights": [target]}
    from vggc.training.run_folder import RunFolder

    run = RunFolder(target)
    return {"file of the run": [run.spec, run.settings, run.weights]}
