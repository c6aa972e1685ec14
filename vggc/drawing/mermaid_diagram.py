"""The network as a Mermaid flowchart, which READMEs show as a picture: Network -> text."""

import json
from collections.abc import Iterator
from typing import Final

from vggc.drawing.flowchart import FlowBox, FlowFrame, flowchart
from vggc.drawing.svg_theme import COLOURS, text_on
from vggc.ir.network import Network

CONFIG: Final = ("config:", "  flowchart:", "    wrappingWidth: 400", "    subGraphTitleMargin: {bottom: 12}")
# What means something inside a quoted label; entities are written with `#` in Mermaid.
ENTITIES: Final = str.maketrans({char: f"#{ord(char)};" for char in '#"&<>`\\'})


def emit(network: Network) -> str:
    """The text of a flowchart from top to bottom."""
    chart = flowchart(network)
    title = f"{network.name}: {network.params:,} parameters, {network.macs:,} MACs"
    lines = ["---", f"title: {json.dumps(title, ensure_ascii=False)}", *CONFIG, "---", "flowchart TD"]
    lines += [line for item in chart.content for line in _lines(item, "  ")]
    lines += [f"  {' --> '.join(path)}" for path in chart.paths]
    for group, colour in COLOURS.items():
        if any(line.endswith(f":::{group}") for line in lines):
            lines.append(f"  classDef {group} fill:{colour},stroke:#59636e,color:{text_on(colour)}")
    return "\n".join(lines) + "\n"


def _lines(item: FlowBox | FlowFrame, indent: str) -> Iterator[str]:
    if isinstance(item, FlowBox):
        label = '"' + "<br>".join(map(escaped, item.lines)) + '"'
        yield f"{indent}{item.name}{f'([{label}])' if item.group == 'input' else f'[{label}]'}:::{item.group}"
        return
    yield f"{indent}subgraph {item.name}" + ("" if item.title == item.name else f'["{item.title}"]')
    for inner in item.content:
        yield from _lines(inner, f"{indent}  ")
    yield f"{indent}end"


def escaped(text: str) -> str:
    """A text inside a label, on one line."""
    return " ".join(text.split()).translate(ENTITIES)
