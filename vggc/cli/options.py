"""The options and arguments that several commands have, and the records that hold their values."""

import dataclasses
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from vggc import pipeline
from vggc.analysis.shapes import MAX_MEMORY
from vggc.base.diagnostics import Source
from vggc.cli import shell_completion
from vggc.frontend.text import inherit
from vggc.frontend.text.document import Table
from vggc.frontend.text.sources import read_source, read_stream, specs_below
from vggc.ir.graph import Graph
from vggc.ir.network import Network

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

STDIN: Final = "-"

Command = TypeVar("Command", bound=Callable[..., Any])


class SpecArgument(click.ParamType[str]):
    """The path of a spec, the name of a stock spec, or a dash for standard input."""

    name = "spec"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value == STDIN and ctx is not None and not ctx.resilient_parsing:
            if STDIN in ctx.meta:
                self.fail("standard input can be read only once, and `-` is given twice", param, ctx)
            ctx.meta[STDIN] = True
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> shell_completion.Items:
        return shell_completion.specs(incomplete)


class Size(click.ParamType[int]):
    """A number of bytes with its unit."""

    name = "size"
    _units: Final = {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40, "KB": 10**3, "MB": 10**6, "GB": 10**9}

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        text = str(value).replace(" ", "").upper()
        unit = next((unit for unit in self._units if text.endswith(unit)), "")
        try:
            size = int(float(text.removesuffix(unit)) * self._units.get(unit, 1))
        except (ValueError, OverflowError):
            size = 0
        if size <= 0:
            self.fail(f"{value!r} is not a size; write it like 8GiB", param, ctx)
        return size


SPEC: Final = SpecArgument()

# Each is one option.
overrides: Final = click.option(
    "--set", "assignments", multiple=True, metavar="KEY=VALUE",
    help="Override a value of the spec, such as classes=10 or input=[3,64,64].",
)  # fmt: skip
limits: Final = click.option(
    "--max-memory", type=Size(), default=MAX_MEMORY, metavar="SIZE",
    help="The most memory that the weights may take; 8GiB by default.",
)  # fmt: skip
until_layer: Final = click.option(
    "--until", metavar="LAYER", shell_complete=shell_completion.layers,
    help="End the network after this layer, such as relu3_3.",
)  # fmt: skip
data_source: Final = click.option(
    "--data", default="digits", show_default=True, metavar="SOURCE",
    help="The images: digits (included in scikit-learn), cifar10:PATH (the official archive or its folder), "
         "parquet:PATH (as on the Hugging Face hub), or folder:PATH (one folder for each class).",
)  # fmt: skip


def as_record(
    name: str, record: "type[DataclassInstance]", *options: Callable[[Any], Any]
) -> Callable[[Command], Command]:
    """Give a command several options at once, and pass their values as one record.

    Args:
        name: the parameter of the command that takes the record.
        record: a dataclass; an option without a field of its name is left to the command, and a field without an
            option has its default.
        options: the options, in the order of `--help`.
    """

    def decorate(command: Command) -> Command:
        @wraps(command)
        def with_record(*arguments: Any, **values: Any) -> Any:
            names = [field.name for field in dataclasses.fields(record) if field.name in values]
            fields = {name: values.pop(name) for name in names}
            return command(*arguments, **{name: record(**fields)}, **values)

        for option in reversed(options):
            with_record = option(with_record)
        return with_record  # type: ignore[return-value]  # as far as click is concerned

    return decorate


@dataclasses.dataclass(frozen=True, slots=True)
class CompileOptions:
    """How a spec is compiled: the values of `--set`, `--until` and `--max-memory`."""

    assignments: tuple[str, ...] = ()
    until: str | None = None
    max_memory: int = MAX_MEMORY

    @property
    def tables(self) -> list[Table]:
        """The assignments as overrides; raises SpecError."""
        return [inherit.parse_assignment(assignment) for assignment in self.assignments]

    def network(self, spec: str) -> Network:
        """The network of the spec with that path or stock name; raises SpecError."""
        return self.network_of_source(source_of(spec))

    def network_of_source(self, source: Source) -> Network:
        """The network of a spec that has been read; raises SpecError."""
        return pipeline.compile_source(source, self.tables, until=self.until, max_memory=self.max_memory)

    def graph(self, spec: str) -> Graph:
        """The layers of a spec, for what needs no shapes; raises SpecError."""
        return pipeline.read_graph(source_of(spec), self.tables, until=self.until)


compile_options: Final = as_record("options", CompileOptions, overrides, until_layer, limits)


def source_of(spec: str, beside: Path = Path()) -> Source:
    """The text of a spec that is given on the command line.

    Args:
        spec: a path, a stock name, or a dash for standard input.
        beside: the folder in which the parents of a spec from standard input are looked up.

    Raises:
        SpecError: it cannot be read.
    """
    return read_stream(sys.stdin.buffer, "<stdin>", beside) if spec == STDIN else read_source(spec)


def require_file(spec: str, what: str) -> None:
    """Raise UsageError for standard input, where `what` refers to the spec by its name."""
    if spec == STDIN:
        raise click.UsageError(f"{what} cannot be standard input; save the spec to a file, and give that file")


def spec_files(specs: Sequence[str]) -> list[str]:
    """The specs with folders and patterns replaced by the files in them.

    Raises:
        UsageError: a folder or pattern contains no spec.
    """
    files: list[str] = []
    for spec in specs:
        if Path(spec).is_dir():
            paths = [str(path) for path in specs_below(Path(spec))]
        elif any(char in spec for char in "*?[") and not Path(spec).exists():
            paths = [str(path) for path in sorted(Path().glob(spec))]
        else:
            paths = [spec]
        if not paths:
            raise click.UsageError(f"there are no specs in {spec}")
        files += paths
    return files
