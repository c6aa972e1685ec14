"""A network -> units, each shown as one thing: a layer with the norm, activation and dropout after it."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from vggc.backends.text.yaml_spec import value_text
from vggc.ir.graph import INPUT
from vggc.ir.network import Network, ShapedLayer
from vggc.layers.layer import Layer, Shape

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
