"""What differs between two networks: their figures, the keys of their specs besides the layers, and their layers.

Both specs are expanded first, so that it does not matter by which `extends`, `defaults` or short form a layer came to
be. Layers are compared by what they are, not by where they stand: see `alignment`.
"""

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

Said = str | Named  # the value of a key: as YAML, or a kind with its options
State = Literal["same", "changed", "inserted", "removed"]

CHECKED: Final = ("in_channels", "in_features")  # options that say nothing about the layer: they are inferred
SAME_KIND: Final = 2  # less than removing one layer and inserting another
SAME_GROUP: Final = 3


@dataclass(frozen=True, slots=True)
class Pair:
    """A layer before and after; one of the two is None where the layer was inserted or removed.

    `options` are those that changed, with both values; none are named where one kind gave way to another.
    """

    before: ShapedLayer | None
    after: ShapedLayer | None
    options: Mapping[str, tuple[object, object]]

    @property
    def state(self) -> State:
        """What became of the layer, whatever shape flows through it."""
        if self.before is None or self.after is None:
            return "inserted" if self.before is None else "removed"
        return "changed" if self.options or self.before.kind != self.after.kind else "same"

    @property
    def reshaped(self) -> bool:
        """Whether a layer of both networks has another shape."""
        if self.before is None or self.after is None:
            return False
        return (self.before.input, self.before.output) != (self.after.input, self.after.output)

    @property
    def layer(self) -> ShapedLayer:
        """The layer after; where there is none, the layer before."""
        found = self.after or self.before
        assert found is not None
        return found

    @property
    def alias(self) -> str:
        """Its name: both, where it is called otherwise now."""
        if self.before is None or self.after is None or self.before.alias == self.after.alias:
            return self.layer.alias
        return f"{self.before.alias} -> {self.after.alias}"

    @property
    def kind(self) -> str:
        """Its kind: both, where one gave way to another."""
        if self.before is None or self.after is None or self.before.kind == self.after.kind:
            return self.layer.kind
        return f"{self.before.kind} -> {self.after.kind}"

    @property
    def words(self) -> str:
        """The options that changed, with both values."""
        return ", ".join(f"{name}: {option(old)} -> {option(new)}" for name, (old, new) in self.options.items())


def option(value: object) -> str:
    """The value of an option as a spec says it; None is one that is left to the layer."""
    return "none" if value is None else yaml_spec.value_text(value)


class KeyChange(NamedTuple):
    """A key of the spec besides its layers, and what both specs say; None where one does not say it."""

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
    """Two networks and everything in which they differ. The names are headings, and count as no difference."""

    before: Network
    after: Network

    @property
    def names(self) -> tuple[str, str]:
        """What the two are called; A and B where they have one name."""
        before, after = self.before.name, self.after.name
        return (before, after) if before != after else ("A", "B")

    @cached_property
    def figures(self) -> tuple[FigureChange, ...]:
        """All figures, whether they differ or not."""
        return tuple(FigureChange(each, each.of(self.before), each.of(self.after)) for each in FIGURES.values())

    def figure_rows(self) -> list[tuple[str, str, str, str]]:
        """The figures that differ, in words: the label, both values, the change."""
        return [
            (figure.label, figure.shown(before), figure.shown(after), figure.change(before, after))
            for figure, before, after in self.figures
            if before != after
        ]

    @cached_property
    def keys(self) -> tuple[KeyChange, ...]:
        """The keys that differ."""
        before = _keys(self.before.header, beside=self.after.header)
        after = _keys(self.after.header, beside=self.before.header)
        found = (KeyChange(key, *_texts(before.get(key), after.get(key))) for key in (before | after))
        return tuple(each for each in found if each.before != each.after)

    @cached_property
    def layers(self) -> tuple[Pair, ...]:
        """All layers of both networks in their order."""
        first, second = self.before.layers, self.after.layers
        pairs = align([each.layer for each in first], [each.layer for each in second], _cost)
        return tuple(_paired(None if i is None else first[i], None if j is None else second[j]) for i, j in pairs)

    @property
    def equal(self) -> bool:
        """Whether nothing differs but perhaps the names."""
        return not self.keys and all(each.state == "same" and not each.reshaped for each in self.layers)

    def groups(self) -> dict[str, int]:
        """The layers that differ, in words, and how many there are of each; equal changes count together."""
        found: dict[str, int] = {}
        for pair in self.layers:
            if pair.state != "same":
                what = f"{pair.kind} {pair.state}" + (f" ({pair.words})" if pair.words else "")
                found[what] = found.get(what, 0) + 1
        return found

    def runs(self) -> Iterator[tuple[bool, list[Pair]]]:
        """The layers, those that are as before in runs; with each run, whether its layers differ."""
        for differ, run in groupby(self.layers, key=lambda pair: pair.state != "same"):
            yield differ, list(run)


def _said(layer: Layer) -> dict[str, object]:
    """The options that make the layer what it is, defaults included."""
    return {name: getattr(layer, name) for name in layer.field_names() if name not in CHECKED}


def _cost(before: Layer, after: Layer) -> int | None:
    if before is after or before == after:
        return 0
    if before.kind == after.kind:
        return SAME_KIND if _said(before) != _said(after) else 0
    return SAME_GROUP if before.group == after.group and before.group != "shape" else None


def _paired(before: ShapedLayer | None, after: ShapedLayer | None) -> Pair:
    if before is None or after is None:
        return Pair(before, after, {})
    old, new = _said(before.layer), _said(after.layer)
    names = [name for name in old | new if old.get(name) != new.get(name)] if before.kind == after.kind else []
    return Pair(before, after, {name: (old[name], new[name]) for name in names})


def _field(value: object) -> Said:
    if isinstance(value, Named):
        return value
    return option(value) if value is None else yaml_spec.field_text(value)


def _texts(before: Said | None, after: Said | None) -> tuple[str | None, str | None]:
    """The values of a key in both specs; None where a spec does not say it."""
    return _text(before, beside=after), _text(after, beside=before)


def _text(value: Said | None, beside: Said | None) -> str | None:
    """A value as YAML; a kind with the options that the other kind shows, so that their defaults can be compared."""
    if not isinstance(value, Named):
        return value
    shown = {**value.changed(), **(beside.changed() if isinstance(beside, Named) else {})}
    options = {name: getattr(value, name) for name in value.field_names() if name in shown}
    return f"{{{value.kind}: {yaml_spec.value_text(options)}}}" if options else value.kind


def _keys(header: Header, beside: Header) -> dict[str, Said]:
    """What a spec says besides its name and its layers, by dotted keys; defaults where the other spec says others."""
    found: dict[str, Said] = {"input": yaml_spec.value_text(header.input)}
    if header.classes is not None:
        found["classes"] = yaml_spec.classes_text(header.classes)
    found |= {f"init.{key}": scheme for key, scheme in header.init.items()}
    for each in header.expect:
        key, _, value = yaml_spec.expectation_text(each).partition(": ")
        found[f"expect.{key}"] = value
    for section in ("preprocess", "train"):
        record, other = getattr(header, section), getattr(beside, section)
        if record is not None:
            said, shown = record.changed(), {} if other is None else other.changed()
            values = {key: getattr(record, key) for key in record.field_names() if key in said or key in shown}
            found |= {
                f"{section}.{key}": _field(value) for key, value in values.items() if key in said or value is not None
            }
    if header.allow:
        found["allow"] = yaml_spec.value_text(sorted(header.allow))
    return found
