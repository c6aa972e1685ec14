"""Layers in a row -> the graph of a spec, split into features, pool and classifier as a user would write it."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from vggc.importing.recognition.matching import in_a_row, input_shapes
from vggc.ir.graph import Graph, Origin, Section
from vggc.ir.header import Classes, Header
from vggc.ir.naming import Placed, named
from vggc.layers import all_kinds
from vggc.layers.answers import Shape
from vggc.layers.layer import Layer

_NAMELESS: Final = ("", "main", "graph", "main_graph", "torch_jit", "torch-jit-export", "tf2onnx")
_MAX_NAME: Final = 100


def graph_of(name: str, input: Shape, layers: Sequence[Layer]) -> Graph:
    """The graph of a spec with these layers.

    The layers before the first flatten are the features, at least one layer, but an adaptive pool right before it is
    the pool; those after it are the classifier. Without a flatten all are features.
    """
    at = next((i for i, layer in enumerate(layers) if layer.flattens), None)
    if at is None:
        return _graph(Header(name, input), (("features", layer) for layer in layers))
    features, classifier = [*layers[:at]], layers[at + 1 :]
    pool = [features.pop()] if len(features) > 1 and features[-1].fixes_size() else []
    own_flatten = not classifier or any(layer.flattens for layer in classifier)
    placed: list[tuple[Section, Layer]] = [("features", layer) for layer in features]
    placed += [("avgpool", layer) for layer in pool]
    placed.append(("classifier" if own_flatten else "flatten", layers[at]))
    placed += [("classifier", layer) for layer in classifier]
    return _graph(Header(name, input, _classes(layers)), placed)


def _graph(header: Header, layers: Iterable[tuple[Section, Layer]]) -> Graph:
    origin = Origin(made_by="the import")
    return Graph(header, tuple(named(Placed(section, layer, origin) for section, layer in layers)))


def _classes(layers: Sequence[Layer]) -> Classes | None:
    """As many as the last linear layer has features, where nothing after it changes their number."""
    last = next((layer for layer in reversed(layers) if layer.weight_form == "matrix"), None)
    return Classes(getattr(last, str(last.main))) if last is not None else None


def legal_name(*candidates: str) -> str:
    """The first name that says something, with only such characters as the name of a spec may have."""
    for candidate in candidates:
        if candidate not in _NAMELESS:
            name = re.sub(r"[^A-Za-z0-9_.-]+", "_", candidate).strip("_.-")[:_MAX_NAME]
            if name:
                return name if name[0].isalpha() else f"net_{name}"[:_MAX_NAME]
    return "imported"


def idiomatic(input: Shape, layers: Sequence[Layer]) -> list[Layer]:
    """The same network with each layer as a user would write it, for an input of shape (C, H, W)."""
    written: list[Layer] = []
    for position, (layer, x) in enumerate(zip(layers, input_shapes(in_a_row(layers), input), strict=True)):
        others = (kind.in_place_of(layer, x, layers[position + 1 :]) for kind in all_kinds().values())
        written.append(next(filter(None, others), layer))
    return written
