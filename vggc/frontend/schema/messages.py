"""The violations of a document -> diagnostics: a message in plain English, the place, and what to do."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from vggc.base.diagnostics import MAX_DIAGNOSTICS, Diagnostic, Note, Span
from vggc.base.words import joined, quoted
from vggc.frontend.schema import suggestions
from vggc.frontend.schema.definitions import MAX_ITEMS
from vggc.frontend.schema.from_fields import Schema
from vggc.frontend.schema.json_schema import alternatives
from vggc.frontend.schema.validation import Violation, violations
from vggc.frontend.schema.wording import expected, is_choice, legal_words
from vggc.frontend.text.document import Document, Leaf, Value, describe, locate, plain
from vggc.layers import find


@dataclass(frozen=True)
class LocatedViolation(Violation):
    """A violation, with the span of the key that leads to the value (for a list item: of the item), and the value."""

    key: Span
    value: Value

    @property
    def subject(self) -> str:
        """How a message names the value: `kernel_size` of conv2d, item 2 of `input`."""
        path = self.path
        if not path:
            return "the spec"
        if isinstance(path[-1], int):
            return f"item {path[-1] + 1} of `{path[-2]}`"
        owner = f" of {path[-2]}" if len(path) > 1 and isinstance(path[-2], str) else ""
        return f"`{path[-1]}`{owner}"

    @property
    def is_empty(self) -> bool:
        return isinstance(self.value, Leaf) and self.value.value is None

    def must_be(self) -> str:
        """The message that says what is legal here."""
        return f"{self.subject} must be {expected(self.choices)}; this is {describe(self.value)}"


Explanation = tuple[str, str, list[Note]]  # code, message, notes


def check(document: Document) -> list[Diagnostic]:
    """The errors in the text of a document, and its violations of the schema."""
    first = islice(violations(plain(document.table)), MAX_DIAGNOSTICS + 1)
    located = []
    for violation in first:
        key, value = locate(document.table, violation.path)
        located.append(LocatedViolation(**vars(violation), key=key, value=value))
    diagnostics = [_diagnostic(item) for item in _causes(located, document.suppressed)]
    # The value of an anchor is visited once for every alias, and is reported once.
    return [*document.diagnostics, *{(item.code, item.message, item.span): item for item in diagnostics}.values()]


def _causes(located: list[LocatedViolation], suppressed: frozenset[Span]) -> Iterator[LocatedViolation]:
    """The violations that do not follow from others."""
    ambiguous = {item.path for item in located if item.rule == "maxProperties"}
    misspelt = {  # the legal keys that unknown keys are similar to, which are not reported as missing
        (item.path[:-1], suggestions.similar(str(item.path[-1]), list(item.schema["properties"])))
        for item in located
        if item.rule == "additionalProperties"
    }
    for item in located:
        inside = any(item.path[: len(path)] == path for path in ambiguous)  # of an item that names several kinds
        if inside and item.rule != "maxProperties":
            continue
        if (item.key if item.rule == "additionalProperties" else item.value.span) in suppressed:
            continue
        if item.rule != "required":
            yield item
        elif missing := [name for name in item.bound if (item.path, name) not in misspelt]:
            yield replace(item, bound=missing)


def _diagnostic(item: LocatedViolation) -> Diagnostic:
    code, message, notes = _EXPLANATIONS.get(item.rule, _explain_bound)(item)
    at_key = item.is_empty or item.rule == "additionalProperties" or (item.rule == "required" and item.path)
    return Diagnostic(code, message, item.key if at_key else item.value.span, tuple(notes))


def _explain_type(item: LocatedViolation) -> Explanation:
    path, choices, span = item.path, item.choices, item.value.span
    if not item.is_empty:
        return "E102", item.must_be(), suggestions.for_type(path, item.value, choices)
    if span.column != span.end_column:  # `~` or `null`
        return "E102", item.must_be(), [Note("help", "remove it, or write a value")]
    if isinstance(path[-1], int):
        return "E102", f"{item.subject} is empty", [Note("help", "write it after the `-`, or remove the `-`")]
    return "E102", f"{path[-1]}: there is no value after the colon", suggestions.for_nothing(path, choices)


def _explain_word(item: LocatedViolation) -> Explanation:
    word, words, title = str(item.instance), legal_words(item.choices), item.schema.get("title")
    if item.path == ("vggc",):
        note = Note("help", f"write `vggc: {words[0]}`, or use the vggc that the spec is written for")
        return "E103", f"this vggc reads version {words[0]} of the language, and the spec is version {word}", [note]
    if title is None:
        return "E103", item.must_be(), suggestions.for_word(word, title, words)
    if required := _required_options(item.choices, word):
        return _incomplete(word, required)
    return "E101", f"there is no {title} {quoted(word)}", suggestions.for_word(word, title, words)


def _required_options(choices: Iterable[Schema], word: str) -> list[str]:
    for choice in choices:
        if is_choice(choice) and word in choice["properties"]:
            options = next(leaf for leaf in alternatives(choice["properties"][word]) if leaf["type"] == "object")
            return list(options.get("required", ()))
    plugin = find(word)
    return plugin.required() if plugin is not None else []


def _incomplete(owner: str, names: list[str]) -> Explanation:
    missing = joined([f"`{name}`" for name in names], "and")
    return "E104", f"{owner} needs {missing}", suggestions.for_incomplete(owner, names)


def _explain_unknown_key(item: LocatedViolation) -> Explanation:
    path, schema = item.path, item.schema
    key = str(path[-1])
    if path[0] == "defaults" and path[2:] and key in ("out_channels", "out_features"):
        note = Note("help", f"write it in each {path[1]}")
        return "E101", f"`{key}` has no default: every {path[1]} has its own", [note]
    return "E101", f"there is no {schema['title']} {quoted(key)}", suggestions.for_key(key, schema)


def _explain_missing_keys(item: LocatedViolation) -> Explanation:
    missing, schema, path = item.bound, item.schema, item.path
    if not path:
        code, message, _ = _incomplete("the spec", missing)
        return code, message, suggestions.for_spec(missing, schema)
    code, message, notes = _incomplete(path[-1] if isinstance(path[-1], str) else f"item {path[-1] + 1}", missing)
    return code, message, [*suggestions.descriptions(missing, schema), *notes]


def _explain_several_keys(item: LocatedViolation) -> Explanation:
    names, title = list(item.instance), item.schema["title"]
    message = f"one {title} is expected here, and this names {len(names)}: {joined(names[:5], 'and')}"
    return "E105", message, suggestions.for_several(item.path, names, legal_words(item.choices))


def _explain_length(item: LocatedViolation) -> Explanation:
    schema = item.schema
    if item.bound == MAX_ITEMS:
        return "E009", f"{item.subject} has {len(item.instance):,} items, over the limit of {MAX_ITEMS:,}", []
    if not item.instance:
        return "E103", f"{item.subject} is an empty list", suggestions.examples(schema)
    if schema.get("minItems") == schema.get("maxItems"):
        return "E103", item.must_be(), suggestions.examples(schema)
    message = f"{item.subject} must have at most {item.bound} values; this has {len(item.instance)}"
    return "E103", message, []


def _explain_bound(item: LocatedViolation) -> Explanation:
    rule, bound = item.rule, item.bound
    limit = f"{bound:,}" if rule == "maximum" and isinstance(bound, int) else str(bound)
    words = _BOUNDS[rule].format(limit=limit, title=item.schema.get("title"))
    return "E103", f"{item.subject} {words}; this is {describe(item.value)}", []


_BOUNDS: Final = {
    "minimum": "must be at least {limit}",
    "exclusiveMinimum": "must be greater than {limit}",
    "maximum": "must be at most {limit}",
    "exclusiveMaximum": "must be less than {limit}",
    "minProperties": "names no {title}",
    "maxLength": "must have at most {limit} characters",
}
_EXPLANATIONS: Final[dict[str, Callable[[LocatedViolation], Explanation]]] = {
    "type": _explain_type,
    "enum": _explain_word,
    "additionalProperties": _explain_unknown_key,
    "required": _explain_missing_keys,
    "maxProperties": _explain_several_keys,
    "minItems": _explain_length,
    "maxItems": _explain_length,
    "pattern": lambda item: ("E103", item.must_be(), suggestions.for_pattern(item.bound, item.instance)),
    "uniqueItems": lambda item: ("E103", f"the class {quoted(item.instance)} is listed a second time here", []),
}
