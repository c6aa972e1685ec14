"""Layers held against operations: a stack of layers is lowered, spelled like the file, and compared with it.

What a layer means in ONNX stands in its kind alone; here is no second description of it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations
from math import isclose
from typing import Any, Final

import numpy as np
from onnx import defs, helper

from vggc.backends.onnx.onnx_model import OLDEST_OPSET
from vggc.importing.normal_form.chain import Chain, read_chain
from vggc.importing.reading.graph_values import Constant, Operand, Operation, original
from vggc.importing.recognition.exporter_variants import SPELLED_AT, other_spellings
from vggc.importing.recognition.limits import legal
from vggc.layers.layer import Layer, LoweringError, OnnxNode, Shape, ShapeError

_UNCOMPARED: Final = ("momentum",)  # says something of training alone, and a layer does not write it
_COMMUTATIVE: Final = ("Add", "Mul", "Max", "Min")


@dataclass(frozen=True, eq=False)
class Match:
    """Layers in a row, and for each its tensors as they stand in the file; `length` operations are explained."""

    layers: tuple[Layer, ...]
    tensors: tuple[Mapping[str, Constant], ...]
    length: int


@dataclass(frozen=True, eq=False)
class _Template:
    opset: int
    chain: Chain


def match(layers: tuple[Layer, ...], chain: Chain, start: int) -> Match | None:
    """The layers, if the operations from `start` on are what they lower to, in whichever opset."""
    for template in _templates(layers, chain.shapes[chain.places[start]]):
        length = len(template.chain.operations)
        end = start + length
        if not length or end not in chain.places:
            continue
        comparison = _Comparison(chain, start, end, template.chain)
        if comparison.agrees(chain.places[end], template.chain.output):
            return Match(layers, comparison.tensors(layers), length)
    return None


@lru_cache(maxsize=4096)
def _templates(layers: tuple[Layer, ...], x: Shape) -> tuple[_Template, ...]:
    """The chains that layers lower to for an input of shape `x` (with the batch axis); none where it does not suit."""
    found: list[_Template] = []
    for opset, nodes, constants in _lowerings(layers, x):
        output = nodes[-1].output[0]
        found.append(_Template(opset, read_chain(nodes, {"": opset}, constants, "x", output, x)))
    return tuple(found)


def _lowerings(layers: tuple[Layer, ...], x: Shape) -> Iterator[tuple[int, list[Any], dict[str, Constant]]]:
    if not all(legal(layer) and layer.conflict() is None for layer in layers):
        return
    shapes = [x[1:]]
    try:
        for layer in layers:
            shapes.append(layer.shape(shapes[-1]))
    except ShapeError:
        return
    seen: list[list[tuple[OnnxNode, ...]]] = []
    for opset, spelled in _spelled(layers, shapes):
        if spelled not in seen and any(spelled):
            seen.append(spelled)
            yield opset, *_graph(layers, shapes, spelled)


def _spelled(layers: tuple[Layer, ...], shapes: list[Shape]) -> Iterator[tuple[int, list[tuple[OnnxNode, ...]]]]:
    for opset in range(OLDEST_OPSET, defs.onnx_opset_version() + 1):
        try:
            yield opset, [layer.onnx(shape, opset=opset) for layer, shape in zip(layers, shapes, strict=False)]
        except LoweringError:
            continue
    if len(layers) == 1:
        for nodes in other_spellings(layers[0], shapes[0]):
            yield SPELLED_AT, [nodes]


def _graph(
    layers: tuple[Layer, ...], shapes: list[Shape], spelled: list[tuple[OnnxNode, ...]]
) -> tuple[list[Any], dict[str, Constant]]:
    """The nodes, and the layers' tensors as constants without memory that are known by their names."""
    nodes: list[Any] = []
    constants: dict[str, Constant] = {}
    value = "x"
    for position, (layer, shape, lowered) in enumerate(zip(layers, shapes, spelled, strict=False)):
        tensors = layer.tensors(shape) | layer.buffers(shape)
        names = {"x": value, "": ""} | {name: f"{position}.{name}" for name in tensors}
        for name, size in tensors.items():
            constants[names[name]] = original(names[name], np.broadcast_to(np.float32(0), size))
        for node in lowered:
            names[node.output] = f"{position}/{node.output}"
            inputs = [names[name] for name in node.inputs]
            attributes: dict[str, Any] = dict(node.attributes)
            nodes.append(helper.make_node(node.op, inputs, [names[node.output]], **attributes))
            if node.output == "y":
                value = names[node.output]
    return nodes, constants


class _Comparison:
    """A piece of a chain held against a template, from the output up to the input."""

    def __init__(self, chain: Chain, start: int, end: int, template: Chain) -> None:
        operations = chain.operations[start:end]
        self.found = {each.output: each for each in operations}
        self.wanted = {each.output: each for each in template.operations}
        self.input = chain.places[start]
        self.template_input = template.input
        self.same = sorted(each.op for each in operations) == sorted(each.op for each in template.operations)
        self.bound: dict[str, Constant] = {}  # tensors of the template by name
        self.equal: set[tuple[str, str]] = set()

    def agrees(self, found: str, wanted: str) -> bool:
        """Whether two values are the same function of the input."""
        if not self.same or (found, wanted) in self.equal:
            return self.same
        if wanted == self.template_input or found == self.input:
            return wanted == self.template_input and found == self.input
        if found not in self.found or wanted not in self.wanted:
            return False
        left, right = self.found[found], self.wanted[wanted]
        if left.op != right.op or left.shape != right.shape or not _agree(left.attributes, right.attributes):
            return False
        if len(left.inputs) != len(right.inputs):
            return False
        if any(self._all(order, right.inputs) for order in _orders(left)):
            self.equal.add((found, wanted))
            return True
        return False

    def _all(self, found: tuple[Operand, ...], wanted: tuple[Operand, ...]) -> bool:
        bound = dict(self.bound)
        if all(self._operand(left, right) for left, right in zip(found, wanted, strict=True)):
            return True
        self.bound = bound
        return False

    def _operand(self, found: Operand, wanted: Operand) -> bool:
        if isinstance(found, str) or isinstance(wanted, str):
            return isinstance(found, str) and isinstance(wanted, str) and self.agrees(found, wanted)
        if found.shape != wanted.shape:
            return False
        if wanted.origin is not None:
            return self._bind(wanted.origin.name, found, wanted)
        return bool(np.allclose(found.array, wanted.array, rtol=1e-6, atol=1e-12))

    def _bind(self, name: str, found: Constant, wanted: Constant) -> bool:
        assert wanted.origin is not None
        size = wanted.origin.back(wanted.array).shape
        self.bound[name] = found.reshaped(tuple(size))  # a layer's own lowering reshapes its tensors, and no more
        return True

    def tensors(self, layers: tuple[Layer, ...]) -> tuple[Mapping[str, Constant], ...]:
        """What the tensors of each layer are in the file."""
        found: list[dict[str, Constant]] = [{} for _ in layers]
        for name, tensor in self.bound.items():
            position, _, own = name.partition(".")
            found[int(position)][own] = tensor
        return tuple(found)


def _orders(operation: Operation) -> Iterator[tuple[Operand, ...]]:
    if operation.op in _COMMUTATIVE:
        yield from permutations(operation.inputs)
    else:
        yield operation.inputs


def _agree(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    names = (found.keys() | wanted.keys()) - set(_UNCOMPARED)
    return all(name in found and name in wanted and _equal(found[name], wanted[name]) for name in names)


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, float) or isinstance(right, float):
        return isinstance(left, int | float) and isinstance(right, int | float) and isclose(left, right, rel_tol=1e-6)
    return bool(left == right)
