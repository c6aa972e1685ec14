"""A network -> units and repeats, each shown as one thing.

A unit is a layer with the norm, activation and dropout after it; a repeat is units that follow one another several
times with the same options, shapes and connections.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from vggc.backends.text.yaml_spec import value_text
from vggc.ir.graph import INPUT
from vggc.ir.network import Network, ShapedLayer
from vggc.layers.answers import Shape
from vggc.layers.layer import Layer

MAX_PERIOD: Final = 24  # units of a repeat
FOLLOWERS: Final = ("norm", "activation", "dropout")  # the groups that join the layer before them

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LayerUnit:
    """A layer and its followers; `distances` are the layers from its first one back to those whose values it takes."""

    layers: tuple[ShapedLayer, ...]
    distances: tuple[int, ...]

    @property
    def base(self) -> ShapedLayer:
        """The layer that the others follow."""
        return self.layers[0]

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups of its layers, in order."""
        return tuple(layer.layer.group for layer in self.layers)

    @property
    def output(self) -> Shape:
        """The shape of its output, without the batch axis."""
        return self.layers[-1].output

    def takes(self, layer: ShapedLayer, across_sections: bool) -> bool:
        """Whether a layer joins this unit."""
        group, last = layer.layer.group, self.layers[-1]
        same_section = across_sections or layer.node.section == last.node.section
        return same_section and layer.inputs == (last.value,) and group in FOLLOWERS and group not in self.groups


def units(network: Network, *, across_sections: bool = False) -> list[LayerUnit]:
    """The units of a network in order.

    A layer whose value is taken twice is the last of its unit. `across_sections` is whether a layer may join a unit of
    another section, such as the dropout at the beginning of a classifier.
    """
    positions = {INPUT: -1} | {layer.value: position for position, layer in enumerate(network.layers)}
    uses = Counter(value for layer in network.layers for value in layer.inputs)
    result: list[LayerUnit] = []
    for position, layer in enumerate(network.layers):
        if result and uses[result[-1].layers[-1].value] == 1 and result[-1].takes(layer, across_sections):
            result[-1] = replace(result[-1], layers=(*result[-1].layers, layer))
        else:
            distances = tuple(position - positions[value] for value in layer.inputs)
            result.append(LayerUnit((layer,), distances))
    return result


def elided(items: Sequence[T], most: int, join: Callable[[Sequence[T]], T]) -> list[T]:
    """At most so many items; the middle of a longer sequence is joined to one."""
    if len(items) <= most:
        return list(items)
    head, tail = most // 2, len(items) - (most - 1) // 2
    return [*items[:head], join(items[head:tail]), *items[tail:]]


def in_words(layer: Layer) -> str:
    """A layer with the options that are not their defaults: `conv2d 64, kernel_size 3, padding same`."""
    options = {name: value_text(value) for name, value in layer.changed().items() if value is not None}
    main = [options.pop(layer.main)] if layer.main in options else []
    return f"{layer.kind} {', '.join([*main, *(f'{name} {value}' for name, value in options.items())])}".rstrip()


@dataclass(frozen=True, slots=True)
class UnitRepeat:
    """Units that repeat after `period` of them; of those that are `left_out` only the number is shown."""

    units: tuple[LayerUnit, ...]
    period: int
    left_out: bool = False

    @property
    def times(self) -> int:
        """How many rounds there are."""
        return len(self.units) // self.period

    def name(self, position: int) -> str:
        """The alias of a unit of the first round, and that of the last round."""
        first, last = self.units[position].base.alias, self.units[position - self.period].base.alias
        return first if first == last else f"{first} … {last}"


def repeats(units: Sequence[LayerUnit]) -> list[UnitRepeat]:
    """The units as repeats, each as long as possible; what comes after one takes values of its last round alone."""
    similar = _numbered(_likeness(unit) for unit in units)
    last_uses = _last_uses(units)
    written = _numbered((_likeness(unit), tuple(layer.node.span for layer in unit.layers)) for unit in units)
    result: list[UnitRepeat] = []
    position = 0
    while position < len(units):
        period, times = _longest(similar, position)
        end = position + period * times
        taken_later = any(use >= end for use in last_uses[position : end - period])
        shifts = (shift for shift in range(period) if _longest(written, position + shift) == (period, times))
        if taken_later or next(shifts, 0):  # the spec writes the repeat from a later unit on: a b (c a b) (c a b)
            period, end = 1, position + 1
        result.append(UnitRepeat(tuple(units[position:end]), period))
        position = end
    return result


def left_out(middle: Sequence[UnitRepeat]) -> UnitRepeat:
    """Repeats of which only the number of their layers is shown."""
    units = tuple(unit for repeat in middle for unit in repeat.units)
    return UnitRepeat(units, len(units), left_out=True)


def _likeness(unit: LayerUnit) -> Hashable:
    """What units have in common that are shown as one: options, output and connections; the input may differ."""
    layers = tuple(layer.layer for layer in unit.layers)
    return unit.base.node.section, layers, unit.output, unit.distances


def _last_uses(units: Sequence[LayerUnit]) -> list[int]:
    """For every unit the last one that takes a value of it."""
    positions = {layer.value: position for position, unit in enumerate(units) for layer in unit.layers}
    uses = list(range(len(units)))
    for position, unit in enumerate(units):
        for value in unit.base.inputs:
            if value in positions:
                uses[positions[value]] = position
    return uses


def _numbered(keys: Iterable[Hashable]) -> list[int]:
    """Equal keys as equal numbers."""
    numbers: dict[Hashable, int] = {}
    return [numbers.setdefault(key, len(numbers)) for key in keys]


def _longest(keys: Sequence[int], position: int) -> tuple[int, int]:
    """The period and the number of rounds that take in the most from a position on; the shortest period of equals."""
    best = (1, 1)
    for period in range(1, MAX_PERIOD + 1):
        pattern = keys[position : position + period]
        times = 1
        while keys[position + times * period : position + (times + 1) * period] == pattern:
            times += 1
        if times > 1 and period * times > best[0] * best[1]:
            best = (period, times)
    return best
