"""The commands that read specs and answer at once: none of them imports torch or onnx."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from vggc import pipeline
from vggc.backends.text import network_json, text_summary, yaml_spec
from vggc.base.diagnostics import Diagnostic, SpecError
from vggc.cli import completion
from vggc.cli.common import (
    FORMATS,
    SPEC,
    STDIN,
    compiled,
    limits,
    overrides,
    report,
    source_of,
    spec_files,
    summary,
    until_layer,
)
from vggc.cli.exits import Exit
from vggc.frontend.text import inherit
from vggc.frontend.text.detection import is_spec_file
from vggc.frontend.text.sources import find_spec, stock_names


@click.command(short_help="Validate specs and infer their shapes.")
@click.argument("specs", nargs=-1, required=True, type=SPEC, metavar="SPEC|FOLDER...")
@overrides
@limits
@click.option(
    "--allow", multiple=True, metavar="WARNING", shell_complete=completion.warnings,
    help="Switch a warning off, by name or code.",
)  # fmt: skip
@click.option("--format", "style", type=click.Choice(FORMATS), default="text", help="Of the report.")
@click.option("--only-specs", is_flag=True, help="Pass over YAML files without the key `vggc` and its version.")
@click.option("--watch", is_flag=True, help="Check again whenever a spec or one of its parents is saved.")
def check(
    specs: tuple[str, ...],
    assignments: tuple[str, ...],
    max_memory: int,
    allow: tuple[str, ...],
    style: str,
    only_specs: bool,
    watch: bool,
) -> None:
    """Validate specs and infer their shapes, without importing torch.

    A FOLDER stands for the specs in it and below it; a pattern such as 'specs/vgg*.yaml' for the files that it fits.
    """
    _check_warnings(allow)
    if watch and STDIN in specs:
        raise click.UsageError("--watch looks at files, and standard input is none")

    def run() -> bool:
        files = [spec for spec in spec_files(specs) if not only_specs or spec == STDIN or is_spec_file(find_spec(spec))]
        return _check(files, assignments, max_memory, allow, style)

    fine = run()
    if watch:
        from vggc.cli.watching import until_interrupted

        until_interrupted([Path(spec) for spec in spec_files(specs)], run)
    if not fine:
        sys.exit(Exit.SPEC)


def _check_warnings(names: Sequence[str]) -> None:
    from vggc.base.codes import CODES, WARNINGS

    for name in names:
        if name not in WARNINGS and (name not in CODES or not name.startswith("W")):
            raise click.UsageError(f"there is no warning {name}; there are {', '.join(WARNINGS)}")


def _check(specs: Sequence[str], assignments: Sequence[str], max_memory: int, allow: Sequence[str], style: str) -> bool:
    """Check every spec and report; whether all of them are fine."""
    from vggc.analysis import lints

    found: list[Diagnostic] = []
    for spec in specs:
        try:
            network = compiled(spec, assignments, max_memory=max_memory)
        except SpecError as error:
            found += error.diagnostics
            continue
        found += lints.check(network, allow)
        if style == "text":
            click.echo(f"{'<stdin>' if spec == STDIN else spec}: {network.name} is fine: {summary(network)}")
    report(found, style)
    return not any(each.severity == "error" for each in found)


@click.command(short_help="Print every layer's shape, params and MACs.")
@click.argument("spec", type=SPEC)
@overrides
@until_layer
@limits
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of the table.")
def shapes(spec: str, assignments: tuple[str, ...], until: str | None, max_memory: int, as_json: bool) -> None:
    """Print every layer's shape, params, MACs and receptive field, and the totals."""
    network = compiled(spec, assignments, until, max_memory)
    click.echo(network_json.emit(network) if as_json else text_summary.emit(network), nl=False)


@click.command(short_help="Print the canonical spec.")
@click.argument("spec", type=SPEC)
@overrides
@until_layer
def expand(spec: str, assignments: tuple[str, ...], until: str | None) -> None:
    """Print the canonical spec: every layer written out, every inherited value in place."""
    tables = [inherit.parse_assignment(each) for each in assignments]
    graph = pipeline.read_graph(source_of(spec), tables, until=until)
    click.echo(yaml_spec.emit(graph), nl=False)


@click.command()
def schema() -> None:
    """Print the JSON Schema of specs, for editors."""
    from vggc.frontend.schema.json_schema import published_text

    click.echo(published_text(), nl=False)


@click.command("list")
def list_stock() -> None:
    """Print the stock specs and their sizes."""
    names = stock_names()
    for name in names:
        click.echo(f"{name:{max(map(len, names))}}  {summary(pipeline.compile(name))}")


@click.command(short_help="Say what the codes of errors mean.")
@click.argument("codes", nargs=-1, metavar="[CODE]...", shell_complete=completion.codes)
def explain(codes: tuple[str, ...]) -> None:
    """Say what the codes of errors mean; all of them in a line each where none is named."""
    from vggc.base.codes import CODES

    for code in codes:
        if code.upper() not in CODES:
            raise click.UsageError(f"there is no code {code}; `vggc explain` lists them")
        found = CODES[code.upper()]
        click.echo(f"{code.upper()}: {found.title}\n")
        click.echo(click.wrap_text(found.explanation, width=100) + "\n")
    if not codes:
        for code, found in CODES.items():
            click.echo(f"{code}  {found.title}")
