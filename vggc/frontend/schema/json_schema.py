"""The JSON Schema of a spec, made from the tables of the language.

It is closed: every key that is not in it is an error. It is draft-07, which is what editors read.
"""

import json
from collections.abc import Iterator
from functools import cache
from typing import Final

from vggc.base.codes import WARNINGS
from vggc.base.diagnostics import Source
from vggc.frontend.schema.definitions import COUNT, DEFINITIONS, ITEMS, MAX_WIDTH, NONE, definition
from vggc.frontend.schema.from_fields import Schema, closed, reference
from vggc.frontend.schema.units import UNITS
from vggc.frontend.text.document import plain, read
from vggc.layers import all_kinds


def _described(name: str, description: str) -> Schema:
    return {"allOf": [reference(name)], "description": description}


def _identity() -> Schema:
    """What the network is called, takes and gives."""
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
    """What it is made of, and what belongs to it."""
    return {
        "defaults": _described("defaults", "what the units conv and fc leave open"),
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
        "init": _described("init", "how the weights are drawn"),
        "expect": _described("expect", "what must hold of the network"),
        "allow": {
            "type": "array", "items": {"title": "warning", "type": "string", "enum": list(WARNINGS)}, "minItems": 1,
            "description": "warnings that are switched off, by name",
        },
        "preprocess": _described("preprocess", "how an image becomes the input"),
        "train": _described("train", "the recipe of a training run"),
    }  # fmt: skip


@cache
def root() -> Schema:
    """The schema of a spec without its definitions."""
    return closed("key of a spec", _identity() | _contents(), ["vggc", "name", "input", "features"])


NAME: Final = r"^[A-Za-z_][A-Za-z0-9_.-]*$"


def published() -> Schema:
    """The whole schema, as editors use it: a child spec may leave the required keys to its parent."""
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
    """What stands behind the kind in an item of a spec."""
    if ":" not in example:
        return {}
    item = read(Source("example", example)).sound()
    return plain(next(iter(item.entries.values())).value)


def published_text() -> str:
    """The schema as it stands in `specs/vggc.schema.json`."""
    return json.dumps(published(), indent=1) + "\n"


def branches(schema: Schema) -> Iterator[Schema]:
    """The alternatives of a schema, with references followed and unions inside unions opened."""
    if "$ref" in schema:
        yield from branches(definition(schema["$ref"].rpartition("/")[2]))
    elif "anyOf" in schema:
        for each in schema["anyOf"]:
            yield from branches(each)
    else:
        yield schema
