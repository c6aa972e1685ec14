"""The JSON Schema of a spec, made from the tables of the language; and a document held against it.

The schema is closed: every key that is not in it is an error. It is draft-07, which is what editors read. Its unions
are told apart by the type of the value alone, so a union never has to answer "not valid under any of the given
schemas": `_narrow` picks the one branch that was meant, and every complaint has one cause.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from jsonschema import Draft7Validator, TypeChecker, ValidationError
from jsonschema.validators import extend

from vggc.frontend import recipe
from vggc.frontend.initializers import INITIALIZERS
from vggc.frontend.units import FC, CONV, UNITS, Unit
from vggc.layers import KINDS, all_kinds, find, of_group
from vggc.layers.base import MAX_DIMENSION, Layer
from vggc.records import Limits, OneOf, Record

Schema = dict[str, Any]

MAX_REPEAT: Final = 10_000
LAYER: Final = "kind of layer"


# --- the schema of one annotated field ---------------------------------------------------------------------------


def of_annotation(annotation: object) -> Schema:
    """The schema of a field's type; `None` in a union only says that the field may be left out."""
    if annotation in _SIMPLE:
        return dict(_SIMPLE[annotation])
    origin = get_origin(annotation)
    if origin is Annotated:
        return _of_annotated(annotation)
    if origin is Literal:
        return {"type": "string", "enum": list(get_args(annotation))}
    if origin in (Union, UnionType):
        branches = [of_annotation(each) for each in get_args(annotation) if each is not NoneType]
        return branches[0] if len(branches) == 1 else {"anyOf": _flat(branches)}
    if origin is tuple:
        return _of_tuple(get_args(annotation))
    raise TypeError(f"no schema for the annotation {annotation!r}")


_SIMPLE: Final[dict[object, Schema]] = {
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    str: {"type": "string"},
}


def _of_annotated(annotation: object) -> Schema:
    inner, *metadata = get_args(annotation)
    picked = [each for each in metadata if isinstance(each, OneOf)]
    schema = reference(picked[0].definition) if picked else of_annotation(inner)
    for each in metadata:
        if isinstance(each, Limits):
            schema = _limited(schema, each)
        elif isinstance(each, str):
            schema = {"description": each, **({"allOf": [schema]} if "$ref" in schema else schema)}
    return schema


def _limited(schema: Schema, limits: Limits) -> Schema:
    bounds = {"minimum": limits.minimum, "exclusiveMinimum": limits.exclusive_minimum, "maximum": limits.maximum}
    limited = schema | {name: bound for name, bound in bounds.items() if bound is not None}
    if not limits.classes:
        return limited
    return {"anyOf": [limited, {"type": "string", "enum": ["classes"]}]}


def _of_tuple(items: tuple[Any, ...]) -> Schema:
    element = of_annotation(items[0])
    if items[-1] is Ellipsis:
        return {"type": "array", "items": element, "minItems": 1}
    return {"type": "array", "items": element, "minItems": len(items), "maxItems": len(items)}


def _flat(branches: list[Schema]) -> list[Schema]:
    """Unions inside a union become its branches."""
    flat: list[Schema] = []
    for each in branches:
        flat += each["anyOf"] if set(each) == {"anyOf"} else [each]
    return flat


def reference(definition: str) -> Schema:
    """A reference into the definitions."""
    return {"$ref": f"#/definitions/{definition}"}


# --- records, and the words that pick one ------------------------------------------------------------------------


@cache
def of_record(cls: type[Record], title: str) -> Schema:
    """The closed object whose properties are the fields of a record."""
    properties = {name: of_field(cls, name) for name in cls._fields}
    required = [name for name in properties if "default" not in properties[name] and not _optional(cls, name)]
    return _object(title, properties, required)


def of_field(cls: type[Record], name: str) -> Schema:
    """The schema of one field, its default included."""
    schema = of_annotation(cls._fields[name].type)
    default = cls._fields[name].default
    if isinstance(default, str | int | float | bool):
        schema["default"] = default
    elif isinstance(default, tuple):
        schema["default"] = list(default)
    return schema


def _optional(cls: type[Record], name: str) -> bool:
    return cls._fields[name].default is None


def _object(title: str, properties: Schema, required: list[str]) -> Schema:
    schema: Schema = {"title": title, "type": "object", "properties": properties, "additionalProperties": False}
    return schema | ({"required": required} if required else {})


def _options(kind: str, options: Schema, main: Schema | None) -> Schema:
    """`kind: main-option` or `kind: {options}`."""
    return options if main is None else {"anyOf": [*_flat([_bare(main)]), options]}


def _bare(schema: Schema) -> Schema:
    return {key: value for key, value in schema.items() if key not in ("description", "default")}


@cache
def of_named(kind: str, cls: type[Record], main: str | None) -> Schema:
    """What may stand behind the word that picks a record."""
    return _options(kind, of_record(cls, f"option of {kind}"), of_field(cls, main) if main else None)


def _documented(schema: Schema, cls: type[Any]) -> Schema:
    return {"description": (cls.__doc__ or "").split("\n")[0], **schema}


def choice(what: str, table: Mapping[str, Schema], bare: list[str], *others: Schema) -> Schema:
    """A word, or a mapping from one word to its options."""
    branches: list[Schema] = [*others]
    if bare:
        branches.append({"title": what, "type": "string", "enum": bare})
    branches.append(
        {
            "title": what,
            "type": "object",
            "properties": table,
            "additionalProperties": False,
            "minProperties": 1,
            "maxProperties": 1,
        }
    )
    return {"anyOf": branches}


def _choice_of(what: str, table: Mapping[str, type[Any]], *others: Schema) -> Schema:
    properties = {kind: _documented(of_named(kind, cls, cls.main), cls) for kind, cls in table.items()}
    return choice(what, properties, [kind for kind, cls in table.items() if _stands_alone(cls)], *others)


def _stands_alone(cls: type[Record]) -> bool:
    return "required" not in of_record(cls, f"option of {cls.kind}")  # type: ignore[attr-defined]


# --- layers and units --------------------------------------------------------------------------------------------


def of_unit(unit: Unit, required: bool = True) -> Schema:
    """The options of a unit: those of its layer, and what follows it."""
    properties = {name: of_field(unit.layer, name) for name in unit.layer._fields}
    properties |= {name: reference(name) for name in ("norm", "activation", "dropout")}
    for name, preset in unit.presets.items():
        described = {"allOf": [properties[name]]} if "$ref" in properties[name] else properties[name]
        properties[name] = {**described, "default": preset}
    if not required:
        del properties[unit.main]
    return _object(f"option of {unit.kind}", properties, [unit.main] if required else [])


def _of_layer(cls: type[Layer]) -> Schema:
    return {**_documented(of_named(cls.kind, cls, cls.main), cls), "examples": [_example(cls.example)]}


def _example(text: str) -> object:
    from vggc.diagnostics import Source
    from vggc.frontend.document import Table, plain, read

    value = read(Source("example", text))
    item = plain(value)
    return next(iter(item.values())) if isinstance(value, Table) and isinstance(item, dict) else {}


NONE: Final[Schema] = {"type": "string", "enum": ["none"]}
COUNT: Final[Schema] = {"type": "integer", "minimum": 1, "maximum": MAX_DIMENSION}


def _of_group(group: str, *others: Schema) -> Schema:
    names = of_group(group)
    table = {name: reference(name) for name in names}
    alone = [name for name in names if _stands_alone(KINDS[name])]
    return choice(f"kind of {group}", table, ["none", *alone], *others)


def _item() -> Schema:
    kinds = KINDS
    bare = ["M", *(name for name, cls in kinds.items() if _stands_alone(cls))]
    names = {**{name: reference(name) for name in UNITS}, **{name: reference(name) for name in kinds}}
    number = {**COUNT, "description": "in features: a conv unit of so many channels; in classifier: an fc unit"}
    return choice(LAYER, names | {"repeat": reference("repeat")}, bare, number)


def _repeat() -> Schema:
    times = {"type": "integer", "minimum": 1, "maximum": MAX_REPEAT, "description": "how often"}
    layers = {"type": "array", "items": reference("item"), "minItems": 1, "description": "what"}
    return _object("option of repeat", {"times": times, "layers": layers}, ["times", "layers"])


def _init() -> Schema:
    weights = [kind for kind, cls in KINDS.items() if kind in ("conv2d", "linear") or cls.group == "norm"] + ["prelu"]
    properties = {name: reference("initializer") for name in weights}
    properties["bias"] = {"allOf": [reference("initializer")], "description": "of every layer that learns one"}
    return _object("key of init", properties, [])


def _expect() -> Schema:
    amount = {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string", "pattern": AMOUNT}]}
    shape = {"type": "array", "items": COUNT, "minItems": 1, "maxItems": 3}
    properties: Schema = {
        "params": {**COUNT, "description": "exactly so many learned parameters"},
        "macs": {**COUNT, "description": "exactly so many multiply-accumulates per sample"},
        "flatten": {**COUNT, "description": "exactly so many features enter the classifier"},
        "output": {**shape, "description": "the output's shape, without the batch axis"},
        "max_params": {**amount, "description": "at most so many parameters; `140M` is 140 million"},
        "max_macs": {**amount, "description": "at most so many multiply-accumulates per sample"},
    }
    return _object("key of expect", properties, [])


AMOUNT: Final = r"^[0-9]+(\.[0-9]+)?[KMGT]$"


def _classes() -> Schema:
    names = {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1, "uniqueItems": True}
    return {"anyOf": [COUNT, names], "description": "how many classes, or their names in order"}


DEFINITIONS: Final[dict[str, Callable[[], Schema]]] = {
    "item": _item,
    "repeat": _repeat,
    "pool_item": lambda: choice(
        "kind of pool",
        {name: reference(name) for name in of_group("pool")},
        ["none", *(name for name in of_group("pool") if _stands_alone(KINDS[name]))],
        {**COUNT, "description": "adaptive_avg_pool2d of that size"},
    ),
    "norm": lambda: {**_of_group("norm"), "description": "the norm after the layer"},
    "activation": lambda: {**_of_group("activation"), "description": "the activation after that"},
    "dropout": lambda: _of_group("dropout", {"type": "number", "minimum": 0, "maximum": 1}),
    "initializer": lambda: _choice_of("initializer", INITIALIZERS),
    "optimizer": lambda: _choice_of("optimizer", recipe.OPTIMIZERS),
    "schedule": lambda: _choice_of("schedule", recipe.SCHEDULES),
    "augmentation": lambda: _choice_of("augmentation", recipe.AUGMENTATIONS),
    "init": _init,
    "expect": _expect,
    "preprocess": lambda: of_record(recipe.Preprocess, "key of preprocess"),
    "train": lambda: of_record(recipe.Train, "key of train"),
    "classes": _classes,
    "defaults": lambda: _object("key of defaults", {name: of_unit(unit, False) for name, unit in UNITS.items()}, []),
}


@cache
def definition(name: str) -> Schema:
    """A definition of the schema by name: a kind of layer, a unit, or one of `DEFINITIONS`."""
    if name in DEFINITIONS:
        return DEFINITIONS[name]()
    if name in UNITS:
        unit = UNITS[name]
        described = _options(name, of_unit(unit), of_field(unit.layer, unit.main))
        return {"description": unit.summary, **described}
    cls = find(name)
    assert cls is not None, name
    return _of_layer(cls)


def definition_requires(kind: str) -> list[str]:
    """The options without which a kind or unit cannot stand."""
    objects = [each for each in _branches(definition(kind)) if each.get("type") == "object"]
    return [str(name) for name in objects[0].get("required", ())]


def example(kind: str) -> str:
    """An item of a spec that uses a kind, a unit, or `repeat`."""
    if kind == "repeat":
        return "repeat: {times: 2, layers: [64, M]}"
    cls = UNITS.get(kind) or find(kind)
    assert cls is not None, kind
    return cls.example


# --- the whole ---------------------------------------------------------------------------------------------------


@cache
def root() -> Schema:
    """The schema of a spec without its definitions."""
    items = {"type": "array", "items": reference("item")}
    properties: Schema = {
        "vggc": {"type": "integer", "enum": [1], "description": "version of the spec language"},
        "name": {"type": "string", "pattern": NAME, "description": "name of the network and of its files"},
        "extends": {"type": "string", "minLength": 1, "description": "a spec to start from: a relative path or a name"},
        "input": {
            "type": "array", "items": COUNT, "minItems": 3, "maxItems": 3,
            "description": "channels, height and width of an image", "examples": [[3, 224, 224]],
        },
        "classes": reference("classes"),
        "width": {"type": "number", "exclusiveMinimum": 0, "description": "multiplies the channels", "default": 1},
        "divisor": {**COUNT, "description": "scaled channels are multiples of it", "default": 8},
        "defaults": reference("defaults"),
        "features": {**items, "minItems": 1, "description": "the convolutional stack; an integer is a conv unit"},
        "pool": {"allOf": [reference("pool_item")], "description": "between features and classifier"},
        "classifier": {
            "anyOf": [{**items, "minItems": 1}, NONE],
            "description": "the head; an integer is an fc unit; `none` compiles the features alone",
        },
        "init": reference("init"),
        "expect": reference("expect"),
        "preprocess": reference("preprocess"),
        "train": reference("train"),
    }  # fmt: skip
    return _object("key of a spec", properties, ["vggc", "name", "input", "features"])


NAME: Final = r"^[A-Za-z_][A-Za-z0-9_.-]*$"


def published() -> Schema:
    """The whole schema, as editors use it: a child spec may leave the required keys to its parent."""
    definitions = {name: definition(name) for name in (*DEFINITIONS, *UNITS, *all_kinds())}
    whole = {key: value for key, value in root().items() if key not in ("title", "required")}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "vggc spec",
        "description": "A convolutional network, compiled by vggc into PyTorch and verified ONNX.",
        **whole,
        "required": ["vggc", "name"],
        "anyOf": [{"required": ["extends"]}, {"required": ["input", "features"]}],
        "definitions": definitions,
    }


# --- validation --------------------------------------------------------------------------------------------------

_NAMES_OF_TYPES: Final[dict[type, str]] = {
    bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object", NoneType: "null",
}  # fmt: skip


def type_of(value: object) -> str:
    """The JSON type of a plain value; an integral float is a number, not an integer."""
    return _NAMES_OF_TYPES[type(value)]


def _fits(schema: Schema, kind: str) -> bool:
    wanted = schema.get("type")
    return wanted == kind or (wanted == "number" and kind == "integer")


def _branches(schema: Schema) -> Iterator[Schema]:
    if "$ref" in schema:
        yield from _branches(definition(schema["$ref"].rpartition("/")[2]))
    elif "anyOf" in schema:
        for each in schema["anyOf"]:
            yield from _branches(each)
    else:
        yield schema


def _narrow(validator: Any, branches: list[Schema], instance: object, schema: Schema) -> Iterator[ValidationError]:
    """`anyOf`: descend into the branch whose type is the value's, or say which types there are."""
    leaves = [leaf for each in branches for leaf in _branches(each)]
    kind = type_of(instance)
    for leaf in leaves:
        if _fits(leaf, kind):
            yield from validator.descend(instance, leaf)
            return
    yield ValidationError("type", validator="type", validator_value=[leaf["type"] for leaf in leaves])


def _follow(validator: Any, ref: str, instance: object, schema: Schema) -> Iterator[ValidationError]:
    yield from validator.descend(instance, definition(ref.rpartition("/")[2]))


def _closed(validator: Any, _: object, instance: object, schema: Schema) -> Iterator[ValidationError]:
    """`additionalProperties: false`, one error for each key that does not belong; kinds of other packages do."""
    if not isinstance(instance, dict):
        return
    for key, value in instance.items():
        if key in schema["properties"]:
            continue
        if schema["title"] == LAYER and find(key):
            yield from validator.descend(value, definition(key), path=key)
        else:
            yield ValidationError("unknown", validator="additionalProperties", path=[key])


def _one_of(validator: Any, words: list[object], instance: object, schema: Schema) -> Iterator[ValidationError]:
    """`enum`, where kinds of other packages count as kinds of layers."""
    if instance in words and type(instance) in (str, int):
        return
    other = find(instance) if schema.get("title") == LAYER and isinstance(instance, str) else None
    if other is None or not _stands_alone(other):
        yield ValidationError("unknown", validator="enum")


def _single(validator: Any, most: int, instance: object, schema: Schema) -> Iterator[ValidationError]:
    if isinstance(instance, dict) and len(instance) > most:
        yield ValidationError("several", validator="maxProperties")


def _strictly(kind: str) -> Callable[[TypeChecker, object], bool]:
    return lambda _, value: _fits({"type": kind}, type_of(value))


_Validator = extend(
    Draft7Validator,
    {
        "anyOf": _narrow,
        "$ref": _follow,
        "additionalProperties": _closed,
        "maxProperties": _single,
        "enum": _one_of,
    },
    type_checker=Draft7Validator.TYPE_CHECKER.redefine_many({"integer": _strictly("integer"), "number": _strictly("number")}),
)


def violations(instance: object) -> Iterator[ValidationError]:
    """Everything in which a plain document departs from the schema, in no particular order."""
    yield from _Validator(root()).iter_errors(instance)


def published_text() -> str:
    """The schema as it stands in `specs/vggc.schema.json`."""
    return json.dumps(published(), indent=1) + "\n"
