"""A valid document -> a Spec: frozen and typed, with the short forms expanded and the repeats as written."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vggc.diagnostics import Diagnostic, Note, Span
from vggc.frontend.document import Document, Entry, Items, Leaf, Table, Value, plain
from vggc.frontend.initializers import INITIALIZERS, Initializer
from vggc.frontend.items import DEFAULT_DIVISOR, Item, Reader, Repeat, Written
from vggc.frontend.picked import picked, record
from vggc.frontend.rewrites import Rewrite, read_rewrites
from vggc.frontend.units import CONV, FC
from vggc.layers.base import Shape

if TYPE_CHECKING:
    from vggc.frontend import recipe

__all__ = ["Classes", "Expectation", "Item", "Repeat", "Rewrite", "Spec", "Written", "build"]


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
    preprocess: "recipe.Preprocess | None"
    train: "recipe.Train | None"
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
        width, divisor = self._number("width", 1), int(self._number("divisor", DEFAULT_DIVISOR))
        count = self.classes.count if self.classes is not None else None
        self.reader = Reader(count, width, divisor, self._table("defaults"), self.found)

    def build(self) -> Spec:
        features = tuple(self.reader.items(self.entries["features"].value, CONV))
        classifier = self._classifier()
        spec = Spec(
            name=str(plain(self.entries["name"].value)),
            input=self._input(),
            classes=self.classes,
            features=features,
            pool=self._pool(has_classifier=classifier is not None),
            classifier=classifier,
            rewrites=tuple(read_rewrites(self._list("rewrite"), self.reader)),
            init={key: self._initializer(key, entry) for key, entry in self._table("init").entries.items()},
            expect=tuple(_expectation(key, entry) for key, entry in self._table("expect").entries.items()),
            preprocess=self._preprocess(),
            train=self._train(),
            allow=tuple(str(plain(word)) for word in self._list("allow").items),
            places={key: entry.value.span for key, entry in self.entries.items()},
        )
        if spec.preprocess is not None or spec.train is not None:
            from vggc.frontend import conflicts

            self.found += conflicts.check(spec, self._table("preprocess"), self._table("train"))
        return spec

    def _value(self, key: str) -> Value | None:
        return self.entries[key].value if key in self.entries else None

    def _table(self, key: str) -> Table:
        value = self._value(key)
        return value if isinstance(value, Table) else Table({}, self.entries["features"].key)

    def _list(self, key: str) -> Items:
        value = self._value(key)
        return value if isinstance(value, Items) else Items([], self.entries["features"].key)

    def _number(self, key: str, default: float) -> float:
        value = self._value(key)
        number = plain(value) if value is not None else default
        assert isinstance(number, int | float)
        return number

    def _classes(self) -> Classes | None:
        value = self._value("classes")
        if isinstance(value, Items):
            return Classes(len(value.items), tuple(str(plain(name)) for name in value.items))
        return Classes(int(self._number("classes", 0))) if value is not None else None

    def _input(self) -> Shape:
        channels, height, width = (int(str(plain(size))) for size in self._list("input").items)
        return channels, height, width

    def _classifier(self) -> tuple[Item, ...] | None:
        value = self._value("classifier")
        return tuple(self.reader.items(value, FC)) if isinstance(value, Items) else None

    def _pool(self, has_classifier: bool) -> Written | None:
        value = self._value("pool")
        if value is None or (isinstance(value, Leaf) and value.value == "none"):
            return None
        if not has_classifier:
            self._needless_pool(self.entries["pool"])
            return None
        return self.reader.pool(value)

    def _needless_pool(self, pool: Entry) -> None:
        """An inherited pool goes with the inherited classifier; one written beside `classifier: none` is a mistake."""
        classifier = self.entries.get("classifier")
        if classifier is None or classifier.key.source is pool.key.source:
            note = Note("help", "put it at the end of `features`, or give the spec a classifier")
            self.reader.error("E107", "`pool` has no effect without a classifier", pool.key, note)

    def _initializer(self, key: str, entry: Entry) -> Initializer:
        initializer = picked(INITIALIZERS, entry.value)
        suits = initializer.weights_of
        if suits is not None and key not in suits:
            message = f"{initializer.kind} draws the weights of {' and '.join(suits)}, and this is `{key}`"
            note = Note("help", "use zeros, ones, constant, normal or uniform")
            self.reader.error("E106", message, entry.value.span, note)
        elif conflict := initializer.conflict():
            self.reader.error("E106", f"{initializer.kind}: {conflict}", entry.value.span)
        return initializer

    def _preprocess(self) -> "recipe.Preprocess | None":
        if "preprocess" not in self.entries:
            return None
        from vggc.frontend import recipe

        return record(recipe.Preprocess, self._table("preprocess"))

    def _train(self) -> "recipe.Train | None":
        if "train" not in self.entries:
            return None
        from vggc.frontend import recipe

        return record(recipe.Train, self._table("train"))


_FACTORS: Final = {"K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def _expectation(key: str, entry: Entry) -> Expectation:
    value = plain(entry.value)
    if isinstance(value, str):
        value = float(value[:-1]) * _FACTORS[value[-1]]
    if isinstance(value, list):
        value = tuple(value)
    assert isinstance(value, int | float | tuple)
    return Expectation(key, value, entry.value.span)
