"""Tensors of a file and of a network brought together by order and shape, as far as their names leave that open."""

import re
from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher
from typing import Final

from vggc.layers.layer import Shape

Shapes = Mapping[str, Shape]  # by key, in order
Pairs = dict[str, str]  # the file's key for one of the network

COUNT: Final = "num_batches_tracked"  # older files lack it, and nothing depends on it
# The tensors of a layer in the order of a state dict, by the names that frameworks give them.
_ROLES: Final = (
    ("weight", "kernel", "gamma", "scale", "w"),
    ("bias", "beta", "b"),
    ("running_mean", "moving_mean", "mean"),
    ("running_var", "moving_variance", "moving_var", "var", "variance"),
)
_ROLE_OF: Final = {name: role for role, names in enumerate(_ROLES) for name in names}
# A layer's name, if any, and a tensor's that is known, the longest that is one: `bn_1_moving_mean`, `conv/kernel:0`.
_KNOWN: Final = re.compile(rf"(?:(?P<layer>.*?)[./:_])??(?P<tensor>{'|'.join(_ROLE_OF)})(?::\d+)?")


def in_order(own: Shapes, found: Shapes) -> Pairs:
    """The two sequences aligned; where as many tensors of other shapes stand in the same place, one by one.

    Where names say which tensor of a layer one is, they decide within the layer, in whatever order it has them.
    """
    ours, theirs = _without_counts(own), _by_role(_without_counts(found))
    telling = all(_role(key) is not None for key in (*ours, *theirs))
    one, other = ([(_role(key) if telling else None, each[key]) for key in each] for each in (ours, theirs))
    keys, others = list(ours), list(theirs)
    pairs: Pairs = {}
    for _, start, end, first, last in SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        if end - start == last - first:
            pairs |= zip(keys[start:end], others[first:last], strict=True)
    return {key: taken for key, taken in pairs.items() if _may_be(key, taken)}


def by_layer(own: Shapes, found: Shapes) -> Pairs:
    """The n-th layer with the same tensors, by the natural order of the names; a bias stays with its weight.

    A layer with several tensors of one shape, whose names do not say which is which, is left alone.
    """
    ours, theirs = _without_counts(own), _without_counts(found)
    layers = _layers(theirs)
    waiting: dict[tuple[Shape, ...], list[list[str]]] = {}
    for layer in sorted(layers, key=_natural):
        waiting.setdefault(_shapes(layers[layer], theirs), []).append(layers[layer])
    pairs: Pairs = {}
    for keys in _layers(ours).values():
        candidates = waiting.get(_shapes(keys, ours), [])
        for others in candidates:
            if (inside := _inside(keys, ours, others, theirs)) is not None:
                pairs |= inside
                candidates.remove(others)
                break
    return pairs


def _inside(keys: list[str], ours: Shapes, others: list[str], theirs: Shapes) -> Pairs | None:
    """The tensors of two layers of the same shapes: by their names, else by their shapes where these are distinct."""
    if (roles := _told(others)) and _told(keys):
        pairs = {key: roles[role] for key in keys if (role := _role(key)) in roles}
    else:
        shaped = {theirs[other]: other for other in others}
        pairs = {key: shaped[ours[key]] for key in keys} if len(shaped) == len(others) else {}
    fits = all(ours[key] == theirs[other] and _may_be(key, other) for key, other in pairs.items())
    return pairs if fits and len(pairs) == len(keys) else None


def _without_counts(shapes: Shapes) -> dict[str, Shape]:
    """The tensors that hold more than one number, such as the number of batches seen."""
    return {key: shape for key, shape in shapes.items() if shape and not key.endswith(COUNT)}


def _shapes(keys: Iterable[str], shapes: Shapes) -> tuple[Shape, ...]:
    return tuple(sorted(shapes[key] for key in keys))


# --- what names say ---


def _parts(key: str) -> tuple[str, str]:
    """The names of a layer and of its tensor: by the tensor's where that is known, else by the last separator."""
    if known := _KNOWN.fullmatch(key):
        return known["layer"] or "", known["tensor"]
    place = max(map(key.rfind, "./:"))
    place = place if place >= 0 else key.rfind("_")
    return key[: max(place, 0)], key[place + 1 :]


def _role(key: str) -> int | None:
    """Which tensor of its layer one is, where its name says it."""
    return _ROLE_OF.get(_parts(key)[1])


def _may_be(key: str, other: str) -> bool:
    """Whether two names do not say that they are of different tensors of a layer."""
    roles = {_role(key), _role(other)}
    return None in roles or len(roles) == 1


def _layers(keys: Iterable[str]) -> dict[str, list[str]]:
    """Keys by their layer."""
    layers: dict[str, list[str]] = {}
    for key in keys:
        layers.setdefault(_parts(key)[0], []).append(key)
    return layers


def _told(keys: list[str]) -> dict[int, str]:
    """The tensors of a layer by what they are, if all their names say that."""
    roles = {role: key for key in keys if (role := _role(key)) is not None}
    return roles if len(roles) == len(keys) else {}


def _by_role(shapes: Shapes) -> Shapes:
    """The tensors of each layer together and in the order of a state dict, where all their names say which they are."""
    ordered: dict[str, Shape] = {}
    told = {layer: _told(keys) for layer, keys in _layers(shapes).items()}
    for key in shapes:
        roles = told[_parts(key)[0]]
        together = [roles[role] for role in sorted(roles)] or [key]
        ordered |= {each: shapes[each] for each in together if each not in ordered}
    return ordered


def _natural(name: str) -> list[tuple[int, str]]:
    """Numbers in a name by their value: features.2 before features.10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]
