"""Writes the generated pages of docs/, from the tables of the language and the templates: `python docs/reference.py`.

A test holds the committed pages against what this would write.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from vggc import pipeline
from vggc.base.codes import CODES
from vggc.base.diagnostics import Source, SpecError
from vggc.base.records import Named, Record
from vggc.cli.reporters import text_report
from vggc.frontend.schema import definitions, json_schema
from vggc.frontend.schema.from_fields import Schema, field_schema
from vggc.frontend.schema.units import UNITS
from vggc.layers import KINDS
from vggc.layers.option_types import MAX_DIMENSION
from vggc.recipe import recipe
from vggc.recipe.initializers import INITIALIZERS

HERE = Path(__file__).parent
GROUPS = {
    "conv": "Convolution",
    "pool": "Pooling",
    "norm": "Normalisation",
    "activation": "Activations",
    "dropout": "Dropout",
    "linear": "Linear",
    "shape": "Layers that move values",
}


def language() -> str:
    """The text of docs/language.md."""
    template = (HERE / "language.in.md").read_text(encoding="utf-8")
    parts = {
        "KEYS": _keys(),
        "UNITS": _units(),
        "KINDS": _kinds(),
        "INITIALIZERS": _vocabulary(INITIALIZERS),
        "PREPROCESS": _fields(recipe.Preprocess),
        "TRAIN": _fields(recipe.Train),
        "OPTIMIZERS": _vocabulary(recipe.OPTIMIZERS),
        "SCHEDULES": _vocabulary(recipe.SCHEDULES),
        "AUGMENTATIONS": _vocabulary(recipe.AUGMENTATIONS),
        "EXPECT": _properties(definitions.definition("expect")["properties"]),
    }
    for name, lines in parts.items():
        template = template.replace(f"<!-- {name} -->", "\n".join(lines))
    return template


def errors() -> str:
    """The text of docs/errors.md."""
    lines = ["# Errors and warnings", "", "Generated from the table of codes; `vggc explain CODE` prints the same.", ""]
    for code, each in CODES.items():
        name = f" (`{each.name}`)" if each.name else ""
        lines += [f"## {code}: {each.title}{name}", "", each.explanation, ""]
    return "\n".join(lines).rstrip() + "\n"


def bad_inputs() -> str:
    """The text of docs/bad-inputs.md: what `vggc check bad.yaml` prints stands behind each spec."""
    text = (HERE / "bad-inputs.in.md").read_text(encoding="utf-8")
    block = re.compile(r"^```yaml invalid\n(.*?)^```\n\n<!-- OUTPUT -->$", re.MULTILINE | re.DOTALL)
    return block.sub(lambda found: found[0].replace("<!-- OUTPUT -->", f"```text\n{_printed(found[1])}```"), text)


def _printed(text: str) -> str:
    """What the command line prints for a spec that does not compile."""
    try:
        pipeline.compile_source(Source("bad.yaml", text))
    except SpecError as error:
        return click.unstyle(text_report.emit(error.diagnostics)) + "\n"
    raise AssertionError(f"this compiles:\n{text}")


def _keys() -> Iterator[str]:
    yield from _properties(json_schema.root()["properties"])


def _properties(properties: Schema) -> Iterator[str]:
    yield "| key | value | default | meaning |"
    yield "|---|---|---|---|"
    for name, each in properties.items():
        yield f"| `{name}` | {_type(each)} | {_default(each)} | {_meaning(each)} |"


def _meaning(found: Schema) -> str:
    if "description" in found:
        return str(found["description"])
    return str(_resolved(found).get("description", ""))


def _resolved(found: Schema) -> Schema:
    """A schema with its reference followed."""
    if "allOf" in found:
        return _resolved(found["allOf"][0])
    return definitions.definition(found["$ref"].rpartition("/")[2]) if "$ref" in found else found


_LINKS = {
    "item": "[item](#items)",
    "unit_norm": "[norm](#normalisation), `none`",
    "unit_activation": "[activation](#activations), `none`",
    "unit_dropout": "probability, [dropout](#dropout), `none`",
    "pool_item": "number, [pool](#pooling), `none`",
    "initializer": "[initializer](#init)",
    "optimizer": "[optimizer](#optimizers)",
    "schedule": "[schedule](#schedules)",
    "augmentation": "[augmentation](#augmentations)",
    "defaults": "[units](#units)",
    "rewrite": "[rewrite](#rewrite)",
    "init": "[init](#init)",
    "expect": "[expect](#expect)",
    "preprocess": "[preprocess](#preprocess)",
    "train": "[train](#train)",
    "classes": "number, list of names",
}


def _type(found: Schema) -> str:
    """A schema in words, with links into the page."""
    if "allOf" in found:
        return _type(found["allOf"][0])
    if "$ref" in found:
        return _LINKS[found["$ref"].rpartition("/")[2]]
    if "anyOf" in found:
        return ", ".join(dict.fromkeys(_type(each) for each in found["anyOf"]))
    if "enum" in found:
        return ", ".join(f"`{word}`" for word in found["enum"])
    if found["type"] == "array":
        return _list(found)
    return {"integer": _number(found, "integer"), "number": _number(found, "number"), "boolean": "`true`, `false`",
            "string": "word", "object": "mapping"}[found["type"]]  # fmt: skip


def _list(found: Schema) -> str:
    least = found.get("minItems")
    count = f" {least}" if least is not None and least == found.get("maxItems") else ""
    return f"list of{count} {_type(found['items'])}"


def _number(found: Schema, name: str) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    if found.get("minimum") == 0 and found.get("maximum") == 1:
        return f"{name} 0 to 1"
    bounds = [
        f"{sign} {found[rule]}" for rule, sign in signs.items() if abs(found.get(rule, MAX_DIMENSION)) < MAX_DIMENSION
    ]
    return f"{name} {', '.join(bounds)}".rstrip()


def _default(found: Schema) -> str:
    if "default" not in found:
        return ""
    value: Any = found["default"]
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _fields(cls: type[Record]) -> Iterator[str]:
    yield from _properties({name: field_schema(cls, name) for name in cls.field_names()})


def _units() -> Iterator[str]:
    for kind, unit in UNITS.items():
        yield f"### {kind}"
        yield ""
        yield f"{unit.summary()[0].upper()}{unit.summary()[1:]}. A bare number is its `{unit.main}`."
        yield ""
        yield from _properties(definitions.unit_options(unit)["properties"])
        yield ""
        yield f"```yaml item\n- {unit.example}\n```"
        yield ""


def _kinds() -> Iterator[str]:
    for group, title in GROUPS.items():
        yield f"### {title}"
        yield ""
        for cls in KINDS.values():
            if cls.group == group:
                yield from _kind(cls)
                yield f"```yaml item\n- {cls.example}\n```"
                yield ""


def _kind(cls: type[Named]) -> Iterator[str]:
    yield f"#### {cls.kind}"
    yield ""
    yield " ".join(line.strip() for line in (cls.__doc__ or "").split("\n") if line.strip())
    if cls.main is not None:
        yield f"A bare value is its `{cls.main}`."
    yield ""
    if cls.field_names():
        yield from _fields(cls)
        yield ""


def _vocabulary(table: dict[str, type[Named]]) -> Iterator[str]:
    yield "| kind | options | meaning |"
    yield "|---|---|---|"
    for kind, cls in table.items():
        options = ", ".join(_option(cls, name) for name in cls.field_names())
        yield f"| `{kind}` | {options} | {cls.summary()} |"


def _option(cls: type[Named], name: str) -> str:
    default = _default(field_schema(cls, name))
    return f"`{name}` ({default.strip('`')})" if default else f"`{name}`"


def main() -> None:
    """Write the pages."""
    (HERE / "language.md").write_text(language(), encoding="utf-8")
    (HERE / "bad-inputs.md").write_text(bad_inputs(), encoding="utf-8")
    (HERE / "errors.md").write_text(errors(), encoding="utf-8")


if __name__ == "__main__":
    main()
