"""What the schema says of a place: which keys and words may stand there, and what they mean."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from vggc.frontend.schema.definitions import all_from_elsewhere, definition, example, from_elsewhere, stand_alone
from vggc.frontend.schema.from_fields import Schema
from vggc.frontend.schema.json_schema import branches, root
from vggc.frontend.schema.units import UNITS
from vggc.frontend.schema.wording import expected, is_choice
from vggc.layers import find
from vggc.recipe.initializers import INITIALIZERS
from vggc.recipe.recipe import AUGMENTATIONS, OPTIMIZERS, SCHEDULES

Path = Sequence[str | int]

_RECORDS: Final = INITIALIZERS | OPTIMIZERS | SCHEDULES | AUGMENTATIONS


def leaves(schema: Schema) -> Iterator[Schema]:
    """The alternatives of a schema, with references followed and what was only described opened."""
    for each in branches(schema):
        if "allOf" in each:
            yield from leaves(each["allOf"][0])
        else:
            yield each


def at(path: Path) -> list[Schema]:
    """The alternatives for the value at a path; none where the path leads out of the language."""
    found = [root()]
    for step in path:
        found = [leaf for each in found for inner in _inside(each, step) for leaf in leaves(inner)]
    return found


def _inside(schema: Schema, step: str | int) -> Iterator[Schema]:
    if isinstance(step, int):
        if "items" in schema:
            yield schema["items"]
    elif (inner := _property(schema, step)) is not None:
        yield inner


def _property(schema: Schema, key: str) -> Schema | None:
    """The schema of a key, which may be a kind of another package."""
    if key in schema.get("properties", {}):
        found: Schema = schema["properties"][key]
        return found
    return definition(key) if from_elsewhere(key, schema.get("title", "")) is not None else None


def properties(leaf: Schema) -> dict[str, Schema]:
    """The keys of a mapping, kinds of other packages last."""
    found: dict[str, Schema] = leaf["properties"]
    return found | {kind: definition(kind) for kind in all_from_elsewhere(leaf.get("title", ""))}


def words(leaf: Schema) -> list[object]:
    """The words that a scalar may be, kinds of other packages last."""
    if "enum" not in leaf:
        return []
    elsewhere = {kind: cls for kind in all_from_elsewhere(leaf.get("title", "")) if (cls := find(kind)) is not None}
    return [*leaf["enum"], *stand_alone(elsewhere)]


def owner(path: Path, key: str) -> tuple[Schema, Schema] | None:
    """The mapping at a path that has a key, and the schema of that key, with its own description."""
    for leaf in at(path):
        if (found := _property(leaf, key)) is not None:
            return leaf, found
    return None


def picks(leaf: Schema) -> bool:
    """Whether the keys of a mapping, or the words, are kinds of something."""
    return is_choice(leaf) or ("enum" in leaf and "title" in leaf)


def description(schema: Schema) -> str:
    """What a key is for: its own words, or those of what it refers to."""
    return str(_said(schema, "description") or "")


def examples(schema: Schema) -> list[object]:
    """What the schema gives as examples of a value."""
    return list(_said(schema, "examples") or ())


def _said(schema: Schema, what: str) -> Any:
    """A remark of a schema, or of what it refers to."""
    if what in schema:
        return schema[what]
    if "$ref" in schema:
        return _said(definition(schema["$ref"].rpartition("/")[2]), what)
    return _said(schema["allOf"][0], what) if "allOf" in schema else None


def type_of(schema: Schema) -> str:
    """What may stand behind a key, in words."""
    found = list(leaves(schema))
    if not any(found):
        return "any value"
    words = expected(found)
    if len(found) == 1 and "exclusiveMinimum" in found[0]:
        return f"{words} greater than {found[0]['exclusiveMinimum']}"
    if len(found) == 1 and found[0].get("maximum") == 1:
        return f"{words} from {found[0]['minimum']} to 1"
    return words


def default(schema: Schema) -> str | None:
    """The default of a key as YAML; None where it has none."""
    if "default" not in schema:
        return None
    value = schema["default"]
    return str(value).lower() if isinstance(value, bool) else str(value)


def summary(word: str) -> str:
    """What a kind is, in a line; nothing for other words."""
    if word in UNITS:
        return UNITS[word].summary
    if word == "M":
        return "max_pool2d with a window and a stride of 2"
    if word == "repeat":
        return "the same layers several times in a row"
    cls = _RECORDS.get(word) or find(word)
    return cls.summary() if cls is not None else ""


def main_option(word: str) -> str | None:
    """The option that a bare value behind a kind means."""
    if word in UNITS:
        return UNITS[word].main
    cls = _RECORDS.get(word) or find(word)
    return cls.main if cls is not None else None


def example_of(word: str) -> str | None:
    """An item that uses a kind of layer or a unit."""
    return example(word) if word in UNITS or word == "repeat" or find(word) is not None else None


def options(schema: Schema) -> dict[str, Schema]:
    """The options of a kind by name, and whether each is required."""
    for leaf in leaves(schema):
        if leaf.get("type") == "object" and not is_choice(leaf):
            return dict(leaf["properties"])
    return {}


def required(schema: Schema) -> list[str]:
    """The options without which a kind cannot stand."""
    for leaf in leaves(schema):
        if leaf.get("type") == "object":
            return list(leaf.get("required", ()))
    return []
