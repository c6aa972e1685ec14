"""Network -> HTML for a notebook: the picture, a line a layer, the totals.

One self-contained piece without scripts, and without ids, so that it may stand several times on a page. The table and
the picture take the colours of the page around them, whatever the system prefers. Whatever a spec may say is escaped.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from vggc.backends.text import text_summary
from vggc.drawing import svg_diagram
from vggc.drawing.layer_units import elided
from vggc.ir.network import Network

MOST: Final = 200  # layers that are shown; of more, the first and the last

# Every rule begins with the class of the piece: a style inside a notebook holds for the whole page.
STYLE: Final = """
.vggc-network .vggc-layers{max-height:34em;overflow:auto;width:fit-content;max-width:100%;padding-right:1em;
scrollbar-color:rgba(128,128,128,.6) transparent}
.vggc-network table{border-collapse:collapse;margin:.8em 0;font-size:.92em;font-variant-numeric:tabular-nums}
.vggc-network th,.vggc-network td{padding:.18em .8em;text-align:left;border:0;background:none;color:inherit}
.vggc-network thead th{border-bottom:1px solid currentColor}
.vggc-network .vggc-pooled td{border-bottom:1px solid rgba(128,128,128,.45)}
.vggc-network .vggc-number{text-align:right}
"""


@dataclass(frozen=True, repr=False)
class ShapeTable:
    """A line a layer and the totals: in a shell the text of `vggc shapes`, in a notebook HTML without the picture."""

    network: Network

    def __repr__(self) -> str:
        return text_summary.emit(self.network).removesuffix("\n")  # print() adds it again

    def _repr_html_(self) -> str:
        return emit(self.network, picture=False)


def emit(network: Network, picture: bool = True) -> str:
    """The text of one `div`, with the picture or without."""
    body = ["<tbody>", *_rows(network), "</tbody>"]
    return piece(network, svg_diagram.emit(network, "page") if picture else "", body)


def piece(network: Network, picture: str, table: Iterable[str]) -> str:
    """The picture, a table of layers below the heading of `vggc shapes`, and the totals, in one `div`."""
    lines = [
        f'<div class="vggc-network"><style>{STYLE}</style>',
        *([picture.rstrip()] if picture else []),
        f'<div class="vggc-layers"><table><thead>{row("th", text_summary.HEADER)}</thead>',
        *table,
        "</table></div>",
        "<table><tbody>",
        *(
            f"<tr><th>{escape(label)}</th><td>{escape(words)}</td></tr>"
            for label, words in text_summary.totals(network)
        ),
        "</tbody></table>",
        "</div>",
    ]
    return "\n".join(lines) + "\n"


def row(tag: str, cells: Sequence[str], look: str = "") -> str:
    """A row of a table of layers; `look` is its class."""
    numbers = (' class="vggc-number"' if right else "" for right in text_summary.RIGHT)
    inner = "".join(f"<{tag}{number}>{escape(cell)}</{tag}>" for number, cell in zip(numbers, cells, strict=True))
    return f"<tr{f' class={chr(34)}{look}{chr(34)}' if look else ''}>{inner}</tr>"


def _rows(network: Network) -> list[str]:
    """A row a layer; of too many, the middle is left out."""
    rows = zip(network.layers, text_summary.rows(network)[1:], strict=True)
    lines = [row("td", cells, "vggc-pooled" if layer.layer.ends_stage else "") for layer, cells in rows]
    columns = len(text_summary.HEADER)
    return elided(lines, MOST + 1, lambda rest: f'<tr><td colspan="{columns}">{len(rest):,} more layers</td></tr>')
