"""What the schema says, in words and at the right place."""

from collections.abc import Callable
from typing import Final

from vggc.diagnostics import Diagnostic, Note, Span, help_word
from vggc.frontend.document import Items, Table, Value, plain
from vggc.frontend.schema import LAYER, definition_requires, example
from vggc.frontend.units import UNITS
from vggc.frontend.validation import Violation, violations
from vggc.layers import KINDS, find

_TYPES: Final = {
    "integer": "a whole number", "number": "a number", "boolean": "true or false", "string": "a word",
    "array": "a list", "object": "a mapping", "null": "nothing",
}  # fmt: skip

Path = tuple[str | int, ...]
Explained = tuple[str, str, list[Note]]


def check(document: Table) -> list[Diagnostic]:
    """Everything in which a document departs from the schema, each at the key or value that is at fault."""
    found = list(violations(plain(document)))
    crowded = {each.path for each in found if each.rule == "maxProperties"}
    return [
        _diagnostic(document, each) for each in found if each.rule == "maxProperties" or not _inside(crowded, each.path)
    ]


def _inside(crowded: set[Path], path: Path) -> bool:
    """Whether a path lies in an item that names several kinds, which is cause enough for one error."""
    return any(path[: len(each)] == each for each in crowded)


def locate(document: Value, path: Path) -> tuple[Span, Value]:
    """The key at the end of a path (for a list element: the element), and the value there."""
    key, value = document.span, document
    for step in path:
        if isinstance(value, Table):
            entry = value.entries[str(step)]
            key, value = entry.key, entry.value
        else:
            assert isinstance(value, Items)
            assert isinstance(step, int)
            value = value.items[step]
            key = value.span
    return key, value


def _diagnostic(document: Table, violation: Violation) -> Diagnostic:
    key, value = locate(document, violation.path)
    code, message, notes = _EXPLANATIONS.get(violation.rule, _explain_bound)(violation)
    at_key = violation.rule == "additionalProperties" or (violation.rule == "required" and violation.path)
    return Diagnostic(code, message, key if at_key else value.span, tuple(notes))


def _subject(path: Path) -> str:
    """What a path speaks of: `kernel_size` of conv2d, item 2 of `input`."""
    names = [step for step in path if isinstance(step, str)]
    if not path:
        return "the spec"
    if isinstance(path[-1], int):
        return f"item {path[-1] + 1} of `{names[-1]}`"
    owner = names[-2] if len(names) > 1 else None
    parent_is_kind = owner is not None and (find(owner) is not None or owner in UNITS)
    return f"`{names[-1]}` of {owner}" if parent_is_kind else f"`{names[-1]}`"


def _shown(value: object) -> str:
    """A value as it was written, shortened."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return "a mapping"
    text = str(value)
    text = text if len(text) <= 40 else f"{text[:37]}..."
    return f"`{text}`" if isinstance(value, str) else text


def _explain_type(violation: Violation) -> Explained:
    path, instance = violation.path, violation.instance
    wanted = [violation.bound] if isinstance(violation.bound, str) else violation.bound
    names = list(dict.fromkeys(_TYPES[each] for each in wanted))
    expected = " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    notes = []
    if instance is None and path and (cls := find(str(path[-1]))) is not None:
        notes.append(Note("help", f"write `{cls.example}`" if cls.required() else f"write `{cls.kind}` alone"))
    elif isinstance(instance, float) and instance.is_integer() and "integer" in wanted:
        notes.append(Note("help", f"write {int(instance)}"))
    return "E102", f"{_subject(path)} must be {expected}; this is {_shown(instance)}", notes


def _explain_word(violation: Violation) -> Explained:
    words = [str(word) for word in violation.schema["enum"]]
    title = violation.schema.get("title")
    written = str(violation.instance)
    if title is None:
        message = f"{_subject(violation.path)} must be {' or '.join(words)}; this is {_shown(violation.instance)}"
        return "E103", message, [help_word(written, words, "possible")] if len(words) > 2 else []
    kinds = [*UNITS, "repeat", *KINDS] if title == LAYER else []
    if written in kinds or (title == LAYER and find(written) is not None):
        needs = ", ".join(f"`{name}`" for name in definition_requires(written))
        return "E104", f"{written} needs {needs}", [Note("help", f"for example `{example(written)}`")]
    return "E101", f"there is no {title} `{written}`", [help_word(written, [*words, *kinds], "there are")]


def _explain_unknown(violation: Violation) -> Explained:
    key = str(violation.path[-1])
    title, legal = violation.schema["title"], list(violation.schema["properties"])
    return "E101", f"there is no {title} `{key}`", [help_word(key, legal, "there are")]


def _explain_missing(violation: Violation) -> Explained:
    name = str(violation.bound)
    described = violation.schema["properties"][name].get("description")
    notes = [Note("note", f"`{name}`: {described}")] if described else []
    owner = violation.path[-1] if violation.path and isinstance(violation.path[-1], str) else "the spec"
    return "E104", f"{owner} needs `{name}`", notes


def _explain_several(violation: Violation) -> Explained:
    names = list(violation.instance)
    known = [name for name in names if name in violation.schema["properties"]]
    notes = []
    if len(known) == 1:
        inside = ", ".join(f"{name}: ..." for name in names if name not in known)
        notes.append(Note("help", f"options go inside: `{known[0]}: {{..., {inside}}}`"))
    elif len(known) > 1:
        notes.append(Note("help", "put a `-` before each"))
    title = violation.schema["title"]
    return "E105", f"one {title} is expected here, and this names {len(names)}: {', '.join(names)}", notes


def _explain_bound(violation: Violation) -> Explained:
    bound, rule, schema = violation.bound, violation.rule, violation.schema
    subject = _subject(violation.path)
    if rule in ("minItems", "maxItems"):
        return "E103", f"{subject} {_count(rule, bound, schema)}; this has {len(violation.instance)}", _meant(schema)
    rules = {
        "minimum": f"must be at least {bound}",
        "exclusiveMinimum": f"must be greater than {bound}",
        "maximum": f"must be at most {bound}",
        "minProperties": "must name a kind",
        "minLength": "must not be empty",
        "uniqueItems": "must not hold the same value twice",
        "pattern": "must be a name" if violation.path == ("name",) else "must be an amount",
    }
    return "E103", f"{subject} {rules[rule]}; this is {_shown(violation.instance)}", _help_pattern(violation)


def _count(rule: str, bound: int, schema: dict[str, object]) -> str:
    if schema.get("minItems") == schema.get("maxItems"):
        return f"must have {bound} values"
    return f"must have at {'least' if rule == 'minItems' else 'most'} {bound} value{'s' * (bound != 1)}"


def _meant(schema: dict[str, object]) -> list[Note]:
    return [Note("note", str(schema["description"]))] if "description" in schema else []


def _help_pattern(violation: Violation) -> list[Note]:
    if violation.rule != "pattern":
        return []
    if violation.path == ("name",):
        return [Note("help", "letters, digits, `_`, `-` and `.`, a letter or `_` first")]
    return [Note("help", "a number, or one with K, M, G or T, such as 140M")]


_EXPLANATIONS: Final[dict[str, Callable[[Violation], Explained]]] = {
    "type": _explain_type,
    "enum": _explain_word,
    "additionalProperties": _explain_unknown,
    "required": _explain_missing,
    "maxProperties": _explain_several,
}
