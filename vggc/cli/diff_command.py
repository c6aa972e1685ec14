"""`vggc diff`: what differs between two specs."""

import sys
from pathlib import Path

import click

from vggc import pipeline
from vggc.authoring.formats import DIFF_FORMATS
from vggc.cli.exits import Exit
from vggc.cli.options import SPEC, CompileOptions, compile_options, source_of
from vggc.frontend.text import inherit
from vggc.frontend.text.sources import find_spec, is_stock


@click.command(short_help="Show what differs between two specs.")
@click.argument("a", type=SPEC)
@click.argument("b", required=False, type=SPEC)
@compile_options
@click.option("--set-b", "assignments_b", multiple=True, metavar="KEY=VALUE", help="Like --set, for B only.")
@click.option(
    "--format", "style", type=click.Choice(list(DIFF_FORMATS)), default="text", show_default=True,
    help="The format of the output.",
)  # fmt: skip
@click.option("--exit-code", is_flag=True, help="Exit with 1 if the specs differ.")
def diff(
    a: str, b: str | None, options: CompileOptions, assignments_b: tuple[str, ...], style: str, exit_code: bool
) -> None:
    """Show what differs between the specs A and B: figures, keys, and layers.

    Without B, A is compared with itself changed by --set-b. A dash stands for standard input, as in `git show
    HEAD:mine.yaml | vggc diff - mine.yaml`; its parents are looked up in the folder of the other spec.
    """
    if b is None and not assignments_b:
        raise click.UsageError("name a second spec, or change the first with --set-b")
    from vggc.authoring.diffing import Difference

    source = source_of(a, beside=_folder(b))
    before = options.network_of_source(source)
    source = source if b is None else source_of(b, beside=_folder(a))
    tables = [*options.tables, *(inherit.parse_assignment(assignment) for assignment in assignments_b)]
    after = pipeline.compile_source(source, tables, until=options.until, max_memory=options.max_memory)
    difference = Difference(before, after)
    click.echo(DIFF_FORMATS[style](difference), nl=False)
    if exit_code and not difference.equal:
        sys.exit(Exit.SPEC)


def _folder(other: str | None) -> Path:
    """Where the parents of standard input are: in the folder of the other spec, unless that is a stock spec."""
    path = find_spec(other) if other is not None else Path()
    return Path() if is_stock(path) else path.parent
