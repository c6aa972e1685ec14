"""The command that measures how fast a network runs."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vggc.cli.common import compiled, limits, overrides, progress_bars, until_layer
from vggc.cli.models import files_of_model
from vggc.cli.places import check_places, files_of_specs
from vggc.cli.weights import weights_file

if TYPE_CHECKING:
    from vggc.benching.subject import Subject
    from vggc.weights.key_matching import Matching


class _Numbers(click.ParamType[tuple[int, ...]]):
    """Positive integers with commas between them."""

    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        words = [word.strip() for word in str(value).split(",")]
        if not all(word.isdecimal() and int(word) > 0 for word in words):
            self.fail(f"{value!r}: write positive integers with commas between them, such as 1,8,32", param, ctx)
        return tuple(int(word) for word in words)


class _Engines(click.ParamType[tuple[str, ...]]):
    """Names of engines with commas between them."""

    name = "engines"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        words = tuple(word.strip() for word in str(value).split(","))
        for word in words:
            if word not in ("onnxruntime", "torch"):
                self.fail(f"there is no engine {word!r}; there are onnxruntime and torch", param, ctx)
        return words


@click.command(short_help="Measure latency and throughput.")
@click.argument("subject", metavar="FILE.onnx|SPEC")
@click.option("--batch", "batches", type=_Numbers(), default="1,8", show_default=True, help="Images at once.")
@click.option("--threads", type=_Numbers(), help="Threads of an operator; 1 and all cores if left out.")
@click.option("--engines", type=_Engines(), help="onnxruntime,torch, or one of them; all that can run it if left out.")
@click.option("--rounds", type=click.IntRange(min=1), default=10, show_default=True, help="Turns of each row.")
@click.option("--seconds", type=click.FloatRange(min=0.001), default=2.0, show_default=True, help="Of each row.")
@click.option("--input", "size", type=_Numbers(), metavar="C,H,W", help="Of a file that leaves it open.")
@weights_file
@overrides
@until_layer
@limits
@click.option("--seed", default=0, show_default=True, help="Of the weights, where they are drawn, and of the input.")
@click.option(
    "--format", "style", type=click.Choice(["text", "json", "csv", "markdown"]), default="text", help="Of the result."
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The file; printed if left out.")
def bench(
    subject: str,
    batches: tuple[int, ...],
    threads: tuple[int, ...] | None,
    engines: tuple[Any, ...] | None,
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
    """Measure latency and throughput in onnxruntime and torch, over batch sizes and threads.

    A FILE.onnx is run as it is; a SPEC is lowered to a file for the purpose, which is not verified.
    """
    if subject.endswith(".onnx"):
        _refuse_what_a_spec_takes(weights=weights, set=assignments, until=until)
        check_places({"-o": [output]}, {"model": files_of_model(Path(subject))})
        opened = _of_file(subject, size)
    else:
        if size is not None:
            raise click.UsageError("--input is for ONNX files; a spec takes --set input=[3,64,64]")
        read = {"spec": files_of_specs(subject), "weights": [weights], "map of keys": [matching.key_map_file]}
        check_places({"-o": [output]}, read)
        network = compiled(subject, assignments, until, max_memory)
        from vggc.benching.subject import of_network

        opened = of_network(network, weights, seed, matching)
    with _written_to(output) as write, progress_bars() as progress:
        from vggc.benching import bench as benching
        from vggc.benching.rounds import Plan
        from vggc.benching.tables import FORMATS

        plan = Plan(rounds, seconds)
        result = benching.bench(
            opened, engines=engines, batches=batches, threads=threads, plan=plan, seed=seed, progress=progress
        )
        write(FORMATS[style](result))


@contextmanager
def _written_to(output: Path | None) -> Iterator[Callable[[str], None]]:
    """Where the result goes; a file that cannot be written fails before anything is measured."""
    if output is None:
        yield partial(click.echo, nl=False)
        return
    from vggc.base.staging import move_into_place, staging

    with staging(output) as folder:
        staged = folder / output.name

        def write(text: str) -> None:
            staged.write_text(text, encoding="utf-8", newline="\n")

        yield write
        move_into_place(staged, output)
    click.echo(f"wrote {output}")


def _refuse_what_a_spec_takes(**options: object) -> None:
    for name, value in options.items():
        if value:
            raise click.UsageError(f"--{name} is for specs: an ONNX file is measured as it is")


def _of_file(path: str, size: Sequence[int] | None) -> "Subject":
    from vggc.benching.subject import of_file

    return of_file(Path(path), size)
