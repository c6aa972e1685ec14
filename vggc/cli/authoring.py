"""The commands for the author of the next variant: they answer at once, without torch or onnx."""

import re
import sys
from pathlib import Path
from typing import Any

import click

from vggc import pipeline
from vggc.base.errors import ProductError
from vggc.cli.common import SPEC, file_of_spec, limits, overrides, source_of, summary, until_layer
from vggc.cli.exits import Exit
from vggc.cli.places import check_places, files_of_specs
from vggc.frontend.text import inherit
from vggc.frontend.text.sources import find_spec, is_stock, read_source


class _Input(click.ParamType[tuple[int, ...]]):
    """Channels, height and width."""

    name = "input"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        sizes = str(value).strip("[]").split(",")
        if len(sizes) != 3 or not all(size.strip().isdecimal() and int(size) for size in sizes):
            self.fail(f"{value!r} is no input; write channels, height and width, such as 3,64,64", param, ctx)
        return tuple(int(size) for size in sizes)


@click.command(short_help="Begin a new spec, as the child of another.")
@click.argument("name")
@click.option(
    "--from", "parent", type=SPEC, default="vgg16", show_default=True, metavar="SPEC", help="What it extends."
)
@click.option("--input", type=_Input(), metavar="C,H,W", help="Channels, height and width, such as 3,64,64.")
@click.option("--classes", metavar="N|NAMES", help="How many, or their names: 10, or cat,dog.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The file; NAME.yaml if left out.")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
def new(
    name: str, parent: str, input: tuple[int, ...] | None, classes: str | None, output: Path | None, force: bool
) -> None:
    """Write NAME.yaml: a commented spec that extends another, compiles as it is, and shows what can be turned.

    The JSON Schema is put beside it for editors, unless it lies there or in a folder above already.
    """
    from vggc.authoring import starting
    from vggc.base.staging import write_text

    _check_name(name)
    _check_output(name, output)
    target = output or Path(f"{name}.yaml")
    source = read_source(file_of_spec(parent, "what a new spec extends"))
    if target.is_file() and not force:
        raise ProductError(f"{target} is there already; --force replaces it, and -o writes elsewhere")
    schema = starting.schema_file(target)
    check_places({"-o": [target], "the JSON Schema": [schema]}, {})
    check_places({"-o": [target]}, {"spec": files_of_specs(parent)})
    extends = starting.extends(parent, source, target)
    written = starting.start(
        name, source, extends, target, input=input, classes=_classes(classes), schema=starting.relative(schema, target)
    )
    write_text(target, written.text)
    click.echo(f"wrote {target}")
    _provide(schema)
    click.echo(f"{summary(written.network)}\nnext: vggc check {target}")


def _check_name(name: str) -> None:
    """Before anything is read: a name that is a path is the likeliest mistake."""
    from vggc.frontend.schema.json_schema import NAME

    if name.endswith((".yaml", ".yml")) or "/" in name:
        stem = Path(name).stem
        raise click.UsageError(f"{name!r} is a path; name the spec, and its file with -o: vggc new {stem} -o {name}")
    if not re.fullmatch(NAME, name) or len(name) > 100:
        raise click.UsageError(f"{name!r} is no name; it begins with a letter, and holds letters, digits, _ . and -")


def _check_output(name: str, output: Path | None) -> None:
    if output is not None and output.suffix not in (".yaml", ".yml"):
        file = output / f"{name}.yaml" if output.is_dir() else output.with_suffix(".yaml")
        raise click.UsageError(f"{output} is no name of a YAML file; write -o {file}")


def _classes(said: str | None) -> int | list[str] | None:
    if said is None:
        return None
    if re.fullmatch(r"[-+]?\d+", said):
        return int(said)  # what is none of a class is for the spec to refuse
    return [each.strip() for each in said.split(",")]


def _provide(schema: Path) -> None:
    """Write the schema where there is none; one of another version is the user's to renew."""
    from vggc.base.staging import write_text
    from vggc.frontend.schema.json_schema import published_text

    if not schema.exists():
        write_text(schema, published_text())
        click.echo(f"wrote {schema}")
    elif schema.read_text(encoding="utf-8", errors="replace") != published_text():
        click.echo(f"{schema} is of another version; to renew it: vggc schema > {schema}")


@click.command(short_help="Show what differs between two specs.")
@click.argument("a", type=SPEC)
@click.argument("b", required=False, type=SPEC)
@overrides
@click.option("--set-b", "assignments_b", multiple=True, metavar="KEY=VALUE", help="As --set, for B alone.")
@until_layer
@limits
@click.option(
    "--format", "style", type=click.Choice(["text", "json", "markdown"]), default="text", help="Of the answer."
)
@click.option("--exit-code", is_flag=True, help="End with exit code 1 where the two differ.")
def diff(
    a: str,
    b: str | None,
    assignments: tuple[str, ...],
    assignments_b: tuple[str, ...],
    until: str | None,
    max_memory: int,
    style: str,
    exit_code: bool,
) -> None:
    """Show what differs between the specs A and B: figures, keys, and layers.

    B left out is A itself, changed by --set-b. A dash stands for standard input, as in `git show HEAD:mine.yaml | vggc
    diff - mine.yaml`; what that extends is looked for beside the other spec.
    """
    if b is None and not assignments_b:
        raise click.UsageError("name a second spec, or say with --set-b what changes in the first")
    from importlib import import_module

    from vggc.authoring.diffing import Difference

    source = source_of(a, beside=_folder(b))
    both = [inherit.parse_assignment(each) for each in assignments]
    alone = [inherit.parse_assignment(each) for each in assignments_b]
    before = pipeline.compile_source(source, both, until=until, max_memory=max_memory)
    source = source if b is None else source_of(b, beside=_folder(a))
    after = pipeline.compile_source(source, [*both, *alone], until=until, max_memory=max_memory)
    difference = Difference(before, after)
    emit = import_module(f"vggc.authoring.diff_{style}").emit
    click.echo(emit(difference, sys.stdout.isatty()) if style == "text" else emit(difference), nl=False)
    if exit_code and not difference.equal:
        sys.exit(Exit.SPEC)


def _folder(other: str | None) -> Path:
    """Where what standard input extends is looked for: beside the other spec, unless that is a stock spec."""
    path = find_spec(other) if other is not None else Path()
    return Path() if is_stock(path) else path.parent
