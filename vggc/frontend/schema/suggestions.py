"""The ways out of an error: the nearest word, an example, what was probably meant."""

import re
from collections.abc import Sequence
from typing import Final

from vggc.base.diagnostics import Note, help_word, nearest
from vggc.frontend.schema.definitions import LAYER, PRINTABLE, all_from_elsewhere, example
from vggc.frontend.schema.from_fields import Schema
from vggc.frontend.schema.json_schema import NAME, branches
from vggc.frontend.schema.units import FOLLOWERS, UNITS
from vggc.frontend.schema.wording import article, expected, is_choice, legal_words
from vggc.frontend.text.document import Items, Leaf, Value
from vggc.frontend.text.scalars import resolve
from vggc.frontend.text.values import in_flow, shown
from vggc.layers import find

Path = tuple[str | int, ...]

# Words that other tools use for something that has another name here.
ELSEWHERE: Final = {
    "bn": "batch_norm", "gn": "group_norm", "lrn": "local_response_norm", "dense": "linear", "swish": "silu",
    "gap": "global_avg_pool2d", "m": "max_pool2d", "avgpool": "avg_pool2d", "maxpool": "max_pool2d", "a": "avg_pool2d",
    "filters": "out_channels", "units": "out_features", "kernel": "kernel_size", "ks": "kernel_size", "pad": "padding",
    "rate": "p", "probability": "p", "nc": "classes", "layers": "features", "backbone": "features",
    "head": "classifier", "epsilon": "eps", "learning_rate": "lr", "base": "extends", "parent": "extends",
    "sparse_adam": "adam", "sparseadam": "adam", "warm_up": "warmup", "cosine": "cosine_annealing_lr",
}  # fmt: skip


def meant(word: str, legal: Sequence[str]) -> str | None:
    """The legal word that an unknown one was probably meant to be."""
    folded = word.lower()
    same = next((each for each in legal if each.lower() == folded), None)
    known = ELSEWHERE.get(folded)
    whole = min((each for each in legal if folded in each.split("_")), key=len, default=None)
    return same or (known if known in legal else None) or whole or nearest(word, legal)


def _the_word(word: str, legal: Sequence[str]) -> Note:
    found = meant(word, legal)
    return Note("help", f"did you mean `{found}`?") if found else help_word("", legal, "there are")


def _help(text: str) -> list[Note]:
    return [Note("help", text)]


# --- values of the wrong type ---


def for_type(path: Path, value: Value, choices: Sequence[Schema]) -> list[Note]:
    """What to write instead of a value of the wrong type."""
    types = {str(leaf.get("type")) for leaf in choices}
    if isinstance(value, Leaf):
        return _for_scalar(value, types, choices) or _for_kind(path, choices) or _for_mapping(value.value, choices)
    if isinstance(value, Items) and isinstance(path[-1], int) and any("title" in leaf for leaf in choices):
        return _help("lists of layers do not nest; `repeat: {times: 2, layers: [64, M]}` repeats some")
    if types == {"array"} and not isinstance(value, Items):
        return _help("write a list: a `- ` before each item, or [a, b]")
    return _for_kind(path, choices)


def _for_scalar(leaf: Leaf, types: set[str], choices: Sequence[Schema]) -> list[Note]:
    value = leaf.value
    if isinstance(value, float) and value.is_integer() and "integer" in types:
        return _help(f"write {int(value)}")
    if isinstance(value, str) and type(resolve(value)) in (int, float) and types & {"integer", "number"}:
        return _help(f"write {value} without quotes")
    if isinstance(value, int | float) and types == {"string"}:
        return _for_number(shown(leaf), choices[0])
    if types == {"boolean"} and str(value).lower() in _BOOLEANS:
        return _help(f"write {_BOOLEANS[str(value).lower()]}")
    if "array" in types and any(_fits_items(value, each) for each in choices):
        return _help(f"write [{value}]")
    if types == {"array"} and "examples" in choices[0]:
        return examples(choices[0])
    if isinstance(value, str) and re.fullmatch(r"[0-9.]+[KMGT]", value):
        return _help("amounts such as 140M are for `max_params` and `max_macs`; this is an exact number")
    return []


# What YAML 1.1 took for true and false.
_BOOLEANS: Final = {
    "yes": "true", "y": "true", "on": "true", "1": "true", "no": "false", "n": "false", "off": "false", "0": "false",
}  # fmt: skip


def _for_number(written: str, leaf: Schema) -> list[Note]:
    """For a number or a truth value in the place of a word."""
    if "enum" in leaf and written not in leaf["enum"]:
        found = next((word for word in leaf["enum"] if word.startswith(written)), None)
        return _help(f"did you mean `{found}`?") if found else []
    if "pattern" in leaf and not re.fullmatch(leaf["pattern"], written):
        return for_pattern(leaf["pattern"], written)
    return _help(f'write "{written}" in quotes')


def _fits_items(value: object, leaf: Schema) -> bool:
    """Whether a list of this one value would do."""
    if leaf.get("type") != "array" or leaf.get("minItems", 1) > 1:
        return False
    names = {int: ("integer", "number"), float: ("number",), str: ("string",)}
    return any(each.get("type") in names.get(type(value), ()) for each in branches(leaf["items"]))


def _for_kind(path: Path, choices: Sequence[Schema]) -> list[Note]:
    """An example of a kind in the place of its options, or the kinds that may stand in a place."""
    kind = str(path[-1]) if path else ""
    titles = {str(leaf.get("title")) for leaf in choices}
    if f"option of {kind}" in titles and path[0] != "defaults":
        return _help(f"for example `{example(kind)}`") if _has_example(kind) else []
    few = any(is_choice(leaf) for leaf in choices) and LAYER not in titles
    return [help_word("", legal_words(choices), "there are")] if few else []


def _for_mapping(value: object, choices: Sequence[Schema]) -> list[Note]:
    """For a word in the place of a mapping of several keys: it is one of them without its colon, or none."""
    keys = [key for leaf in choices if not is_choice(leaf) for key in leaf.get("properties", ())]
    if not keys:
        return []
    key = meant(value, keys) if isinstance(value, str) else None
    if key is not None:
        return _help(f"a `:` is missing: write `{key}: value`")
    return [help_word("", keys, "write `key: value`; there are")]


def _has_example(kind: str) -> bool:
    return kind in UNITS or kind == "repeat" or find(kind) is not None


def for_nothing(path: Path, choices: Sequence[Schema]) -> list[Note]:
    """What to write behind a colon with nothing behind it."""
    word, cls = str(path[-1]), find(str(path[-1]))
    is_kind = any(leaf.get("title") == f"option of {word}" for leaf in choices)
    if is_kind and cls is not None and not cls.required():
        return _help(f"write `{word}` without the colon")
    if is_kind and path[0] != "defaults" and _has_example(word):
        return _help(f"for example `{example(word)}`")
    if "examples" in choices[0]:
        return _help(f"for example `{word}: {in_flow(choices[0]['examples'][0])}`")
    return _help(f"write {expected(choices)}, or remove the key")


# --- words ---


def for_value(word: str, legal: Sequence[str]) -> list[Note]:
    """For a word that is none of the few that an option takes."""
    if type(resolve(word)) in (int, float):
        return _help(f"write {word} without quotes")
    found = nearest(word, legal)
    return _help(f"did you mean `{found}`?") if found else []


def for_word(word: str, title: str, legal: Sequence[str]) -> list[Note]:
    """For a word that names no kind, or a kind of something else."""
    if type(resolve(word)) in (int, float):
        return _help(f"write {word} without quotes")
    glued = re.match(r"(\w+):(\S.*)", word)
    if glued and glued[1] in legal:
        return _help(f"a space is missing behind the colon: `{glued[1]}: {glued[2]}`")
    cls = find(word)
    if cls is not None and title.startswith("kind of "):
        return _of_another_group(word, cls.group, legal)
    return [_the_word(word, [*legal, *all_from_elsewhere(title)])]


def _of_another_group(word: str, group: str, legal: Sequence[str]) -> list[Note]:
    what = {"linear": "a linear layer", "shape": "a layer"}.get(group, f"{article(group)} {group}")
    known = [Note("note", f"`{word}` is {what}")] if word != group else []
    return [*known, help_word("", legal, "there are")]


def requirements(word: str) -> list[str]:
    """The options without which a kind of another package cannot stand."""
    cls = find(word)
    return list(cls.required()) if cls is not None else []


def for_incomplete(owner: str, names: Sequence[str]) -> list[Note]:
    """How a kind is written with the options that it needs."""
    if _has_example(owner):
        return _help(f"for example `{example(owner)}`")
    return _help(f"write `{owner}: {{{', '.join(f'{name}: ...' for name in names)}}}`") if owner.isidentifier() else []


def for_several(path: Path, names: Sequence[str], legal: Sequence[str]) -> list[Note]:
    """For an item with more keys than one."""
    known = [name for name in names if name in legal]
    if len(known) == 1:
        inside = ", ".join(f"{name}: ..." for name in names if name not in known)
        return _help(f"options go inside: `{known[0]}: {{{inside}}}`, or indented below it")
    return _help("put a `- ` before each" if isinstance(path[-1], int) else "choose one") if known else []


# --- keys ---


def for_key(key: str, schema: Schema) -> list[Note]:
    """For a key that the schema does not know."""
    title, legal = str(schema["title"]), list(schema["properties"])
    owner = title.removeprefix("option of ")
    first, _, rest = key.partition(" ")
    if first in legal and rest:
        return _help(f"a colon is missing: `{first}: {rest}`")
    if key in FOLLOWERS and owner in ("conv2d", "linear"):
        unit = "conv" if owner == "conv2d" else "fc"
        return _help(f"`{key}` is an option of the unit `{unit}`; a {owner} stands alone")
    cls = find(key)
    if cls is not None and title == "key of a spec":
        return _help("layers stand in the lists `features` and `classifier`")
    if cls is not None and title.startswith("kind of "):
        return _of_another_group(key, cls.group, legal)
    return [_the_word(key, [*legal, *all_from_elsewhere(title)])] if legal else _help("it has no options")


def described(names: Sequence[str], schema: Schema) -> list[Note]:
    """What the keys are for that are missing."""
    described = {name: schema["properties"][name].get("description") for name in names}
    return [Note("note", f"`{name}`: {text}") for name, text in described.items() if text]


def for_spec(names: Sequence[str], schema: Schema) -> list[Note]:
    """How the keys that a spec lacks are written."""
    lines = [f"`{name}: {in_flow(schema['properties'][name]['examples'][0])}`" for name in names]
    return _help(f"for example {', '.join(lines)}")


def examples(schema: Schema) -> list[Note]:
    """An example of the schema, and what it is for."""
    notes = [Note("note", str(schema["description"]))] if "description" in schema else []
    if "examples" in schema:
        notes += _help(f"for example {in_flow(schema['examples'][0])}")
    return notes


def for_pattern(pattern: str, written: str) -> list[Note]:
    """What a word must look like."""
    if pattern == NAME:
        return _help("letters, digits, `_`, `-` and `.`, a letter or `_` first")
    if pattern == PRINTABLE:
        return _help("remove line breaks and control characters") if written else []
    amount = re.fullmatch(r"([0-9.]+)\s*([KMGT])[a-z]*", written, re.IGNORECASE)
    return _help(f"write {amount[1]}{amount[2].upper()}") if amount else []
