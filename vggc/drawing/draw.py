"""`vggc draw`: a network as a picture, in the format that the name of the file says.

A format is a line of `FORMATS`; PNG and PDF are converted from the SVG without a browser.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vggc.base.errors import ProductError
from vggc.base.extras import require
from vggc.base.staging import write_bytes
from vggc.drawing import graphviz_dot, html_page, mermaid_diagram, svg_diagram
from vggc.drawing.svg_theme import Theme
from vggc.ir.network import Network

SCALE: Final = 2.0  # pixels of a PNG to a unit of the SVG
LONGEST: Final = 16_000  # pixels of a PNG's longer side


@dataclass(frozen=True, slots=True)
class PictureFormat:
    """How a picture is written.

    `emit` gives the content of the file. `has_theme` is whether it can be light or dark, and `needs` is the module of
    the extra `draw` that it cannot do without.
    """

    emit: Callable[[Network, Theme], str | bytes]
    has_theme: bool = True
    needs: str | None = None


def _png(network: Network, theme: Theme) -> bytes:
    import vl_convert

    svg = _still(network, theme)
    longer = max(float(svg.split(f' {side}="')[1].split('"')[0]) for side in ("width", "height"))
    return bytes(vl_convert.svg_to_png(svg, scale=min(SCALE, LONGEST / longer)))


def _pdf(network: Network, theme: Theme) -> bytes:
    import vl_convert

    return bytes(vl_convert.svg_to_pdf(_still(network, theme)))


def _still(network: Network, theme: Theme) -> str:
    return svg_diagram.emit(network, "light" if theme == "auto" else theme)


FORMATS: Final = {
    ".svg": PictureFormat(svg_diagram.emit),
    ".png": PictureFormat(_png, needs="vl_convert"),
    ".pdf": PictureFormat(_pdf, needs="vl_convert"),
    ".html": PictureFormat(html_page.emit),
    ".mmd": PictureFormat(lambda network, _: mermaid_diagram.emit(network), has_theme=False),
    ".dot": PictureFormat(lambda network, _: graphviz_dot.emit(network), has_theme=False),
}
WITH_THEME: Final = tuple(suffix for suffix, format in FORMATS.items() if format.has_theme)


def format_of(path: Path) -> PictureFormat:
    """The format of a file.

    Raises:
        ProductError: its suffix is none of `FORMATS`, or what the format needs is not installed.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise ProductError(f"{path}: a network is drawn as {', '.join(FORMATS)}")
    if (module := FORMATS[suffix].needs) is not None:
        require(module, extra="draw", by=suffix)
    return FORMATS[suffix]


def draw(network: Network, path: Path, theme: Theme = "auto") -> None:
    """Draw a network into a file.

    Args:
        network: what is drawn.
        path: the file; its suffix is the format. A .mmd or .dot has no theme.
        theme: `auto` follows the reader where the format can, and is light in a .png or .pdf.

    Raises:
        ProductError: there is no such format, or the file cannot be written.
    """
    write_bytes(path, render(network, path, theme))


def render(network: Network, path: Path, theme: Theme = "auto") -> bytes:
    """The content of such a file; as `draw`."""
    content = format_of(path).emit(network, theme)
    return content if isinstance(content, bytes) else content.encode()
