"""The network as a graph for Graphviz: Network -> the text of a .dot file."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from vggc.base.words import TIMES, typeset
from vggc.drawing.outline import Run, elided, runs, units
from vggc.drawing.svg_theme import COLOURS, text_on
from vggc.ir.network import Network

MAX_RUNS: Final = 60
NODE: Final = (
    'node [shape="box", style="filled,rounded", color="#59636e", fontname="Helvetica", fontsize="11", '
    'margin="0.15,0.08"];'
)
EDGE: Final = 'edge [color="#59636e", arrowsize="0.7"];'
FRAME: Final = 'labeljust="l"; style="rounded"; color="#9198a1"; fontcolor="#59636e";'


def emit(network: Network) -> str:
    """The text of a graph from top to bottom; equal units in a row are one box."""
    drawn = elided(runs(units(network)), MAX_RUNS)
    title = f"{network.name}\n{network.params:,} parameters, {network.macs:,} MACs"
    lines = [
        f"digraph {quoted(network.name)} {{",
        f'  graph [label={quoted(title)}, labelloc="t", fontname="Helvetica", nodesep="0.3", ranksep="0.3"];',
        f"  {NODE}",
        f"  {EDGE}",
        f"  {_node('input', ['input', typeset(network.input)], 'input')}",
        *_sections(drawn),
        f"  {' -> '.join(['input', *_stops(drawn)])};",
        "}",
    ]
    return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    """A text as a quoted string of the language; a line break becomes one in the label."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _node(name: str, lines: Sequence[str], group: str) -> str:
    colour = COLOURS[group]
    label = quoted("\n".join(lines))
    return f'{name} [label={label}, fillcolor="{colour}", fontcolor="{text_on(colour)}"];'


def _sections(drawn: Sequence[Run]) -> Iterator[str]:
    """The boxes, those of features and classifier inside a frame each."""
    numbered = enumerate(drawn)
    for section, group in groupby(numbered, key=lambda pair: pair[1].layers[0].node.section):
        framed = section in ("features", "classifier")
        if framed:
            yield f'  subgraph cluster_{section} {{ label="{section}"; {FRAME}'
        for position, run in group:
            yield from (f"    {line}" if framed else f"  {line}" for line in _run(position, run))
        if framed:
            yield "  }"


def _run(position: int, run: Run) -> Iterator[str]:
    name = f"n{position}"
    if not run.units:
        yield _node(name, [f"… {len(run.layers):,} layers …"], "shape")
        return
    if len(run.units) == 1:
        yield _unit(run, 0, name, f"{run.times} {TIMES} " if run.times > 1 else "")
        return
    yield f'subgraph cluster_{name} {{ label="{run.times} {TIMES}"; {FRAME}'
    for each in range(len(run.units)):
        yield f"  {_unit(run, each, f'{name}_{each}', '')}"
    yield "}"


def _unit(run: Run, position: int, name: str, times: str) -> str:
    unit = run.units[position]
    lines = dict.fromkeys((run.names(position), times + unit.described, typeset(unit.output)))
    return _node(name, list(lines), unit.base.layer.group)


def _stops(drawn: Sequence[Run]) -> Iterator[str]:
    for position, run in enumerate(drawn):
        if len(run.units) > 1:
            yield from (f"n{position}_{each}" for each in range(len(run.units)))
        else:
            yield f"n{position}"
