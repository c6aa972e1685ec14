"""The schema of a record: its annotated fields are JSON Schema already, in Python's words."""

from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from vggc.base.records import Limits, OneOf, Record

Schema = dict[str, Any]


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
        return branches[0] if len(branches) == 1 else {"anyOf": opened(branches)}
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
    bounds = {
        "minimum": limits.minimum, "exclusiveMinimum": limits.exclusive_minimum,
        "maximum": limits.maximum, "exclusiveMaximum": limits.exclusive_maximum,
    }  # fmt: skip
    limited = schema | {name: bound for name, bound in bounds.items() if bound is not None}
    if not limits.classes:
        return limited
    return {"anyOf": [limited, {"type": "string", "enum": ["classes"]}]}


def _of_tuple(items: tuple[Any, ...]) -> Schema:
    element = of_annotation(items[0])
    if items[-1] is Ellipsis:
        return {"type": "array", "items": element, "minItems": 1}
    return {"type": "array", "items": element, "minItems": len(items), "maxItems": len(items)}


def opened(branches: list[Schema]) -> list[Schema]:
    """The branches of a union, with the unions among them opened."""
    flat: list[Schema] = []
    for each in branches:
        flat += each["anyOf"] if set(each) == {"anyOf"} else [each]
    return flat


def reference(definition: str) -> Schema:
    """A reference into the definitions."""
    return {"$ref": f"#/definitions/{definition}"}


def of_record(cls: type[Record], title: str) -> Schema:
    """The closed object whose properties are the fields of a record."""
    return closed(title, {name: of_field(cls, name) for name in cls.field_names()}, cls.required())


def of_field(cls: type[Record], name: str) -> Schema:
    """The schema of one field, its default included."""
    schema = of_annotation(cls.annotation(name))
    default = cls.default(name)
    if isinstance(default, str | int | float | bool):
        schema["default"] = default
    elif isinstance(default, tuple):
        schema["default"] = list(default)
        if not default:
            del schema["minItems"]
    return schema


def closed(title: str, properties: Schema, required: list[str]) -> Schema:
    """An object that has these properties and no others; `title` says what a key of it is called."""
    schema: Schema = {"title": title, "type": "object", "properties": properties, "additionalProperties": False}
    return schema | ({"required": required} if required else {})
