"""`vggc draw`: a network as a picture, in the format that the name of the file says."""

from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal

from vggc.base.errors import ProductError
from vggc.base.staging import write_bytes
from vggc.drawing import graphviz_dot, html_page, mermaid_diagram, svg_diagram, svg_layers
from vggc.drawing.svg_theme import Theme
from vggc.ir.network import Network

Style = Literal["paper", "layers"]

STYLES: Final = {"paper": svg_diagram.emit, "layers": svg_layers.emit}
PICTURES: Final = (".svg", ".png", ".pdf", ".html")  # which have a style and a theme
GRAPHS: Final = {".mmd": mermaid_diagram.emit, ".dot": graphviz_dot.emit}  # which another program draws
CONVERTED: Final = (".png", ".pdf")
SCALE: Final = 2.0  # pixels of a PNG to a unit of the SVG
LONGEST: Final = 16_000  # pixels of a PNG's longer side


def check_format(path: Path) -> None:
    """Look at the name of a file before anything is drawn.

    Raises:
        ProductError: its suffix is none of those that there are, or what converts to it is not installed.
    """
    suffix = path.suffix.lower()
    if suffix not in (*PICTURES, *GRAPHS):
        raise ProductError(f"{path}: a network is drawn as {', '.join([*PICTURES, *GRAPHS])}")
    if suffix in CONVERTED and find_spec("vl_convert") is None:
        raise ProductError(f"{path}: {suffix} needs vl-convert-python; run: pip install 'vggc[draw]'")


def draw(network: Network, path: Path, style: Style = "paper", theme: Theme = "auto") -> None:
    """Draw a network into a file.

    Args:
        network: what is drawn.
        path: the file; its suffix is the format. A .mmd or .dot has no style and no theme.
        style: `paper`, blocks in perspective from left to right, or `layers`, cards from top to bottom.
        theme: `auto` follows the reader where the format can, and is light in a .png or .pdf.

    Raises:
        ProductError: there is no such format, or the file cannot be written.
    """
    check_format(path)
    write_bytes(path, render(network, path.suffix.lower(), style, theme))


def render(network: Network, suffix: str, style: Style = "paper", theme: Theme = "auto") -> bytes:
    """The content of such a file; as `draw`."""
    if suffix in GRAPHS:
        return GRAPHS[suffix](network).encode()
    if suffix in CONVERTED:
        return _converted(_svg(network, style, "light" if theme == "auto" else theme), suffix)
    if suffix == ".html":
        return html_page.emit(network, _svg(network, style, theme, spans=True), style, theme).encode()
    return _svg(network, style, theme).encode()


def _svg(network: Network, style: Style, theme: Theme, spans: bool = False) -> str:
    return STYLES[style](network, theme, spans)


def _converted(svg: str, suffix: str) -> bytes:
    import vl_convert

    if suffix == ".pdf":
        return bytes(vl_convert.svg_to_pdf(svg))
    longer = max(float(svg.split(f' {side}="')[1].split('"')[0]) for side in ("width", "height"))
    return bytes(vl_convert.svg_to_png(svg, scale=min(SCALE, LONGEST / longer)))
