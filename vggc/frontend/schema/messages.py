"""What the schema says, in words, at the right place, and with a way out."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final, NamedTuple

from vggc.base.diagnostics import MAX_DIAGNOSTICS, Diagnostic, Note, Span
from vggc.base.words import joined, quoted
from vggc.frontend.schema import suggestions
from vggc.frontend.schema.definitions import MAX_ITEMS
from vggc.frontend.schema.from_fields import Schema
from vggc.frontend.schema.json_schema import branches
from vggc.frontend.schema.validation import Violation, violations
from vggc.frontend.schema.wording import expected, is_choice, legal_words
from vggc.frontend.text.document import Document, Items, Leaf, Table, Value, plain
from vggc.frontend.text.values import shown

Path = tuple[str | int, ...]


class Complaint(NamedTuple):
    """A violation, the key that leads to the value at fault, and the value."""

    violation: Violation
    key: Span
    value: Value


Explained = tuple[str, str, list[Note]]


def check(document: Document) -> list[Diagnostic]:
    """Everything that is wrong with a document before its meaning is asked for, each at the key or value at fault."""
    broken = islice(violations(plain(document.table)), MAX_DIAGNOSTICS + 1)
    found = [Complaint(each, *locate(document.table, each.path)) for each in broken]
    said = [_diagnostic(each) for each in _causes(found, document.spoilt)]
    # An alias stands for its anchor in several places; what is wrong in it is wrong once.
    return [*document.flaws, *{(each.code, each.message, each.span): each for each in said}.values()]


def locate(table: Table, path: Path) -> tuple[Span, Value]:
    """The key at the end of a path (for a list element: the element), and the value there."""
    key = table.span
    value: Value = table
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


# --- one cause, one error ---


def _causes(found: list[Complaint], spoilt: frozenset[Span]) -> Iterator[Complaint]:
    """The complaints that are not consequences of others."""
    crowded = {each.violation.path for each in found if each.violation.rule == "maxProperties"}
    meant = _meant(each.violation for each in found)
    for each in found:
        violation = each.violation
        if violation.rule != "maxProperties" and _inside(crowded, violation.path):
            continue
        if (each.key if violation.rule == "additionalProperties" else each.value.span) in spoilt:
            continue
        if violation.rule == "required":
            missing = [name for name in violation.bound if (violation.path, name) not in meant]
            violation = violation._replace(bound=missing)
        if violation.bound != []:
            yield each._replace(violation=violation)


def _inside(crowded: set[Path], path: Path) -> bool:
    """Whether a path lies in an item that names several kinds, which is cause enough for one error."""
    return any(path[: len(each)] == each for each in crowded)


def _meant(found: Iterable[Violation]) -> set[tuple[Path, str | None]]:
    """The keys that unknown ones were meant to be, so that they are not missing as well."""
    return {
        (each.path[:-1], suggestions.meant(str(each.path[-1]), list(each.schema["properties"])))
        for each in found
        if each.rule == "additionalProperties"
    }


# --- the words ---


def _diagnostic(complaint: Complaint) -> Diagnostic:
    violation, key, value = complaint
    code, message, notes = _EXPLANATIONS.get(violation.rule, _explain_bound)(complaint)
    empty = isinstance(value, Leaf) and value.value is None
    at_key = empty or violation.rule == "additionalProperties" or (violation.rule == "required" and violation.path)
    return Diagnostic(code, message, key if at_key else value.span, tuple(notes))


def _subject(path: Path) -> str:
    """What a path speaks of: `kernel_size` of conv2d, item 2 of `input`."""
    if not path:
        return "the spec"
    if isinstance(path[-1], int):
        return f"item {path[-1] + 1} of `{path[-2]}`"
    owner = f" of {path[-2]}" if len(path) > 1 and isinstance(path[-2], str) else ""
    return f"`{path[-1]}`{owner}"


def _must(complaint: Complaint) -> str:
    violation = complaint.violation
    return f"{_subject(violation.path)} must be {expected(violation.choices)}; this is {shown(complaint.value)}"


def _explain_type(complaint: Complaint) -> Explained:
    violation, _, value = complaint
    if isinstance(value, Leaf) and value.value is None:
        return _explain_nothing(complaint)
    return "E102", _must(complaint), suggestions.for_type(violation.path, value, violation.choices)


def _explain_nothing(complaint: Complaint) -> Explained:
    violation, _, value = complaint
    if value.span.column != value.span.end_column:
        return "E102", _must(complaint), [Note("help", "remove it, or write a value")]
    if isinstance(violation.path[-1], int):
        note = Note("help", "write it behind the `-`, or remove the `-`")
        return "E102", f"{_subject(violation.path)} is empty", [note]
    message = f"{violation.path[-1]}: nothing stands behind the colon"
    return "E102", message, suggestions.for_nothing(violation.path, violation.choices)


def _explain_word(complaint: Complaint) -> Explained:
    violation = complaint.violation
    word, words = str(violation.instance), legal_words(violation.choices)
    title = violation.schema.get("title")
    if violation.path == ("vggc",):
        note = Note("help", f"write `vggc: {words[0]}`, or use the vggc that the spec is written for")
        return "E103", f"this vggc reads version {words[0]} of the language, and the spec says {word}", [note]
    if title is None:
        return "E103", _must(complaint), suggestions.for_value(word, words)
    if needed := _needs(violation.choices, word):
        return _incomplete(word, needed)
    return "E101", f"there is no {title} {quoted(word)}", suggestions.for_word(word, title, words)


def _needs(choices: Iterable[Schema], word: str) -> list[str]:
    """The options without which a legal word cannot stand."""
    for leaf in choices:
        if is_choice(leaf) and word in leaf["properties"]:
            options = [each for each in branches(leaf["properties"][word]) if each["type"] == "object"]
            return [str(name) for name in options[0].get("required", ())]
    return suggestions.requirements(word)


def _incomplete(owner: str, names: list[str]) -> Explained:
    wanted = joined([f"`{name}`" for name in names], "and")
    return "E104", f"{owner} needs {wanted}", suggestions.for_incomplete(owner, names)


def _explain_unknown(complaint: Complaint) -> Explained:
    path, schema = complaint.violation.path, complaint.violation.schema
    key = str(path[-1])
    if path[0] == "defaults" and path[2:] and key in ("out_channels", "out_features"):
        note = Note("help", f"write it in each {path[1]}")
        return "E101", f"`{key}` has no default: every {path[1]} has its own", [note]
    return "E101", f"there is no {schema['title']} {quoted(key)}", suggestions.for_key(key, schema)


def _explain_missing(complaint: Complaint) -> Explained:
    violation = complaint.violation
    if violation.path:
        owner = violation.path[-1] if isinstance(violation.path[-1], str) else f"item {violation.path[-1] + 1}"
        code, message, notes = _incomplete(owner, violation.bound)
        return code, message, [*suggestions.described(violation.bound, violation.schema), *notes]
    code, message, _ = _incomplete("the spec", violation.bound)
    return code, message, suggestions.for_spec(violation.bound, violation.schema)


def _explain_several(complaint: Complaint) -> Explained:
    violation = complaint.violation
    names = list(violation.instance)
    title = violation.schema["title"]
    message = f"one {title} is expected here, and this names {len(names)}: {joined(names[:5], 'and')}"
    return "E105", message, suggestions.for_several(violation.path, names, legal_words(violation.choices))


def _explain_bound(complaint: Complaint) -> Explained:
    violation, _, value = complaint
    bound, rule, subject = violation.bound, violation.rule, _subject(violation.path)
    if rule in ("minItems", "maxItems"):
        return _explain_length(complaint)
    rules = {
        "minimum": f"must be at least {bound}",
        "exclusiveMinimum": f"must be greater than {bound}",
        "exclusiveMaximum": f"must be less than {bound}",
        "maximum": f"must be at most {bound:,}" if isinstance(bound, int) else f"must be at most {bound}",
        "minProperties": f"names no {violation.schema.get('title')}",
        "maxLength": f"has at most {bound} characters",
    }
    if rule == "pattern":
        return "E103", _must(complaint), suggestions.for_pattern(bound, violation.instance)
    if rule == "uniqueItems":
        return "E103", f"the class {quoted(violation.instance)} stands here a second time", []
    return "E103", f"{subject} {rules[rule]}; this is {shown(value)}", []


def _explain_length(complaint: Complaint) -> Explained:
    violation = complaint.violation
    schema, subject = violation.schema, _subject(violation.path)
    if violation.bound == MAX_ITEMS:
        return "E009", f"{subject} has {len(violation.instance):,} items, over the limit of {MAX_ITEMS:,}", []
    if not violation.instance:
        return "E103", f"{subject} is an empty list", suggestions.examples(schema)
    if schema.get("minItems") == schema.get("maxItems"):
        return "E103", _must(complaint), suggestions.examples(schema)
    return "E103", f"{subject} must have at most {violation.bound} values; this has {len(violation.instance)}", []


_EXPLANATIONS: Final[dict[str, Callable[[Complaint], Explained]]] = {
    "type": _explain_type,
    "enum": _explain_word,
    "additionalProperties": _explain_unknown,
    "required": _explain_missing,
    "maxProperties": _explain_several,
}
