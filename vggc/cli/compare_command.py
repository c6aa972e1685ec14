"""`vggc compare`: a table of specs."""

import sys
from collections.abc import Iterable

import click

from vggc.authoring.comparing import COLUMNS, compare_networks
from vggc.authoring.formats import COMPARE_FORMATS
from vggc.authoring.network_figures import FIGURES
from vggc.base.diagnostics import Diagnostic, SpecError, help_word
from vggc.cli import shell_completion
from vggc.cli.exits import Exit
from vggc.cli.options import SPEC, CompileOptions, compile_options, spec_files
from vggc.cli.output import report
from vggc.ir.network import Network


@click.command(short_help="Print a table of specs.")
@click.argument("specs", nargs=-1, required=True, type=SPEC, metavar="SPEC|FOLDER...")
@compile_options
@click.option(
    "--sort", metavar="COLUMN", shell_complete=shell_completion.figures,
    help="Sort by the name or by a column, ascending; also by one that is not shown.",
)  # fmt: skip
@click.option("--reverse", is_flag=True, help="Reverse the order.")
@click.option(
    "--columns",
    metavar="COLUMN,...",
    shell_complete=shell_completion.figures,
    help="The columns to show, in this order.",
)
@click.option(
    "--format", "style", type=click.Choice(list(COMPARE_FORMATS)), default="text", show_default=True,
    help="The format of the table.",
)  # fmt: skip
def compare(
    specs: tuple[str, ...],
    options: CompileOptions,
    sort: str | None,
    reverse: bool,
    columns: str | None,
    style: str,
) -> None:
    """Print a table of specs: params, MACs, memory, sizes.

    A FOLDER means all specs in it and below it, a pattern such as 'specs/vgg*.yaml' all files that match it. A spec
    that does not compile is reported, and the others are shown.
    """
    keys = COLUMNS if columns is None else tuple(key.strip() for key in columns.split(","))
    _check_columns([*keys, *([sort] if sort not in (None, "name") else [])])
    networks, diagnostics = _compile_all(spec_files(specs), options)
    if networks:
        click.echo(COMPARE_FORMATS[style](compare_networks(networks, keys, sort, reverse)), nl=False)
    report(diagnostics)
    if diagnostics:
        sys.exit(Exit.SPEC)


def _check_columns(keys: Iterable[str | None]) -> None:
    for key in keys:
        if key not in FIGURES:
            help = help_word(str(key), list(FIGURES), "there are").text
            raise click.UsageError(f"there is no column {key!r}; {help}")


def _compile_all(files: Iterable[str], options: CompileOptions) -> tuple[list[Network], list[Diagnostic]]:
    """The networks of the specs that compile, and what is wrong with the others."""
    networks: list[Network] = []
    diagnostics: list[Diagnostic] = []
    for spec in files:
        try:
            networks.append(options.network(spec))
        except SpecError as error:
            diagnostics += error.diagnostics
    return networks, diagnostics
