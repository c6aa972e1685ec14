"""What the commands share: their options, compiling what they name, reporting, and bars for long work."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from vggc import pipeline
from vggc.analysis.shapes import MAX_MEMORY
from vggc.base.diagnostics import Diagnostic, Source
from vggc.base.progress import Progress, silent
from vggc.base.words import dimensions
from vggc.cli import completion
from vggc.frontend.text import inherit
from vggc.frontend.text.sources import read_source, read_stream, specs_below
from vggc.ir.network import Network

STDIN: Final = "-"
FORMATS: Final = ("text", "json", "sarif", "github")

Command = TypeVar("Command", bound=Callable[..., Any])


class SpecArgument(click.ParamType[str]):
    """The path of a spec, the name of a stock spec, or a dash for standard input."""

    name = "spec"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value == STDIN and ctx is not None and not ctx.resilient_parsing:
            if STDIN in ctx.meta:
                self.fail("standard input can be read once, and `-` stands for it twice", param, ctx)
            ctx.meta[STDIN] = True
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> completion.Items:
        return completion.specs(incomplete)


SPEC: Final = SpecArgument()


class Size(click.ParamType[int]):
    """A number of bytes with its unit."""

    name = "size"
    _units: Final = {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40, "KB": 10**3, "MB": 10**6, "GB": 10**9}

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        words = str(value).replace(" ", "").upper()
        unit = next((each for each in self._units if words.endswith(each)), "")
        try:
            size = int(float(words.removesuffix(unit)) * self._units.get(unit, 1))
        except (ValueError, OverflowError):
            size = 0
        if size <= 0:
            self.fail(f"{value!r} is no size; write for example 8GiB", param, ctx)
        return size


def overrides(command: Command) -> Command:
    """`--set KEY=VALUE`, as `assignments`."""
    decorate = click.option(
        "--set", "assignments", multiple=True, metavar="KEY=VALUE",
        help="Override a value of the spec for this run, such as classes=10 or input=[3,64,64].",
    )  # fmt: skip
    return decorate(command)


def limits(command: Command) -> Command:
    """`--max-memory SIZE`."""
    decorate = click.option(
        "--max-memory", type=Size(), default=MAX_MEMORY, metavar="SIZE",
        help="What the weights may take, such as 8GiB, which is the default.",
    )  # fmt: skip
    return decorate(command)


def until_layer(command: Command) -> Command:
    """`--until LAYER`."""
    decorate = click.option(
        "--until", metavar="LAYER", shell_complete=completion.layers,
        help="End the network after this layer, such as relu3_3.",
    )  # fmt: skip
    return decorate(command)


def data_source(command: Command) -> Command:
    """`--data SOURCE`, as `data`."""
    decorate = click.option(
        "--data", default="digits", show_default=True, metavar="SOURCE",
        help="The images: digits (scikit-learn's, bundled), cifar10:PATH (the official archive or its folder), "
             "parquet:PATH (as on the Hugging Face hub), or folder:PATH (a folder for each class).",
    )  # fmt: skip
    return decorate(command)


def source_of(spec: str, beside: Path = Path()) -> Source:
    """The text of a spec as the command line names it; a dash is standard input, which extends what lies in `beside`.

    Raises:
        SpecError: it cannot be read.
    """
    return read_stream(sys.stdin.buffer, "<stdin>", beside) if spec == STDIN else read_source(spec)


def file_of_spec(spec: str, what: str) -> str:
    """A spec that lies in a file, because `what` refers to it again.

    Raises:
        UsageError: it is standard input.
    """
    if spec == STDIN:
        raise click.UsageError(f"{what} cannot be standard input; save the spec to a file, and name that")
    return spec


def compiled(spec: str, assignments: Sequence[str], until: str | None = None, max_memory: int = MAX_MEMORY) -> Network:
    """The network of a path or stock name, with the assignments of `--set` on top; raises SpecError."""
    return compiled_source(source_of(spec), assignments, until, max_memory)


def compiled_source(
    source: Source, assignments: Sequence[str], until: str | None = None, max_memory: int = MAX_MEMORY
) -> Network:
    """The network of a text; as `compiled`."""
    tables = [inherit.parse_assignment(each) for each in assignments]
    return pipeline.compile_source(source, tables, until=until, max_memory=max_memory)


def spec_files(specs: Sequence[str]) -> list[str]:
    """The specs that are meant: folders and patterns become the files that they stand for."""
    files: list[str] = []
    for spec in specs:
        if Path(spec).is_dir():
            found = [str(path) for path in specs_below(Path(spec))]
        elif any(char in spec for char in "*?[") and not Path(spec).exists():
            found = [str(path) for path in sorted(Path().glob(spec))]
        else:
            found = [spec]
        if not found:
            raise click.UsageError(f"there are no specs in {spec}")
        files += found
    return files


def summary(network: Network) -> str:
    """A network in a line: shapes, params, MACs."""
    shapes = f"{dimensions(network.input)} -> {dimensions(network.output)}"
    return f"{shapes}, {network.params:,} params, {network.macs:,} MACs"


def report(found: Sequence[Diagnostic], style: str) -> None:
    """Print diagnostics: for people to stderr, for programs to stdout."""
    if style in ("text", "github") and not found:
        return
    from vggc.cli import reporters

    if style != "text":
        click.echo(reporters.FORMATS[style](found))
    else:
        click.echo(reporters.report(found, color=sys.stderr.isatty()), err=True, nl=False)


@contextmanager
def progress_bars() -> Iterator[Progress]:
    """A bar for each kind of work, on a terminal; silence otherwise."""
    if not sys.stderr.isatty():
        yield silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def advance(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield advance
