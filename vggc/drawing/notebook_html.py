"""Network -> HTML for a notebook: the picture, a line a layer, the totals.

One self-contained piece without scripts, and without ids, so that it may stand several times on a page. The table and
the picture take the colours of the page around them, whatever the system prefers. Whatever a spec may say is escaped.
"""

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from vggc.backends.text import text_summary
from vggc.drawing import svg_diagram
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


def emit(network: Network, picture: bool = True) -> str:
    """The text of one `div`, with the picture or without."""
    return "\n".join(_lines(network, picture)) + "\n"


def _lines(network: Network, picture: bool) -> Iterator[str]:
    yield f'<div class="vggc-network"><style>{STYLE}</style>'
    if picture:
        yield svg_diagram.emit(network, "page").rstrip()
    yield '<div class="vggc-layers"><table>'
    heading, *rows = text_summary.rows(network)
    yield f"<thead>{_row('th', heading)}</thead><tbody>"
    left_out = len(rows) - MOST
    for position, (layer, cells) in enumerate(zip(network.layers, rows, strict=True)):
        if left_out <= 0 or not MOST // 2 <= position < MOST // 2 + left_out:
            yield _row("td", cells, "vggc-pooled" if layer.layer.ends_stage else "")
        elif position == MOST // 2:
            yield f'<tr><td colspan="{len(heading)}">{left_out:,} more layers</td></tr>'
    yield "</tbody></table></div>"
    yield from _totals(network)
    yield "</div>"


def _row(tag: str, cells: Sequence[str], look: str = "") -> str:
    numbers = (' class="vggc-number"' if right else "" for right in text_summary.RIGHT)
    inner = "".join(f"<{tag}{number}>{escape(cell)}</{tag}>" for number, cell in zip(numbers, cells, strict=True))
    return f"<tr{f' class={chr(34)}{look}{chr(34)}' if look else ''}>{inner}</tr>"


def _totals(network: Network) -> Iterator[str]:
    """The totals of the text, a line a row: what is counted, and how much."""
    yield "<table><tbody>"
    for label, words in text_summary.totals(network):
        yield f"<tr><th>{escape(label)}</th><td>{escape(words)}</td></tr>"
    yield "</tbody></table>"
