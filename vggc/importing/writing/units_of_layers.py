"""Layers in a row -> units: which of them a unit can say, and what `defaults` make the units shortest."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from vggc.backends.text import yaml_spec
from vggc.frontend.schema.units import FOLLOWERS, STAGE_END, UNITS, Unit
from vggc.layers import KINDS
from vggc.layers.layer import Layer

Defaults = Mapping[str, str]  # what `defaults` say of a unit: the text of every option
_NONE: Final = "none"


@dataclass(frozen=True)
class Run:
    """Layers that one item says: a unit with what follows it, or one layer alone.

    `counts` is whether the number of its outputs is that of the classes, and says so.
    """

    layer: Layer
    unit: Unit | None = None
    followers: tuple[tuple[str, Layer], ...] = ()
    counts: bool = False

    def options(self) -> dict[str, str]:
        """All options of the unit as text, besides the main one."""
        assert self.unit is not None
        found = {
            name: yaml_spec.value_text(getattr(self.layer, name))
            for name in self.layer.field_names()
            if name != self.unit.main and getattr(self.layer, name) is not None
        }
        chosen = dict(self.followers)
        return found | {name: follower_text(chosen.get(name), self.unit) for name in FOLLOWERS}

    def text(self, defaults: Defaults, number: Unit) -> str:
        """The item, where bare numbers are units of kind `number`."""
        if self.unit is None:
            return plain(self.layer, {str(self.layer.main): yaml_spec.CLASSES} if self.counts else None)
        main = yaml_spec.CLASSES if self.counts else yaml_spec.value_text(getattr(self.layer, self.unit.main))
        said = {**presets(self.unit), **defaults}
        options = {name: text for name, text in self.options().items() if text != said.get(name)}
        if not options:
            return main if self.unit is number and not self.counts else f"{self.unit.kind}: {main}"
        own = {name: _over(defaults.get(name), text, self, name) for name, text in options.items()}
        listed = ", ".join(f"{name}: {text}" for name, text in {self.unit.main: main, **own}.items())
        return f"{self.unit.kind}: {{{listed}}}"


def plain(layer: Layer, words: Mapping[str, str] | None = None) -> str:
    """A layer as an item of its own, with words in the place of some values."""
    if layer == STAGE_END:
        return "M"
    if not layer.changed() and _says_default(layer):
        return layer.kind
    if not words:
        return yaml_spec.layer_text(layer)
    options = {name: yaml_spec.value_text(value) for name, value in layer.changed().items()} | dict(words)
    if list(options) == [layer.main]:
        return f"{layer.kind}: {options[str(layer.main)]}"
    return f"{layer.kind}: {{{', '.join(f'{name}: {text}' for name, text in options.items())}}}"


def _says_default(layer: Layer) -> bool:
    """Whether the main option is written as its default is: 1 and 1.0 are equal, and two texts."""
    main = layer.main
    return main is None or yaml_spec.value_text(getattr(layer, main)) == yaml_spec.value_text(layer.default(main))


def presets(unit: Unit) -> dict[str, str]:
    """What the options of a unit mean where nothing is said, as text."""
    fields = {name: unit.layer.default(name) for name in unit.layer.field_names()}
    said = {name: yaml_spec.value_text(value) for name, value in fields.items() if value is not None}
    return said | {name: yaml_spec.value_text(value) for name, value in unit.presets.items()}


def follower_text(layer: Layer | None, unit: Unit) -> str:
    """The norm, activation or dropout of a unit; a probability alone for its own kind of dropout."""
    if layer is None:
        return _NONE
    options = layer.changed()
    if layer.kind == unit.dropout and set(options) <= {"p"} and options.get("p", 1):
        return yaml_spec.value_text(options.get("p", layer.default("p")))
    return yaml_spec.braced(plain(layer))


def _over(default: str | None, text: str, run: Run, name: str) -> str:
    """A value in the place of a default; options that the default names would be merged, so that all are said."""
    layer = dict(run.followers).get(name)
    if layer is None or default is None or not (default.startswith(f"{{{layer.kind}: {{") and text.startswith("{")):
        return text
    options = ", ".join(f"{each}: {yaml_spec.value_text(getattr(layer, each))}" for each in layer.field_names())
    return f"{{{layer.kind}: {{{options}}}}}"


# --- which layers are units ---


def runs(layers: Sequence[Layer]) -> Iterator[Run]:
    """The layers as units and layers alone, in order."""
    position = 0
    while position < len(layers):
        run = _run(layers, position)
        yield run
        position += 1 + len(run.followers)


def _run(layers: Sequence[Layer], position: int) -> Run:
    layer = layers[position]
    unit = next((each for each in UNITS.values() if each.layer is type(layer)), None)
    if unit is None:
        return Run(layer)
    followers: list[tuple[str, Layer]] = []
    left = list(FOLLOWERS)
    for behind in layers[position + 1 :]:
        if behind.group not in left or behind.kind not in KINDS:
            break
        followers.append((behind.group, behind))
        left = left[left.index(behind.group) + 1 :]
    if "activation" not in dict(followers):
        return Run(layer)  # a layer without an activation is written as what it is
    return Run(layer, unit, tuple(followers))


def counted(found: Iterable[Run], counting: Layer | None) -> list[Run]:
    """The runs of a classifier, and which of them counts the classes: the last with the layer that does."""
    head = list(found)
    at = next((i for i in reversed(range(len(head))) if head[i].layer is counting), None)
    if at is None:
        return head
    run = replace(head[at], counts=True)
    if any(layer.ends_classifier for _, layer in run.followers):
        head[at : at + 1] = Run(run.layer, counts=True), *(Run(layer) for _, layer in run.followers)
    else:
        head[at] = run
    return head


# --- defaults ---


def best_defaults(unit: Unit, found: Sequence[Run]) -> Defaults:
    """For every option the value that makes the text shortest, where that is not the preset."""
    options = [run.options() for run in found]
    chosen: dict[str, str] = {}
    before = presets(unit)
    for name in dict.fromkeys(each for one in options for each in one):
        values = Counter(one.get(name, "") for one in options)
        preset = before.get(name, "")
        best = min(values, key=lambda value: _cost(name, value, values, preset))
        if (
            best != preset
            and "" not in values
            and _cost(name, best, values, preset) < _cost(name, preset, values, preset)
        ):
            chosen[name] = best
    return chosen


def _cost(name: str, default: str, values: Counter[str], preset: str) -> int:
    """The characters that an option takes if this is its default."""
    said = 0 if default == preset else len(name) + len(default) + 4
    return said + sum(count * (len(name) + len(value) + 4) for value, count in values.items() if value != default)
