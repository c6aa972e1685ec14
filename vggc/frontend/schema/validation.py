"""Validation of a document against the schema.

The members of a union differ in type: `_union` selects the one that has the type of the value, so that every violation
has one cause instead of "not valid under any of the given schemas".
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import inf
from types import NoneType
from typing import Any, Final

from jsonschema import Draft7Validator, TypeChecker, ValidationError
from jsonschema.validators import extend

from vggc.frontend.schema.definitions import definition, plugin_kinds
from vggc.frontend.schema.from_fields import Schema
from vggc.frontend.schema.json_schema import alternatives, root


@dataclass(frozen=True)
class Violation:
    """A rule of the schema that a value breaks: the keyword and its argument, the value, its schema and its path.

    `choices` are the members of the union that the value belongs to, or its schema alone.
    """

    rule: str
    bound: Any
    instance: Any
    schema: Schema
    path: tuple[str | int, ...]
    choices: list[Schema]


_NAMES_OF_TYPES: Final[dict[type, str]] = {
    bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object", NoneType: "null",
}  # fmt: skip


def type_of(value: object) -> str:
    """The JSON type of a plain value; an integral float is a number, not an integer."""
    return _NAMES_OF_TYPES[type(value)]


def _fits(schema: Schema, kind: str) -> bool:
    return schema.get("type", kind) == kind or (schema["type"] == "number" and kind == "integer")


def _union(validator: Any, members: list[Schema], instance: object, _: Schema) -> Iterator[ValidationError]:
    """`anyOf`: validate against the member that has the type of the value; an error if there is none."""
    leaves = [leaf for member in members for leaf in alternatives(member)]
    kind = type_of(instance)
    chosen = next((leaf for leaf in leaves if _fits(leaf, kind)), None)
    if chosen is None:
        yield _with_choices(ValidationError("type", validator="type"), leaves)
        return
    for error in validator.descend(instance, chosen):
        yield error if error.relative_path else _with_choices(error, leaves)


def _with_choices(error: Any, leaves: list[Schema]) -> ValidationError:
    error.choices = leaves
    return error  # type: ignore[no-any-return]


def _reference(validator: Any, ref: str, instance: object, _: Schema) -> Iterator[ValidationError]:
    yield from validator.descend(instance, definition(ref.rpartition("/")[2]))


def _closed(validator: Any, _: object, instance: object, schema: Schema) -> Iterator[ValidationError]:
    """`additionalProperties: false`: one error for each unknown key; kinds of other packages are known."""
    if not isinstance(instance, dict):
        return
    for key, value in instance.items():
        if key in schema["properties"]:
            continue
        if key in plugin_kinds(schema["title"]):
            yield from validator.descend(value, definition(key), path=key)
        else:
            yield ValidationError("unknown", validator="additionalProperties", path=[key])


def _one_of(_: Any, words: list[object], instance: object, schema: Schema) -> Iterator[ValidationError]:
    """`enum`, for values of the right type; kinds of other packages are legal as well."""
    if not _fits(schema, type_of(instance)) or instance in words:
        return
    plugin = plugin_kinds(schema.get("title", "")).get(str(instance))
    if plugin is None or plugin.required():
        yield ValidationError("unknown", validator="enum")


def _required(_: Any, names: list[str], instance: object, __: Schema) -> Iterator[ValidationError]:
    """`required`: one error for all missing keys, which are the argument of the rule."""
    if isinstance(instance, dict) and (missing := [name for name in names if name not in instance]):
        yield ValidationError("missing", validator="required", validator_value=missing)


def _single_key(_: Any, most: int, instance: object, __: Schema) -> Iterator[ValidationError]:
    if isinstance(instance, dict) and len(instance) > most:
        yield ValidationError("several", validator="maxProperties")


def _list_items(validator: Any, items: Schema, instance: object, schema: Schema) -> Iterator[ValidationError]:
    """`items`; not for a list that is too long, whose length is the error."""
    if isinstance(instance, list) and len(instance) <= schema.get("maxItems", inf):
        for position, item in enumerate(instance):
            yield from validator.descend(item, items, path=position)


def _unique(_: Any, __: bool, instance: object, ___: Schema) -> Iterator[ValidationError]:
    """`uniqueItems`: one error for each repeated word; other items are errors already."""
    if not isinstance(instance, list):
        return
    seen: set[str] = set()
    for position, item in enumerate(instance):
        if isinstance(item, str) and item in seen:
            yield ValidationError("again", validator="uniqueItems", instance=item, path=[position])
        elif isinstance(item, str):
            seen.add(item)


def _whole_pattern(_: Any, pattern: str, instance: object, __: Schema) -> Iterator[ValidationError]:
    """`pattern`; ours match the whole text, and Python's `$` would allow a line break at the end."""
    if isinstance(instance, str) and not re.fullmatch(pattern, instance):
        yield ValidationError("pattern", validator="pattern")


def _strictly(kind: str) -> Callable[[TypeChecker, object], bool]:
    return lambda _, value: _fits({"type": kind}, type_of(value))


_extend: Any = extend
_Validator = _extend(
    Draft7Validator,
    {
        "anyOf": _union,
        "$ref": _reference,
        "additionalProperties": _closed,
        "maxProperties": _single_key,
        "enum": _one_of,
        "required": _required,
        "items": _list_items,
        "uniqueItems": _unique,
        "pattern": _whole_pattern,
    },
    type_checker=Draft7Validator.TYPE_CHECKER.redefine_many(
        {"integer": _strictly("integer"), "number": _strictly("number")}
    ),
)


def violations(instance: object) -> Iterator[Violation]:
    """The violations of the schema in a Python value, in no particular order."""
    error: Any
    for error in _Validator(root()).iter_errors(instance):
        choices = getattr(error, "choices", [error.schema])
        yield Violation(
            error.validator, error.validator_value, error.instance, error.schema, tuple(error.absolute_path), choices
        )
