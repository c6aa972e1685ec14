"""The picture as PNG and PDF: Network -> bytes, converted from the SVG without a browser."""

from typing import Final

from vggc.drawing import svg_diagram
from vggc.drawing.svg_theme import Theme
from vggc.ir.network import Network

SCALE: Final = 2.0  # pixels of a PNG to a unit of the SVG
LONGEST: Final = 16_000  # pixels of a PNG's longer side


def png(network: Network, theme: Theme) -> bytes:
    """The picture as pixels; `auto` is light."""
    import vl_convert

    svg = _svg(network, theme)
    longer = max(float(svg.split(f' {side}="')[1].split('"')[0]) for side in ("width", "height"))
    return bytes(vl_convert.svg_to_png(svg, scale=min(SCALE, LONGEST / longer)))


def pdf(network: Network, theme: Theme) -> bytes:
    """The picture as a page of its size; `auto` is light."""
    import vl_convert

    return bytes(vl_convert.svg_to_pdf(_svg(network, theme)))


def _svg(network: Network, theme: Theme) -> str:
    return svg_diagram.emit(network, "light" if theme == "auto" else theme)
