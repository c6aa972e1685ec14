"""Tensors of a file matched with those of a network by order and shape, as far as their names leave that open."""

import re
from collections.abc import Mapping
from difflib import SequenceMatcher
from typing import Final

from vggc.layers.answers import Shape

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


def in_order(own: Shapes, others: Shapes) -> Pairs:
    """The two sequences aligned; as many tensors of other shapes in the same place are paired one by one.

    Where all names say which tensor of its layer one is, they decide within the layer, whatever the order there.
    """
    ours, theirs = _without_counts(own), _without_counts(others)
    named = all(_role(key) is not None for key in (*ours, *theirs))
    if named:
        theirs = _by_role(theirs)
    items, other_items = (
        [(_role(key) if named else None, shape) for key, shape in shapes.items()] for shapes in (ours, theirs)
    )
    keys, other_keys = list(ours), list(theirs)
    pairs: Pairs = {}
    for _, start, end, first, last in SequenceMatcher(None, items, other_items, autojunk=False).get_opcodes():
        if end - start == last - first:
            pairs |= zip(keys[start:end], other_keys[first:last], strict=True)
    return {key: other for key, other in pairs.items() if len({_role(key), _role(other)} - {None}) <= 1}


def by_layer(own: Shapes, others: Shapes) -> Pairs:
    """The n-th layer with the same tensors, by the natural order of the layers' names; for files without an order.

    A tensor whose name does not say which one of its layer it is, is left alone.
    """
    theirs = _layers(_without_counts(others))
    waiting: dict[tuple[tuple[int, Shape], ...], list[dict[int, str]]] = {}
    for name in sorted(theirs, key=_natural):
        waiting.setdefault(_signature(theirs[name], others), []).append(theirs[name])
    pairs: Pairs = {}
    for layer in _layers(_without_counts(own)).values():
        if candidates := waiting.get(_signature(layer, own)):
            other = candidates.pop(0)
            pairs |= {key: other[role] for role, key in layer.items()}
    return pairs


def _without_counts(shapes: Shapes) -> dict[str, Shape]:
    """The tensors that hold more than one number, such as the number of batches seen."""
    return {key: shape for key, shape in shapes.items() if shape and not key.endswith(COUNT)}


def _role(key: str) -> int | None:
    """Which tensor of its layer one is, where its name says it."""
    known = _KNOWN.fullmatch(key)
    return _ROLE_OF[known["tensor"]] if known else None


def _layers(shapes: Shapes) -> dict[str, dict[int, str]]:
    """The keys whose names say which tensor they are, by layer and role."""
    layers: dict[str, dict[int, str]] = {}
    for key in shapes:
        if known := _KNOWN.fullmatch(key):
            layers.setdefault(known["layer"] or "", {})[_ROLE_OF[known["tensor"]]] = key
    return layers


def _signature(layer: Mapping[int, str], shapes: Shapes) -> tuple[tuple[int, Shape], ...]:
    return tuple((role, shapes[layer[role]]) for role in sorted(layer))


def _by_role(shapes: Shapes) -> dict[str, Shape]:
    """The tensors of each layer together, and in the order of a state dict; all names say which they are."""
    layers = _layers(shapes).values()
    return {layer[role]: shapes[layer[role]] for layer in layers for role in sorted(layer)}


def _natural(name: str) -> list[tuple[int, str]]:
    """Numbers in a name by their value: features.2 before features.10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]
