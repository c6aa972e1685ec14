"""The items of `features`, `classifier` and `pool` -> layers, with units expanded and repeats kept.

A layer has the span of its item, and the spans of its options, which are in the item or in `defaults`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from vggc.base.diagnostics import Diagnostic, Note, Span
from vggc.frontend.schema.units import FOLLOWERS, STAGE_END, UNITS, Unit, sized_pool
from vggc.frontend.spec.records_from_values import options_of, single_entry
from vggc.frontend.text.document import Entry, Items, Leaf, Table, Value, plain, values_in
from vggc.frontend.text.inherit import merge
from vggc.ir.graph import Origin
from vggc.layers import find
from vggc.layers.layer import Layer

DEFAULT_DIVISOR: Final = 8


class LayerItem(NamedTuple):
    """A layer, and where it is written."""

    layer: Layer
    origin: Origin

    def layers(self) -> Iterator["LayerItem"]:
        """The layers of the item: itself."""
        yield self


@dataclass(frozen=True, slots=True)
class Repeat:
    """Items that are repeated `times` times."""

    times: int
    items: tuple["Item", ...]
    span: Span

    def layers(self) -> Iterator[LayerItem]:
        """The layers of the item, repeated."""
        for _ in range(self.times):
            for item in self.items:
                yield from item.layers()


Item = LayerItem | Repeat


@dataclass
class ItemReader:
    """Reads items, and collects what is contradictory in `diagnostics`.

    Attributes:
        classes: the number of classes, if the spec has it.
        width: the factor on the channels of units and convolutions.
        divisor: scaled channels are multiples of it.
        defaults: the options that units of this spec have unless an item says otherwise.
        diagnostics: the errors of the spec.
        reported: the codes and places of these errors; one place is reported once for each code.
    """

    classes: int | None
    width: float
    divisor: int
    defaults: Table
    diagnostics: list[Diagnostic]
    reported: set[tuple[str, Span | None]] = field(default_factory=set)

    def error(self, code: str, message: str, span: Span | None, *notes: Note) -> None:
        """Report an error, unless one with this code has been reported for the place."""
        if (code, span) not in self.reported:
            self.reported.add((code, span))
            self.diagnostics.append(Diagnostic(code, message, span, notes))

    def items(self, value: Value, number: Unit) -> Iterator[Item]:
        """The items of a list, in which a bare number is the unit `number`."""
        assert isinstance(value, Items)
        for item in value.items:
            if isinstance(item, Leaf):
                yield from self._bare_item(item, number)
                continue
            kind, entry = single_entry(item)
            if kind in NESTED_ITEMS:
                yield NESTED_ITEMS[kind](self, entry, number)
            elif kind in UNITS:
                yield from self._unit(UNITS[kind], entry.value, _item_span(entry))
            else:
                yield self._layer(kind, entry.value, Origin(_item_span(entry)))

    def pool(self, value: Value) -> LayerItem:
        """The layer between features and classifier."""
        if isinstance(value, Leaf) and isinstance(value.value, int):
            return LayerItem(sized_pool(value.value), Origin(value.span, {"output_size": value.span}))
        return self._kind(value, Origin(value.span))

    def _bare_item(self, item: Leaf, number: Unit) -> Iterator[Item]:
        if isinstance(item.value, int):
            yield from self._unit(number, item, item.span)
        elif item.value == "M":
            yield LayerItem(STAGE_END, Origin(item.span))
        else:
            yield self._kind(item, Origin(item.span))

    def repeat(self, entry: Entry, number: Unit) -> Repeat:
        """The item `repeat: {times, layers}`."""
        assert isinstance(entry.value, Table)
        options = entry.value.entries
        times = plain(options["times"].value)
        assert isinstance(times, int)
        return Repeat(times, tuple(self.items(options["layers"].value, number)), entry.key)

    def _kind(self, value: Value, origin: Origin) -> LayerItem:
        """The layer of `kind` or `kind: options`."""
        if isinstance(value, Leaf):
            return self._layer(str(value.value), Table({}, value.span), origin)
        kind, entry = single_entry(value)
        return self._layer(kind, entry.value, origin)

    def _layer(self, kind: str, value: Value, origin: Origin) -> LayerItem:
        cls = find(kind)
        assert cls is not None, kind
        return self._build(cls, options_of(value, cls.main), origin, scaled=cls.scaled_option)

    def _build(
        self,
        cls: type[Layer],
        options: Mapping[str, Entry],
        origin: Origin,
        presets: Mapping[str, object] | None = None,
        scaled: str | None = None,
    ) -> LayerItem:
        """The layer with these options; `scaled` is the option that is multiplied by the width."""
        arguments = {name: self.argument(entry.value) for name, entry in options.items()}
        if scaled is not None and plain(options[scaled].value) != "classes":
            arguments[scaled] = self._scaled(arguments[scaled])
        unset = {name: preset for name, preset in (presets or {}).items() if name not in options}
        places = {name: entry.value.span for name, entry in options.items()}
        item = LayerItem(cls(**{**unset, **arguments}), replace(origin, options=places))
        self._check(item, unset)
        return item

    def _check(self, item: LayerItem, presets: Mapping[str, object]) -> None:
        """Report an option that contradicts another; where that one is a preset, the place is the other's."""
        layer, origin = item
        conflict = layer.conflict()
        if conflict is None:
            return
        option, message = conflict
        mentioned = [span for name, span in origin.options.items() if name in message]
        place = origin.options.get(option) or (mentioned[0] if mentioned else origin.span)
        notes = []
        if option in presets:
            notes.append(Note("note", f"`{option}: {presets[option]}` is what a unit has unless it says otherwise"))
        if place in origin.shared:
            notes.append(Note("note", f"in the unit at {origin.span}", origin.span))
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
        if not any(code == "E108" for code, _ in self.reported):
            note = Note("help", "add `classes: 10`, or write the number here")
            self.error("E108", "`classes` is used here, and the spec does not give their number", span, note)
        return 1

    def _scaled(self, channels: object) -> object:
        """Channels times width as a multiple of the divisor, at most a tenth below the product.

        The rule is that of MobileNetV2 (Sandler et al., 2018).
        """
        if self.width == 1:
            return channels
        assert isinstance(channels, int)
        exact = channels * self.width
        rounded = max(self.divisor, int(exact + self.divisor / 2) // self.divisor * self.divisor)
        return rounded + self.divisor if rounded < 0.9 * exact else rounded

    def _unit(self, unit: Unit, value: Value, span: Span) -> Iterator[LayerItem]:
        own = Table(options_of(value, unit.main), value.span)
        entry = self.defaults.entries.get(unit.kind)
        common = entry.value if entry is not None and isinstance(entry.value, Table) else Table({}, span)
        options = merge(common, own, ("defaults", unit.kind)).entries
        shared = {value.span for value in values_in(common)} if entry is not None else ()
        origin = Origin(span, shared=frozenset(shared))
        layer_options = {name: option for name, option in options.items() if name not in FOLLOWERS}
        presets = {name: preset for name, preset in unit.presets.items() if name not in FOLLOWERS}
        yield self._build(unit.layer, layer_options, origin, presets, scaled=unit.main)
        for name in FOLLOWERS:
            if name in options:
                written = options[name].value
                yield from self._follower(unit, written, replace(origin, part=written.span))
            else:
                yield from self._follower(unit, Leaf(unit.presets[name], span), origin)

    def _follower(self, unit: Unit, value: Value, origin: Origin) -> Iterator[LayerItem]:
        """The norm, activation or dropout of a unit, unless it is `none`."""
        if not isinstance(value, Leaf):
            yield self._kind(value, origin)
        elif isinstance(value.value, int | float) and value.value != 0:
            yield self._layer(unit.dropout, value, origin)
        elif value.value not in ("none", 0):
            yield self._kind(value, origin)


NESTED_ITEMS: Final[Mapping[str, Callable[[ItemReader, Entry, Unit], Item]]] = {"repeat": ItemReader.repeat}


def _item_span(entry: Entry) -> Span:
    """From the kind to the end of its options where they are on one line, otherwise the kind alone."""
    key, end = entry.key, entry.value.span
    if end.source is key.source and end.end_line == key.line:
        return key._replace(end_line=end.end_line, end_column=end.end_column)
    return key
