"""The network as one page that needs nothing but itself, and no script.

The page is the piece for a notebook with a page around it. Each block of the picture is a link to its layers, which are
a body of the table.
"""

from collections.abc import Iterator
from html import escape
from typing import Final

from vggc.backends.text import text_summary
from vggc.drawing import notebook_html, svg_diagram
from vggc.drawing.layer_units import in_words
from vggc.drawing.svg_blocks import blocks
from vggc.drawing.svg_theme import COLOURS, Theme
from vggc.ir.network import Network

POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"  # nothing is ever fetched or run

STYLE: Final = """
body{margin:0 auto;max-width:1120px;padding:12px;font:15px/1.45 system-ui,sans-serif;
background:light-dark(#fff,#0d1117);color:light-dark(#1f2328,#f0f6fc)}
h1{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
figure{margin:0;overflow-x:auto}
a:hover,a:focus{filter:brightness(1.15)}
p{margin:.4em 0;opacity:.7}
.vggc-network .vggc-layers{width:auto;max-height:min(34em,75vh)}
.vggc-network .vggc-layers table{width:100%;margin:0}
.vggc-network thead th{position:sticky;top:0;background:light-dark(#fff,#0d1117)}
thead,tbody{border-left:5px solid var(--group,transparent)}
tbody{scroll-margin-top:2.5em}
tbody:target{background:light-dark(#fff8c5,#3a3a16)}
td{white-space:nowrap}
.vggc-layers td:nth-child(3){white-space:normal;min-width:14em}
.vggc-layers+table td{white-space:normal}
@media (max-width:700px){
figure svg{max-width:none!important}
.vggc-network th,.vggc-network td{padding:.18em .4em}
}
"""


def emit(network: Network, theme: Theme = "auto") -> str:
    """The text of the page; `auto` follows the reader's light or dark mode."""
    picture = svg_diagram.emit(network, "page", links=True)
    figure = f"<figure>\n{picture}</figure>\n<p>Choose a block to see its layers.</p>"
    scheme = "light dark" if theme == "auto" else theme
    lines = [
        "<!doctype html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(network.name)}</title>",
        "</head>",
        "<body>",
        f"<h1>{escape(network.name)}</h1>",
        notebook_html.piece(network, figure, _bodies(network)).rstrip(),
        f"<style>\n:root{{color-scheme:{scheme}}}{STYLE}</style>",
        "</body>",
        "</html>",
    ]
    return "\n".join(lines) + "\n"


def _bodies(network: Network) -> Iterator[str]:
    """The layers of every block, with their options."""
    rows = zip(network.layers, text_summary.rows(network)[1:], strict=True)
    for number, block in enumerate(blocks(network)[1:], start=1):
        colour = COLOURS[block.groups[0] if block.groups else "shape"]
        yield f'<tbody id="block{number}" style="--group:{colour}">'
        for _ in range(block.layers):
            layer, (path, alias, _, *numbers) = next(rows)
            yield notebook_html.row("td", [path, alias, in_words(layer.layer), *numbers])
        yield "</tbody>"
