"""`vggc new`: a new spec, as the child of another."""

import re
from pathlib import Path
from typing import Any

import click

from vggc.base.errors import ProductError
from vggc.cli.options import SPEC, require_file
from vggc.cli.output import summary
from vggc.cli.places import check_places, files_of_specs
from vggc.frontend.text.sources import read_source


class _Input(click.ParamType[tuple[int, ...]]):
    """Channels, height and width."""

    name = "input"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        sizes = str(value).strip("[]").split(",")
        if len(sizes) != 3 or not all(size.strip().isdecimal() and int(size) for size in sizes):
            self.fail(f"{value!r} is not an input; write channels, height and width, such as 3,64,64", param, ctx)
        return tuple(int(size) for size in sizes)


@click.command(short_help="Begin a new spec, as the child of another.")
@click.argument("name")
@click.option(
    "--from", "parent", type=SPEC, default="vgg16", show_default=True, metavar="SPEC", help="The spec to extend."
)
@click.option("--input", type=_Input(), metavar="C,H,W", help="Channels, height and width, such as 3,64,64.")
@click.option("--classes", metavar="N|NAMES", help="The number of classes, or their names: 10, or cat,dog.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The file. Default: NAME.yaml.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
def new(
    name: str, parent: str, input: tuple[int, ...] | None, classes: str | None, output: Path | None, force: bool
) -> None:
    """Write NAME.yaml: a commented spec that extends another, compiles as it is, and shows what can be changed.

    The JSON Schema for editors is written beside it, unless it is there or in a folder above already.
    """
    from vggc.authoring import starting
    from vggc.base.staging import write_text

    _check_name(name)
    _check_output(name, output)
    target = output or Path(f"{name}.yaml")
    require_file(parent, "what a new spec extends")
    source = read_source(parent)
    if target.is_file() and not force:
        raise ProductError(f"{target} exists; --force replaces it, and -o writes to another file")
    schema = starting.schema_file(target)
    check_places({"-o": [target], "the JSON Schema": [schema]}, {})
    check_places({"-o": [target]}, {"spec": files_of_specs(parent)})
    request = starting.NewSpec(
        name=name,
        extends=starting.extends(parent, source, target),
        target=target,
        schema=starting.relative(schema, target),
        input=input,
        classes=_classes(classes),
    )
    text, network = starting.start(request, source)
    write_text(target, text)
    click.echo(f"wrote {target}")
    _write_schema(schema)
    click.echo(f"{summary(network)}\nnext: vggc check {target}")


def _check_name(name: str) -> None:
    """Refuse a path, the likeliest mistake, before anything is read."""
    from vggc.frontend.schema.json_schema import NAME

    if name.endswith((".yaml", ".yml")) or "/" in name:
        stem = Path(name).stem
        raise click.UsageError(f"{name!r} is a path; give the name, and the file with -o: vggc new {stem} -o {name}")
    if not re.fullmatch(NAME, name) or len(name) > 100:
        raise click.UsageError(
            f"{name!r} is not a valid name; it must begin with a letter, and contain only letters, digits, _ . and -"
        )


def _check_output(name: str, output: Path | None) -> None:
    if output is not None and output.suffix not in (".yaml", ".yml"):
        file = output / f"{name}.yaml" if output.is_dir() else output.with_suffix(".yaml")
        raise click.UsageError(f"{output} is not the name of a YAML file; write -o {file}")


def _classes(text: str | None) -> int | list[str] | None:
    if text is None:
        return None
    if re.fullmatch(r"[-+]?\d+", text):
        return int(text)  # compiling the spec refuses what is not positive
    return [name.strip() for name in text.split(",")]


def _write_schema(schema: Path) -> None:
    """Write the schema where there is none; one of another version is left as it is."""
    from vggc.base.staging import write_text
    from vggc.frontend.schema.json_schema import published_text

    if not schema.exists():
        write_text(schema, published_text())
        click.echo(f"wrote {schema}")
    elif schema.read_text(encoding="utf-8", errors="replace") != published_text():
        click.echo(f"{schema} is from another version of vggc; to update it: vggc schema > {schema}")
