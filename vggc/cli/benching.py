"""The command that measures how fast a network runs."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vggc.cli.exporting import files_of_model
from vggc.cli.options import CompileOptions, limits, overrides, until_layer
from vggc.cli.output import progress_bars
from vggc.cli.places import check_places, files_of_specs
from vggc.cli.weights_options import weights_file

if TYPE_CHECKING:
    from vggc.benching.bench import BenchPlan
    from vggc.benching.measurement import Engine
    from vggc.benching.subject import BenchSubject
    from vggc.weights.key_matching import Matching


def _numbers(_: click.Context, __: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    """Positive integers with commas between them."""
    words = [word.strip() for word in value.split(",")] if value is not None else []
    if not all(word.isdecimal() and int(word) > 0 for word in words):
        raise click.BadParameter(f"{value!r}: write positive integers with commas between them, such as 1,8,32")
    return tuple(map(int, words)) or None


def _engines(_: click.Context, __: click.Parameter, value: str | None) -> "tuple[Engine, ...] | None":
    """Names of engines with commas between them."""
    engines: list[Engine] = []
    for word in value.split(",") if value is not None else ():
        match word.strip():
            case "onnxruntime" | "torch" as engine:
                engines.append(engine)
            case other:
                raise click.BadParameter(f"there is no engine {other!r}; there are onnxruntime and torch")
    return tuple(engines) or None


@click.command(short_help="Measure latency and throughput.")
@click.argument("subject", metavar="FILE.onnx|SPEC")
@click.option("--batch", "batches", callback=_numbers, default="1,8", show_default=True, help="Images of a batch.")
@click.option("--threads", callback=_numbers, help="Threads of an operator; 1 and all cores if left out.")
@click.option("--engines", callback=_engines, help="onnxruntime,torch or one of them; all possible ones if left out.")
@click.option("--rounds", type=click.IntRange(min=1), default=10, show_default=True, help="Turns of each row.")
@click.option("--seconds", type=click.FloatRange(min=0.001), default=2.0, show_default=True, help="Time of each row.")
@click.option("--input", "size", callback=_numbers, metavar="C,H,W", help="Input size of a file that leaves it open.")
@weights_file
@overrides
@until_layer
@limits
@click.option("--seed", default=0, show_default=True, help="Seed of the input, and of initialised weights.")
@click.option("--format", "style", type=click.Choice(["text", "json", "markdown"]), default="text", help="The format.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The file; printed if left out.")
def bench(
    subject: str,
    batches: tuple[int, ...],
    threads: tuple[int, ...] | None,
    engines: "tuple[Engine, ...] | None",
    rounds: int,
    seconds: float,
    size: tuple[int, ...] | None,
    weights: Path | None,
    matching: "Matching",
    assignments: tuple[str, ...],
    until: str | None,
    max_memory: int,
    seed: int,
    style: str,
    output: Path | None,
) -> None:
    """Measure latency and throughput in onnxruntime and torch, for batch sizes and numbers of threads.

    A FILE.onnx is run as it is; a SPEC is lowered to a file for this purpose, which is not verified.
    """
    if subject.endswith(".onnx"):
        for name, value in {"weights": weights, "set": assignments, "until": until}.items():
            if value:
                raise click.UsageError(f"--{name} is for specs: an ONNX file is measured as it is")
        check_places({"-o": [output]}, {"model": files_of_model(Path(subject))})
        from vggc.benching.subject import of_file

        opened = of_file(Path(subject), size)
    else:
        if size is not None:
            raise click.UsageError("--input is for ONNX files; a spec takes --set input=[3,64,64]")
        inputs = {"spec": files_of_specs(subject), "weights": [weights], "map of keys": [matching.key_map_file]}
        check_places({"-o": [output]}, inputs)
        network = CompileOptions(assignments, until, max_memory).network(subject)
        from vggc.benching.subject import of_network

        opened = of_network(network, weights, seed, matching)
    from vggc.benching.bench import BenchPlan

    _measure(opened, BenchPlan(engines, batches, threads, rounds, seconds, seed), style, output)


def _measure(subject: "BenchSubject", plan: "BenchPlan", style: str, output: Path | None) -> None:
    """Measure, and print or write the result."""
    from vggc.base.staging import staging, write_text
    from vggc.benching.bench import bench
    from vggc.benching.tables import FORMATS

    if output is not None:
        with staging(output):
            pass  # a file that cannot be written fails before anything is measured
    with progress_bars() as progress:
        text = FORMATS[style](bench(subject, plan, progress))
    if output is None:
        click.echo(text, nl=False)
    else:
        write_text(output, text)
        click.echo(f"wrote {output}")
