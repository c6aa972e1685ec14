"""A valid document -> Spec: typed and immutable, with units expanded and repeats kept."""

from dataclasses import dataclass, replace

from vggc.base.diagnostics import Diagnostic, Note
from vggc.base.words import FACTORS, joined
from vggc.frontend.schema.units import CONV, FC
from vggc.frontend.spec.items import DEFAULT_DIVISOR, Item, ItemReader, LayerItem
from vggc.frontend.spec.records_from_values import named_record, record
from vggc.frontend.spec.rewrites import Rewrite, read_rewrites
from vggc.frontend.text.document import Document, Entry, Items, Leaf, Table, plain
from vggc.ir.header import Classes, Expectation, Header
from vggc.layers import KINDS
from vggc.recipe.initializers import INITIALIZERS, Initializer


@dataclass(frozen=True, slots=True)
class Spec:
    """The content of a spec with its ancestors merged, its defaults applied and its units expanded.

    `classifier` None means that the features are compiled alone.
    """

    header: Header
    features: tuple[Item, ...]
    pool: LayerItem | None
    classifier: tuple[Item, ...] | None
    rewrites: tuple[Rewrite, ...]


def build(document: Document) -> tuple[Spec, list[Diagnostic]]:
    """The spec of a document that the schema accepts, and the contradictions in it."""
    builder = _SpecBuilder(document)
    return builder.build(), builder.diagnostics


class _SpecBuilder:
    def __init__(self, document: Document) -> None:
        self.entries = document.entries
        self.diagnostics: list[Diagnostic] = []
        self.classes = self._classes()
        count = self.classes.count if self.classes is not None else None
        width, divisor = self._number("width", 1), int(self._number("divisor", DEFAULT_DIVISOR))
        self.reader = ItemReader(count, width, divisor, self._table("defaults"), self.diagnostics)

    def build(self) -> Spec:
        features = tuple(self.reader.items(self.entries["features"].value, CONV))
        classifier = self._classifier()
        pool = self._pool(has_classifier=classifier is not None)
        rewrites = tuple(read_rewrites(self._list("rewrite"), self.reader))
        return Spec(self._header(), features, pool, classifier, rewrites)

    def _header(self) -> Header:
        channels, height, width = (int(str(plain(size))) for size in self._list("input").items)
        header = Header(
            name=str(plain(self.entries["name"].value)),
            input=(channels, height, width),
            classes=self.classes,
            init={key: self._initializer(key, entry) for key, entry in self._table("init").entries.items()},
            expect=tuple(_expectation(key, entry) for key, entry in self._table("expect").entries.items()),
            allow=tuple(str(plain(word)) for word in self._list("allow").items),
            places={key: entry.value.span for key, entry in self.entries.items()},
        )
        return self._with_recipe(header) if self.entries.keys() & {"preprocess", "train"} else header

    def _with_recipe(self, header: Header) -> Header:
        from vggc.frontend.spec import conflicts
        from vggc.recipe.recipe import Preprocess, Train

        preprocess, train = self._table("preprocess"), self._table("train")
        if "preprocess" in self.entries:
            header = replace(header, preprocess=record(Preprocess, preprocess))
        if "train" in self.entries:
            header = replace(header, train=record(Train, train))
        self.diagnostics += conflicts.check(header, preprocess, train)
        return header

    def _table(self, key: str) -> Table:
        value = self.entries[key].value if key in self.entries else None
        return value if isinstance(value, Table) else Table({}, self.entries["features"].key)

    def _list(self, key: str) -> Items:
        value = self.entries[key].value if key in self.entries else None
        return value if isinstance(value, Items) else Items([], self.entries["features"].key)

    def _number(self, key: str, default: float) -> float:
        number = plain(self.entries[key].value) if key in self.entries else default
        assert isinstance(number, int | float)
        return number

    def _classes(self) -> Classes | None:
        if names := tuple(str(plain(name)) for name in self._list("classes").items):
            return Classes(len(names), names)
        return Classes(int(self._number("classes", 0))) if "classes" in self.entries else None

    def _classifier(self) -> tuple[Item, ...] | None:
        layers = self._list("classifier")
        return tuple(self.reader.items(layers, FC)) if layers.items else None

    def _pool(self, has_classifier: bool) -> LayerItem | None:
        entry = self.entries.get("pool")
        if entry is None or (isinstance(entry.value, Leaf) and entry.value.value == "none"):
            return None
        if has_classifier:
            return self.reader.pool(entry.value)
        # An inherited pool disappears with the inherited classifier; one beside `classifier: none` is a mistake.
        classifier = self.entries.get("classifier")
        if classifier is None or classifier.key.source is entry.key.source:
            note = Note("help", "put it at the end of `features`, or give the spec a classifier")
            self.reader.error("E107", "`pool` has no effect without a classifier", entry.key, note)
        return None

    def _initializer(self, key: str, entry: Entry) -> Initializer:
        initializer = named_record(INITIALIZERS, entry.value)
        forms, kind = initializer.weight_forms, KINDS.get(key)
        if forms is not None and (kind is None or kind.weight_form not in forms):
            kinds = [name for name, cls in KINDS.items() if cls.weight_form in forms]
            message = f"{initializer.kind} initialises the weights of {joined(kinds, 'and')}, and this is `{key}`"
            note = Note("help", "use zeros, ones, constant, normal or uniform")
            self.reader.error("E106", message, entry.value.span, note)
        elif conflict := initializer.conflict():
            self.reader.error("E106", f"{initializer.kind}: {conflict}", entry.value.span)
        return initializer


def _expectation(key: str, entry: Entry) -> Expectation:
    value = plain(entry.value)
    if isinstance(value, str):
        value = float(value[:-1]) * FACTORS[value[-1]]
    if isinstance(value, list):
        value = tuple(value)
    assert isinstance(value, int | float | tuple)
    return Expectation(key, value, entry.value.span)
