"""The published schema: what editors read is what vggc checks."""

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest

from tests.fuzzing import corpus
from tests.mutations import Mutator
from tests.regenerate_cases import INVALID, ROOT, VALID, cases
from vggc.base.diagnostics import Source
from vggc.frontend.schema import json_schema
from vggc.frontend.schema.definitions import AMOUNT, DEFINITIONS, PRINTABLE
from vggc.frontend.schema.json_schema import NAME, published, published_text
from vggc.frontend.schema.units import UNITS
from vggc.frontend.schema.validation import violations
from vggc.frontend.schema.wording import expected
from vggc.frontend.text.document import plain
from vggc.frontend.text.parser import parse
from vggc.frontend.text.sources import read_source, stock_names
from vggc.layers import KINDS

PUBLISHED: Final = published()
EDITOR: Final = jsonschema.Draft7Validator(PUBLISHED)


def content(path: Path) -> object:
    return plain(parse(read_source(ROOT / path)).valid_table())


def subschemas(part: object) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict):
        yield part
        for each in part.values():
            yield from subschemas(each)
    elif isinstance(part, list):
        for each in part:
            yield from subschemas(each)


# --- the file ----------------------------------------------------------------------------------------------------


def test_the_file_is_the_schema() -> None:
    assert (ROOT / "specs/vggc.schema.json").read_text() == published_text()
    assert json.loads(published_text()) == PUBLISHED


def test_it_is_draft_7() -> None:
    jsonschema.Draft7Validator.check_schema(PUBLISHED)
    assert PUBLISHED["$schema"] == "http://json-schema.org/draft-07/schema#"
    used = {key for each in subschemas(PUBLISHED) for key in each if key.startswith("$")}
    assert used == {"$schema", "$ref"}


def test_every_reference_leads_somewhere() -> None:
    references = {each["$ref"] for each in subschemas(PUBLISHED) if isinstance(each.get("$ref"), str)}
    assert references <= {f"#/definitions/{name}" for name in PUBLISHED["definitions"]}
    assert set(PUBLISHED["definitions"]) == {*DEFINITIONS, *UNITS, *KINDS}


def test_it_is_closed_everywhere() -> None:
    objects = [each for each in subschemas(PUBLISHED) if each.get("type") == "object"]
    assert len(objects) > 50
    assert [each for each in objects if each.get("additionalProperties") is not False] == []


def test_a_reference_stands_alone() -> None:
    # draft-07 ignores what stands beside a `$ref`.
    assert [each for each in subschemas(PUBLISHED) if "$ref" in each and len(each) > 1] == []


def test_everything_is_described() -> None:
    kinds = {name: PUBLISHED["definitions"][name] for name in (*KINDS, *UNITS)}
    assert {name for name, each in kinds.items() if "description" not in each} == set()
    named = {name: each for name, each in PUBLISHED["properties"].items() if "$ref" not in each}
    assert {name for name, each in named.items() if "description" not in each} == set()


def test_examples_are_valid() -> None:
    for part in subschemas(PUBLISHED):
        for example in part["examples"] if isinstance(part.get("examples"), list) else ():
            jsonschema.Draft7Validator({**part, "definitions": PUBLISHED["definitions"]}).validate(example)


def test_defaults_are_valid() -> None:
    parts = [each for each in subschemas(PUBLISHED) if "default" in each and {"type", "anyOf", "allOf"} & each.keys()]
    assert len(parts) > 50
    for part in parts:
        jsonschema.Draft7Validator({**part, "definitions": PUBLISHED["definitions"]}).validate(part["default"])


def test_every_pattern_is_anchored() -> None:
    patterns = {each["pattern"] for each in subschemas(PUBLISHED) if isinstance(each.get("pattern"), str)}
    assert patterns == {NAME, AMOUNT, PRINTABLE}
    assert all(pattern[0] == "^" and pattern[-1] == "$" for pattern in patterns)


# --- it says what vggc says --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", stock_names())
def test_stock_specs_are_valid(name: str) -> None:
    jsonschema.validate(content(Path(f"specs/{name}.yaml")), PUBLISHED, cls=jsonschema.Draft7Validator)


# A child may complete the options of its parent's layer; an editor that sees the child alone misses the others.
COMPLETING: Final = "extends_path"


@pytest.mark.parametrize("spec", cases(VALID), ids=lambda spec: spec.stem)
def test_valid_cases_are_valid(spec: Path) -> None:
    assert EDITOR.is_valid(content(spec)) == (spec.stem != COMPLETING)


SCHEMATIC: Final = ("missing_", "range", "two_kinds", "type_", "unknown_")


@pytest.mark.parametrize(
    "spec", [each for each in cases(INVALID) if each.stem.startswith(SCHEMATIC)], ids=lambda spec: spec.stem
)
def test_invalid_cases_are_invalid(spec: Path) -> None:
    assert not EDITOR.is_valid(content(spec))


def _strict() -> jsonschema.Draft7Validator:
    """The published schema for a spec without a parent, where an integral float is no integer."""
    whole = copy.deepcopy(PUBLISHED)
    whole["required"] = ["vggc", "name", "input", "features"]
    whole["definitions"]["train"]["required"] = ["epochs", "batch_size", "optimizer"]
    strictly = jsonschema.Draft7Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    )
    extend: Any = jsonschema.validators.extend
    strict = extend(jsonschema.Draft7Validator, type_checker=strictly)
    return strict(whole)  # type: ignore[no-any-return]


@pytest.mark.parametrize("seed", range(4))
def test_an_editor_and_vggc_agree(seed: int) -> None:
    editor = _strict()
    mutator = Mutator(seed, corpus())
    trees = [*mutator.trees[:20], *(json.loads(mutator.tree()) for _ in range(120))]
    # Where a pattern ends, Python and JavaScript disagree about a line break.
    trees = [tree for tree in trees if isinstance(tree, dict) and "\\n" not in json.dumps(tree)]
    answers = [(editor.is_valid(tree), not list(violations(tree)), tree) for tree in trees]
    assert [tree for ours, theirs, tree in answers if ours != theirs] == []
    assert {ours for ours, _, _ in answers} == {True, False}


# --- every union has words ---------------------------------------------------------------------------------------


def unions() -> list[list[dict[str, Any]]]:
    parts = [each for each in subschemas(PUBLISHED) if isinstance(each.get("anyOf"), list)]
    return [
        list(json_schema.alternatives(each))
        for each in parts
        if all("required" not in branch or "type" in branch for branch in each["anyOf"])
    ]


def test_the_branches_of_a_union_differ_in_type() -> None:
    for leaves in unions():
        types = [leaf["type"] for leaf in leaves]
        assert len(types) == len(set(types)), leaves
        assert not {"integer", "number"} <= set(types), leaves


PHRASE: Final = re.compile(r"(an?|true|none|`|\d)")


def test_every_union_can_be_said() -> None:
    phrases = {expected(leaves) for leaves in unions()}
    assert len(phrases) > 10
    assert all(PHRASE.match(phrase) and len(phrase) < 120 for phrase in phrases), phrases
    assert "a whole number, a list of 2 whole numbers, `same` or `valid`" in phrases
    assert "a whole number, `classes` or a mapping of options" in phrases


def test_examples_of_kinds_are_read_from_their_items() -> None:
    for kind, cls in KINDS.items():
        item = plain(parse(Source("test", f"features: [{cls.example}]")).valid_table())
        assert isinstance(item, dict)
        assert list(violations({"vggc": 1, "name": "x", "input": [1, 1, 1], **item})) == [], kind
