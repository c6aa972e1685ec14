"""The commands that only print: `vggc shapes`, `expand`, `schema`, `list` and `explain`."""

import click

from vggc import pipeline
from vggc.backends.text import network_json, text_summary, yaml_spec
from vggc.cli import shell_completion
from vggc.cli.options import SPEC, CompileOptions, as_record, compile_options, overrides, until_layer
from vggc.cli.output import summary
from vggc.frontend.text.sources import stock_names


@click.command(short_help="Print every layer's shape, params and MACs.")
@click.argument("spec", type=SPEC)
@compile_options
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object instead of the table.")
def shapes(spec: str, options: CompileOptions, as_json: bool) -> None:
    """Print every layer's shape, params, MACs and receptive field, and the totals."""
    network = options.network(spec)
    click.echo(network_json.emit(network) if as_json else text_summary.emit(network), nl=False)


@click.command(short_help="Print the canonical spec.")
@click.argument("spec", type=SPEC)
@as_record("options", CompileOptions, overrides, until_layer)
def expand(spec: str, options: CompileOptions) -> None:
    """Print the canonical spec: every layer written out, every inherited value in place."""
    click.echo(yaml_spec.emit(options.graph(spec)), nl=False)


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


@click.command(short_help="Explain the codes of errors and warnings.")
@click.argument("codes", nargs=-1, metavar="[CODE]...", shell_complete=shell_completion.codes)
def explain(codes: tuple[str, ...]) -> None:
    """Explain the codes of errors and warnings; without a CODE, list them all."""
    from vggc.base.codes import CODES

    for name in codes:
        if name.upper() not in CODES:
            raise click.UsageError(f"there is no code {name}; `vggc explain` lists them")
        code = CODES[name.upper()]
        click.echo(f"{name.upper()}: {code.title}\n")
        click.echo(click.wrap_text(code.explanation, width=100) + "\n")
    if not codes:
        for name, code in CODES.items():
            click.echo(f"{name}  {code.title}")
