"""Layers in a row -> the items of a spec: which layers are units, and what `defaults` make the units shortest."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from vggc.backends.text import yaml_spec
from vggc.frontend.schema.units import FOLLOWERS, STAGE_END, UNITS, Unit
from vggc.layers import KINDS
from vggc.layers.layer import Layer

Defaults = Mapping[str, str]  # what `defaults` say of a unit: the text of every option
_NONE: Final = "none"


@dataclass(frozen=True)
class Item:
    """Layers that one item of a spec stands for: a unit with what follows it, or one layer alone.

    `counts` is whether the number of its outputs is that of the classes, and refers to it.
    """

    layer: Layer
    unit: Unit | None = None
    followers: Mapping[str, Layer] = field(default_factory=dict)
    counts: bool = False

    def options(self) -> dict[str, str]:
        """All options of the unit as text, besides the main one."""
        assert self.unit is not None
        values = {name: getattr(self.layer, name) for name in self.layer.field_names() if name != self.unit.main}
        own = {name: yaml_spec.value_text(value) for name, value in values.items() if value is not None}
        return own | {name: _follower_text(self.followers.get(name), self.unit) for name in FOLLOWERS}

    def text(self, defaults: Defaults, number: Unit) -> str:
        """The item, where bare numbers are units of kind `number`."""
        if self.unit is None:
            return layer_text(self.layer, counts=self.counts)
        main = yaml_spec.CLASSES if self.counts else yaml_spec.value_text(getattr(self.layer, self.unit.main))
        implied = {**_presets(self.unit), **defaults}
        options = {name: text for name, text in self.options().items() if text != implied.get(name)}
        if not options:
            return main if self.unit is number and not self.counts else f"{self.unit.kind}: {main}"
        own = {name: self._overriding(name, text, defaults.get(name, "")) for name, text in options.items()}
        listed = ", ".join(f"{name}: {text}" for name, text in {self.unit.main: main, **own}.items())
        return f"{self.unit.kind}: {{{listed}}}"

    def _overriding(self, name: str, text: str, default: str) -> str:
        """A value in the place of a default. It is merged with the options of a default of its kind, so that all are
        written.
        """
        layer = self.followers.get(name)
        if layer is None or not (default.startswith(f"{{{layer.kind}: {{") and text.startswith("{")):
            return text
        options = ", ".join(
            f"{option}: {yaml_spec.value_text(getattr(layer, option))}" for option in layer.field_names()
        )
        return f"{{{layer.kind}: {{{options}}}}}"


def layer_text(layer: Layer, *, counts: bool = False) -> str:
    """A layer as an item of its own; with `counts` its main option is the number of the classes."""
    if layer == STAGE_END:
        return "M"
    main = layer.main
    has_default = main is None or yaml_spec.value_text(getattr(layer, main)) == yaml_spec.value_text(
        layer.default(main)
    )
    if not layer.changed() and has_default:  # 1 and 1.0 are equal, and two texts
        return layer.kind
    return yaml_spec.layer_text(layer, counts=counts)


def _follower_text(layer: Layer | None, unit: Unit) -> str:
    """The norm, activation or dropout of a unit; a probability alone for its own kind of dropout."""
    if layer is None:
        return _NONE
    options = layer.changed()
    if layer.kind == unit.dropout and set(options) <= {"p"} and options.get("p", 1):
        return yaml_spec.value_text(options.get("p", layer.default("p")))
    return yaml_spec.braced(layer_text(layer))


def _presets(unit: Unit) -> dict[str, str]:
    """What the options of a unit mean where they are left out, as text."""
    values = {name: unit.layer.default(name) for name in unit.layer.field_names()} | dict(unit.presets)
    return {name: yaml_spec.value_text(value) for name, value in values.items() if value is not None}


# --- which layers are units ---


def items_of(layers: Sequence[Layer]) -> Iterator[Item]:
    """The layers as units and layers alone, in order."""
    position = 0
    while position < len(layers):
        item = _item(layers[position], layers[position + 1 : position + 1 + len(FOLLOWERS)])
        yield item
        position += 1 + len(item.followers)


def _item(layer: Layer, following: Sequence[Layer]) -> Item:
    """A unit where one has such a layer and an activation follows; otherwise the layer alone."""
    unit = next((unit for unit in UNITS.values() if unit.layer is type(layer)), None)
    followers: dict[str, Layer] = {}
    for group in FOLLOWERS:
        follower = following[len(followers)] if len(followers) < len(following) else None
        if follower is not None and follower.group == group and follower.kind in KINDS:
            followers[group] = follower
    return Item(layer, unit, followers) if unit is not None and "activation" in followers else Item(layer)


def with_class_count(items: Iterable[Item], counting: Layer | None) -> list[Item]:
    """The items of a classifier, where the last one with the layer that counts the classes says so."""
    head = list(items)
    for position in reversed(range(len(head))):
        item = head[position]
        if item.layer is counting:
            if any(layer.ends_classifier for layer in item.followers.values()):
                head[position : position + 1] = [Item(item.layer, counts=True), *map(Item, item.followers.values())]
            else:
                head[position] = replace(item, counts=True)
            break
    return head


# --- defaults ---


def best_defaults(unit: Unit, items: Sequence[Item]) -> Defaults:
    """For every option the value that makes the text shortest, where that is not the preset."""
    options = [item.options() for item in items]
    chosen: dict[str, str] = {}
    for name in dict.fromkeys(name for texts in options for name in texts):
        preset = _presets(unit).get(name, "")
        values = Counter(texts.get(name, "") for texts in options)
        costs = {value: _cost(name, value, values, preset) for value in (*values, preset)}
        best = min(values, key=lambda value: costs[value])
        if "" not in values and costs[best] < costs[preset]:
            chosen[name] = best
    return chosen


def _cost(name: str, default: str, values: Counter[str], preset: str) -> int:
    """The characters that an option takes if this is its default."""
    own = 0 if default == preset else len(name) + len(default) + 4
    return own + sum(count * (len(name) + len(value) + 4) for value, count in values.items() if value != default)
