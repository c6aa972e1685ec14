"""`vggc draw`: a picture of a network."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vggc.cli.options import SPEC, CompileOptions, compile_options
from vggc.cli.places import check_places, files_of_specs

if TYPE_CHECKING:
    from vggc.drawing.svg_theme import Theme


@click.command(short_help="Draw the network as SVG, PNG, PDF, HTML, Mermaid or dot.")
@click.argument("spec", type=SPEC)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The file. Default: NAME.svg.")
@click.option(
    "--theme", type=click.Choice(["light", "dark", "auto"]), help="The theme; auto, the default, follows the viewer."
)
@compile_options
def draw(spec: str, output: Path | None, theme: "Theme | None", options: CompileOptions) -> None:
    """Draw the network into a file; its suffix is the format: .svg, .png, .pdf, .html, .mmd or .dot.

    A .png or .pdf is light unless --theme says otherwise. Mermaid (.mmd) and Graphviz (.dot) have no theme.
    """
    from vggc.drawing import draw as drawing

    if output is not None:
        if output.suffix.lower() not in drawing.FORMATS:
            raise click.UsageError(f"{output}: a network is drawn as {', '.join(drawing.FORMATS)}")
        if theme and not drawing.format_of(output).has_theme:
            raise click.UsageError(f"{output}: --theme is for {', '.join(drawing.WITH_THEME)}")
    network = options.network(spec)
    path = output or Path(f"{network.stem}.svg")
    check_places({"-o": [path]}, {"spec": files_of_specs(spec)})
    drawing.draw(network, path, theme or "auto")
    click.echo(f"wrote {path}")
