"""What the schema says, in words and at the right place."""

from typing import Any

from jsonschema import ValidationError

from vggc.diagnostics import Diagnostic, Note, Span, help_word
from vggc.frontend import schema
from vggc.frontend.document import Items, Table, Value, plain
from vggc.layers import find

_TYPES = {
    "integer": "a whole number", "number": "a number", "boolean": "true or false", "string": "a word",
    "array": "a list", "object": "a mapping", "null": "nothing",
}  # fmt: skip

Path = list[str | int]


def check(document: Table) -> list[Diagnostic]:
    """Everything in which a document departs from the schema, each at the key or value that is at fault."""
    errors = list(schema.violations(plain(document)))
    crowded = {tuple(error.absolute_path) for error in errors if error.validator == "maxProperties"}
    return [
        _diagnostic(document, error)
        for error in errors
        if not _below(crowded, tuple(error.absolute_path)) or error.validator == "maxProperties"
    ]


def _below(crowded: set[tuple[str | int, ...]], path: tuple[str | int, ...]) -> bool:
    """Whether a path lies inside an item that names several kinds, which is cause enough for one error."""
    return any(path[: len(each)] == each for each in crowded)


def locate(document: Value, path: Path) -> tuple[Span, Value]:
    """The key at the end of a path (for a list element: the element), and the value there."""
    key, value = document.span, document
    for step in path:
        if isinstance(value, Table):
            entry = value.entries[str(step)]
            key, value = entry.key, entry.value
        else:
            assert isinstance(value, Items) and isinstance(step, int)
            value = value.items[step]
            key = value.span
    return key, value


def _diagnostic(document: Table, error: ValidationError) -> Diagnostic:
    path: Path = list(error.absolute_path)
    key, value = locate(document, path)
    explain = _EXPLANATIONS.get(str(error.validator), _explain_bounds)
    code, message, at_key, notes = explain(error, path, value)
    return Diagnostic(code, message, key if at_key else value.span, tuple(notes))


Explained = tuple[str, str, bool, list[Note]]


def _subject(path: Path) -> str:
    """What a path speaks of: `kernel_size` of conv2d, item 2 of `input`."""
    names = [step for step in path if isinstance(step, str)]
    if not path:
        return "the spec"
    if isinstance(path[-1], int):
        return f"item {path[-1] + 1} of `{names[-1]}`"
    owner = names[-2] if len(names) > 1 else None
    parent_is_kind = owner is not None and (find(owner) is not None or owner in schema.UNITS)
    return f"`{names[-1]}` of {owner}" if parent_is_kind else f"`{names[-1]}`"


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"`{value}`" if len(value) <= 40 else f"`{value[:37]}...`"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return "a mapping"
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _explain_type(error: ValidationError, path: Path, value: Value) -> Explained:
    wanted = error.validator_value
    names = [_TYPES[each] for each in ([wanted] if isinstance(wanted, str) else wanted)]
    unique = list(dict.fromkeys(names))
    expected = " or ".join([", ".join(unique[:-1]), unique[-1]] if len(unique) > 1 else unique)
    notes = []
    if error.instance is None and path and isinstance(path[-1], str) and find(path[-1]) is not None:
        notes.append(Note("help", f"without options, write `{path[-1]}` alone" if _alone(path[-1]) else "name its options"))
    elif _is_integral(error.instance, names):
        notes.append(Note("help", f"write {int(error.instance)}"))  # type: ignore[call-overload]
    return "E102", f"{_subject(path)} must be {expected}; this is {_shown(error.instance)}", False, notes


def _is_integral(instance: object, names: list[str]) -> bool:
    """Whether somebody wrote 64.0 where 64 was meant."""
    return isinstance(instance, float) and instance.is_integer() and "a whole number" in names


def _alone(kind: str) -> bool:
    cls = find(kind)
    return cls is not None and "required" not in schema.of_record(cls, f"option of {kind}")


def _explain_enum(error: ValidationError, path: Path, value: Value) -> Explained:
    rule: Any = error.schema
    words = [str(word) for word in rule["enum"]]
    title = rule.get("title")
    written = str(error.instance)
    if title is None:
        message = f"{_subject(path)} must be {' or '.join(words)}; this is {_shown(error.instance)}"
        return "E103", message, False, [help_word(written, words, "possible")] if len(words) > 2 else []
    if written in (*schema.UNITS, "repeat") or (find(written) is not None and title == schema.LAYER):
        needs = ", ".join(schema.definition_requires(written))
        return "E104", f"{written} needs {needs}", False, [Note("help", f"for example `{schema.example(written)}`")]
    everything = [*words, *_properties_of(title)]
    return "E101", f"there is no {title} `{written}`", False, [help_word(written, everything, "there are")]


def _properties_of(title: str) -> list[str]:
    """The words of a vocabulary that cannot stand alone."""
    if title == schema.LAYER:
        return [*schema.UNITS, "repeat", *schema.KINDS]
    return []


def _explain_unknown(error: ValidationError, path: Path, value: Value) -> Explained:
    rule: Any = error.schema
    legal = list(rule["properties"])
    return "E101", f"there is no {rule['title']} `{path[-1]}`", True, [help_word(str(path[-1]), legal, "there are")]


def _explain_required(error: ValidationError, path: Path, value: Value) -> Explained:
    rule: Any = error.schema
    missing = next(name for name in rule["required"] if f"'{name}'" in error.message)
    described = rule["properties"][missing].get("description")
    notes = [Note("note", f"`{missing}`: {described}")] if described else []
    owner = path[-1] if path and isinstance(path[-1], str) else "the spec"
    return "E104", f"{owner} needs `{missing}`", bool(path), notes


def _explain_several(error: ValidationError, path: Path, value: Value) -> Explained:
    assert isinstance(error.instance, dict)
    names = list(error.instance)
    title: Any = error.schema["title"]  # type: ignore[index]
    known = [name for name in names if name in error.schema["properties"]]  # type: ignore[index]
    notes = []
    if len(known) == 1:
        inside = ", ".join(name for name in names if name not in known)
        notes.append(Note("help", f"options go inside: `{known[0]}: {{..., {inside}: ...}}`"))
    return "E105", f"one {title} is expected here, and this names {len(names)}: {', '.join(names)}", False, notes


def _explain_bounds(error: ValidationError, path: Path, value: Value) -> Explained:
    bound: Any = error.validator_value
    got = _shown(error.instance)
    rules = {
        "minimum": f"must be at least {bound}",
        "exclusiveMinimum": f"must be greater than {bound}",
        "maximum": f"must be at most {bound:,}" if isinstance(bound, int) else f"must be at most {bound}",
        "minItems": f"must have at least {bound} value{'s' * (bound != 1)}" if isinstance(bound, int) else "",
        "maxItems": f"must have at most {bound} values",
        "minProperties": "must name a kind",
        "minLength": "must not be empty",
        "uniqueItems": "must not hold the same value twice",
        "pattern": f"must match {bound}",
    }
    rule: Any = error.schema
    if error.validator in ("minItems", "maxItems") and rule.get("minItems") == rule.get("maxItems"):
        what = rule.get("description")
        return "E103", f"{_subject(path)} must have {bound} values; this has {len(error.instance)}", False, (  # type: ignore[arg-type]
            [Note("note", what)] if what else []
        )
    message = f"{_subject(path)} {rules[str(error.validator)]}; this is {got}"
    return "E103", message, False, _help_bounds(error, path)


def _help_bounds(error: ValidationError, path: Path) -> list[Note]:
    if path == ["name"]:
        return [Note("help", "letters, digits, `_`, `-` and `.`, a letter or `_` first")]
    if path[0] == "expect" and error.validator == "pattern":
        return [Note("help", "a number, or one with K, M, G or T, such as 140M")]
    return []


_EXPLANATIONS = {
    "type": _explain_type,
    "enum": _explain_enum,
    "additionalProperties": _explain_unknown,
    "required": _explain_required,
    "maxProperties": _explain_several,
}
