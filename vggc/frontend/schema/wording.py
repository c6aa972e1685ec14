"""What a schema allows, as a phrase: a whole number, a list of 2 whole numbers, `same` or `valid`."""

from collections.abc import Iterator, Sequence
from typing import Final

from vggc.base.words import joined
from vggc.frontend.schema.definitions import AMOUNT
from vggc.frontend.schema.from_fields import Schema
from vggc.frontend.schema.json_schema import NAME, alternatives

FEW: Final = 8  # up to this many words are listed

_SIMPLE: Final = {"integer": "a whole number", "number": "a number", "boolean": "true or false", "string": "a word"}
_PLURALS: Final = {"integer": "whole numbers", "number": "numbers", "boolean": "true or false", "string": "words"}


def expected(choices: Sequence[Schema]) -> str:
    """The phrase for a value that one of these schemas accepts."""
    return joined(list(dict.fromkeys(phrase for choice in choices for phrase in _phrases(choice))))


def _phrases(leaf: Schema) -> Iterator[str]:
    kind, title = leaf.get("type"), str(leaf.get("title", ""))
    if "enum" in leaf and not title and len(leaf["enum"]) <= FEW:
        yield from (f"`{word}`" if isinstance(word, str) else str(word) for word in leaf["enum"])
    elif "pattern" in leaf:
        yield {AMOUNT: "an amount such as 140M", NAME: "a name"}.get(leaf["pattern"], "a word")
    elif kind == "array":
        yield _list(leaf)
    elif is_choice(leaf) or "enum" in leaf:
        yield f"{article(title)} {title}"
    elif kind == "object":
        yield "a mapping of options" if title.startswith("option") else "a mapping"
    else:
        yield _SIMPLE[str(kind)]


def is_choice(leaf: Schema) -> bool:
    """Whether a schema is the mapping from one kind to its options."""
    return leaf.get("maxProperties") == 1


def article(noun: str) -> str:
    """The indefinite article of a noun."""
    return "an" if noun[0] in "aeiou" else "a"


def _list(leaf: Schema) -> str:
    least, most = leaf.get("minItems"), leaf.get("maxItems")
    count = f"{least} " if least == most and least is not None else ""
    return f"a list of {count}{_plural(leaf['items'])}"


def _plural(schema: Schema) -> str:
    leaves = list(alternatives(schema))
    title = next((str(leaf["title"]) for leaf in leaves if "title" in leaf), "")
    if title:
        return f"{title.removeprefix('kind of ').removeprefix('key of a ')}s"
    words = [[f"`{word}`" for word in leaf.get("enum", ())] or [_PLURALS[leaf["type"]]] for leaf in leaves]
    return joined(list(dict.fromkeys(word for several in words for word in several)))


def legal_words(choices: Sequence[Schema]) -> list[str]:
    """The words that a value may be, alone or with options."""
    words: dict[str, None] = {}
    for leaf in choices:
        if is_choice(leaf):
            words |= dict.fromkeys(leaf["properties"])
        words |= dict.fromkeys(str(word) for word in leaf.get("enum", ()))
    return sorted(words, key=str.lower)
