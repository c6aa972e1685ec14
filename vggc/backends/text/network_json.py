"""Network -> the same as data, for other programs: `vggc shapes --json` and `exports/NAME/network.json`."""

import json
from typing import Any

from vggc.ir import geometry
from vggc.ir.geometry import ReceptiveField
from vggc.ir.network import Network, ShapedLayer


def emit(network: Network) -> str:
    """The text of one JSON object."""
    return json.dumps(data(network), indent=1) + "\n"


def data(network: Network) -> dict[str, Any]:
    """The object: shapes without the batch axis, counts per sample, memory in bytes of float32."""
    fields = geometry.receptive_fields(network)
    seen = geometry.features_field(network)
    least = geometry.smallest_input(network.graph.nodes)
    least_features = geometry.smallest_input(network.graph.section("features"))
    classes = network.header.classes
    return {
        "name": network.name,
        "input": list(network.input),
        "output": list(network.output),
        "classes": classes.count if classes else None,
        "class_names": list(classes.names) if classes and classes.names else None,
        "params": network.params,
        "buffers": network.buffers,
        "macs": network.macs,
        "flops": network.flops,
        "weight_bytes": network.weight_bytes,
        "activation_bytes": network.activation_bytes,
        "peak_activation_bytes": network.peak_activation_bytes,
        "flatten": _flatten(network),
        "features": {"formula": geometry.map_formula(network)},
        "min_input": list(least) if least else None,
        "min_input_features": list(least_features) if least_features else None,
        "receptive_field": list(seen) if seen else None,
        "layers": [_layer(layer, field) for layer, field in zip(network.layers, fields, strict=True)],
    }


def _flatten(network: Network) -> dict[str, Any] | None:
    if network.flatten is None:
        return None
    return {"size": network.flatten, "formula": geometry.flatten_formula(network)}


def _field(field: tuple[ReceptiveField, ReceptiveField]) -> list[int] | None:
    height, width = field
    return None if height.extent is None or width.extent is None else [height.extent, width.extent]


def _layer(layer: ShapedLayer, field: tuple[ReceptiveField, ReceptiveField]) -> dict[str, Any]:
    span = layer.node.span
    place = {"file": span.source.name, "line": span.line + 1} if span is not None else {}
    return {**described(layer), "receptive_field": _field(field), **place}


def described(layer: ShapedLayer) -> dict[str, Any]:
    """What a layer is called, takes, gives and costs."""
    return {
        "path": layer.path,
        "alias": layer.alias,
        "kind": layer.kind,
        "in": list(layer.input),
        "out": list(layer.output),
        "params": layer.params,
        "macs": layer.macs,
    }
