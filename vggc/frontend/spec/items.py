"""The items of `features`, `classifier` and `pool` -> layers, with the short forms expanded and the repeats as written.

Every layer knows its item, and the place of every option that is written, be that in the item or in `defaults`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, NamedTuple

from vggc.base.diagnostics import Diagnostic, Note, Span
from vggc.frontend.schema.units import FOLLOWERS, UNITS, Unit
from vggc.frontend.spec.records_from_values import only, options_of
from vggc.frontend.text.document import Entry, Items, Leaf, Table, Value, plain
from vggc.frontend.text.inherit import merge
from vggc.ir.graph import Origin
from vggc.layers import find
from vggc.layers.adaptive_pool import AdaptiveAvgPool2d
from vggc.layers.layer import Layer
from vggc.layers.pool import MaxPool2d

DEFAULT_DIVISOR: Final = 8


class LayerItem(NamedTuple):
    """A layer, and where it is written."""

    layer: Layer
    origin: Origin


@dataclass(frozen=True, slots=True)
class Repeat:
    """Items that stand `times` times in a row."""

    times: int
    items: tuple["Item", ...]
    span: Span


Item = LayerItem | Repeat


class Reader:
    """Reads items; what contradicts itself is collected in `found`.

    Args:
        classes: the spec's number of classes, if it says one.
        width: what the channels of units and convolutions are multiplied by.
        divisor: what scaled channels are a multiple of.
        defaults: what units mean in this spec.
        found: the diagnostics of the whole spec.
    """

    def __init__(
        self, classes: int | None, width: float, divisor: int, defaults: Table, found: list[Diagnostic]
    ) -> None:
        self.classes = classes
        self.width = width
        self.divisor = divisor
        self.defaults = defaults
        self.found = found
        self.blamed: set[tuple[str, Span | None]] = set()

    def error(self, code: str, message: str, span: Span | None, *notes: Note) -> None:
        """Note an error, unless the place is to blame for one of that code already."""
        if (code, span) not in self.blamed:
            self.blamed.add((code, span))
            self.found.append(Diagnostic(code, message, span, notes))

    def items(self, value: Value, number: Unit) -> Iterator[Item]:
        """The items of a list, in which a bare number is a certain unit."""
        assert isinstance(value, Items)
        for item in value.items:
            yield from self._item(item, number)

    def pool(self, value: Value) -> LayerItem:
        """The layer between features and classifier."""
        if isinstance(value, Leaf) and isinstance(value.value, int):
            return LayerItem(
                AdaptiveAvgPool2d(output_size=value.value), Origin(value.span, {"output_size": value.span})
            )
        return self._picked(value, value.span)

    def _item(self, item: Value, number: Unit) -> Iterator[Item]:
        if isinstance(item, Leaf):
            yield from self._bare(item, number)
            return
        kind, entry = only(item)
        if kind == "repeat":
            yield self._repeat(entry, number)
        elif kind in UNITS:
            yield from self._unit(UNITS[kind], entry.value, _item_span(entry))
        else:
            yield self._layer(kind, entry.value, _item_span(entry))

    def _bare(self, item: Leaf, number: Unit) -> Iterator[Item]:
        if isinstance(item.value, int):
            yield from self._unit(number, item, item.span)
        elif item.value == "M":
            yield LayerItem(MaxPool2d(kernel_size=2, stride=2), Origin(item.span))
        else:
            yield self._picked(item, item.span)

    def _repeat(self, entry: Entry, number: Unit) -> Repeat:
        assert isinstance(entry.value, Table)
        options = entry.value.entries
        times = plain(options["times"].value)
        assert isinstance(times, int)
        return Repeat(times, tuple(self.items(options["layers"].value, number)), entry.key)

    def _picked(self, value: Value, span: Span, shared: frozenset[Span] = frozenset()) -> LayerItem:
        """A kind alone, or with its options."""
        if isinstance(value, Leaf):
            return self._layer(str(value.value), Table({}, value.span), span, shared)
        kind, entry = only(value)
        return self._layer(kind, entry.value, span, shared)

    def _layer(self, kind: str, value: Value, span: Span, shared: frozenset[Span] = frozenset()) -> LayerItem:
        cls = find(kind)
        assert cls is not None, kind
        options = options_of(value, cls.main)
        arguments = {name: self.argument(entry.value) for name, entry in options.items()}
        scaled = cls.scaled_option
        if scaled is not None and plain(options[scaled].value) != "classes":
            arguments[scaled] = self._scaled(arguments[scaled])
        places = {name: entry.value.span for name, entry in options.items()}
        item = LayerItem(cls(**arguments), Origin(span, places, shared=shared))
        self._check(item)
        return item

    def _check(self, item: LayerItem, presets: Mapping[str, object] = MappingProxyType({})) -> None:
        """Blame the option that contradicts another; the other one where the first is a preset."""
        layer, origin = item
        conflict = layer.conflict()
        if conflict is None:
            return
        option, message = conflict
        named = [place for name, place in origin.options.items() if name in message]
        place = origin.options.get(option) or (named[0] if named else origin.span)
        notes = []
        if option in presets:
            notes.append(Note("note", f"`{option}: {presets[option]}` is what a unit has unless it says otherwise"))
        if place in origin.shared:
            notes.append(Note("note", f"so in the unit at {origin.span}", origin.span))
        self.error("E106", f"{layer.kind}: {message}", place, *notes)

    def argument(self, value: Value) -> object:
        """The value of an option: `classes` as a number, lists as tuples."""
        argument = plain(value)
        if argument == "classes":
            return self._class_count(value.span)
        return tuple(argument) if isinstance(argument, list) else argument

    def _class_count(self, span: Span) -> int:
        if self.classes is not None:
            return self.classes
        if not any(code == "E108" for code, _ in self.blamed):
            note = Note("help", "add `classes: 10`, or write the number here")
            self.error("E108", "`classes` is used here, and the spec does not say how many there are", span, note)
        return 1

    def _scaled(self, channels: object) -> object:
        """Channels times width as a multiple of the divisor, never more than a tenth below the product.

        The rule is MobileNetV2's (Sandler et al., 2018).
        """
        if self.width == 1:
            return channels
        assert isinstance(channels, int)
        exact = channels * self.width
        rounded = max(self.divisor, int(exact + self.divisor / 2) // self.divisor * self.divisor)
        return rounded + self.divisor if rounded < 0.9 * exact else rounded

    # --- units ---

    def _unit(self, unit: Unit, value: Value, span: Span) -> Iterator[LayerItem]:
        own = Table(options_of(value, unit.main), value.span)
        entry = self.defaults.entries.get(unit.kind)
        common = entry.value if entry is not None and isinstance(entry.value, Table) else Table({}, span)
        options = merge(common, own, ("defaults", unit.kind)).entries
        shared = frozenset(_places(common)) if entry is not None else frozenset()
        yield self._base(unit, options, span, shared)
        for name in FOLLOWERS:
            follower = self._follower(unit, name, options, span, shared)
            if follower is not None:
                yield follower

    def _base(self, unit: Unit, options: Mapping[str, Entry], span: Span, shared: frozenset[Span]) -> LayerItem:
        """The layer that a unit begins with: its own options, those of `defaults`, and the presets."""
        chosen = {name: entry for name, entry in options.items() if name not in FOLLOWERS}
        arguments: dict[str, object] = {name: preset for name, preset in unit.presets.items() if name not in FOLLOWERS}
        arguments |= {name: self.argument(entry.value) for name, entry in chosen.items()}
        if plain(options[unit.main].value) != "classes":
            arguments[unit.main] = self._scaled(arguments[unit.main])
        places = {name: entry.value.span for name, entry in chosen.items()}
        item = LayerItem(unit.layer(**arguments), Origin(span, places, shared=shared))
        self._check(item, {name: preset for name, preset in unit.presets.items() if name not in chosen})
        return item

    def _follower(
        self, unit: Unit, name: str, options: Mapping[str, Entry], span: Span, shared: frozenset[Span]
    ) -> LayerItem | None:
        """The norm, activation or dropout of a unit; None where it has none."""
        value = options[name].value if name in options else Leaf(unit.presets[name], span)
        if isinstance(value, Leaf) and value.value in ("none", 0):
            return None
        probability = isinstance(value, Leaf) and isinstance(value.value, int | float)
        item = self._layer(unit.dropout, value, span, shared) if probability else self._picked(value, span, shared)
        return LayerItem(item.layer, replace(item.origin, part=value.span)) if name in options else item


def _places(value: Value) -> Iterator[Span]:
    """Of a value and of everything inside it."""
    yield value.span
    if isinstance(value, Table):
        for entry in value.entries.values():
            yield from _places(entry.value)


def _item_span(entry: Entry) -> Span:
    """From the kind to the end of its options where they are on one line, else the kind alone."""
    key, end = entry.key, entry.value.span
    if end.source is key.source and end.end_line == key.line:
        return key._replace(end_line=end.end_line, end_column=end.end_column)
    return key
