"""The commands that train networks and measure how right they are."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vggc.cli.common import compiled, data_source, overrides, progress_bars

if TYPE_CHECKING:
    from vggc.ir import Network
    from vggc.training.machine import Machine
    from vggc.training.request import Request
    from vggc.training.run_folder import RunFolder
    from vggc.training.talk import Talk

PRECISIONS = ("32", "16-mixed", "bf16-mixed")


@click.command(short_help="Train by the recipe in the spec; test once; report.")
@click.argument("spec", required=False)
@click.option("--data", metavar="SOURCE", help="Such as digits, which is the default, cifar10:PATH or folder:PATH.")
@overrides
@click.option("--precision", type=click.Choice(PRECISIONS), help="Instead of the recipe's.")
@click.option("--accelerator", type=click.Choice(["auto", "cpu", "gpu"]), default="auto", show_default=True)
@click.option("--devices", type=click.IntRange(min=1), default=1, show_default=True, help="On each machine.")
@click.option("--num-nodes", type=click.IntRange(min=1), default=1, show_default=True, help="Machines.")
@click.option("--strategy", type=click.Choice(["auto", "ddp", "fsdp"]), default="auto", help="With several devices.")
@click.option("--deterministic", is_flag=True, help="The same numbers on every run, also on a GPU; slower there.")
@click.option("--weights", type=click.Path(path_type=Path), help="Begin with these instead of drawing.")
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
    name: str | None,
    output: Path | None,
    export: bool,
    **machine: Any,
) -> None:
    """Train a network by the recipe in its spec, on a CPU, a GPU, or several of them.

    The best weights by validation accuracy are tested once, at the end. Everything lies in the folder of the run.
    """
    if spec is None and resume is None:
        raise click.UsageError("name a SPEC, such as vgg11_digits, or a run to --resume")
    if resume is not None and (name or output or weights):
        raise click.UsageError("a run that is resumed keeps its folder and its weights: leave --name, -o, --weights out")
    if name is not None and output is not None:
        raise click.UsageError("--name and --output both say where the run lies")
    if precision is not None:
        assignments = (*assignments, f'train.precision="{precision}"')
    request = _request(spec, data, assignments, resume, weights, name, output, machine)
    from vggc.training.engine import train as run

    with _terminal() as talk:
        folder = run(request, talk)
        if export and folder is not None:
            _export(folder, request.network, talk)
