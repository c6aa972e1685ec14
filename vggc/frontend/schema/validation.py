"""A plain document held against the schema.

The unions of the schema are told apart by the type of the value alone: `_narrow` picks the one branch that was meant,
so that every complaint has one cause, and nobody reads "not valid under any of the given schemas".
"""

import re
from collections.abc import Callable, Iterator
from math import inf
from types import NoneType
from typing import Any, Final, NamedTuple

from jsonschema import Draft7Validator, TypeChecker, ValidationError
from jsonschema.validators import extend

from vggc.frontend.schema.definitions import definition, from_elsewhere
from vggc.frontend.schema.from_fields import Schema
from vggc.frontend.schema.json_schema import branches, root


class Violation(NamedTuple):
    """A rule of the schema that a value breaks: the keyword and what it says, the value, its schema and its path.

    `choices` are the alternatives of the union that the value stands in, or its schema alone.
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
    wanted = schema.get("type", kind)
    return wanted == kind or (wanted == "number" and kind == "integer")


def _narrow(validator: Any, unions: list[Schema], instance: object, _: Schema) -> Iterator[ValidationError]:
    """`anyOf`: descend into the branch whose type is the value's, or say which branches there are."""
    leaves = [leaf for each in unions for leaf in branches(each)]
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


def _follow(validator: Any, ref: str, instance: object, _: Schema) -> Iterator[ValidationError]:
    yield from validator.descend(instance, definition(ref.rpartition("/")[2]))


def _closed(validator: Any, _: object, instance: object, schema: Schema) -> Iterator[ValidationError]:
    """`additionalProperties: false`, one error for each key that does not belong; kinds of other packages do."""
    if not isinstance(instance, dict):
        return
    for key, value in instance.items():
        if key in schema["properties"]:
            continue
        if from_elsewhere(key, schema["title"]):
            yield from validator.descend(value, definition(key), path=key)
        else:
            yield ValidationError("unknown", validator="additionalProperties", path=[key])


def _one_of(_: Any, words: list[object], instance: object, schema: Schema) -> Iterator[ValidationError]:
    """`enum`, for values of the right type; kinds of other packages count."""
    if not _fits(schema, type_of(instance)) or instance in words:
        return
    other = from_elsewhere(instance, schema.get("title", "")) if isinstance(instance, str) else None
    if other is None or other.required():
        yield ValidationError("unknown", validator="enum")


def _needed(_: Any, names: list[str], instance: object, __: Schema) -> Iterator[ValidationError]:
    """`required`, one error for all keys that are missing, which are the value of the rule."""
    if isinstance(instance, dict) and (missing := [name for name in names if name not in instance]):
        yield ValidationError("missing", validator="required", validator_value=missing)


def _single(_: Any, most: int, instance: object, __: Schema) -> Iterator[ValidationError]:
    if isinstance(instance, dict) and len(instance) > most:
        yield ValidationError("several", validator="maxProperties")


def _each(validator: Any, items: Schema, instance: object, schema: Schema) -> Iterator[ValidationError]:
    """`items`; not of a list that is too long, where the length is the error."""
    if isinstance(instance, list) and len(instance) <= schema.get("maxItems", inf):
        for position, item in enumerate(instance):
            yield from validator.descend(item, items, path=position)


def _unique(_: Any, __: bool, instance: object, ___: Schema) -> Iterator[ValidationError]:
    """`uniqueItems`, one error for each word that was there before; other items are errors already."""
    if not isinstance(instance, list):
        return
    seen: set[str] = set()
    for position, item in enumerate(instance):
        if isinstance(item, str) and item in seen:
            yield ValidationError("again", validator="uniqueItems", instance=item, path=[position])
        elif isinstance(item, str):
            seen.add(item)


def _whole_pattern(_: Any, pattern: str, instance: object, __: Schema) -> Iterator[ValidationError]:
    """`pattern`; ours are anchored at both ends, and Python's `$` would let a line break pass."""
    if isinstance(instance, str) and not re.fullmatch(pattern, instance):
        yield ValidationError("pattern", validator="pattern")


def _strictly(kind: str) -> Callable[[TypeChecker, object], bool]:
    return lambda _, value: _fits({"type": kind}, type_of(value))


_extend: Any = extend
_Validator = _extend(
    Draft7Validator,
    {
        "anyOf": _narrow,
        "$ref": _follow,
        "additionalProperties": _closed,
        "maxProperties": _single,
        "enum": _one_of,
        "required": _needed,
        "items": _each,
        "uniqueItems": _unique,
        "pattern": _whole_pattern,
    },
    type_checker=Draft7Validator.TYPE_CHECKER.redefine_many(
        {"integer": _strictly("integer"), "number": _strictly("number")}
    ),
)


def violations(instance: object) -> Iterator[Violation]:
    """Everything in which a plain document departs from the schema, in no particular order."""
    error: Any
    for error in _Validator(root()).iter_errors(instance):
        choices = getattr(error, "choices", [error.schema])
        yield Violation(
            error.validator, error.validator_value, error.instance, error.schema, tuple(error.absolute_path), choices
        )
