"""The network as a Mermaid flowchart, which READMEs show as a picture: Network -> text."""

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from vggc.base.words import TIMES, typeset
from vggc.drawing.outline import Run, elided, runs, units
from vggc.drawing.svg_theme import COLOURS, text_on
from vggc.ir.network import Network

MAX_RUNS: Final = 60
CONFIG: Final = ("config:", "  flowchart:", "    wrappingWidth: 400", "    subGraphTitleMargin: {bottom: 12}")


def emit(network: Network) -> str:
    """The text of a flowchart from top to bottom; equal units in a row are one box."""
    drawn = elided(runs(units(network)), MAX_RUNS)
    names = [f"n{position}" for position in range(len(drawn))]
    return "\n".join([*_head(network), *_boxes(drawn, names), *_ways(drawn, names), *_classes(drawn)]) + "\n"


def _head(network: Network) -> Iterator[str]:
    title = f"{network.name}: {network.params:,} parameters, {network.macs:,} MACs"
    yield from ("---", f"title: {json.dumps(title, ensure_ascii=False)}", *CONFIG, "---", "flowchart TD")
    yield f'  input(["input<br>{typeset(network.input)}"]):::input'


def _boxes(drawn: Sequence[Run], names: Sequence[str]) -> Iterator[str]:
    """The boxes of each section inside a frame of its own, where it is more than one box."""
    pairs = zip(drawn, names, strict=True)
    for section, group in groupby(pairs, key=lambda pair: pair[0].layers[0].node.section):
        boxes = list(group)
        framed = section in ("features", "classifier")
        if framed:
            yield f"  subgraph {section}"
        for run, name in boxes:
            yield from _box(run, name, "    " if framed else "  ")
        if framed:
            yield "  end"


def _box(run: Run, name: str, indent: str) -> Iterator[str]:
    if not run.units:
        yield f'{indent}{name}["… {len(run.layers):,} layers …"]:::shape'
        return
    if len(run.units) == 1:
        yield _unit(run, 0, name, indent, f"{run.times} {TIMES} " if run.times > 1 else "")
        return
    yield f'{indent}subgraph {name}["{run.times} {TIMES}"]'
    for position in range(len(run.units)):
        yield _unit(run, position, f"{name}_{position}", f"{indent}  ", "")
    yield f"{indent}end"


def _unit(run: Run, position: int, name: str, indent: str, times: str) -> str:
    unit = run.units[position]
    lines = dict.fromkeys((run.names(position), times + unit.described, typeset(unit.output)))
    label = "<br>".join(escaped(line) for line in lines)
    return f'{indent}{name}["{label}"]:::{unit.base.layer.group}'


# What means something inside a quoted label; entities are written with `#` in Mermaid.
_ENTITIES: Final = {char: f"#{ord(char)};" for char in '#"&<>`\\'}


def escaped(text: str) -> str:
    """A text inside a label, on one line."""
    return "".join(_ENTITIES.get(char, char) for char in " ".join(text.split()))


def _ways(drawn: Sequence[Run], names: Sequence[str]) -> Iterator[str]:
    """The arrows: through all boxes, and inside a frame of several."""
    stops = ["input"]
    for run, name in zip(drawn, names, strict=True):
        inside = [f"{name}_{position}" for position in range(len(run.units))]
        stops += inside if len(run.units) > 1 else [name]
    yield f"  {' --> '.join(stops)}"


def _classes(drawn: Sequence[Run]) -> Iterator[str]:
    """The colours of the groups that occur."""
    occurring = {"input", *(unit.base.layer.group for run in drawn for unit in run.units)}
    occurring |= {"shape"} if any(not run.units for run in drawn) else set()
    for group, colour in COLOURS.items():
        if group in occurring:
            yield f"  classDef {group} fill:{colour},stroke:#59636e,color:{text_on(colour)}"
