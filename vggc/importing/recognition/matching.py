"""Candidates -> matches: the operations of a chain are compared with the templates of a candidate."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations
from math import isclose
from typing import Any, Final

import numpy as np

from vggc.importing.normal_form.chain import Chain
from vggc.importing.reading.graph_values import Constant, Operand, Operation
from vggc.importing.recognition.templates import templates
from vggc.layers.layer import Layer

_NOT_COMPARED: Final = ("momentum",)  # it is about training alone, and a layer does not write it
_COMMUTATIVE: Final = ("Add", "Mul", "Max", "Min")


@dataclass(frozen=True, eq=False)
class Match:
    """Layers in a row that are the next `length` operations, and the tensors of the file that each of them has."""

    layers: tuple[Layer, ...]
    tensors: tuple[Mapping[str, Constant], ...]
    length: int


def match(layers: tuple[Layer, ...], chain: Chain, start: int) -> Match | None:
    """The layers, if the operations from `start` on are what they lower to, in whichever opset or form."""
    for template in templates(layers, chain.shapes[chain.cuts[start]]):
        end = start + len(template.operations)
        if end > start and end in chain.cuts:
            comparison = _Comparison(chain, start, end, template)
            if comparison.agrees(chain.cuts[end], template.output):
                return Match(layers, comparison.tensors(len(layers)), end - start)
    return None


class _Comparison:
    """A piece of a chain compared with a template, from the output up to the input."""

    def __init__(self, chain: Chain, start: int, end: int, template: Chain) -> None:
        operations = chain.operations[start:end]
        self.actual = {operation.output: operation for operation in operations}
        self.template = {operation.output: operation for operation in template.operations}
        self.inputs = (chain.cuts[start], template.input)
        self.same_operators = sorted(a.op for a in operations) == sorted(b.op for b in template.operations)
        self.bound: dict[str, Constant] = {}  # by the names of the template's tensors
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

    def tensors(self, layers: int) -> tuple[Mapping[str, Constant], ...]:
        """The tensors of each layer in the file; a template's are named `features.<position>.<tensor>`."""
        tensors: list[dict[str, Constant]] = [{} for _ in range(layers)]
        for key, constant in self.bound.items():
            _, position, name = key.split(".")
            tensors[int(position)][name] = constant
        return tuple(tensors)


def _orders(operation: Operation) -> Iterator[tuple[Operand, ...]]:
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
