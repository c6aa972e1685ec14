"""The definitions of the schema: what may stand as a layer, a unit, a norm, an optimizer and their like.

The tables of the language in the words of JSON Schema; `schema` makes a spec of them.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Final

from vggc.base.records import Named, Record
from vggc.frontend.schema.from_fields import Schema, closed, of_field, of_record, opened, reference
from vggc.frontend.schema.units import FOLLOWERS, UNITS, Unit
from vggc.layers import KINDS, find, of_group, plugged_in
from vggc.layers.layer import MAX_DIMENSION, Layer
from vggc.recipe.initializers import INITIALIZERS

MAX_ITEMS: Final = 10_000  # of a list of layers, which has no room for more
MAX_REPEAT: Final = 10_000
MAX_WIDTH: Final = 1024
LAYER: Final = "kind of layer"
REWRITTEN: Final = "kind of layer to rewrite"


# --- words that pick something -----------------------------------------------------------------------------------


def _options(options: Schema, main: Schema | None) -> Schema:
    """`kind: main-option` or `kind: {options}`."""
    if main is None:
        return options
    bare = {key: value for key, value in main.items() if key not in ("description", "default")}
    return {"anyOf": [*opened([bare]), options]}


def of_named(cls: type[Named]) -> Schema:
    """What may stand behind the word that picks a record."""
    options = of_record(cls, f"option of {cls.kind}")
    enough = cls.main is not None and set(cls.required()) <= {cls.main}
    return {"description": cls.summary(), **_options(options, of_field(cls, str(cls.main)) if enough else None)}


def choice(what: str, table: Mapping[str, Schema], bare: list[str], *others: Schema) -> Schema:
    """A word, or a mapping from one word to its options."""
    word: Schema = {"title": what, "type": "string", "enum": bare}
    mapping = closed(what, dict(table), []) | {"minProperties": 1, "maxProperties": 1}
    return {"anyOf": [*others, word, mapping]}


def _choice_of(what: str, table: Mapping[str, type[Named]], others: Sequence[str] = ()) -> Schema:
    properties = {kind: of_named(cls) for kind, cls in table.items()}
    return choice(what, properties, [*others, *stand_alone(table)])


def stand_alone(table: Mapping[str, type[Named]]) -> list[str]:
    """The words that need no options."""
    return [kind for kind, cls in table.items() if not cls.required()]


# --- layers and units --------------------------------------------------------------------------------------------


def of_unit(unit: Unit, required: bool = True) -> Schema:
    """The options of a unit: those of its layer, and what follows it."""
    properties = {name: of_field(unit.layer, name) for name in unit.layer.field_names()}
    properties |= {name: reference(f"unit_{name}") for name in FOLLOWERS}
    for name, preset in unit.presets.items():
        described = {"allOf": [properties[name]]} if "$ref" in properties[name] else properties[name]
        properties[name] = {**described, "default": preset}
    if not required:
        del properties[unit.main]
    return closed(f"option of {unit.kind}", properties, [unit.main] if required else [])


NONE: Final[Schema] = {"type": "string", "enum": ["none"]}
COUNT: Final[Schema] = {"type": "integer", "minimum": 1, "maximum": MAX_DIMENSION}
ITEMS: Final[Schema] = {"type": "array", "items": reference("item"), "maxItems": MAX_ITEMS}


def _of_group(group: str, *others: Schema) -> Schema:
    names = of_group(group)
    table = {name: reference(name) for name in names}
    return choice(f"kind of {group}", table, ["none", *stand_alone({name: KINDS[name] for name in names})], *others)


def _item() -> Schema:
    table = {name: reference(name) for name in (*UNITS, *KINDS, "repeat")}
    number = {**COUNT, "description": "in features: a conv unit of so many channels; in classifier: an fc unit"}
    return choice(LAYER, table, ["M", *stand_alone(KINDS)], number)


def _repeat() -> Schema:
    times = {"type": "integer", "minimum": 1, "maximum": MAX_REPEAT, "description": "how often they stand in a row"}
    layers = {**ITEMS, "minItems": 1, "description": "the layers that are repeated", "examples": [[64, "M"]]}
    return closed("option of repeat", {"times": times, "layers": layers}, ["times", "layers"])


def _rewrite() -> Schema:
    kind = {"title": REWRITTEN, "type": "string", "enum": list(KINDS)}
    layers = {"anyOf": [reference("item"), {**ITEMS, "minItems": 1}]}
    stage = {"anyOf": [COUNT, {"type": "string", "enum": ["classifier"]}]}
    options: Schema = {name: {} for cls in KINDS.values() for name in cls.field_names()}
    stages = {"anyOf": [*stage["anyOf"], {"type": "array", "items": stage, "minItems": 1}]}
    where = closed("condition of a rewrite", {"stage": stages, **options}, [])
    properties = {
        "after": {**kind, "description": "the kind of layer behind which `insert` is put"},
        "before": {**kind, "description": "the kind of layer in front of which `insert` is put"},
        "replace": {**kind, "description": "the kind of layer that gives way to `with`"},
        "remove": {**kind, "description": "the kind of layer that goes"},
        "insert": {**layers, "description": "a layer, or a list of layers"},
        "with": {**layers, "description": "a layer, or a list of layers"},
        "where": {**where, "description": "only layers with these options, or in these stages"},
    }
    return closed("key of a rewrite", properties, [])


def _init() -> Schema:
    weights = [kind for kind, cls in KINDS.items() if cls.weight_form is not None]
    properties = {name: reference("initializer") for name in weights}
    properties["bias"] = {"allOf": [reference("initializer")], "description": "of every layer that learns one"}
    return closed("key of init", properties, [])


def _expect() -> Schema:
    exactly = {"type": "integer", "minimum": 0}
    amount = {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": AMOUNT}]}
    shape = {"type": "array", "items": COUNT, "minItems": 1, "maxItems": 3}
    properties: Schema = {
        "params": {**exactly, "description": "exactly so many learned parameters"},
        "macs": {**exactly, "description": "exactly so many multiply-accumulates per sample"},
        "flatten": {**COUNT, "description": "exactly so many features enter the classifier"},
        "output": {**shape, "description": "the output's shape, without the batch axis"},
        "max_params": {**amount, "description": "at most so many parameters; `140M` is 140 million"},
        "max_macs": {**amount, "description": "at most so many multiply-accumulates per sample"},
    }
    return closed("key of expect", properties, [])


def _of_recipe(name: str) -> Schema:
    """`preprocess`, `train`, or what `train` picks from; a spec that has neither does not pay for them."""
    from vggc.recipe import recipe

    if name in recipe.VOCABULARIES:
        return _choice_of(name, recipe.VOCABULARIES[name], ["none"] if name in recipe.OPTIONAL else [])
    return _with_none({"preprocess": recipe.Preprocess, "train": recipe.Train}[name], f"key of {name}")


def _with_none(cls: type[Record], title: str) -> Schema:
    """The schema of a record in which `none` undoes what is inherited; a choice has that word among its own."""
    schema = of_record(cls, title)
    for name in cls.field_names():
        field = schema["properties"][name]
        if cls.may_be_none(name) and "allOf" not in field:
            described = {key: field.pop(key) for key in ("description", "default") if key in field}
            schema["properties"][name] = described | {"anyOf": [*opened([field]), NONE]}
    return schema


AMOUNT: Final = r"^[0-9]{1,12}(\.[0-9]{1,12})?[KMGT]$"


def _classes() -> Schema:
    names = {"type": "array", "items": {"type": "string", "pattern": PRINTABLE}, "minItems": 1, "uniqueItems": True}
    return {
        "anyOf": [COUNT, names],
        "description": "how many classes, or their names in order",
        "examples": [10, ["cat", "dog"]],
    }


# One line that every reader of YAML, JSON and SVG takes, and no terminal acts upon.
PRINTABLE: Final = r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]+$"


DEFINITIONS: Final[dict[str, Callable[[], Schema]]] = {
    "item": _item,
    "repeat": _repeat,
    "pool_item": lambda: _of_group("pool", {**COUNT, "description": "adaptive_avg_pool2d of that size"}),
    "unit_norm": lambda: {**_of_group("norm"), "description": "the norm after the layer"},
    "unit_activation": lambda: {**_of_group("activation"), "description": "the activation after that"},
    "unit_dropout": lambda: _of_group("dropout", {"type": "number", "minimum": 0, "maximum": 1}),
    "initializer": lambda: _choice_of("initializer", INITIALIZERS),
    "optimizer": lambda: _of_recipe("optimizer"),
    "schedule": lambda: _of_recipe("schedule"),
    "augmentation": lambda: _of_recipe("augmentation"),
    "rewrite": _rewrite,
    "init": _init,
    "expect": _expect,
    "preprocess": lambda: _of_recipe("preprocess"),
    "train": lambda: _of_recipe("train"),
    "classes": _classes,
    "defaults": lambda: closed("key of defaults", {name: of_unit(unit, False) for name, unit in UNITS.items()}, []),
}


@cache
def definition(name: str) -> Schema:
    """A definition of the schema by name: a kind of layer, a unit, or one of `DEFINITIONS`."""
    if name in DEFINITIONS:
        return DEFINITIONS[name]()
    if name in UNITS:
        unit = UNITS[name]
        described = _options(of_unit(unit), of_field(unit.layer, unit.main))
        return {"description": unit.summary, **described}
    cls = find(name)
    assert cls is not None, name
    return of_named(cls)


def from_elsewhere(word: str, title: str) -> type[Layer] | None:
    """The kind of another package that may stand where the schema of that title names the kinds of vggc."""
    cls = find(word)
    return cls if cls is not None and word not in KINDS and _takes(title, cls) else None


def all_from_elsewhere(title: str) -> list[str]:
    """The kinds of other packages that may stand there."""
    return [kind for kind, cls in plugged_in().items() if _takes(title, cls)]


def _takes(title: str, cls: type[Layer]) -> bool:
    return title in (LAYER, REWRITTEN, f"kind of {cls.group}")


def example(kind: str) -> str:
    """An item of a spec that uses a kind, a unit, or `repeat`."""
    if kind == "repeat":
        return "repeat: {times: 2, layers: [64, M]}"
    cls = UNITS.get(kind) or find(kind)
    assert cls is not None, kind
    return cls.example
