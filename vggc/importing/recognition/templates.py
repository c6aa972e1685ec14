"""Layers -> templates: the chains that they lower to, at every opset and in the forms of other exporters.

What a layer means in ONNX is written in its kind alone; there is no second description of it here.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final, get_args

import numpy as np
from onnx import NodeProto, defs, helper

from vggc.backends.onnx.onnx_model import OLDEST_OPSET
from vggc.base.records import Limits
from vggc.importing.normal_form.chain import Chain, read_chain
from vggc.importing.reading.graph_values import Constant, original
from vggc.ir.graph import Node, Origin
from vggc.ir.naming import Placed, named
from vggc.ir.walk import walk
from vggc.layers.layer import Layer, LoweringError, OnnxNode, Shape, ShapeError

_VARIANTS_OPSET: Final = 21  # the opset in which a kind writes its `onnx_variants`

Form = list[tuple[OnnxNode, ...]]  # the nodes of every layer


@lru_cache(maxsize=4096)
def templates(layers: tuple[Layer, ...], x: Shape) -> tuple[Chain, ...]:
    """The chains that layers in a row lower to for an input of shape `x` (with the batch axis).

    There are none where a layer cannot take its input, or has an option that no spec may have.
    """
    if not all(_is_legal(layer) and layer.conflict() is None for layer in layers):
        return ()
    row = tuple(named(Placed("features", layer, Origin(made_by="the import")) for layer in layers))
    try:
        outputs = [shape for _, shape in walk(row, x[1:], lambda node, inputs: node.layer.shape(*inputs))]
    except ShapeError:
        return ()
    shapes = [x[1:], *outputs[:-1]]
    chains: list[Chain] = []
    seen: list[Form] = []
    for opset, form in _forms(layers, shapes):
        if any(form) and form not in seen:
            seen.append(form)
            nodes, constants, output = _graph(row, shapes, form)
            chains.append(read_chain(nodes, {"": opset}, constants, "x", output, x))
    return tuple(chains)


def _forms(layers: tuple[Layer, ...], shapes: list[Shape]) -> Iterator[tuple[int, Form]]:
    """The nodes of the layers, and the opset that they are of."""
    for opset in range(OLDEST_OPSET, defs.onnx_opset_version() + 1):
        try:
            yield opset, [layer.onnx(shape, opset=opset) for layer, shape in zip(layers, shapes, strict=True)]
        except LoweringError:
            continue
    if len(layers) == 1:
        for nodes in layers[0].onnx_variants(shapes[0]):
            yield _VARIANTS_OPSET, [nodes]


def _graph(
    row: tuple[Node, ...], shapes: list[Shape], form: Form
) -> tuple[list[NodeProto], Mapping[str, Constant], str]:
    """The nodes of a graph from `x`, its constants, and the name of its output.

    The tensors of the layers are constants without memory that are known by their names.
    """
    nodes: list[NodeProto] = []
    constants: dict[str, Constant] = {}
    lowered = {node.path: (shape, onnx_nodes) for node, shape, onnx_nodes in zip(row, shapes, form, strict=True)}

    def lower(node: Node, inputs: tuple[str, ...]) -> str:
        shape, onnx_nodes = lowered[node.path]
        names = {"x": inputs[0], "": "", "y": inputs[0]}
        for name, size in (node.layer.tensors(shape) | node.layer.buffers(shape)).items():
            names[name] = f"{node.path}.{name}"
            constants[names[name]] = original(names[name], np.broadcast_to(np.float32(0), size))
        for each in onnx_nodes:
            operands = [names[name] for name in each.inputs]
            names[each.output] = f"{node.path}/{each.output}"
            attributes: dict[str, Any] = dict(each.attributes)
            nodes.append(helper.make_node(each.op, operands, [names[each.output]], **attributes))
        return names["y"]

    output = [name for _, name in walk(row, "x", lower)][-1]
    return nodes, constants, output


# --- whether a candidate is within the language: what a file says may be a number that no spec may ---


def _is_legal(layer: Layer) -> bool:
    """Whether every number of a layer is within its option's limits."""
    return all(
        _is_within(number, limits)
        for name, value in layer.changed().items()
        for limits in _limits(layer.annotation(name))
        for number in _numbers(value)
    )


def _limits(annotation: Any) -> Iterator[Limits]:
    if isinstance(annotation, Limits):
        yield annotation
    for part in (*get_args(annotation), *getattr(annotation, "__metadata__", ())):
        yield from _limits(part)


def _numbers(value: object) -> Iterator[int | float]:
    if isinstance(value, tuple):
        for element in value:
            yield from _numbers(element)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value


def _is_within(number: int | float, limits: Limits) -> bool:
    """Written so that NaN is not within anything."""
    return (
        (limits.minimum is None or number >= limits.minimum)
        and (limits.exclusive_minimum is None or number > limits.exclusive_minimum)
        and (limits.maximum is None or number <= limits.maximum)
    )
