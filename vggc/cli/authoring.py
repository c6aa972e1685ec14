"""The commands for the author of the next variant: they answer at once, without torch or onnx."""

import sys
from pathlib import Path

import click

from vggc import pipeline
from vggc.cli.common import limits, overrides, until_layer
from vggc.cli.exits import Exit
from vggc.diagnostics import Source
from vggc.frontend import inherit
from vggc.frontend.sources import find_spec, read_source, read_stream


@click.command(short_help="Show what differs between two specs.")
@click.argument("a")
@click.argument("b", required=False)
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

    B left out is A itself, changed by --set-b. A dash stands for standard input: git show HEAD:mine.yaml | vggc diff -
    mine.yaml
    """
    if b is None and not assignments_b:
        raise click.UsageError("name a second spec, or say with --set-b what changes in the first")
    if a == b == "-":
        raise click.UsageError("only one of the two can be standard input")
    from importlib import import_module

    from vggc.authoring.diffing import Difference

    source = _source(a, beside=b)
    networks = [
        pipeline.compile_source(each, [inherit.from_words(words) for words in said], until=until, max_memory=max_memory)
        for each, said in (
            (source, assignments),
            (source if b is None else _source(b, beside=a), (*assignments, *assignments_b)),
        )
    ]
    difference = Difference(*networks)
    emit = import_module(f"vggc.authoring.diff_{style}").emit
    click.echo(emit(difference, sys.stdout.isatty()) if style == "text" else emit(difference), nl=False)
    if exit_code and not difference.equal:
        sys.exit(Exit.SPEC)


def _source(spec: str, beside: str | None) -> Source:
    """The text of a spec; one from standard input extends what lies beside the other."""
    if spec != "-":
        return read_source(spec)
    folder = find_spec(beside).parent if beside is not None else Path()
    return read_stream(sys.stdin.buffer, "stdin", folder)
