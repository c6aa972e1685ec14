"""A graph as a chain: its operations, and the cuts where all paths go through one value.

Between two cuts is one operation, or a knot of them (`x * sigmoid(x)`); layers in a row never end in the middle of a
knot. A residual connection is a knot that no layer is.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import inf
from typing import Final

import numpy as np
import onnx

from vggc.importing.normal_form.layouts import arrange, channels_first
from vggc.importing.normal_form.rules import normalize
from vggc.importing.normal_form.windows import Pads, reached
from vggc.importing.reading.constant_folding import fold
from vggc.importing.reading.graph_values import Array, FoldedConstant, NormalOperation, original
from vggc.layers.answers import Shape


@dataclass(frozen=True, eq=False)
class Chain:
    """The operations that the output depends on, in order; `shapes` are those of all values, with the batch axis.

    `gives_channels_last` is whether the graph itself gives the output with the channels last.
    """

    operations: tuple[NormalOperation, ...]
    input: str
    output: str
    shapes: Mapping[str, Shape]
    gives_channels_last: bool = False

    @cached_property
    def cuts(self) -> dict[int, str]:
        """The number of operations before a cut -> the one value that those after it need."""
        last: dict[str, int] = {self.output: len(self.operations)}
        for position, operation in enumerate(self.operations):
            for name in operation.data:
                last[name] = max(last.get(name, position), position)
        needed = {self.input} if self.input in last else set()
        cuts = {0: self.input} if needed else {}
        for position, operation in enumerate(self.operations):
            needed = {name for name in (*needed, operation.output) if last.get(name, -1) > position}
            if len(needed) == 1:
                cuts[position + 1] = next(iter(needed))
        return cuts

    def next_cut(self, position: int) -> int:
        """The first cut after a position."""
        return next(cut for cut in range(position + 1, len(self.operations) + 1) if cut in self.cuts)


def read_chain(
    nodes: Iterable[onnx.NodeProto],
    opsets: Mapping[str, int],
    constants: Mapping[str, FoldedConstant],
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
    operations, output = normalize(steps, {input: x}, output)
    operations, output, gives_channels_last = arrange(operations, {input: x}, output, input if channels_last else None)
    if channels_last:
        input, x = channels_first(input), (x[0], x[3], x[1], x[2])
    operations = _fused(_alive(operations, output), output, {input: x})
    shapes = {input: x} | {operation.output: operation.shape for operation in operations}
    return Chain(tuple(operations), input, output, shapes, gives_channels_last)


def _alive(operations: list[NormalOperation], output: str) -> list[NormalOperation]:
    """Without what the output does not depend on."""
    needed = {output}
    alive: list[NormalOperation] = []
    for operation in reversed(operations):
        if operation.output in needed:
            needed.update(operation.data)
            alive.append(operation)
    return alive[::-1]


# --- operations that are parts of the one before or after them ---


def _fused(operations: list[NormalOperation], output: str, inputs: Mapping[str, Shape]) -> list[NormalOperation]:
    """With borders and biases inside the operations that they belong to, where nothing else takes the value between."""
    uses = Counter(name for operation in operations for name in operation.data)
    uses[output] += 1
    shapes = {**inputs, **{operation.output: operation.shape for operation in operations}}
    done: dict[str, NormalOperation] = {}
    for operation in operations:
        before = done.get(operation.data[0]) if operation.data else None
        if before is not None and uses[before.output] == 1:
            fused = _with_border(before, operation) or _with_bias(before, operation) or _with_bound(before, operation)
            if fused is not None:
                del done[before.output]
                operation = replace(fused, nodes=before.nodes + operation.nodes)
        done[operation.output] = operation
    return [_trimmed(operation, shapes) for operation in done.values()]


def _with_border(before: NormalOperation, operation: NormalOperation) -> NormalOperation | None:
    """Zeros around a convolution and minus infinity around a maximum are its own padding."""
    neutral = {"Conv": 0.0, "ConvTranspose": 0.0, "MaxPool": -inf}.get(operation.op)
    if before.op != "Pad" or neutral is None or before.attributes["mode"] != "constant":
        return None
    border = before.attributes["pads"]
    if before.attributes["value"] != neutral or any(map(any, border[:2])):
        return None
    padded = _with_zeros if operation.op == "ConvTranspose" else _with_padding
    inputs = (before.inputs[0], *operation.inputs[1:])
    return replace(operation, inputs=inputs, attributes={**operation.attributes, **padded(border[2:], operation)})


def _with_padding(border: Pads, operation: NormalOperation) -> dict[str, Pads]:
    own = operation.attributes["pads"]
    return {"pads": tuple((a + c, b + d) for (a, b), (c, d) in zip(border, own, strict=True))}


def _with_zeros(border: Pads, operation: NormalOperation) -> dict[str, Pads]:
    """A transposed convolution cuts off less of its output, because the zeros around its input only enlarge it."""
    steps = zip(border, operation.attributes["strides"], operation.attributes["cut"], strict=True)
    return {"cut": tuple((start - a * stride, end - b * stride) for (a, b), stride, (start, end) in steps)}


def _with_bias(before: NormalOperation, operation: NormalOperation) -> NormalOperation | None:
    """What is added to every channel after a convolution or linear layer without a bias is one."""
    if before.op not in ("Conv", "ConvTranspose", "Gemm") or len(before.inputs) != 2 or operation.op != "Add":
        return None
    channels = (1, before.shape[1], *(1,) * (len(before.shape) - 2))
    biases = [constant for constant in operation.constants if constant.shape == channels]
    if not biases or operation.shape != before.shape:
        return None
    inputs = (*before.inputs, biases[0].reshaped((before.shape[1],)))
    return replace(before, inputs=inputs, output=operation.output)


def _with_bound(before: NormalOperation, operation: NormalOperation) -> NormalOperation | None:
    """A bound above after a relu is a Clip."""
    if before.op != "Relu" or operation.op != "Clip" or operation.attributes["min"] > 0:
        return None
    return replace(operation, inputs=before.inputs, attributes={"min": 0.0, "max": operation.attributes["max"]})


def _trimmed(operation: NormalOperation, shapes: Mapping[str, Shape]) -> NormalOperation:
    """The operation with no more padding than its windows reach."""
    if not operation.data or not {"pads", "kernel"} <= operation.attributes.keys():
        return operation
    pads = reached(operation.attributes, shapes[operation.data[0]], operation.shape)
    return replace(operation, attributes={**operation.attributes, "pads": pads})


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
    values = {"scale": weight, "bias": bias, "mean": mean, "variance": np.full(shape[1:2], 1 - _EPSILON)}
    output = replaced[-1].output
    tensors = (original(f"{output}/{name}", array.astype(np.float32)) for name, array in values.items())
    nodes = tuple(node for operation in replaced for node in operation.nodes)
    attributes = {"epsilon": _EPSILON, "momentum": 0.9}
    norm = NormalOperation("BatchNormalization", (chain.cuts[start], *tensors), output, shape, attributes, nodes)
    return replace(chain, operations=(*chain.operations[:start], norm, *chain.operations[end:]))


_EPSILON: Final = 1e-5


def _by_channel(operation: NormalOperation, shape: Shape) -> Array | None:
    """One number for every channel that a Mul or Add works with; None for anything else."""
    if operation.op not in ("Mul", "Add") or len(operation.data) != 1 or operation.shape != shape or len(shape) < 2:
        return None
    constant = operation.constants[0]
    if constant.shape not in ((1,) * len(shape), (1, shape[1], *(1,) * (len(shape) - 2))):
        return None
    return np.broadcast_to(constant.array.ravel(), shape[1:2])
