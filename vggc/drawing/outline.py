"""What a drawing of boxes shows: a network as units, and units as runs that stand several times in a row.

A unit is a layer and the norm, activation and dropout behind it. A run is one unit or several, and how often they
follow one another with the same options and the same shapes, which is how a repeat is seen.
"""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from vggc.ir.network import Network, ShapedLayer
from vggc.layers.layer import Layer, Shape

FOLLOWERS: Final = ("norm", "activation", "dropout")  # the groups that join the layer before them
MAX_PERIOD: Final = 24  # units of a repeat that is found


@dataclass(frozen=True, slots=True)
class Unit:
    """A layer and its followers."""

    layers: tuple[ShapedLayer, ...]

    @property
    def base(self) -> ShapedLayer:
        """The layer that the others follow."""
        return self.layers[0]

    @property
    def output(self) -> Shape:
        """The shape that leaves it."""
        return self.layers[-1].output

    @property
    def described(self) -> str:
        """Its layers in words."""
        return " + ".join(described(layer.layer) for layer in self.layers)

    @property
    def likeness(self) -> Hashable:
        """What two units have in common that are drawn as one: options and output; the input may differ."""
        return self.base.node.section, tuple(layer.layer for layer in self.layers), self.output

    def takes(self, layer: ShapedLayer) -> bool:
        """Whether a layer joins this unit."""
        group = layer.layer.group
        groups = [each.layer.group for each in self.layers]
        return layer.node.section == self.base.node.section and group in FOLLOWERS and group not in groups


@dataclass(frozen=True, slots=True)
class Run:
    """Units that stand `times` times in a row; `units` are those of the first time, `last` those of the last.

    `start` is the position of its first layer in the network, `layers` are all of them. An elided run has no units: it
    says only that there are layers.
    """

    units: tuple[Unit, ...]
    last: tuple[Unit, ...]
    times: int
    start: int
    layers: tuple[ShapedLayer, ...]

    @property
    def end(self) -> int:
        """The position behind its last layer."""
        return self.start + len(self.layers)

    @property
    def params(self) -> int:
        """What all its layers learn."""
        return sum(layer.params for layer in self.layers)

    def names(self, position: int) -> str:
        """The alias of one of its units, first to last."""
        first, last = self.units[position].base.alias, self.last[position].base.alias
        return first if first == last else f"{first} … {last}"


def units(network: Network) -> list[Unit]:
    """The units of a network in the order of the data."""
    found: list[Unit] = []
    for layer in network.layers:
        if found and found[-1].takes(layer):
            found[-1] = Unit((*found[-1].layers, layer))
        else:
            found.append(Unit((layer,)))
    return found


def runs(found: Sequence[Unit], merge: bool = True) -> list[Run]:
    """The units as runs, as long as they go; each by itself where `merge` is False."""
    alike = _numbered(unit.likeness for unit in found)
    written = _numbered((unit.likeness, tuple(layer.node.span for layer in unit.layers)) for unit in found)
    made: list[Run] = []
    position = start = 0
    while position < len(found):
        period, times = _repeat(alike, position) if merge else (1, 1)
        if period > 1 and _begins_later(written, position, period, times):
            period, times = 1, 1
        whole = found[position : position + period * times]
        layers = tuple(layer for unit in whole for layer in unit.layers)
        made.append(Run(tuple(whole[:period]), tuple(whole[-period:]), times, start, layers))
        position, start = position + period * times, start + len(layers)
    return made


def _numbered(keys: Iterable[Hashable]) -> list[int]:
    """Equal keys as equal numbers."""
    numbers: dict[Hashable, int] = {}
    return [numbers.setdefault(key, len(numbers)) for key in keys]


def _repeat(keys: Sequence[int], position: int) -> tuple[int, int]:
    """The period that, repeated from a position on, takes in the most; the shortest of those that take in as much."""
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
    """Whether the repeat is written from a later unit on, and only looks as if it began here: a b (c a b) (c a b)."""
    if _repeat(written, position) == (period, times):
        return False
    return any(_repeat(written, position + shift) == (period, times) for shift in range(1, period))


def elided(found: Sequence[Run], most: int) -> list[Run]:
    """At most so many runs: the middle of more becomes one without units."""
    if len(found) <= most:
        return list(found)
    head, tail = most // 2, len(found) - (most - 1) // 2
    middle = tuple(layer for run in found[head:tail] for layer in run.layers)
    return [*found[:head], Run((), (), 1, found[head].start, middle), *found[tail:]]


# --- words ---


def options(layer: Layer) -> str:
    """The options of a layer in the language's words: the main one bare, the others where they are not defaults."""
    return ", ".join(_options(layer))


def _options(layer: Layer) -> Iterator[str]:
    changed = layer.changed()
    if layer.main in changed:
        yield _value(changed.pop(layer.main))
    for name, value in changed.items():
        if value is not None:
            yield f"{name} {_value(value)}"


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def described(layer: Layer) -> str:
    """A layer in words: `conv2d 64, kernel_size 3, padding same`."""
    return f"{layer.kind} {options(layer)}".rstrip()
