"""Units -> repeats: units that follow one another several times with the same options, shapes and connections."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from vggc.drawing.layer_units import LayerUnit

MAX_PERIOD: Final = 24  # units of a repeat


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
        if taken_later or (period > 1 and _begins_later(written, position, period, times)):
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


def _begins_later(written: Sequence[int], position: int, period: int, times: int) -> bool:
    """Whether the spec writes the repeat from a later unit on: a b (c a b) (c a b)."""
    if _longest(written, position) == (period, times):
        return False
    return any(_longest(written, position + shift) == (period, times) for shift in range(1, period))
