"""Which tensor of a file is which of a network: by name, by a map of keys, or by order and shape."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final, Literal

from vggc.base.diagnostics import SpecError
from vggc.base.errors import ProductError
from vggc.frontend.text.document import Leaf
from vggc.frontend.text.parser import parse
from vggc.frontend.text.sources import read_source
from vggc.layers.answers import Shape
from vggc.weights.aligning import Pairs, Shapes, by_layer, in_order

Match = Literal["name", "shape"]

OPTIONS: Final = ("--match", "--key-map", "--allow-missing", "--allow-left-over")


@dataclass(frozen=True, slots=True)
class Matching:
    """How the keys of a file are matched with those of a network.

    Args:
        match: by `name`; or by order and `shape`, whatever the names.
        key_map: the network's key for a key of the file, or None for one that is passed over; a `*` is any text, the
            same on both sides, and the first rule that fits is applied.
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

    def check(self, keys: Collection[str]) -> None:
        """Raise ProductError for a pattern of `allow_missing` that fits no key of the network."""
        for pattern in self.allow_missing:
            if not any(fnmatchcase(key, pattern) for key in keys):
                raise ProductError(f"--allow-missing {pattern} fits no tensor of the network{_nearest(pattern, keys)}")

    def check_file(self, keys: Collection[str], file: str) -> None:
        """Raise ProductError for a rule of `key_map` that fits no key of the file."""
        for pattern in self.key_map:
            if not any(_parts(pattern, key) is not None for key in keys):
                raise ProductError(
                    f"the map of keys: `{pattern}` fits no key of {file}{_nearest(pattern, keys)}; "
                    "correct the rule, or leave it out"
                )

    def may_be_missing(self, key: str) -> bool:
        """Whether a tensor of the network may keep its initial values."""
        return any(fnmatchcase(key, pattern) for pattern in self.allow_missing)

    def may_be_left_over(self, key: str, shape: Shape) -> bool:
        """Whether a tensor of the file may be passed over; a single number has no place where shapes decide."""
        allowed = any(fnmatchcase(key, pattern) for pattern in self.allow_left_over)
        return allowed or _target(key, self.key_map) is None or (self.match == "shape" and not shape)


def _nearest(pattern: str, keys: Collection[str]) -> str:
    close = get_close_matches(pattern, keys, cutoff=0)
    return f"; the nearest are {', '.join(f'`{key}`' for key in close)}" if close else ""


def matched(own: Shapes, others: Shapes, matching: Matching, *, ordered: bool) -> Pairs:
    """For the network's keys, the keys of the file's tensors; matched by name, their shapes may differ.

    Args:
        own: the network's tensors.
        others: the file's.
        matching: how they are matched.
        ordered: whether the file keeps the order of the model that it comes from; safetensors files do not.

    Raises:
        ProductError: the map of keys sends two keys to one.
    """
    named = renamed(others, matching.key_map)
    if matching.match == "name":
        return {key: named[key] for key in own if key in named}
    shapes = {key: others[name] for key, name in named.items()}
    pairs = in_order(own, shapes) if ordered else by_layer(own, shapes)
    return {key: named[name] for key, name in pairs.items()}


def renamed(keys: Iterable[str], rules: Mapping[str, str | None]) -> dict[str, str]:
    """The file's keys by the names that the rules give them.

    Raises:
        ProductError: two keys get one name.
    """
    named: dict[str, str] = {}
    for key in keys:
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
        if "*" in pattern and (parts := _parts(pattern, key)) is not None:
            if target is None:
                return None
            between = target.split("*")
            return "".join(f"{text}{part}" for text, part in zip(between, (*parts, ""), strict=True))
    return key


def _parts(pattern: str, key: str) -> tuple[str, ...] | None:
    """What the stars of a pattern stand for in a key that it fits."""
    match = re.fullmatch(re.escape(pattern).replace(r"\*", "(.*)"), key)
    return match.groups() if match is not None else None


def read_key_map(path: Path) -> dict[str, str | None]:
    """A map of keys from a YAML file: `conv1.weight: features.0.weight`, `"module.*": "*"`, `step: null`.

    Raises:
        ProductError: it cannot be read, or a rule has a place without a counterpart.
    """
    try:
        entries = parse(read_source(path)).valid_table().entries
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
