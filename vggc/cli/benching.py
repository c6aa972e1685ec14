"""`vggc bench`: how fast a network runs."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from vggc.cli.options import CompileOptions, compile_options
from vggc.cli.output import progress_bars

if TYPE_CHECKING:
    from vggc.benching.subject import Engine


def _numbers(_: click.Context, __: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    """Positive integers with commas between them."""
    words = [word.strip() for word in value.split(",")] if value is not None else []
    if not all(word.isdecimal() and int(word) > 0 for word in words):
        raise click.BadParameter(f"{value!r}: write positive integers with commas between them, such as 1,8,32")
    return tuple(map(int, words)) or None


@click.command(short_help="Measure latency and throughput.")
@click.argument("file", metavar="FILE.onnx|SPEC")
@click.option("--batch", "batches", callback=_numbers, default="1,8", show_default=True, help="Images of a batch.")
@click.option("--threads", callback=_numbers, help="Threads of an operator; 1 and all cores if left out.")
@click.option(
    "--engines",
    "engine",
    type=click.Choice(["onnxruntime", "torch"]),
    help="One of them; all possible ones if left out.",
)
@click.option("--seconds", type=click.FloatRange(min=0.001), default=2.0, show_default=True, help="Time of each row.")
@compile_options
@click.option("--format", "style", type=click.Choice(["text", "json", "markdown"]), default="text", help="The format.")
def bench(
    file: str,
    batches: tuple[int, ...],
    threads: tuple[int, ...] | None,
    engine: "Engine | None",
    seconds: float,
    options: CompileOptions,
    style: str,
) -> None:
    """Measure latency and throughput in onnxruntime and torch, for batch sizes and numbers of threads.

    A FILE.onnx is run as it is; a SPEC is lowered to a file for this purpose, which is not verified.
    """
    is_file = file.endswith(".onnx")
    if is_file and options != CompileOptions(max_memory=options.max_memory):
        raise click.UsageError("--set and --until are for specs: an ONNX file is measured as it is")
    network = None if is_file else options.network(file)
    from vggc.benching import rounds, tables
    from vggc.benching.subject import of_file, of_network

    with TemporaryDirectory(prefix="vggc-bench-") as folder, progress_bars() as progress:
        subject = of_file(Path(file)) if network is None else of_network(network, Path(folder), progress)
        settings = rounds.settings(subject, engine, batches, threads)
        text = tables.FORMATS[style](rounds.bench(subject, settings, seconds, progress))
    click.echo(text, nl=False)
