"""The notes of an error in a spec: the nearest word, an example, what was probably meant."""

import re
from collections.abc import Sequence
from typing import Final

from vggc.base.diagnostics import Note, help_word, nearest
from vggc.frontend.schema.definitions import LAYER, PRINTABLE, plugin_kinds
from vggc.frontend.schema.from_fields import Schema
from vggc.frontend.schema.json_schema import NAME, alternatives
from vggc.frontend.schema.units import FOLLOWERS, UNITS, find_item
from vggc.frontend.schema.wording import article, expected, is_choice, legal_words
from vggc.frontend.text.document import Items, Leaf, Value, describe, resolve, to_flow
from vggc.layers import find

Path = tuple[str | int, ...]

# Words of other tools, and their names here.
SYNONYMS: Final = {
    "bn": "batch_norm", "gn": "group_norm", "lrn": "local_response_norm", "dense": "linear", "swish": "silu",
    "deconv": "conv_transpose2d", "gmp": "global_max_pool2d",
    "gap": "global_avg_pool2d", "m": "max_pool2d", "avgpool": "avg_pool2d", "maxpool": "max_pool2d", "a": "avg_pool2d",
    "filters": "out_channels", "units": "out_features", "kernel": "kernel_size", "ks": "kernel_size", "pad": "padding",
    "rate": "p", "probability": "p", "nc": "classes", "layers": "features", "backbone": "features",
    "head": "classifier", "epsilon": "eps", "learning_rate": "lr", "base": "extends", "parent": "extends",
    "sparse_adam": "adam", "sparseadam": "adam", "warm_up": "warmup", "cosine": "cosine_annealing_lr",
}  # fmt: skip
# What YAML 1.1 read as true and false.
_BOOLEANS: Final = dict.fromkeys(("yes", "y", "on", "1"), "true") | dict.fromkeys(("no", "n", "off", "0"), "false")


def similar(word: str, legal: Sequence[str]) -> str | None:
    """The legal word that an unknown one was probably meant to be."""
    folded = word.lower()
    same = next((name for name in legal if name.lower() == folded), None)
    synonym = SYNONYMS.get(folded)
    containing = min((name for name in legal if folded in name.split("_")), key=len, default=None)
    return same or (synonym if synonym in legal else None) or containing or nearest(word, legal)


def _did_you_mean(word: str, legal: Sequence[str]) -> list[Note]:
    known = similar(word, legal)
    return _help(f"did you mean `{known}`?") if known else _list_words(legal)


def _list_words(legal: Sequence[str], introduction: str = "there are") -> list[Note]:
    return [help_word("", legal, introduction)]


def _help(text: str) -> list[Note]:
    return [Note("help", text)]


def _example(kind: str) -> list[Note]:
    item = find_item(kind)
    return _help(f"for example `{item.example}`") if item is not None else []


def for_type(path: Path, value: Value, choices: Sequence[Schema]) -> list[Note]:
    """What to write instead of a value of the wrong type."""
    types = {str(choice.get("type")) for choice in choices}
    if isinstance(value, Leaf):
        return _for_scalar(value, types, choices) or _for_kind(path, choices) or _for_mapping(value.value, choices)
    if isinstance(value, Items) and isinstance(path[-1], int) and any("title" in choice for choice in choices):
        return _help("a list of layers cannot contain a list; `repeat: {times: 2, layers: [64, M]}` repeats layers")
    if types == {"array"} and not isinstance(value, Items):
        return _help("write a list: a `- ` before each item, or [a, b]")
    return _for_kind(path, choices)


def _for_scalar(leaf: Leaf, types: set[str], choices: Sequence[Schema]) -> list[Note]:
    value = leaf.value
    if isinstance(value, float) and value.is_integer() and "integer" in types:
        return _help(f"write {int(value)}")
    if isinstance(value, str) and _is_number(value) and types & {"integer", "number"}:
        return _help(f"write {value} without quotes")
    if isinstance(value, int | float) and types == {"string"}:
        return _for_number(describe(leaf), choices[0])
    if types == {"boolean"} and str(value).lower() in _BOOLEANS:
        return _help(f"write {_BOOLEANS[str(value).lower()]}")
    if "array" in types and any(_accepts_item(choice, value) for choice in choices):
        return _help(f"write [{value}]")
    if types == {"array"} and "examples" in choices[0]:
        return examples(choices[0])
    if isinstance(value, str) and re.fullmatch(r"[0-9.]+[KMGT]", value):
        return _help("amounts such as 140M are for `max_params` and `max_macs`; this is an exact number")
    return []


def _is_number(word: str) -> bool:
    return type(resolve(word)) in (int, float)


def _for_number(text: str, choice: Schema) -> list[Note]:
    """For a number or a truth value where a word is expected."""
    if "enum" in choice and text not in choice["enum"]:
        word = next((word for word in choice["enum"] if word.startswith(text)), None)
        return _help(f"did you mean `{word}`?") if word else []
    if "pattern" in choice and not re.fullmatch(choice["pattern"], text):
        return for_pattern(choice["pattern"], text)
    return _help(f'write "{text}" in quotes')


def _accepts_item(choice: Schema, value: object) -> bool:
    """Whether a list of this one value would be legal."""
    if choice.get("type") != "array" or choice.get("minItems", 1) > 1:
        return False
    names = {int: ("integer", "number"), float: ("number",), str: ("string",)}
    return any(leaf.get("type") in names.get(type(value), ()) for leaf in alternatives(choice["items"]))


def _for_kind(path: Path, choices: Sequence[Schema]) -> list[Note]:
    """An example of a kind whose options are wrong, or the kinds that are legal."""
    kind = str(path[-1]) if path else ""
    titles = {str(choice.get("title")) for choice in choices}
    if f"option of {kind}" in titles and path[0] != "defaults":
        return _example(kind)
    few = any(is_choice(choice) for choice in choices) and LAYER not in titles
    return _list_words(legal_words(choices)) if few else []


def _for_mapping(value: object, choices: Sequence[Schema]) -> list[Note]:
    """For a word where a mapping is expected: it is a key without its colon, or no key."""
    keys = [key for choice in choices if not is_choice(choice) for key in choice.get("properties", ())]
    if not keys:
        return []
    key = similar(value, keys) if isinstance(value, str) else None
    if key is not None:
        return _help(f"a `:` is missing: write `{key}: value`")
    return _list_words(keys, "write `key: value`; there are")


def for_nothing(path: Path, choices: Sequence[Schema]) -> list[Note]:
    """What to write after a colon without a value."""
    word, cls = str(path[-1]), find(str(path[-1]))
    is_kind = any(choice.get("title") == f"option of {word}" for choice in choices)
    if is_kind and cls is not None and not cls.required():
        return _help(f"write `{word}` without the colon")
    if is_kind and path[0] != "defaults" and (example := _example(word)):
        return example
    if "examples" in choices[0]:
        return _help(f"for example `{word}: {to_flow(choices[0]['examples'][0])}`")
    return _help(f"write {expected(choices)}, or remove the key")


def for_word(word: str, title: str | None, legal: Sequence[str]) -> list[Note]:
    """For a word that is not a kind, a kind of another group or, without a title, no value of an option."""
    if _is_number(word):
        return _help(f"write {word} without quotes")
    if title is None:
        known = nearest(word, legal)
        return _help(f"did you mean `{known}`?") if known else []
    without_space = re.match(r"(\w+):(\S.*)", word)
    if without_space and without_space[1] in legal:
        return _help(f"a space is missing after the colon: `{without_space[1]}: {without_space[2]}`")
    return _for_unknown(word, title, legal)


def _for_unknown(word: str, title: str, legal: Sequence[str]) -> list[Note]:
    cls = find(word)
    if cls is None or not title.startswith("kind of "):
        return _did_you_mean(word, [*legal, *plugin_kinds(title)])
    what = {"linear": "a linear layer", "shape": "a layer"}.get(cls.group, f"{article(cls.group)} {cls.group}")
    note = [Note("note", f"`{word}` is {what}")] if word != cls.group else []
    return [*note, *_list_words(legal)]


def for_incomplete(owner: str, names: Sequence[str]) -> list[Note]:
    """How to write a kind with the options that it needs."""
    options = f"write `{owner}: {{{', '.join(f'{name}: ...' for name in names)}}}`"
    return _example(owner) or (_help(options) if owner.isidentifier() else [])


def for_several(path: Path, names: Sequence[str], legal: Sequence[str]) -> list[Note]:
    """For an item with several keys."""
    kinds = [name for name in names if name in legal]
    if len(kinds) == 1:
        options = ", ".join(f"{name}: ..." for name in names if name not in kinds)
        return _help(f"options go inside: `{kinds[0]}: {{{options}}}`, or indented below it")
    return _help("put a `- ` before each" if isinstance(path[-1], int) else "choose one") if kinds else []


def for_key(key: str, schema: Schema) -> list[Note]:
    """For an unknown key."""
    title, legal = str(schema["title"]), list(schema["properties"])
    owner = title.removeprefix("option of ")
    first, _, rest = key.partition(" ")
    if first in legal and rest:
        return _help(f"a colon is missing: `{first}: {rest}`")
    units = [unit.kind for unit in UNITS.values() if unit.layer.kind == owner]
    if key in FOLLOWERS and units:
        return _help(f"`{key}` is an option of the unit `{units[0]}`; {article(owner)} {owner} is only the layer")
    if find(key) is not None and title == "key of a spec":
        return _help("layers are written in the lists `features` and `classifier`")
    return _for_unknown(key, title, legal) if legal else _help("it has no options")


def descriptions(names: Sequence[str], schema: Schema) -> list[Note]:
    """The descriptions of keys."""
    texts = {name: schema["properties"][name].get("description") for name in names}
    return [Note("note", f"`{name}`: {text}") for name, text in texts.items() if text]


def for_spec(names: Sequence[str], schema: Schema) -> list[Note]:
    """Examples of the keys that a spec lacks."""
    lines = [f"`{name}: {to_flow(schema['properties'][name]['examples'][0])}`" for name in names]
    return _help(f"for example {', '.join(lines)}")


def examples(schema: Schema) -> list[Note]:
    """The description and an example of a schema."""
    notes = [Note("note", str(schema["description"]))] if "description" in schema else []
    return notes + (_help(f"for example {to_flow(schema['examples'][0])}") if "examples" in schema else [])


def for_pattern(pattern: str, text: str) -> list[Note]:
    """How a word that does not match a pattern can be changed."""
    if pattern == NAME:
        return _help("use letters, digits, `_`, `-` and `.`, a letter or `_` first")
    if pattern == PRINTABLE:
        return _help("remove line breaks and control characters") if text else []
    amount = re.fullmatch(r"([0-9.]+)\s*([KMGT])[a-z]*", text, re.IGNORECASE)
    return _help(f"write {amount[1]}{amount[2].upper()}") if amount else []
