"""Annotations of records -> JSON Schema."""

from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from vggc.base.records import Limits, OneOf, Record

Schema = dict[str, Any]


def annotation_schema(annotation: object) -> Schema:
    """The schema of a type; `None` in a union only means that the field may be left out.

    Raises:
        TypeError: there is no schema for the type.
    """
    if annotation in _SIMPLE:
        return dict(_SIMPLE[annotation])
    origin = get_origin(annotation)
    if origin is Annotated:
        return _of_annotated(annotation)
    if origin is Literal:
        return {"type": "string", "enum": list(get_args(annotation))}
    if origin in (Union, UnionType):
        members = [annotation_schema(member) for member in get_args(annotation) if member is not NoneType]
        return members[0] if len(members) == 1 else {"anyOf": flatten_unions(members)}
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
    schema = next((reference(item.definition) for item in metadata if isinstance(item, OneOf)), None)
    schema = schema or annotation_schema(inner)
    for item in metadata:
        if isinstance(item, Limits):
            schema = _limited(schema, item)
        elif isinstance(item, str):
            schema = {"description": item, **({"allOf": [schema]} if "$ref" in schema else schema)}
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
    element = annotation_schema(items[0])
    if items[-1] is Ellipsis:
        return {"type": "array", "items": element, "minItems": 1}
    return {"type": "array", "items": element, "minItems": len(items), "maxItems": len(items)}


def flatten_unions(members: list[Schema]) -> list[Schema]:
    """The members of a union, where a union among them is replaced by its own members."""
    return [leaf for member in members for leaf in (member["anyOf"] if set(member) == {"anyOf"} else [member])]


def reference(definition: str) -> Schema:
    """A reference into the definitions."""
    return {"$ref": f"#/definitions/{definition}"}


def record_schema(cls: type[Record], title: str) -> Schema:
    """The schema of an object whose properties are the fields of a record."""
    return closed_object(title, {name: field_schema(cls, name) for name in cls.field_names()}, cls.required())


def field_schema(cls: type[Record], name: str) -> Schema:
    """The schema of one field, with its default."""
    schema = annotation_schema(cls.annotation(name))
    default = cls.default(name)
    if isinstance(default, str | int | float | bool):
        schema["default"] = default
    elif isinstance(default, tuple):
        schema["default"] = list(default)
        if not default:
            del schema["minItems"]
    return schema


def closed_object(title: str, properties: Schema, required: list[str]) -> Schema:
    """The schema of an object with these properties and no others; messages call its keys `title`."""
    schema: Schema = {"title": title, "type": "object", "properties": properties, "additionalProperties": False}
    return schema | ({"required": required} if required else {})
