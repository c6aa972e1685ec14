"""A graph as a chain: its operations, and the cuts where all paths go through one value.

Between two such cuts stands one operation, or a knot of them (`x * sigmoid(x)`); a sequence of layers never reaches
over a place in the middle of a knot. A residual connection is a knot that no layer explains.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
import onnx

from vggc.importing.normal_form.fusion import fuse
from vggc.importing.normal_form.layouts import arrange, channels_first
from vggc.importing.normal_form.rules import spell
from vggc.importing.reading.constant_folding import fold
from vggc.importing.reading.graph_values import Array, Constant, Operation, original
from vggc.layers.layer import Shape


@dataclass(frozen=True, eq=False)
class Chain:
    """The operations that the output depends on, in order; `shapes` are those of all values, with the batch axis.

    `gives_channels_last` is whether the graph itself gives the output with the channels last.
    """

    operations: tuple[Operation, ...]
    input: str
    output: str
    shapes: Mapping[str, Shape]
    gives_channels_last: bool = False

    @cached_property
    def cuts(self) -> dict[int, str]:
        """How many operations are done -> the one value that is still needed then."""
        last: dict[str, int] = {self.output: len(self.operations)}
        for position, operation in enumerate(self.operations):
            for name in operation.data:
                last[name] = max(last.get(name, position), position)
        found: dict[int, str] = {}
        needed = {self.input} if self.input in last else set()
        for position in range(len(self.operations) + 1):
            if len(needed) == 1:
                found[position] = next(iter(needed))
            if position < len(self.operations):
                operation = self.operations[position]
                needed = {name for name in (*needed, operation.output) if last.get(name, -1) > position}
        return found

    @cached_property
    def cut_positions(self) -> list[int]:
        """The cuts in order."""
        return sorted(self.cuts)

    def next_cut(self, position: int) -> int:
        """The first place behind a position."""
        return self.cut_positions[bisect_right(self.cut_positions, position)]


def read_chain(
    nodes: Iterable[onnx.NodeProto],
    opsets: Mapping[str, int],
    constants: Mapping[str, Constant],
    input: str,
    output: str,
    x: Shape,
    *,
    channels_last: bool = False,
) -> Chain:
    """The chain of a graph with one output and one input of shape `x` (with the batch axis).

    A chain has the channels first; `channels_last` says that `x` has them last.
    """
    steps = fold(nodes, opsets, constants, {input: x})
    operations, output = spell(steps, {input: x}, output)
    arranged = arrange(operations, {input: x}, output, input if channels_last else None)
    if channels_last:
        input, x = channels_first(input), (x[0], x[3], x[1], x[2])
    operations = fuse(_alive(arranged.operations, arranged.output), arranged.output, {input: x})
    shapes = {input: x} | {each.output: each.shape for each in operations}
    return Chain(tuple(operations), input, arranged.output, shapes, arranged.channels_last)


def _alive(operations: list[Operation], output: str) -> list[Operation]:
    """Without what the output does not depend on."""
    needed = {output}
    found: list[Operation] = []
    for operation in reversed(operations):
        if operation.output in needed:
            needed.update(operation.data)
            found.append(operation)
    return found[::-1]


# --- affine maps by channel ---


def affine_as_batch_norm(chain: Chain, start: int) -> Chain:
    """The chain with products and sums by channel from a cut on as a batch norm with constant statistics.

    It is (x - mean) * weight + bias. Where no such operation follows the cut the chain is returned as it is.
    """
    shape = chain.shapes[chain.cuts[start]]
    end, scaled = start, False
    mean, weight, bias = (np.full(shape[1:2], value, np.float64) for value in (0, 1, 0))
    while end + 1 in chain.cuts and (numbers := _by_channel(chain.operations[end], shape)) is not None:
        if chain.operations[end].op == "Mul":
            weight, bias, scaled = weight * numbers, bias * numbers, True
        elif scaled:
            bias = bias + numbers
        else:
            mean = mean - numbers
        end += 1
    if end == start:
        return chain
    replaced = chain.operations[start:end]
    output = replaced[-1].output
    values = {"scale": weight, "bias": bias, "mean": mean, "variance": np.full(shape[1:2], 1 - _EPSILON)}
    output = replaced[-1].output
    norm = Operation(
        "BatchNormalization",
        (
            chain.cuts[start],
            *(original(f"{output}/{name}", tensor.astype(np.float32)) for name, tensor in values.items()),
        ),
        output,
        shape,
        {"epsilon": _EPSILON, "momentum": 0.9},
        tuple(node for operation in replaced for node in operation.made_of),
    )
    return replace(chain, operations=(*chain.operations[:start], norm, *chain.operations[end:]))


_EPSILON: Final = 1e-5


def _by_channel(operation: Operation, shape: Shape) -> Array | None:
    """One number for every channel that a Mul or Add works with; None for anything else."""
    if operation.op not in ("Mul", "Add") or len(operation.data) != 1 or operation.shape != shape or len(shape) < 2:
        return None
    constant = operation.constants[0]
    if constant.shape not in ((1,) * len(shape), (1, shape[1], *(1,) * (len(shape) - 2))):
        return None
    return np.broadcast_to(constant.array.ravel(), shape[1:2])
