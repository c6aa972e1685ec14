"""A valid document -> a Spec: frozen and typed, with the short forms expanded and the repeats as written."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vggc.base.diagnostics import Diagnostic, Note
from vggc.base.words import joined
from vggc.frontend.schema.units import CONV, FC
from vggc.frontend.spec.items import DEFAULT_DIVISOR, Item, LayerItem, Reader, Repeat
from vggc.frontend.spec.records_from_values import picked, record
from vggc.frontend.spec.rewrites import Rewrite, read_rewrites
from vggc.frontend.text.document import Document, Entry, Items, Leaf, Table, Value, plain
from vggc.ir.header import Classes, Expectation, Header
from vggc.layers import KINDS, find
from vggc.layers.layer import Shape
from vggc.recipe.initializers import INITIALIZERS, Initializer

if TYPE_CHECKING:
    from vggc.recipe import recipe

__all__ = ["Item", "LayerItem", "Repeat", "Rewrite", "Spec", "build"]


@dataclass(frozen=True, slots=True)
class Spec:
    """What a spec file says once its ancestors, defaults and short forms are resolved.

    `classifier` None means that the features are compiled alone.
    """

    header: Header
    features: tuple[Item, ...]
    pool: LayerItem | None
    classifier: tuple[Item, ...] | None
    rewrites: tuple[Rewrite, ...]


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
        pool = self._pool(has_classifier=classifier is not None)
        rewrites = tuple(read_rewrites(self._list("rewrite"), self.reader))
        return Spec(self._header(), features, pool, classifier, rewrites)

    def _header(self) -> Header:
        header = Header(
            name=str(plain(self.entries["name"].value)),
            input=self._input(),
            classes=self.classes,
            init={key: self._initializer(key, entry) for key, entry in self._table("init").entries.items()},
            expect=tuple(_expectation(key, entry) for key, entry in self._table("expect").entries.items()),
            preprocess=self._preprocess(),
            train=self._train(),
            allow=tuple(str(plain(word)) for word in self._list("allow").items),
            places={key: entry.value.span for key, entry in self.entries.items()},
        )
        if header.preprocess is not None or header.train is not None:
            from vggc.frontend.spec import conflicts

            self.found += conflicts.check(header, self._table("preprocess"), self._table("train"))
        return header

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

    def _pool(self, has_classifier: bool) -> LayerItem | None:
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
        forms, kind = initializer.weight_forms, find(key)
        if forms is not None and (kind is None or kind.weight_form not in forms):
            suits = [name for name, cls in KINDS.items() if cls.weight_form in forms]
            message = f"{initializer.kind} draws the weights of {joined(suits, 'and')}, and this is `{key}`"
            note = Note("help", "use zeros, ones, constant, normal or uniform")
            self.reader.error("E106", message, entry.value.span, note)
        elif conflict := initializer.conflict():
            self.reader.error("E106", f"{initializer.kind}: {conflict}", entry.value.span)
        return initializer

    def _preprocess(self) -> "recipe.Preprocess | None":
        if "preprocess" not in self.entries:
            return None
        from vggc.recipe import recipe

        return record(recipe.Preprocess, self._table("preprocess"))

    def _train(self) -> "recipe.Train | None":
        if "train" not in self.entries:
            return None
        from vggc.recipe import recipe

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
