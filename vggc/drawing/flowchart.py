"""A network -> the boxes, frames and arrows of a flowchart, which Mermaid and Graphviz lay out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from vggc.base.words import TIMES, typeset
from vggc.drawing.layer_units import UnitRepeat, elided, in_words, left_out, repeats, units
from vggc.ir.graph import INPUT
from vggc.ir.network import Network

MAX_REPEATS: Final = 60  # that are shown


@dataclass(frozen=True, slots=True)
class FlowBox:
    """A box with lines of text, in the colour of its group."""

    name: str
    lines: tuple[str, ...]
    group: str


@dataclass(frozen=True, slots=True)
class FlowFrame:
    """A frame around boxes: a section of the network, or a repeat of several units."""

    name: str
    title: str
    content: tuple["FlowBox | FlowFrame", ...]


@dataclass(frozen=True, slots=True)
class Flowchart:
    """All boxes in order, and arrows as paths: each leads from box to box by their names."""

    content: tuple[FlowBox | FlowFrame, ...]
    paths: tuple[tuple[str, ...], ...]


def flowchart(network: Network) -> Flowchart:
    """The flowchart of a network; units that repeat are one box, or one frame, with the number of times."""
    parts = elided(repeats(units(network)), MAX_REPEATS, left_out)
    content: list[FlowBox | FlowFrame] = [FlowBox(INPUT, (INPUT, typeset(network.input)), "input")]
    for section, group in groupby(enumerate(parts), key=lambda item: item[1].units[0].base.node.section):
        boxes = tuple(_content(repeat, f"n{position}") for position, repeat in group)
        content += [FlowFrame(section, section, boxes)] if section in ("features", "classifier") else boxes
    return Flowchart(tuple(content), tuple(map(tuple, _paths(_arrows(parts)))))


def _content(repeat: UnitRepeat, name: str) -> FlowBox | FlowFrame:
    if repeat.left_out:
        count = sum(len(unit.layers) for unit in repeat.units)
        return FlowBox(name, (f"… {count:,} layers …",), "shape")
    times = f"{repeat.times} {TIMES}"
    if repeat.period == 1:
        return _box(repeat, 0, name, f"{times} " if repeat.times > 1 else "")
    boxes = (_box(repeat, position, inner, "") for position, inner in enumerate(_names(repeat, name)))
    return FlowFrame(name, times, tuple(boxes))


def _names(repeat: UnitRepeat, name: str) -> list[str]:
    """The name of the box of every unit of a round."""
    if repeat.left_out or repeat.period == 1:
        return [name] * repeat.period
    return [f"{name}_{position}" for position in range(repeat.period)]


def _box(repeat: UnitRepeat, position: int, name: str, times: str) -> FlowBox:
    unit = repeat.units[position]
    described = " + ".join(in_words(layer.layer) for layer in unit.layers)
    lines = dict.fromkeys((repeat.name(position), times + described, typeset(unit.output)))
    return FlowBox(name, tuple(lines), unit.base.layer.group)


def _arrows(parts: Sequence[UnitRepeat]) -> list[tuple[str, str]]:
    """The boxes that every box takes values from; of a repeat those of its first round."""
    boxes = {INPUT: INPUT}  # of every value
    arrows: dict[tuple[str, str], None] = {}
    for number, repeat in enumerate(parts):
        names = _names(repeat, f"n{number}")
        for position, unit in enumerate(repeat.units):
            name = names[position % repeat.period]
            if position < repeat.period:
                arrows |= {(boxes[value], name): None for value in unit.base.inputs if boxes[value] != name}
            boxes |= {layer.value: name for layer in unit.layers}
    return list(arrows)


def _paths(arrows: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Arrows, those joined of which one begins where the other ends."""
    paths: list[list[str]] = []
    for start, end in arrows:
        if paths and paths[-1][-1] == start:
            paths[-1].append(end)
        else:
            paths.append([start, end])
    return paths
