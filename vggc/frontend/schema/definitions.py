"""The definitions of the JSON Schema: layers, units, norms, optimizers and so on, from the tables of the language."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Final

from vggc.base.records import Named, Record
from vggc.frontend.schema.from_fields import (
    Schema,
    closed_object,
    field_schema,
    flatten_unions,
    record_schema,
    reference,
)
from vggc.frontend.schema.units import FOLLOWERS, NESTED, UNITS, Unit
from vggc.layers import KINDS, find, of_group, plugged_in
from vggc.layers.layer import Layer
from vggc.layers.option_types import MAX_DIMENSION
from vggc.recipe.initializers import INITIALIZERS

MAX_ITEMS: Final = 10_000  # of a list of layers
MAX_REPEAT: Final = 10_000
MAX_WIDTH: Final = 1024
LAYER: Final = "kind of layer"
REWRITTEN: Final = "kind of layer to rewrite"


def _with_main(options: Schema, main: Schema) -> Schema:
    """`kind: main-option` or `kind: {options}`."""
    bare = {key: value for key, value in main.items() if key not in ("description", "default")}
    return {"anyOf": [*flatten_unions([bare]), options]}


def _options_schema(cls: type[Named]) -> Schema:
    options = record_schema(cls, f"option of {cls.kind}")
    if cls.main is not None and set(cls.required()) <= {cls.main}:
        options = _with_main(options, field_schema(cls, cls.main))
    return {"description": cls.summary(), **options}


def _choice(title: str, table: Mapping[str, Schema], words: list[str], *others: Schema) -> Schema:
    """One of the words, or a mapping from one kind to its options."""
    word: Schema = {"title": title, "type": "string", "enum": words}
    mapping = closed_object(title, dict(table), []) | {"minProperties": 1, "maxProperties": 1}
    return {"anyOf": [*others, word, mapping]}


def _record_choice(title: str, table: Mapping[str, type[Named]], words: Sequence[str] = ()) -> Schema:
    options = {kind: _options_schema(cls) for kind, cls in table.items()}
    return _choice(title, options, [*words, *without_options(table)])


def without_options(table: Mapping[str, type[Named]]) -> list[str]:
    """The kinds that need no options."""
    return [kind for kind, cls in table.items() if not cls.required()]


def unit_options(unit: Unit, required: bool = True) -> Schema:
    """The options of a unit: those of its layer and its followers; without the main one unless `required`."""
    properties = {name: field_schema(unit.layer, name) for name in unit.layer.field_names()}
    properties |= {name: reference(f"unit_{name}") for name in FOLLOWERS}
    for name, preset in unit.presets.items():
        described = {"allOf": [properties[name]]} if "$ref" in properties[name] else properties[name]
        properties[name] = {**described, "default": preset}
    if not required:
        del properties[unit.main]
    return closed_object(f"option of {unit.kind}", properties, [unit.main] if required else [])


NONE: Final[Schema] = {"type": "string", "enum": ["none"]}
COUNT: Final[Schema] = {"type": "integer", "minimum": 1, "maximum": MAX_DIMENSION}
ITEMS: Final[Schema] = {"type": "array", "items": reference("item"), "maxItems": MAX_ITEMS}


def _group_choice(group: str, *others: Schema) -> Schema:
    kinds = {name: KINDS[name] for name in of_group(group)}
    table = {name: reference(name) for name in kinds}
    return _choice(f"kind of {group}", table, ["none", *without_options(kinds)], *others)


def _item() -> Schema:
    table = {name: reference(name) for name in (*UNITS, *KINDS, *NESTED)}
    number = {**COUNT, "description": "in features: a conv unit with this many channels; in classifier: an fc unit"}
    return _choice(LAYER, table, ["M", *without_options(KINDS)], number)


def _repeat() -> Schema:
    times = {"type": "integer", "minimum": 1, "maximum": MAX_REPEAT, "description": "the number of repetitions"}
    layers = {**ITEMS, "minItems": 1, "description": "the layers that are repeated", "examples": [[64, "M"]]}
    return closed_object("option of repeat", {"times": times, "layers": layers}, ["times", "layers"])


def _rewrite() -> Schema:
    kind = {"title": REWRITTEN, "type": "string", "enum": list(KINDS)}
    layers = {"anyOf": [reference("item"), {**ITEMS, "minItems": 1}]}
    stage = {"anyOf": [COUNT, {"type": "string", "enum": ["classifier"]}]}
    options: Schema = {name: {} for cls in KINDS.values() for name in cls.field_names()}
    stages = {"anyOf": [*stage["anyOf"], {"type": "array", "items": stage, "minItems": 1}]}
    where = closed_object("condition of a rewrite", {"stage": stages, **options}, [])
    properties = {
        "after": {**kind, "description": "the kind of layer after which `insert` is put"},
        "before": {**kind, "description": "the kind of layer before which `insert` is put"},
        "replace": {**kind, "description": "the kind of layer that `with` replaces"},
        "remove": {**kind, "description": "the kind of layer that is removed"},
        "insert": {**layers, "description": "a layer, or a list of layers"},
        "with": {**layers, "description": "a layer, or a list of layers"},
        "where": {**where, "description": "only layers with these options, or in these stages"},
    }
    return closed_object("key of a rewrite", properties, [])


def _init() -> Schema:
    weights = [kind for kind, cls in KINDS.items() if cls.weight_form is not None]
    properties = {name: reference("initializer") for name in weights}
    properties["bias"] = {"allOf": [reference("initializer")], "description": "the bias of every layer that has one"}
    return closed_object("key of init", properties, [])


def _expect() -> Schema:
    exactly = {"type": "integer", "minimum": 0}
    amount = {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": AMOUNT}]}
    shape = {"type": "array", "items": COUNT, "minItems": 1, "maxItems": 3}
    properties: Schema = {
        "params": {**exactly, "description": "the exact number of learned parameters"},
        "macs": {**exactly, "description": "the exact number of multiply-accumulates per sample"},
        "flatten": {**COUNT, "description": "the exact number of features that enter the classifier"},
        "output": {**shape, "description": "the shape of the output, without the batch axis"},
        "max_params": {**amount, "description": "the largest number of parameters; `140M` is 140 million"},
        "max_macs": {**amount, "description": "the largest number of multiply-accumulates per sample"},
    }
    return closed_object("key of expect", properties, [])


def _recipe_schema(name: str) -> Schema:
    """`preprocess`, `train`, or a choice of `train`; imported only for a spec that has one of them."""
    from vggc.recipe import recipe

    if name in recipe.VOCABULARIES:
        return _record_choice(name, recipe.VOCABULARIES[name], ["none"] if name in recipe.OPTIONAL else [])
    return _removable({"preprocess": recipe.Preprocess, "train": recipe.Train}[name], f"key of {name}")


def _removable(cls: type[Record], title: str) -> Schema:
    """The schema of a record in which `none` removes an inherited value; a choice already has that word."""
    schema = record_schema(cls, title)
    for name in cls.field_names():
        field = schema["properties"][name]
        if cls.may_be_none(name) and "allOf" not in field:
            described = {key: field.pop(key) for key in ("description", "default") if key in field}
            schema["properties"][name] = described | {"anyOf": [*flatten_unions([field]), NONE]}
    return schema


AMOUNT: Final = r"^[0-9]{1,12}(\.[0-9]{1,12})?[KMGT]$"


def _classes() -> Schema:
    names = {"type": "array", "items": {"type": "string", "pattern": PRINTABLE}, "minItems": 1, "uniqueItems": True}
    return {
        "anyOf": [COUNT, names],
        "description": "how many classes, or their names in order",
        "examples": [10, ["cat", "dog"]],
    }


# One line without characters that YAML, JSON or SVG forbid, or that a terminal interprets.
PRINTABLE: Final = r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]+$"


DEFINITIONS: Final[dict[str, Callable[[], Schema]]] = {
    "item": _item,
    "repeat": _repeat,
    "pool_item": lambda: _group_choice("pool", {**COUNT, "description": "adaptive_avg_pool2d of that size"}),
    "unit_norm": lambda: {**_group_choice("norm"), "description": "the norm after the layer"},
    "unit_activation": lambda: {**_group_choice("activation"), "description": "the activation after that"},
    "unit_dropout": lambda: _group_choice("dropout", {"type": "number", "minimum": 0, "maximum": 1}),
    "initializer": lambda: _record_choice("initializer", INITIALIZERS),
    "optimizer": lambda: _recipe_schema("optimizer"),
    "schedule": lambda: _recipe_schema("schedule"),
    "augmentation": lambda: _recipe_schema("augmentation"),
    "rewrite": _rewrite,
    "init": _init,
    "expect": _expect,
    "preprocess": lambda: _recipe_schema("preprocess"),
    "train": lambda: _recipe_schema("train"),
    "classes": _classes,
    "defaults": lambda: closed_object(
        "key of defaults", {name: unit_options(unit, required=False) for name, unit in UNITS.items()}, []
    ),
}


@cache
def definition(name: str) -> Schema:
    """A definition of the schema by name: a kind of layer, a unit, or one of `DEFINITIONS`."""
    if name in DEFINITIONS:
        return DEFINITIONS[name]()
    if name in UNITS:
        unit = UNITS[name]
        options = _with_main(unit_options(unit), field_schema(unit.layer, unit.main))
        return {"description": unit.summary(), **options}
    cls = find(name)
    assert cls is not None, name
    return _options_schema(cls)


def plugin_kinds(title: str) -> dict[str, type[Layer]]:
    """The kinds of other packages that are legal in addition to those in the schema with this title."""
    return {kind: cls for kind, cls in plugged_in().items() if title in (LAYER, REWRITTEN, f"kind of {cls.group}")}
