"""Queries on the schema: which keys and words are legal at a path, and what they mean."""

from collections.abc import Sequence
from typing import Any, Final

from vggc.base.records import Named
from vggc.frontend.schema.definitions import definition, plugin_kinds, without_options
from vggc.frontend.schema.from_fields import Schema
from vggc.frontend.schema.json_schema import alternatives, root
from vggc.frontend.schema.units import ShortForm, find_item
from vggc.frontend.schema.wording import expected, is_choice
from vggc.recipe.initializers import INITIALIZERS
from vggc.recipe.recipe import AUGMENTATIONS, OPTIMIZERS, SCHEDULES

Path = Sequence[str | int]

_RECORDS: Final = INITIALIZERS | OPTIMIZERS | SCHEDULES | AUGMENTATIONS


def at(path: Path) -> list[Schema]:
    """The alternatives for the value at a path; none if the path is not legal."""
    schemas = [root()]
    for step in path:
        inner = (_step(schema, step) for schema in schemas)
        schemas = [leaf for schema in inner if schema is not None for leaf in alternatives(schema)]
    return schemas


def _step(schema: Schema, step: str | int) -> Schema | None:
    """The schema of an item, or of a key, which may be a kind of another package."""
    if isinstance(step, int):
        return schema.get("items")
    if step in schema.get("properties", {}):
        return schema["properties"][step]  # type: ignore[no-any-return]
    return definition(step) if step in plugin_kinds(schema.get("title", "")) else None


def properties(leaf: Schema) -> dict[str, Schema]:
    """The keys of a mapping, kinds of other packages last."""
    return {**leaf["properties"], **{kind: definition(kind) for kind in plugin_kinds(leaf.get("title", ""))}}


def words(leaf: Schema) -> list[object]:
    """The legal words of a scalar, kinds of other packages last."""
    return [*leaf["enum"], *without_options(plugin_kinds(leaf.get("title", "")))] if "enum" in leaf else []


def owner(path: Path, key: str) -> tuple[Schema, Schema] | None:
    """The schema of the mapping at a path that has a key, and the schema of that key."""
    for leaf in at(path):
        if (schema := _step(leaf, key)) is not None:
            return leaf, schema
    return None


def names_kinds(leaf: Schema) -> bool:
    """Whether the keys of a mapping, or the legal words, are kinds."""
    return is_choice(leaf) or ("enum" in leaf and "title" in leaf)


def description(schema: Schema) -> str:
    """The description of a schema, or of the one that it refers to."""
    return str(_annotation(schema, "description") or "")


def examples(schema: Schema) -> list[object]:
    """The examples of a schema, or of the one that it refers to."""
    return list(_annotation(schema, "examples") or ())


def _annotation(schema: Schema, keyword: str) -> Any:
    if keyword in schema:
        return schema[keyword]
    if "$ref" in schema:
        return _annotation(definition(schema["$ref"].rpartition("/")[2]), keyword)
    return _annotation(schema["allOf"][0], keyword) if "allOf" in schema else None


def type_of(schema: Schema) -> str:
    """The legal values of a key as a phrase."""
    types = list(alternatives(schema))
    if not any(types):
        return "any value"
    phrase = expected(types)
    if len(types) == 1 and "exclusiveMinimum" in types[0]:
        return f"{phrase} greater than {types[0]['exclusiveMinimum']}"
    if len(types) == 1 and types[0].get("maximum") == 1:
        return f"{phrase} from {types[0]['minimum']} to 1"
    return phrase


def default(schema: Schema) -> str | None:
    """The default of a key as YAML; None if it has none."""
    value = schema.get("default")
    return str(value).lower() if isinstance(value, bool) else None if value is None else str(value)


def _find(word: str) -> ShortForm | type[Named] | None:
    return _RECORDS.get(word) or find_item(word)


def summary(word: str) -> str:
    """One line about a kind; empty for other words."""
    if word == "M":
        return "max_pool2d with a window and a stride of 2"
    kind = _find(word)
    return kind.summary() if kind is not None else ""


def main_option(word: str) -> str | None:
    """The option that a bare value after a kind means."""
    kind = _find(word)
    return kind.main if kind is not None else None


def example(word: str) -> str | None:
    """An item that uses a kind of layer or a short form."""
    item = find_item(word)
    return item.example if item is not None else None


def options(schema: Schema) -> tuple[dict[str, Schema], list[str]]:
    """The options of a kind, and the names of those that cannot be left out."""
    for leaf in alternatives(schema):
        if leaf.get("type") == "object" and not is_choice(leaf):
            return leaf["properties"], leaf.get("required", [])
    return {}, []
