"""The commands for editors and for pictures; none of them imports torch or onnx."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vggc.base.errors import ProductError
from vggc.cli.common import SPEC, compiled, limits, overrides, until_layer
from vggc.cli.places import check_places, files_of_specs

if TYPE_CHECKING:
    from vggc.drawing.svg_theme import Theme


@click.command(short_help="Answer an editor over the Language Server Protocol.")
@click.option(
    "--tcp",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Listen on this port of 127.0.0.1 instead; 0 takes a free one.",
)
def lsp(tcp: int | None) -> None:
    """Answer an editor over standard input and output, in the Language Server Protocol.

    The editor starts this command by itself; docs/editors.md says how to set that up.
    """
    if find_spec("pygls") is None:
        raise ProductError("`vggc lsp` needs pygls; run: pip install 'vggc[editor]'")
    from vggc.lsp.server import create
    from vggc.lsp.tcp_server import HOST, listen

    if tcp is None:
        create().start_io()
    else:
        listen(create(), tcp, lambda port: click.echo(f"listening on {HOST}:{port}", err=True))


@click.command(short_help="Draw the network as SVG, PNG, PDF, HTML, Mermaid or dot.")
@click.argument("spec", type=SPEC)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The file; NAME.svg if left out.")
@click.option(
    "--theme", type=click.Choice(["light", "dark", "auto"]), help="The theme; auto, the default, follows the reader."
)
@overrides
@until_layer
@limits
def draw(
    spec: str,
    output: Path | None,
    theme: "Theme | None",
    assignments: tuple[str, ...],
    until: str | None,
    max_memory: int,
) -> None:
    """Draw the network into a file; its suffix is the format: .svg, .png, .pdf, .html, .mmd or .dot.

    A .png or .pdf is light unless --theme says otherwise. Mermaid (.mmd) and Graphviz (.dot) have no theme.
    """
    from vggc.drawing import draw as drawing

    if output is not None:
        if output.suffix.lower() not in drawing.FORMATS:
            raise click.UsageError(f"{output}: a network is drawn as {', '.join(drawing.FORMATS)}")
        if theme and not drawing.format_of(output).has_theme:
            raise click.UsageError(f"{output}: --theme is for {', '.join(drawing.WITH_THEME)}")
    network = compiled(spec, assignments, until, max_memory)
    path = output or Path(f"{network.stem}.svg")
    check_places({"-o": [path]}, {"spec": files_of_specs(spec)})
    drawing.draw(network, path, theme or "auto")
    click.echo(f"wrote {path}")
