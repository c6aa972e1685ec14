"""Candidates -> matches: layers are lowered, brought to normal form, and compared with the operations of a chain.

What a layer means in ONNX is written in its kind alone; there is no second description of it here.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import permutations
from math import isclose
from typing import Any, Final, NamedTuple

import numpy as np
from onnx import NodeProto, defs, helper

from vggc.backends.onnx.onnx_model import OLDEST_OPSET
from vggc.importing.normal_form.chain import Chain, read_chain
from vggc.importing.reading.graph_values import FoldedConstant, NormalOperation, Operand, original
from vggc.ir.graph import Node, Origin
from vggc.ir.naming import Placed, named
from vggc.ir.walk import walk
from vggc.layers.answers import LoweringError, OnnxNode, Shape, ShapeError
from vggc.layers.layer import Layer

_VARIANTS_OPSET: Final = 21  # the opset in which a kind writes its `onnx_variants`

Form = list[tuple[OnnxNode, ...]]  # the nodes of every layer
_NOT_COMPARED: Final = ("momentum",)  # it is about training alone, and a layer does not write it
_COMMUTATIVE: Final = ("Add", "Mul", "Max", "Min")


class RecoveredLayer(NamedTuple):
    """A layer, and its tensors in the file by torch's names."""

    layer: Layer
    tensors: Mapping[str, FoldedConstant]


class Match(NamedTuple):
    """Layers in a row that are the next `length` operations."""

    layers: list[RecoveredLayer]
    length: int


def match(layers: tuple[Layer, ...], chain: Chain, start: int) -> Match | None:
    """The layers, if the operations from `start` on are what they lower to, in whichever opset or form."""
    for template in _templates(layers, chain.shapes[chain.cuts[start]]):
        end = start + len(template.operations)
        if end > start and end in chain.cuts:
            comparison = _Comparison(chain, start, end, template)
            if comparison.agrees(chain.cuts[end], template.output):
                return Match(comparison.recovered(layers), end - start)
    return None


class _Comparison:
    """A piece of a chain compared with a template, from the output up to the input."""

    def __init__(self, chain: Chain, start: int, end: int, template: Chain) -> None:
        operations = chain.operations[start:end]
        self.actual = {operation.output: operation for operation in operations}
        self.template = {operation.output: operation for operation in template.operations}
        self.inputs = (chain.cuts[start], template.input)
        self.same_operators = sorted(a.op for a in operations) == sorted(b.op for b in template.operations)
        self.bound: dict[str, FoldedConstant] = {}  # by the names of the template's tensors
        self.equal: set[tuple[str, str]] = set()

    def agrees(self, actual: str, expected: str) -> bool:
        """Whether a value is the same function of the input as a value of the template."""
        if not self.same_operators or (actual, expected) in self.equal:
            return self.same_operators
        if actual == self.inputs[0] or expected == self.inputs[1]:
            return (actual, expected) == self.inputs
        if actual not in self.actual or expected not in self.template:
            return False
        left, right = self.actual[actual], self.template[expected]
        if left.op != right.op or left.shape != right.shape or not _same_attributes(left.attributes, right.attributes):
            return False
        if len(left.inputs) != len(right.inputs):
            return False
        if any(self._operands_agree(order, right.inputs) for order in _orders(left)):
            self.equal.add((actual, expected))
            return True
        return False

    def _operands_agree(self, actual: tuple[Operand, ...], expected: tuple[Operand, ...]) -> bool:
        bound = dict(self.bound)
        if all(self._operand_agrees(left, right) for left, right in zip(actual, expected, strict=True)):
            return True
        self.bound = bound
        return False

    def _operand_agrees(self, actual: Operand, expected: Operand) -> bool:
        if isinstance(actual, str) or isinstance(expected, str):
            return isinstance(actual, str) and isinstance(expected, str) and self.agrees(actual, expected)
        if actual.shape != expected.shape:
            return False
        if expected.origin is None:
            return bool(np.allclose(actual.array, expected.array, rtol=1e-6, atol=1e-12))
        shape = expected.origin.back(expected.array).shape
        self.bound[expected.origin.name] = actual.reshaped(tuple(shape))  # a lowering only reshapes its tensors
        return True

    def recovered(self, layers: tuple[Layer, ...]) -> list[RecoveredLayer]:
        """The layers with the tensors that are bound; a template names them `features.<position>.<tensor>`."""
        tensors: list[dict[str, FoldedConstant]] = [{} for _ in layers]
        for key, constant in self.bound.items():
            _, position, name = key.split(".")
            tensors[int(position)][name] = constant
        return list(map(RecoveredLayer, layers, tensors))


def _orders(operation: NormalOperation) -> Iterator[tuple[Operand, ...]]:
    if operation.op in _COMMUTATIVE:
        yield from permutations(operation.inputs)
    else:
        yield operation.inputs


def _same_attributes(actual: Mapping[str, Any], expected: Mapping[str, Any]) -> bool:
    names = (actual.keys() | expected.keys()) - set(_NOT_COMPARED)
    return all(name in actual and name in expected and _same_value(actual[name], expected[name]) for name in names)


def _same_value(left: Any, right: Any) -> bool:
    if isinstance(left, float) or isinstance(right, float):
        return isinstance(left, int | float) and isinstance(right, int | float) and isclose(left, right, rel_tol=1e-6)
    return bool(left == right)


# --- templates ---


@lru_cache(maxsize=4096)
def _templates(layers: tuple[Layer, ...], x: Shape) -> tuple[Chain, ...]:
    """The chains that layers in a row lower to for an input of shape `x` (with the batch axis).

    There are none where a layer cannot take its input, or has an option that no spec may have.
    """
    if not all(layer.is_within_limits() and layer.conflict() is None for layer in layers):
        return ()
    row = in_a_row(layers)
    try:
        shapes = input_shapes(row, x[1:])
    except ShapeError:
        return ()
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
) -> tuple[list[NodeProto], Mapping[str, FoldedConstant], str]:
    """The nodes of a graph from `x`, its constants, and the name of its output.

    The tensors of the layers are constants without memory that are known by their names.
    """
    protos: list[NodeProto] = []
    constants: dict[str, FoldedConstant] = {}
    lowered = {node.path: (shape, onnx_nodes) for node, shape, onnx_nodes in zip(row, shapes, form, strict=True)}

    def lower(node: Node, inputs: tuple[str, ...]) -> str:
        shape, onnx_nodes = lowered[node.path]
        names = {"x": inputs[0], "": "", "y": inputs[0]}
        for name, size in (node.layer.tensors(shape) | node.layer.buffers(shape)).items():
            names[name] = f"{node.path}.{name}"
            constants[names[name]] = original(names[name], np.broadcast_to(np.float32(0), size))
        for onnx_node in onnx_nodes:
            operands = [names[name] for name in onnx_node.inputs]
            output = names[onnx_node.output] = f"{node.path}/{onnx_node.output}"
            protos.append(helper.make_node(onnx_node.op, operands, [output], **dict[str, Any](onnx_node.attributes)))
        return names["y"]

    outputs = [output for _, output in walk(row, "x", lower)]
    return protos, constants, outputs[-1]


def in_a_row(layers: Sequence[Layer]) -> tuple[Node, ...]:
    """Layers one after the other as nodes."""
    return tuple(named(Placed("features", layer, Origin(made_by="the import")) for layer in layers))


def input_shapes(row: tuple[Node, ...], x: Shape) -> list[Shape]:
    """The shape of every node's input, all without the batch axis.

    Raises:
        ShapeError: a layer cannot take its input.
    """
    return [x, *(shape for _, shape in walk(row, x, lambda node, inputs: node.layer.shape(*inputs)))][:-1]
