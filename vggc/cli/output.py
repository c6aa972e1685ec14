"""What the commands print: a network in a line, diagnostics, progress bars."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click

from vggc.base.diagnostics import Diagnostic
from vggc.base.progress import Progress, silent
from vggc.base.words import dimensions
from vggc.ir.network import Network


def summary(network: Network) -> str:
    """A network in a line: shapes, params, MACs."""
    shapes = f"{dimensions(network.input)} -> {dimensions(network.output)}"
    return f"{shapes}, {network.params:,} params, {network.macs:,} MACs"


def report(diagnostics: Sequence[Diagnostic], style: str = "text") -> None:
    """Print diagnostics in a format of `FORMATS`: text to stderr, the others to stdout."""
    from vggc.cli.reporters import FORMATS

    if output := FORMATS[style](diagnostics):
        click.echo(output, err=style == "text")


@contextmanager
def progress_bars() -> Iterator[Progress]:
    """A bar for each kind of work, if stderr is a terminal."""
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
