"""The network as one page that needs nothing but itself: a picture, what its blocks stand for, and a table of layers.

The page works from a file, without a network, and without its script, which only adds the details under the pointer or
the keyboard's focus. It stands on the two pictures, and is no product of its own kind.
"""

from collections.abc import Iterator
from html import escape
from typing import Final

from vggc.backends.text.text_summary import seen
from vggc.base.words import typeset
from vggc.drawing.outline import described
from vggc.drawing.svg_theme import COLOURS, Theme
from vggc.ir.geometry import flatten_formula, receptive_fields
from vggc.ir.network import Network

# Nothing is ever fetched; the browser holds the page to it.
POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
COLUMNS: Final = ("layer", "path", "kind", "input", "output", "params", "MACs", "sees")
HINT: Final = "Point at a block, or move through them with the Tab and arrow keys, to see its layers."

_LIGHT: Final = "--paper:#fff;--ink:#1f2328;--pale:#59636e;--line:#d1d9e0;--mark:#fff8c5"
_DARK: Final = "--paper:#0d1117;--ink:#f0f6fc;--pale:#9198a1;--line:#3d444d;--mark:#3a3a16"
STYLE: Final = """
*{box-sizing:border-box}
body{margin:0 auto;max-width:1120px;padding:16px;background:var(--paper);color:var(--ink);
font:15px/1.45 system-ui,sans-serif}
.spoken{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
p{margin:2px 0;color:var(--pale)}
.picture{overflow-x:auto;margin:0 0 12px}
.picture svg{display:block;margin:0 auto}
.layers svg{width:100%;max-width:440px!important}
.paper svg{max-width:none!important;width:100%;min-width:900px}
.vggc-block{cursor:pointer}
.vggc-block:focus{outline:none}
.paper .vggc-block:hover,.paper .vggc-block.chosen{filter:brightness(1.12) drop-shadow(0 0 3px #8af)}
.layers .vggc-block:hover .vggc-card,.layers .vggc-block.chosen .vggc-card{fill:#48c;fill-opacity:.28}
#details{position:sticky;bottom:0;min-height:64px;max-height:45vh;overflow:auto;padding:8px 0;
background:var(--paper);border-top:1px solid var(--line);border-bottom:1px solid var(--line)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}
caption{text-align:left;font-weight:600;padding:14px 0 4px}
th,td{padding:3px 6px;text-align:left;white-space:nowrap;border-bottom:1px solid var(--line)}
th{color:var(--pale);font-weight:500}
td:nth-child(3){white-space:normal;min-width:13em}
.n{text-align:right}
tr.chosen{background:var(--mark)}
td:first-child::before{content:"";display:inline-block;width:9px;height:9px;border-radius:2px;margin-right:7px;
background:var(--group)}
@media (max-width:600px){
body{padding:10px}
th:nth-child(2),td:nth-child(2),th:nth-child(4),td:nth-child(4){display:none}
td:nth-child(3){min-width:7em}
}
"""

SCRIPT: Final = """
const blocks = [...document.querySelectorAll('.vggc-block')];
const rows = [...document.querySelectorAll('#layers tbody tr')];
const details = document.getElementById('details');
const head = document.querySelector('#layers thead');
const hint = details.innerHTML;
const most = 12;
let pinned = null;

function layersOf(block) {
  const ends = block.dataset.layers.split(' ').map(Number);
  return ends.flatMap((end, i) => i % 2 ? rows.slice(ends[i - 1], end) : []);
}
function show(block) {
  blocks.forEach(each => each.classList.toggle('chosen', each === block));
  rows.forEach(row => row.classList.remove('chosen'));
  if (!block) { details.innerHTML = hint; return; }
  const chosen = layersOf(block);
  chosen.forEach(row => row.classList.add('chosen'));
  const table = document.createElement('table');
  table.append(head.cloneNode(true));
  chosen.slice(0, most).forEach(row => {
    const copy = row.cloneNode(true);
    copy.removeAttribute('id');
    copy.classList.remove('chosen');
    table.append(copy);
  });
  details.replaceChildren(table);
  if (chosen.length > most) details.append(`and ${chosen.length - most} more in the table below`);
}
function go(position) {
  const block = blocks[Math.max(0, Math.min(blocks.length - 1, position))];
  blocks.forEach(each => each.setAttribute('tabindex', each === block ? '0' : '-1'));
  block.focus();
}
blocks.forEach((block, position) => {
  block.setAttribute('tabindex', position ? '-1' : '0');
  block.setAttribute('role', 'button');
  block.setAttribute('aria-label', block.querySelector('title').textContent);
  block.addEventListener('pointerenter', () => show(block));
  block.addEventListener('pointerleave', () => show(pinned));
  block.addEventListener('focus', () => { pinned = block; show(block); });
  block.addEventListener('click', () => { pinned = block; show(block); });
  block.addEventListener('keydown', event => {
    const steps = {ArrowRight: position + 1, ArrowDown: position + 1, ArrowLeft: position - 1, ArrowUp: position - 1,
                   Home: 0, End: blocks.length - 1};
    if (event.key in steps) { event.preventDefault(); go(steps[event.key]); }
    if (event.key === 'Enter') layersOf(block)[0].scrollIntoView({block: 'center'});
    if (event.key === 'Escape') { pinned = null; block.blur(); show(null); }
  });
});
"""


def emit(network: Network, svg: str, style: str, theme: Theme = "auto") -> str:
    """The text of the page.

    Args:
        network: what it is about.
        svg: a picture of it, made with `spans`.
        style: what the picture is called, `paper` or `layers`.
        theme: of the page; the picture has its own.
    """
    lines = [
        "<!doctype html>",
        '<html lang="en">',
        *_head(network, theme),
        "<body>",
        f'<h1 class="spoken">{escape(network.name)}</h1>',
        f'<figure class="picture {style}">\n{svg}</figure>',
        *_facts(network),
        f'<section id="details" aria-live="polite" aria-label="layers of a block"><p>{HINT}</p></section>',
        *_table(network),
        f"<script>{SCRIPT}</script>",
        "</body>",
        "</html>",
    ]
    return "\n".join(lines) + "\n"


def _head(network: Network, theme: Theme) -> Iterator[str]:
    yield "<head>"
    yield '<meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{escape(network.name)}</title>"
    yield f"<style>{_colours(theme)}{STYLE}</style>"
    yield "</head>"


def _colours(theme: Theme) -> str:
    if theme == "auto":
        dark = f"@media (prefers-color-scheme:dark){{:root{{{_DARK}}}}}"
        return f"\n:root{{color-scheme:light dark;{_LIGHT}}}\n{dark}"
    return f"\n:root{{color-scheme:{theme};{_LIGHT if theme == 'light' else _DARK}}}"


def _facts(network: Network) -> Iterator[str]:
    """What the picture does not say of the whole."""
    yield f"<p>{typeset(network.input)} → {typeset(network.output)}, {len(network.layers):,} layers</p>"
    if (formula := flatten_formula(network)) is not None and network.flatten is not None:
        yield f"<p>flatten {network.flatten:,}; for an input of height H and width W: {escape(formula)}</p>"


def _table(network: Network) -> Iterator[str]:
    yield '<div class="scroll" tabindex="0" aria-label="table of layers"><table id="layers">'
    yield "<caption>Layers</caption>"
    cells = "".join(f'<th scope="col"{_right(name)}>{name}</th>' for name in COLUMNS)
    yield f"<thead><tr>{cells}</tr></thead><tbody>"
    for layer, field in zip(network.layers, receptive_fields(network), strict=True):
        values = (
            layer.alias, layer.path, described(layer.layer), typeset(layer.input), typeset(layer.output),
            f"{layer.params:,}" if layer.params else "", f"{layer.macs:,}" if layer.macs else "", seen(field),
        )  # fmt: skip
        cells = "".join(f"<td{_right(name)}>{escape(value)}</td>" for name, value in zip(COLUMNS, values, strict=True))
        yield f'<tr style="--group:{COLOURS[layer.layer.group]}">{cells}</tr>'
    yield "</tbody></table></div>"


def _right(column: str) -> str:
    return ' class="n"' if column in ("input", "output", "params", "MACs", "sees") else ""
