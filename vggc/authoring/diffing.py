"""What differs between two networks: their figures, the keys of their specs besides the layers, and their layers.

Both specs are expanded first, so `extends`, `defaults` and short forms make no difference. Layers are paired by what
they are, not by their position: see `alignment`.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Final, Literal, NamedTuple

from vggc.authoring.alignment import align
from vggc.authoring.network_figures import FIGURES, Figure, Value
from vggc.backends.text import yaml_spec
from vggc.base.records import Named
from vggc.ir.header import Header
from vggc.ir.network import Network, ShapedLayer
from vggc.layers.layer import Layer

KeyValue = str | Named  # the value of a key: as YAML, or a kind with its options
State = Literal["same", "changed", "inserted", "removed"]

CHECKED: Final = ("in_channels", "in_features")  # options that do not define the layer: their values are inferred
SAME_KIND: Final = 2  # the cost of pairing two layers; less than removing one and inserting the other
SAME_GROUP: Final = 3


@dataclass(frozen=True, slots=True)
class LayerChange:
    """A layer before and after; one of the two is None if the layer was inserted or removed.

    `options` are those that changed, with both values; empty if the kind changed.
    """

    before: ShapedLayer | None
    after: ShapedLayer | None
    options: Mapping[str, tuple[object, object]]

    @property
    def state(self) -> State:
        """What happened to the layer, regardless of its shapes."""
        if self.before is None or self.after is None:
            return "inserted" if self.before is None else "removed"
        return "changed" if self.options or self.before.kind != self.after.kind else "same"

    @property
    def reshaped(self) -> bool:
        """Whether the layer is in both networks, with different shapes."""
        if self.before is None or self.after is None:
            return False
        return (self.before.input, self.before.output) != (self.after.input, self.after.output)

    @property
    def layer(self) -> ShapedLayer:
        """The layer after; the layer before if it was removed."""
        layer = self.after or self.before
        assert layer is not None
        return layer

    @property
    def alias(self) -> str:
        """Its alias; both if it changed."""
        if self.before is None or self.after is None or self.before.alias == self.after.alias:
            return self.layer.alias
        return f"{self.before.alias} -> {self.after.alias}"

    @property
    def kind(self) -> str:
        """Its kind; both if it changed."""
        if self.before is None or self.after is None or self.before.kind == self.after.kind:
            return self.layer.kind
        return f"{self.before.kind} -> {self.after.kind}"

    @property
    def words(self) -> str:
        """The options that changed, with both values."""
        return ", ".join(f"{name}: {option(old)} -> {option(new)}" for name, (old, new) in self.options.items())


def option(value: object) -> str:
    """The value of an option as it is written in a spec; None is written `none`."""
    return "none" if value is None else yaml_spec.value_text(value)


class KeyChange(NamedTuple):
    """A key of the spec besides its layers, with both values; None where a spec does not have it."""

    key: str
    before: str | None
    after: str | None


class FigureChange(NamedTuple):
    """A figure and its values in both networks."""

    figure: Figure
    before: Value
    after: Value


@dataclass(frozen=True)
class Difference:
    """Two networks and everything in which they differ; another name alone is no difference."""

    before: Network
    after: Network

    @property
    def names(self) -> tuple[str, str]:
        """The names of the two; A and B if they have the same name."""
        before, after = self.before.name, self.after.name
        return (before, after) if before != after else ("A", "B")

    @cached_property
    def figures(self) -> tuple[FigureChange, ...]:
        """All figures, whether they differ or not."""
        return tuple(FigureChange(figure, figure.of(self.before), figure.of(self.after)) for figure in FIGURES.values())

    def figure_rows(self) -> list[tuple[str, str, str, str]]:
        """The figures that differ, in words: the label, both values, the change."""
        return [
            (figure.label, figure.text(before), figure.text(after), figure.change(before, after))
            for figure, before, after in self.figures
            if before != after
        ]

    @cached_property
    def keys(self) -> tuple[KeyChange, ...]:
        """The keys that differ."""
        before = _keys(self.before.header, self.after.header)
        after = _keys(self.after.header, self.before.header)
        changes = (
            KeyChange(key, _text(before.get(key), after.get(key)), _text(after.get(key), before.get(key)))
            for key in (before | after)
        )
        return tuple(change for change in changes if change.before != change.after)

    @cached_property
    def layers(self) -> tuple[LayerChange, ...]:
        """All layers of both networks in their order."""
        first, second = self.before.layers, self.after.layers
        pairs = align([layer.layer for layer in first], [layer.layer for layer in second], _cost)
        return tuple(_paired(None if i is None else first[i], None if j is None else second[j]) for i, j in pairs)

    @property
    def equal(self) -> bool:
        """Whether nothing differs but perhaps the names."""
        return not self.keys and all(change.state == "same" and not change.reshaped for change in self.layers)

    def groups(self) -> dict[str, int]:
        """The changes of layers in words, and how many layers each of them happened to."""
        return Counter(
            f"{change.kind} {change.state}" + (f" ({change.words})" if change.words else "")
            for change in self.layers
            if change.state != "same"
        )

    def runs(self) -> Iterator[tuple[bool, list[LayerChange]]]:
        """The layers in runs of equal and of differing ones; with each run, whether its layers differ."""
        for differ, run in groupby(self.layers, key=lambda change: change.state != "same"):
            yield differ, list(run)


def _options(layer: Layer) -> dict[str, object]:
    """The options that define the layer, with defaults."""
    return {name: getattr(layer, name) for name in layer.field_names() if name not in CHECKED}


def _cost(before: Layer, after: Layer) -> int | None:
    if before is after or before == after:
        return 0
    if before.kind == after.kind:
        return SAME_KIND if _options(before) != _options(after) else 0
    return SAME_GROUP if before.group == after.group and before.group != "shape" else None


def _paired(before: ShapedLayer | None, after: ShapedLayer | None) -> LayerChange:
    if before is None or after is None:
        return LayerChange(before, after, {})
    old, new = _options(before.layer), _options(after.layer)
    names = [name for name in old | new if old.get(name) != new.get(name)] if before.kind == after.kind else []
    return LayerChange(before, after, {name: (old[name], new[name]) for name in names})


def _field(value: object) -> KeyValue:
    if isinstance(value, Named):
        return value
    return option(value) if value is None else yaml_spec.field_text(value)


def _text(value: KeyValue | None, other: KeyValue | None) -> str | None:
    """A value as YAML; a kind with all options that either of the two changes, so that defaults can be compared."""
    if not isinstance(value, Named):
        return value
    changed = {**value.changed(), **(other.changed() if isinstance(other, Named) else {})}
    options = {name: getattr(value, name) for name in value.field_names() if name in changed}
    return f"{{{value.kind}: {yaml_spec.value_text(options)}}}" if options else value.kind


def _keys(header: Header, other: Header) -> dict[str, KeyValue]:
    """The keys of a spec besides its name and its layers, dotted; defaults where the other spec has another value."""
    keys: dict[str, KeyValue] = {"input": yaml_spec.value_text(header.input)}
    if header.classes is not None:
        keys["classes"] = yaml_spec.classes_text(header.classes)
    keys |= {f"init.{key}": scheme for key, scheme in header.init.items()}
    for expectation in header.expect:
        key, _, value = yaml_spec.expectation_text(expectation).partition(": ")
        keys[f"expect.{key}"] = value
    for section in ("preprocess", "train"):
        record, other_record = getattr(header, section), getattr(other, section)
        if record is not None:
            own, others = record.changed(), {} if other_record is None else other_record.changed()
            values = {name: getattr(record, name) for name in record.field_names() if name in own or name in others}
            keys |= {
                f"{section}.{name}": _field(value) for name, value in values.items() if name in own or value is not None
            }
    if header.allow:
        keys["allow"] = yaml_spec.value_text(sorted(header.allow))
    return keys
