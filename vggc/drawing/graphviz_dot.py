"""The network as a graph for Graphviz: Network -> the text of a .dot file."""

from collections.abc import Iterator
from typing import Final

from vggc.drawing.flowchart import FlowBox, FlowFrame, flowchart
from vggc.drawing.svg_theme import COLOURS, text_on
from vggc.ir.network import Network

NODE: Final = (
    'node [shape="box", style="filled,rounded", color="#59636e", fontname="Helvetica", fontsize="11", '
    'margin="0.15,0.08"];'
)
EDGE: Final = 'edge [color="#59636e", arrowsize="0.7"];'
FRAME: Final = 'labeljust="l"; style="rounded"; color="#9198a1"; fontcolor="#59636e";'


def emit(network: Network) -> str:
    """The text of a graph from top to bottom."""
    chart = flowchart(network)
    title = f"{network.name}\n{network.params:,} parameters, {network.macs:,} MACs"
    lines = [
        f"digraph {quoted(network.name)} {{",
        f'  graph [label={quoted(title)}, labelloc="t", fontname="Helvetica", nodesep="0.3", ranksep="0.3"];',
        f"  {NODE}",
        f"  {EDGE}",
        *(line for item in chart.content for line in _lines(item, "  ")),
        *(f"  {' -> '.join(path)};" for path in chart.paths),
        "}",
    ]
    return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    """A text as a quoted string of the language; a line break becomes one in the label."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _lines(item: FlowBox | FlowFrame, indent: str) -> Iterator[str]:
    if isinstance(item, FlowBox):
        colour, label = COLOURS[item.group], quoted("\n".join(item.lines))
        yield f'{indent}{item.name} [label={label}, fillcolor="{colour}", fontcolor="{text_on(colour)}"];'
        return
    yield f"{indent}subgraph cluster_{item.name} {{ label={quoted(item.title)}; {FRAME}"
    for inner in item.content:
        yield from _lines(inner, f"{indent}  ")
    yield f"{indent}}}"
