"""Layers in a row -> the graph of a spec, split into features, pool and classifier as a person would write it."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from vggc.ir.graph import Graph, Origin, Section
from vggc.ir.header import Classes, Header
from vggc.ir.naming import Placed, named
from vggc.layers.adaptive_pool import AdaptiveAvgPool2d, AdaptiveMaxPool2d, GlobalAvgPool2d
from vggc.layers.conv import Conv2d
from vggc.layers.layer import Layer, Shape, pair
from vggc.layers.linear import Linear
from vggc.layers.pool import AvgPool2d
from vggc.layers.reshape import Flatten

_POOLS: Final = (AdaptiveAvgPool2d, AdaptiveMaxPool2d, GlobalAvgPool2d)
_NAMELESS: Final = ("", "main", "graph", "main_graph", "torch_jit", "torch-jit-export", "tf2onnx")
_MAX_NAME: Final = 100


def graph_of(name: str, input: Shape, layers: Sequence[Layer]) -> Graph:
    """The graph of a spec with these layers.

    What stands before the first flatten are the features, at least one layer, and an adaptive pool right before it is
    the pool; what comes behind is the classifier. Without a flatten all are features.
    """
    at = next((i for i, layer in enumerate(layers) if layer.flattens), None)
    if at is None:
        return _graph(Header(name, input), (("features", layer) for layer in layers))
    features, classifier = [*layers[:at]], layers[at + 1 :]
    pool = [features.pop()] if len(features) > 1 and isinstance(features[-1], _POOLS) else []
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
    """As many as the last linear layer has features, where nothing behind it changes their number."""
    last = next((layer for layer in reversed(layers) if isinstance(layer, Linear)), None)
    return Classes(last.out_features) if last is not None else None


def legal_name(*wanted: str) -> str:
    """The first name that says something, with only such characters as the name of a spec may have."""
    for each in wanted:
        if each not in _NAMELESS:
            name = re.sub(r"[^A-Za-z0-9_.-]+", "_", each).strip("_.-")[:_MAX_NAME]
            if name:
                return name if name[0].isalpha() else f"net_{name}"[:_MAX_NAME]
    return "imported"


# --- the same layers in a person's words ---


def worded(input: Shape, layers: Sequence[Layer]) -> list[Layer]:
    """The same network with each layer as a person would write it.

    A convolution that keeps the size has padding `same`. A mean that covers the map evenly right before a flatten is
    the adaptive pool that models put there; anywhere else it is an ordinary one, because nothing says that it should
    follow the size of the map.
    """
    found: list[Layer] = []
    shape = input
    for position, layer in enumerate(layers):
        behind = layers[position + 1] if position + 1 < len(layers) else None
        if isinstance(layer, Conv2d):
            layer = _same_padding(layer, layers[position + 1 : position + 3])
        if isinstance(layer, AvgPool2d) and isinstance(behind, Flatten):
            layer = _adaptive(layer, shape)
        found.append(layer)
        shape = layer.shape(shape)
    return found


def _same_padding(layer: Conv2d, behind: Sequence[Layer]) -> Conv2d:
    """A 1x1 kernel needs no padding; in a unit, whose padding is `same`, that is not worth a word."""
    if pair(layer.stride) != (1, 1):
        return layer
    same = Conv2d(**{**layer.changed(), "padding": "same"})
    groups = [each.group for each in behind]
    in_unit = groups[:1] == ["activation"] or groups == ["norm", "activation"]
    if same.borders() != layer.borders() or not (any(same.borders()) or in_unit):
        return layer
    return same


def _adaptive(layer: AvgPool2d, x: Shape) -> Layer:
    kernel, stride = pair(layer.kernel_size), pair(layer.stride or layer.kernel_size)
    plain = not any(pair(layer.padding)) and not layer.ceil_mode and kernel == stride
    if not plain or x[1] % kernel[0] or x[2] % kernel[1]:
        return layer
    rows, columns = x[1] // kernel[0], x[2] // kernel[1]
    return AdaptiveAvgPool2d(output_size=rows if rows == columns else (rows, columns))
