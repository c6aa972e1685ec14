"""Which tensor of a file is which of a network: by name, by a map of keys, or by order and shape."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from fnmatch import fnmatchcase
from itertools import groupby
from pathlib import Path
from typing import Final, Literal

from vggc.diagnostics import SpecError, nearest
from vggc.errors import ProductError
from vggc.frontend.document import Leaf, read
from vggc.frontend.sources import read_source
from vggc.layers.base import Shape

Match = Literal["name", "shape"]
Shapes = Mapping[str, Shape]  # by key, in order

COUNT: Final = "num_batches_tracked"  # older files lack it, and nothing depends on it
# The tensors of a layer in the order of a state dict, by the names that frameworks give them.
_LEAVES: Final = (
    ("weight", "kernel", "gamma", "scale", "w"),
    ("bias", "beta", "b"),
    ("running_mean", "moving_mean", "mean"),
    ("running_var", "moving_variance", "moving_var", "var", "variance"),
)


@dataclass(frozen=True, slots=True)
class Matching:
    """How the keys of a file are taken.

    Args:
        match: by `name`; or by order and `shape`, whatever the names.
        key_map: the network's key for a key of the file, or None for one that is passed over; a `*` stands for any
            text, and for the same text on the other side, and the first rule that fits is taken.
        allow_missing: patterns of keys that may keep their initial values, where the file lacks them or has another
            shape.
        allow_left_over: patterns of keys of the file that may be passed over.
        key_map_file: where the map was read from, if it was.
    """

    match: Match = "name"
    key_map: Mapping[str, str | None] = field(default_factory=dict)
    allow_missing: tuple[str, ...] = ()
    allow_left_over: tuple[str, ...] = ()
    key_map_file: Path | None = None

    def check(self, keys: Iterable[str]) -> None:
        """Raise ProductError for a pattern of `allow_missing` that fits no key of the network."""
        keys = list(keys)
        for pattern in self.allow_missing:
            if not any(fnmatchcase(key, pattern) for key in keys):
                meant = nearest(pattern, keys)
                hint = f"; did you mean `{meant}`?" if meant else f"; they begin with {keys[0]}" if keys else ""
                raise ProductError(f"--allow-missing {pattern} fits no tensor of the network{hint}")

    def may_be_missing(self, key: str) -> bool:
        """Whether a tensor of the network may keep its initial values."""
        return any(fnmatchcase(key, pattern) for pattern in self.allow_missing)

    def may_be_left_over(self, key: str, shape: Shape) -> bool:
        """Whether a tensor of the file may be passed over; a single number has no place where shapes decide."""
        allowed = any(fnmatchcase(key, pattern) for pattern in self.allow_left_over)
        return allowed or _target(key, self.key_map) is None or (self.match == "shape" and not shape)


def matched(own: Shapes, found: Shapes, matching: Matching, *, ordered: bool) -> dict[str, str]:
    """For the network's keys, the keys of the file's tensors; shapes need not agree yet when matched by name.

    Args:
        own: the network's tensors.
        found: the file's.
        matching: how they are taken.
        ordered: whether the file keeps the order of the model that it comes from; safetensors files do not.

    Raises:
        ProductError: the map of keys sends two keys to one.
    """
    named = renamed(found, matching.key_map)
    if matching.match == "name":
        return {key: named[key] for key in own if key in named}
    shapes = {key: found[name] for key, name in named.items()}
    pairs = _in_order(own, shapes) if ordered else _by_layer(own, shapes)
    return {key: named[name] for key, name in pairs.items()}


def renamed(found: Iterable[str], rules: Mapping[str, str | None]) -> dict[str, str]:
    """The file's keys by the names that the rules give them.

    Raises:
        ProductError: two keys get one name.
    """
    named: dict[str, str] = {}
    for key in found:
        target = _target(key, rules)
        if target in named:
            raise ProductError(f"the map of keys makes two keys `{target}`: {named[target]} and {key}")
        if target is not None:
            named[target] = key
    return named


def _target(key: str, rules: Mapping[str, str | None]) -> str | None:
    """What a key becomes: by the rule for it alone, else by the first pattern that fits, else itself."""
    if key in rules:
        return rules[key]
    for pattern, target in rules.items():
        if "*" in pattern and (parts := re.fullmatch(re.escape(pattern).replace(r"\*", "(.*)"), key)):
            if target is None:
                return None
            between = target.split("*")
            return "".join(f"{text}{part}" for text, part in zip(between, (*parts.groups(), ""), strict=True))
    return key


def read_key_map(path: Path) -> dict[str, str | None]:
    """A map of keys from a YAML file: `conv1.weight: features.0.weight`, `"module.*": "*"`, `step: null`.

    Raises:
        ProductError: it cannot be read, or a rule has a place without a counterpart.
    """
    try:
        entries = read(read_source(path)).sound().entries
    except SpecError as error:
        raise ProductError(f"the map of keys: {error}") from error
    rules: dict[str, str | None] = {}
    for key, entry in entries.items():
        value = entry.value.value if isinstance(entry.value, Leaf) else ()
        if not isinstance(value, str | None):
            raise ProductError(f"{entry.value.span}: `{key}` becomes a key of the network, or null")
        if value is not None and key.count("*") != value.count("*"):
            raise ProductError(f"{entry.value.span}: `{key}` and `{value}` differ in their number of `*`")
        rules[key] = value
    return rules


# --- by order and shape ---


def _in_order(own: Shapes, found: Shapes) -> dict[str, str]:
    """The two sequences aligned; where as many tensors of other shapes stand in the same place, one by one."""
    ours, theirs = _without_counts(own), _without_counts(found)
    aligned = SequenceMatcher(None, list(ours.values()), list(theirs.values()), autojunk=False)
    keys, others = list(ours), list(theirs)
    pairs: dict[str, str] = {}
    for _, start, end, first, last in aligned.get_opcodes():
        if end - start == last - first:
            pairs |= zip(keys[start:end], others[first:last], strict=True)
    return pairs


def _by_layer(own: Shapes, found: Shapes) -> dict[str, str]:
    """The n-th layer with the same tensors, by the natural order of the names; a bias stays with its weight.

    A layer with several tensors of one shape, whose names do not say which is which, is left alone.
    """
    theirs = _without_counts(found)
    waiting: dict[tuple[Shape, ...], list[list[str]]] = {}
    for keys in _layers(sorted(theirs, key=_natural)):
        shapes = tuple(theirs[key] for key in keys)
        if len(set(shapes)) == len(shapes) or all(_leaf(key)[0] < len(_LEAVES) for key in keys):
            waiting.setdefault(shapes, []).append(keys)
    ours = _without_counts(own)
    pairs: dict[str, str] = {}
    for keys in _layers(ours):
        others = waiting.get(tuple(ours[key] for key in keys))
        if others:
            pairs |= zip(keys, others.pop(0), strict=True)
    return pairs


def _without_counts(shapes: Shapes) -> dict[str, Shape]:
    """The tensors that hold more than one number, such as the number of batches seen."""
    return {key: shape for key, shape in shapes.items() if shape and not key.endswith(COUNT)}


def _layers(keys: Iterable[str]) -> list[list[str]]:
    """Keys by their layer, in the order of a state dict."""
    return [sorted(group, key=_leaf) for _, group in groupby(keys, key=lambda key: key.rpartition(".")[0])]


def _leaf(key: str) -> tuple[int, str]:
    name = key.rpartition(".")[2]
    return next((i for i, names in enumerate(_LEAVES) if name in names), len(_LEAVES)), name


def _natural(key: str) -> list[tuple[int, str]]:
    """Numbers in a name by their value: features.2 before features.10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", key)]
