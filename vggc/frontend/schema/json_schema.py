"""The JSON Schema of a spec, built from the tables of the language; draft-07, which is what editors read.

It is closed: every key that is not in it is an error.
"""

import json
from collections.abc import Iterator
from functools import cache
from typing import Final

from vggc.base.codes import WARNINGS
from vggc.base.diagnostics import Source
from vggc.frontend.schema.definitions import COUNT, DEFINITIONS, ITEMS, MAX_WIDTH, NONE, definition
from vggc.frontend.schema.from_fields import Schema, closed_object, reference
from vggc.frontend.schema.units import UNITS
from vggc.frontend.text.document import plain
from vggc.frontend.text.parser import parse
from vggc.layers import all_kinds


def _described(name: str, description: str) -> Schema:
    return {"allOf": [reference(name)], "description": description}


def _identity() -> Schema:
    return {
        "vggc": {"type": "integer", "enum": [1], "description": "version of the spec language", "examples": [1]},
        "name": {
            "type": "string", "pattern": NAME, "maxLength": 100,
            "description": "name of the network and of its files", "examples": ["mynet"],
        },
        "extends": {"type": "string", "minLength": 1, "description": "a spec to start from: a relative path or a name"},
        "input": {
            "type": "array", "items": COUNT, "minItems": 3, "maxItems": 3,
            "description": "channels, height and width of an image", "examples": [[3, 224, 224]],
        },
        "classes": reference("classes"),
        "width": {
            "type": "number", "exclusiveMinimum": 0, "maximum": MAX_WIDTH,
            "description": "multiplies the channels", "default": 1,
        },
        "divisor": {**COUNT, "description": "scaled channels are multiples of it", "default": 8},
    }  # fmt: skip


def _contents() -> Schema:
    return {
        "defaults": _described("defaults", "options of the units conv and fc that an item leaves out"),
        "features": {
            **ITEMS, "minItems": 1,
            "description": "the convolutional stack; an integer is a conv unit", "examples": [[64, 64, "M"]],
        },
        "pool": _described("pool_item", "between features and classifier; a number is adaptive_avg_pool2d"),
        "classifier": {
            "anyOf": [{**ITEMS, "minItems": 1}, NONE],
            "description": "the head; an integer is an fc unit; `none` compiles the features alone",
            "examples": [[4096, {"linear": "classes"}]],
        },
        "rewrite": {
            "type": "array", "items": reference("rewrite"), "minItems": 1, "maxItems": 100,
            "description": "changes to inherited layers; those of the ancestors come first",
        },
        "init": _described("init", "how the weights are initialised"),
        "expect": _described("expect", "properties that the network must have"),
        "allow": {
            "type": "array", "items": {"title": "warning", "type": "string", "enum": list(WARNINGS)}, "minItems": 1,
            "description": "warnings that are switched off, by name",
        },
        "preprocess": _described("preprocess", "how an image becomes the input"),
        "train": _described("train", "the recipe of a training run"),
    }  # fmt: skip


@cache
def root() -> Schema:
    """The schema of a whole spec, without the definitions."""
    return closed_object("key of a spec", _identity() | _contents(), ["vggc", "name", "input", "features"])


NAME: Final = r"^[A-Za-z_][A-Za-z0-9_.-]*$"


def published() -> Schema:
    """The schema with its definitions, for editors; a spec that extends another need not have the required keys."""
    definitions = {name: definition(name) for name in (*DEFINITIONS, *UNITS, *all_kinds())}
    for kind, cls in all_kinds().items():
        definitions[kind] = {**definitions[kind], "examples": [_options_of_example(cls.example)]}
    definitions["train"] = {key: value for key, value in definitions["train"].items() if key != "required"}
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


def _options_of_example(example: str) -> object:
    if ":" not in example:
        return {}
    item = parse(Source("example", example)).valid_table()
    return plain(next(iter(item.entries.values())).value)


def published_text() -> str:
    """The content of `specs/vggc.schema.json`."""
    return json.dumps(published(), indent=1) + "\n"


def alternatives(schema: Schema) -> Iterator[Schema]:
    """The members of a union, with references and nested unions resolved; a schema that is no union is its only one."""
    if "$ref" in schema:
        yield from alternatives(definition(schema["$ref"].rpartition("/")[2]))
    elif "anyOf" in schema or "allOf" in schema:  # `allOf` has one member, a reference that has a description
        for member in schema.get("anyOf") or schema["allOf"]:
            yield from alternatives(member)
    else:
        yield schema
