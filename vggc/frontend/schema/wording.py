"""What a schema allows, in words: `a whole number, a list of 2 whole numbers, `same` or `valid``."""

from collections.abc import Iterator, Sequence
from typing import Final

from vggc.base.words import joined
from vggc.frontend.schema.definitions import AMOUNT
from vggc.frontend.schema.from_fields import Schema
from vggc.frontend.schema.json_schema import NAME, branches

FEW: Final = 8  # words are listed up to so many

_SIMPLE: Final = {"integer": "a whole number", "number": "a number", "boolean": "true or false", "string": "a word"}
_PLURALS: Final = {"integer": "whole numbers", "number": "numbers", "boolean": "true or false", "string": "words"}


def expected(choices: Sequence[Schema]) -> str:
    """What may stand in a place, all alternatives of it."""
    return joined(list(dict.fromkeys(phrase for each in choices for phrase in _phrases(each))))


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
    """Whether this is the mapping from one word to its options."""
    return leaf.get("maxProperties") == 1


def article(noun: str) -> str:
    """The indefinite article of a noun."""
    return "an" if noun[0] in "aeiou" else "a"


def _list(leaf: Schema) -> str:
    least, most = leaf.get("minItems"), leaf.get("maxItems")
    count = f"{least} " if least == most and least is not None else ""
    return f"a list of {count}{_plural(leaf['items'])}"


def _plural(schema: Schema) -> str:
    """What the items of a list are called."""
    element = list(branches(schema))
    title = next((str(each["title"]) for each in element if "title" in each), "")
    if title:
        return f"{title.removeprefix('kind of ').removeprefix('key of a ')}s"
    return joined(list(dict.fromkeys(word for each in element for word in _words_of(each))))


def _words_of(leaf: Schema) -> list[str]:
    return [f"`{word}`" for word in leaf["enum"]] if "enum" in leaf else [_PLURALS[leaf["type"]]]


def legal_words(choices: Sequence[Schema]) -> list[str]:
    """The words that may stand in a place: alone, or before their options."""
    words: dict[str, None] = {}
    for leaf in choices:
        if is_choice(leaf):
            words |= dict.fromkeys(leaf["properties"])
        words |= dict.fromkeys(str(word) for word in leaf.get("enum", ()))
    return sorted(words, key=str.lower)
