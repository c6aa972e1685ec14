"""A valid document -> a Spec: frozen and typed, with the short forms expanded and the repeats as written."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from vggc.diagnostics import Diagnostic, Note, Span, help_word
from vggc.frontend import recipe
from vggc.frontend.document import Document, Entry, Items, Leaf, Table, Value, plain
from vggc.frontend.inherit import merge
from vggc.frontend.initializers import INITIALIZERS, Initializer
from vggc.frontend.units import CONV, FC, FOLLOWERS, UNITS, Unit
from vggc.layers import find
from vggc.layers.base import Layer, Shape
from vggc.layers.conv import Conv2d
from vggc.layers.pool import AdaptiveAvgPool2d, MaxPool2d
from vggc.records import Named, OneOf, Record

# What a rewrite does, and the key that holds the new layers.
REWRITES: Final[Mapping[str, str | None]] = {"after": "insert", "before": "insert", "replace": "with", "remove": None}

R = TypeVar("R", bound=Record)
N = TypeVar("N", bound=Named)

DEFAULT_DIVISOR: Final = 8


@dataclass(frozen=True, slots=True)
class Written:
    """A layer, the item that it comes from, and where its options are written."""

    layer: Layer
    span: Span
    options: Mapping[str, Span] = field(default_factory=dict)
    anchor: Span | None = None  # the layer that a rewrite put it beside, or in the place of


@dataclass(frozen=True, slots=True)
class Repeat:
    """Items that stand `times` times in a row."""

    times: int
    items: tuple["Item", ...]
    span: Span


Item = Written | Repeat


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A change to every layer of a kind whose options are those of `where` and whose stage is one of `stages`."""

    action: str  # after, before, replace, remove
    kind: str
    where: Mapping[str, object]
    stages: tuple[int | str, ...] | None
    layers: tuple[Written, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Classes:
    """How many classes there are, and their names in order where the spec gives them."""

    count: int
    names: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Expectation:
    """A key of `expect` and what it says; amounts such as 140M are numbers by now."""

    key: str
    value: int | float | Shape
    span: Span


@dataclass(frozen=True, slots=True)
class Spec:
    """What a spec file says once its ancestors, defaults and short forms are resolved.

    `input` is (C, H, W). `classifier` None means that the features are compiled alone. `places` holds the span of every
    top-level value.
    """

    name: str
    input: Shape
    classes: Classes | None
    features: tuple[Item, ...]
    pool: Written | None
    classifier: tuple[Item, ...] | None
    rewrites: tuple[Rewrite, ...]
    init: Mapping[str, Initializer]
    expect: tuple[Expectation, ...]
    preprocess: recipe.Preprocess | None
    train: recipe.Train | None
    allow: tuple[str, ...]
    places: Mapping[str, Span]


def build(document: Document) -> tuple[Spec, list[Diagnostic]]:
    """The spec of a document that the schema accepts, and what contradicts itself in it all the same."""
    builder = _Builder(document)
    return builder.build(), builder.found


class _Builder:
    def __init__(self, document: Document) -> None:
        self.entries = document.entries
        self.found: list[Diagnostic] = []
        self.classes = self._classes()
        self.width = self._number("width", 1)
        self.divisor = int(self._number("divisor", DEFAULT_DIVISOR))
        self.defaults = self._table("defaults")

    def build(self) -> Spec:
        features = tuple(self._items(self.entries["features"].value, CONV))
        classifier = self._classifier()
        spec = Spec(
            name=str(plain(self.entries["name"].value)),
            input=_shape(self.entries["input"].value),
            classes=self.classes,
            features=features,
            pool=self._pool(has_classifier=classifier is not None),
            classifier=classifier,
            rewrites=tuple(self._rewrites()),
            init={key: self._initializer(key, entry) for key, entry in self._table("init").entries.items()},
            expect=tuple(_expectation(key, entry) for key, entry in self._table("expect").entries.items()),
            preprocess=self._record(recipe.Preprocess, "preprocess"),
            train=self._record(recipe.Train, "train"),
            allow=tuple(self._words("allow")),
            places={key: entry.value.span for key, entry in self.entries.items()},
        )
        self._check_preprocess(spec)
        return spec

    def _error(self, code: str, message: str, span: Span, *notes: Note) -> None:
        self.found.append(Diagnostic(code, message, span, notes))

    def _table(self, key: str) -> Table:
        value = self.entries[key].value if key in self.entries else None
        return value if isinstance(value, Table) else Table({}, self.entries["features"].key)

    def _words(self, key: str) -> list[str]:
        value = plain(self.entries[key].value) if key in self.entries else []
        assert isinstance(value, list)
        return [str(word) for word in value]

    def _number(self, key: str, default: float) -> float:
        value = plain(self.entries[key].value) if key in self.entries else default
        assert isinstance(value, int | float)
        return value

    def _classes(self) -> Classes | None:
        if "classes" not in self.entries:
            return None
        value = plain(self.entries["classes"].value)
        if isinstance(value, list):
            return Classes(len(value), tuple(str(name) for name in value))
        assert isinstance(value, int)
        return Classes(value)

    # --- items ---

    def _items(self, value: Value, number: Unit) -> Iterator[Item]:
        assert isinstance(value, Items)
        for item in value.items:
            yield from self._item(item, number)

    def _item(self, item: Value, number: Unit) -> Iterator[Item]:
        if isinstance(item, Leaf):
            yield from self._bare(item, number)
            return
        assert isinstance(item, Table)
        ((kind, entry),) = item.entries.items()
        span = _item_span(entry)
        if kind == "repeat":
            yield self._repeat(entry, number)
        elif kind in UNITS:
            yield from self._unit(UNITS[kind], entry.value, span)
        else:
            yield self._layer(kind, entry.value, span)

    def _bare(self, item: Leaf, number: Unit) -> Iterator[Item]:
        if isinstance(item.value, int):
            yield from self._unit(number, item, item.span)
        elif item.value == "M":
            yield Written(MaxPool2d(kernel_size=2, stride=2), item.span)
        else:
            yield self._layer(str(item.value), Table({}, item.span), item.span)

    def _repeat(self, entry: Entry, number: Unit) -> Repeat:
        assert isinstance(entry.value, Table)
        options = entry.value.entries
        times = plain(options["times"].value)
        assert isinstance(times, int)
        return Repeat(times, tuple(self._items(options["layers"].value, number)), entry.key)

    def _layer(self, kind: str, value: Value, span: Span, *, scaled: bool = False) -> Written:
        cls = find(kind)
        assert cls is not None, kind
        options = _options(value, cls.main)
        arguments = {name: self._argument(entry.value) for name, entry in options.items()}
        scalable = cls.main is not None and (scaled or cls is Conv2d) and cls.main in options
        if scalable and self.width != 1 and plain(options[str(cls.main)].value) != "classes":
            arguments[str(cls.main)] = self._scaled(arguments[str(cls.main)])
        places = {name: entry.value.span for name, entry in options.items()}
        layer = cls(**arguments)
        if conflict := layer.conflict():
            option, message = conflict
            self._error("E106", f"{kind}: {message}", places.get(option, span))
        return Written(layer, span, places)

    def _argument(self, value: Value) -> object:
        argument = plain(value)
        if argument == "classes":
            return self._class_count(value.span)
        return tuple(argument) if isinstance(argument, list) else argument

    def _class_count(self, span: Span) -> int:
        if self.classes is None:
            note = Note("help", "add `classes: 10`, or write the number here")
            self._error("E108", "`classes` is used here, and the spec does not say how many there are", span, note)
            return 1
        return self.classes.count

    def _scaled(self, channels: object) -> int:
        """Channels times width as a multiple of the divisor, never more than a tenth below the product.

        The rule is MobileNetV2's (Sandler et al., 2018).
        """
        assert isinstance(channels, int)
        exact = channels * self.width
        rounded = max(self.divisor, int(exact + self.divisor / 2) // self.divisor * self.divisor)
        return rounded + self.divisor if rounded < 0.9 * exact else rounded

    # --- units ---

    def _unit(self, unit: Unit, value: Value, span: Span) -> Iterator[Written]:
        defaults = self.defaults.entries.get(unit.kind)
        options = Table(_options(value, unit.main), value.span)
        if defaults is not None and isinstance(defaults.value, Table):
            options = merge(defaults.value, options)
        own = {name: entry for name, entry in options.entries.items() if name not in FOLLOWERS}
        for name, preset in unit.presets.items():
            if name not in FOLLOWERS and name not in own:
                own[name] = Entry(span, Leaf(preset, span))  # type: ignore[arg-type]
        yield self._layer(unit.layer.kind, Table(own, span), span, scaled=True)
        for name in FOLLOWERS:
            chosen = options.entries[name].value if name in options.entries else Leaf(unit.presets[name], span)  # type: ignore[arg-type]
            follower = self._follower(unit, chosen, span)
            if follower is not None:
                yield follower

    def _follower(self, unit: Unit, value: Value, span: Span) -> Written | None:
        if isinstance(value, Leaf):
            if value.value == "none" or value.value == 0:
                return None
            if isinstance(value.value, int | float):
                return self._layer(unit.dropout, value, span)
            return self._layer(str(value.value), Table({}, value.span), span)
        assert isinstance(value, Table)
        ((kind, entry),) = value.entries.items()
        return self._layer(kind, entry.value, span)

    # --- rewrites ---

    def _rewrites(self) -> Iterator[Rewrite]:
        value = self.entries["rewrite"].value if "rewrite" in self.entries else None
        for item in value.items if isinstance(value, Items) else ():
            assert isinstance(item, Table)
            actions = [name for name in REWRITES if name in item.entries]
            if len(actions) != 1:
                message = f"a rewrite says one of {', '.join(REWRITES)}"
                self._error("E105", message, item.span, Note("help", "{after: max_pool2d, insert: {dropout2d: 0.1}}"))
                continue
            if self._complete(item, actions[0]):
                yield self._rewrite(item, actions[0])

    def _complete(self, item: Table, action: str) -> bool:
        """Whether the rewrite has what its action needs, and nothing that it does not."""
        needed = REWRITES[action]
        if needed is not None and needed not in item.entries:
            self._error("E104", f"a rewrite with `{action}` needs `{needed}`", item.entries[action].key)
            return False
        for name in {"insert", "with"} & set(item.entries) - {needed}:
            self._error("E107", f"`{name}` has no effect in a rewrite with `{action}`", item.entries[name].key)
        return True

    def _rewrite(self, item: Table, action: str) -> Rewrite:
        kind = str(plain(item.entries[action].value))
        new = item.entries[REWRITES[action]].value if REWRITES[action] else Items([], item.span)  # type: ignore[index]
        items = new if isinstance(new, Items) else Items([new], new.span)
        layers = [each for each in self._items(items, CONV) if isinstance(each, Written)]
        where, stages = self._where(kind, item)
        return Rewrite(action, kind, where, stages, tuple(layers), item.entries[action].value.span)

    def _where(self, kind: str, item: Table) -> tuple[dict[str, object], tuple[int | str, ...] | None]:
        conditions = item.entries["where"].value if "where" in item.entries else Table({}, item.span)
        assert isinstance(conditions, Table)
        cls = find(kind)
        assert cls is not None, kind
        where: dict[str, object] = {}
        stages: tuple[int | str, ...] | None = None
        for name, entry in conditions.entries.items():
            if name == "stage":
                stage = plain(entry.value)
                stages = tuple(stage) if isinstance(stage, list) else (stage,)  # type: ignore[assignment]
            elif name in cls.field_names():
                where[name] = self._argument(entry.value)
            else:
                legal = ["stage", *cls.field_names()]
                self._error("E101", f"{kind} has no option `{name}`", entry.key, help_word(name, legal, "there are"))
        return where, stages

    # --- the rest ---

    def _classifier(self) -> tuple[Item, ...] | None:
        value = self.entries["classifier"].value if "classifier" in self.entries else None
        return tuple(self._items(value, FC)) if isinstance(value, Items) else None

    def _pool(self, has_classifier: bool) -> Written | None:
        if "pool" not in self.entries:
            return None
        entry = self.entries["pool"]
        value = entry.value
        if isinstance(value, Leaf) and value.value == "none":
            return None
        if not has_classifier:
            self._needless_pool(entry)
            return None
        if isinstance(value, Leaf) and isinstance(value.value, int):
            return Written(AdaptiveAvgPool2d(output_size=value.value), value.span, {"output_size": value.span})
        if isinstance(value, Leaf):
            return self._layer(str(value.value), Table({}, value.span), value.span)
        assert isinstance(value, Table)
        ((kind, inner),) = value.entries.items()
        return self._layer(kind, inner.value, _item_span(inner))

    def _needless_pool(self, pool: Entry) -> None:
        """An inherited pool goes with the inherited classifier; one written beside `classifier: none` is a mistake."""
        classifier = self.entries.get("classifier")
        if classifier is None or classifier.key.source is pool.key.source:
            note = Note("help", "put it at the end of `features`, or give the spec a classifier")
            self._error("E107", "`pool` has no effect without a classifier", pool.key, note)

    def _initializer(self, key: str, entry: Entry) -> Initializer:
        initializer = _picked(INITIALIZERS, entry.value)
        if initializer.matrix and key not in ("conv2d", "linear"):
            message = f"{initializer.kind} needs a tensor of two axes, and `{key}` has one"
            self._error("E106", message, entry.value.span, Note("help", "use zeros, ones, constant, normal or uniform"))
        return initializer

    def _record(self, cls: type[R], key: str) -> R | None:
        return _record(cls, self._table(key)) if key in self.entries else None

    def _check_preprocess(self, spec: Spec) -> None:
        if spec.preprocess is None:
            return
        places = {name: entry.value.span for name, entry in self._table("preprocess").entries.items()}
        for name in ("mean", "std"):
            values = getattr(spec.preprocess, name)
            if values is not None and len(values) != spec.input[0]:
                self._error("E106", f"{name} has {len(values)} values for {spec.input[0]} channels", places[name])
        last = "crop" if spec.preprocess.crop is not None else "resize"
        size = getattr(spec.preprocess, last)
        if size is not None and ((size, size) if isinstance(size, int) else size) != spec.input[1:]:
            height, width = spec.input[1:]
            note = Note("help", f"write `{last}: {height if height == width else [height, width]}`, or change `input`")
            self._error(
                "E106", f"{last} makes images of another size than the input, {height}x{width}", places[last], note
            )


def _item_span(entry: Entry) -> Span:
    """From the kind to the end of its options where they are on one line, else the kind alone."""
    key, end = entry.key, entry.value.span
    if end.source is key.source and end.end_line == key.line:
        return key._replace(end_line=end.end_line, end_column=end.end_column)
    return key


def _options(value: Value, main: str | None) -> dict[str, Entry]:
    """The options of `{options}`, of a bare main option, or of none."""
    if isinstance(value, Table):
        return dict(value.entries)
    assert main is not None
    return {main: Entry(value.span, value)}


def _shape(value: Value) -> Shape:
    items = plain(value)
    assert isinstance(items, list)
    return tuple(items)


_FACTORS: Final = {"K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def _expectation(key: str, entry: Entry) -> Expectation:
    value = plain(entry.value)
    if isinstance(value, str):
        value = float(value[:-1]) * _FACTORS[value[-1]]
    if isinstance(value, list):
        value = tuple(value)
    assert isinstance(value, int | float | tuple)
    return Expectation(key, value, entry.value.span)


def _picked(table: Mapping[str, type[N]], value: Value) -> N:
    """The record that a word or a mapping from one word picks."""
    if isinstance(value, Leaf):
        return table[str(value.value)]()
    assert isinstance(value, Table)
    ((kind, entry),) = value.entries.items()
    cls = table[kind]
    return _record(cls, Table(_options(entry.value, cls.main), entry.value.span))


_VOCABULARIES: Final[Mapping[str, Mapping[str, type[Named]]]] = {
    "optimizer": recipe.OPTIMIZERS,
    "schedule": recipe.SCHEDULES,
    "augmentation": recipe.AUGMENTATIONS,
}


def _record(cls: type[R], table: Table) -> R:
    return cls(**{name: _field(cls, name, entry.value) for name, entry in table.entries.items()})


def _field(cls: type[Record], name: str, value: Value) -> object:
    vocabulary = _VOCABULARIES.get(_definition(cls, name) or "")
    if vocabulary is not None and isinstance(value, Items):
        return tuple(_picked(vocabulary, each) for each in value.items)
    if vocabulary is not None:
        return _picked(vocabulary, value)
    bare = plain(value)
    return tuple(bare) if isinstance(bare, list) else bare


def _definition(cls: type[Record], name: str) -> str | None:
    """The vocabulary that a field is picked from: in the metadata of its type, or of its elements' type."""
    pending = [cls.annotation(name)]
    while pending:
        annotation = pending.pop()
        for each in getattr(annotation, "__metadata__", ()):
            if isinstance(each, OneOf):
                return each.definition
        pending += getattr(annotation, "__args__", ())
    return None
