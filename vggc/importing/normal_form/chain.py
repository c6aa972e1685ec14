"""A graph as a chain: its operations, and the places where all paths go through one value.

Between two such places stands one operation, or a knot of them (`x * sigmoid(x)`); a sequence of layers never reaches
over a place in the middle of a knot. A residual connection is a knot that no layer explains.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import inf

import onnx

from vggc.importing.normal_form.layouts import arrange, channels_first
from vggc.importing.normal_form.rules import spell
from vggc.importing.normal_form.windows import trimmed, with_bias, with_padding
from vggc.importing.reading.constant_folding import fold
from vggc.importing.reading.graph_values import Constant, Operation
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
    def places(self) -> dict[int, str]:
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
    def stops(self) -> list[int]:
        """The places in order."""
        return sorted(self.places)

    def next_place(self, position: int) -> int:
        """The first place behind a position."""
        return self.stops[bisect_right(self.stops, position)]


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
    operations = _joined(_alive(arranged.operations, arranged.output), arranged.output, {input: x})
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


def _joined(operations: list[Operation], output: str, inputs: Mapping[str, Shape]) -> list[Operation]:
    """With borders and biases inside the operations that they belong to, where nothing else takes the value between."""
    uses = Counter(name for each in operations for name in each.data)
    uses[output] += 1
    shapes = {**inputs, **{each.output: each.shape for each in operations}}
    done: dict[str, Operation] = {}
    for operation in operations:
        before = done.get(operation.data[0]) if operation.data else None
        joined = None
        if before is not None and uses[before.output] == 1:
            joined = _with_border(before, operation) or _with_added(before, operation) or _with_bound(before, operation)
        if joined is not None and before is not None:
            del done[before.output]
            operation = replace(joined, made_of=before.made_of + operation.made_of)
        done[operation.output] = operation
    return [
        trimmed(each, shapes[each.data[0]]) if each.data and {"pads", "kernel"} <= each.attributes.keys() else each
        for each in done.values()
    ]


def _with_border(before: Operation, operation: Operation) -> Operation | None:
    """Zeros around a convolution and minus infinity around a maximum are their own padding."""
    held = {"Conv": 0.0, "MaxPool": -inf}.get(operation.op)
    if before.op != "Pad" or held is None or before.attributes["mode"] != "constant":
        return None
    pads = before.attributes["pads"]
    if before.attributes["value"] != held or any(map(any, pads[:2])):
        return None
    return with_padding(pads[2:], operation, before.inputs[0])


def _with_added(before: Operation, operation: Operation) -> Operation | None:
    """What is added to every channel behind a convolution or linear layer without a bias is one."""
    if before.op not in ("Conv", "Gemm") or len(before.inputs) != 2 or operation.op != "Add":
        return None
    added = next((each for each in operation.inputs if isinstance(each, Constant)), None)
    channels = (1, before.shape[1], *(1,) * (len(before.shape) - 2))
    if added is None or added.shape != channels or operation.shape != before.shape:
        return None
    return with_bias(before, added, operation.output)


def _with_bound(before: Operation, operation: Operation) -> Operation | None:
    """A bound above behind a relu is a Clip."""
    if before.op != "Relu" or operation.op != "Clip" or operation.attributes["min"] > 0:
        return None
    return replace(operation, inputs=before.inputs, attributes={"min": 0.0, "max": operation.attributes["max"]})
