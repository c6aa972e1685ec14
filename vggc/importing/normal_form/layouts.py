"""Operations -> the same on values arranged as the layers have them: channels first, and nothing moved without need.

Frameworks that have the channels last put Transpose nodes around what ONNX computes with the channels first, and models
squeeze and unsqueeze. An operation on a value so arranged is done on the value itself, and the arrangement is pending
until another one undoes it, or the weights of a linear layer take it up. Where neither comes it is a node in the way.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from vggc.importing.normal_form.arrangements import Arrangement, in_order, reshaped, same_but_for_ones
from vggc.importing.normal_form.builder import Builder
from vggc.importing.reading.graph_values import FoldedConstant, NormalOperation, Operand
from vggc.importing.reading.interface import CHANNELS_LAST
from vggc.layers.answers import Shape

# What works on every number alone, or on pairs of them.
_POINTWISE: Final = frozenset((
    "Add", "Clip", "Div", "Dropout", "Elu", "Erf", "Gelu", "Greater", "HardSigmoid", "HardSwish", "LeakyRelu", "Max",
    "Min", "Mish", "Mul", "PRelu", "Pow", "Relu", "Selu", "Sigmoid", "Softplus", "Sqrt", "Sub", "Tanh", "Where",
))  # fmt: skip
_REARRANGING: Final = ("Transpose", "Reshape", "Flatten")
_SQUEEZING: Final = ("Flatten", "Squeeze", "Unsqueeze")  # nodes; a Reshape may be a part of a layer


class _Pending(NamedTuple):
    """A value of the file: which other one it is rearranged, how, and by which nodes."""

    value: str
    arrangement: Arrangement
    nodes: tuple[tuple[str, str], ...]


def arrange(
    operations: Sequence[NormalOperation], shapes: Mapping[str, Shape], output: str, channels_last: str | None = None
) -> tuple[list[NormalOperation], str, bool]:
    """The operations with as few rearrangements as there can be, the output, and whether it has the channels last.

    Args:
        operations: in the order of the data.
        shapes: of the inputs, with the batch axis, by name.
        output: the name of the output.
        channels_last: the input that the file takes as (batch, height, width, channels); the operations returned take
            `channels_first(channels_last)` instead, and give maps with the channels first as well.
    """
    layouts = _Layouts(shapes)
    if channels_last is not None:
        layouts.take_channels_first(channels_last)
    for operation in operations:
        layouts.add(operation)
    output = layouts.aliases.get(output, output)
    last = layouts.pending.get(output)
    if channels_last is not None and last is not None:
        value, arrangement, _ = last
        if arrangement == in_order(arrangement.x, CHANNELS_LAST):
            return layouts.operations, value, True
    return layouts.operations, layouts.plain(output), False


def channels_first(input: str) -> str:
    """The name of an input with the channels first that the file takes with the channels last."""
    return f"{input}/channels_first"


class _Layouts(Builder):
    """Operations in the order of the data, and `pending` arrangements of their values."""

    def __init__(self, shapes: Mapping[str, Shape]) -> None:
        super().__init__(shapes)
        self.pending: dict[str, _Pending] = {}

    def take_channels_first(self, input: str) -> None:
        batch, height, width, channels = self.shapes[input]
        x = (batch, channels, height, width)
        self.shapes[channels_first(input)] = x
        nodes = ((input, "the input, with the channels last"),)
        self.pending[input] = _Pending(channels_first(input), in_order(x, CHANNELS_LAST), nodes)

    def add(self, operation: NormalOperation) -> None:
        """One operation: a rearrangement, one that can be done before a pending arrangement, or any other."""
        operation = replace(operation, inputs=tuple(self.value(operand) for operand in operation.inputs))
        if not (self._rearranges(operation) or self._moves_before(operation)):
            for name in operation.data:
                self.plain(name)
            if not self._rearranges(operation):
                self.append(operation)

    def plain(self, name: str) -> str:
        """A value as the file has it: an arrangement that is pending becomes operations."""
        if name not in self.pending:
            return name
        value, how, nodes = self.pending.pop(name)
        if how.mixes or how.only_moves:
            output = name if how.shape == how.ordered else f"{name}/moved"
            moves = tuple(node for node in nodes if node[1] == "Transpose") or nodes
            value = self.append(NormalOperation("Transpose", (value,), output, how.ordered, {"perm": how.order}, moves))
        if value != name:
            flat = len(how.shape) == 2 and how.shape[0] == how.x[0]
            op, attributes = ("Flatten", {}) if flat else ("Reshape", {"shape": how.shape})
            self.append(NormalOperation(op, (value,), name, how.shape, attributes, nodes))
        return name

    def postpone(self, output: str, pending: _Pending) -> None:
        """An output of the file is another value rearranged, or that value itself."""
        if pending.arrangement.does_nothing:
            self.aliases[output] = pending.value
        else:
            self.pending[output] = pending

    # --- rearrangements ---

    def _rearranges(self, operation: NormalOperation) -> bool:
        """Whether the operation only rearranges a value, so that it is pending now."""
        if operation.op not in _REARRANGING:
            return False
        name = operation.data[0]
        shape = self.shapes.get(name, ())
        value, before, nodes = self.pending.get(name) or _Pending(name, reshaped(shape, shape), ())
        if operation.op == "Transpose":
            arrangement = before.moved(operation.attributes["perm"])
        elif before.does_nothing and not _squeezes(operation, before.x):
            arrangement = None
        else:
            arrangement = before.viewed(operation.shape)
        if arrangement is not None:
            self.postpone(operation.output, _Pending(value, arrangement, nodes + operation.nodes))
        return arrangement is not None

    # --- what is done before an arrangement ---

    def _moves_before(self, operation: NormalOperation) -> bool:
        """Whether the operation could be put before the one arrangement that is pending for all its operands."""
        pending = [self.pending[name] for name in operation.data if name in self.pending]
        rule = _pointwise if operation.op in _POINTWISE else _RULES.get(operation.op)
        alike = len(pending) == len(operation.data) and len({other.arrangement for other in pending}) == 1
        return rule is not None and alike and rule(self, operation, pending[0])

    def append_before(self, pending: _Pending, arrangement: Arrangement, operation: NormalOperation) -> bool:
        """Add an operation on values before their arrangement; its output is pending in another arrangement."""
        value = self.append(replace(operation, output=f"{operation.output}/before", shape=arrangement.x))
        self.postpone(operation.output, _Pending(value, arrangement, pending.nodes))
        return True


def _squeezes(operation: NormalOperation, x: Shape) -> bool:
    """Whether axes of one element come and go; a Reshape that does so may be a part of a layer, as of a group norm."""
    alone = operation.op == "Flatten" or operation.nodes[-1][1] in _SQUEEZING or len(x) == 2
    return alone and same_but_for_ones(x, operation.shape)


Rule = Callable[[_Layouts, NormalOperation, _Pending], bool]


def _pointwise(layouts: _Layouts, operation: NormalOperation, pending: _Pending) -> bool:
    how = pending.arrangement
    if operation.shape != how.shape or not (how.only_moves or how.flattens or how.spreads):
        return False
    if any(constant.number is None and len(constant.shape) != len(how.shape) for constant in operation.constants):
        return False
    inputs: list[Operand] = []
    for operand in operation.inputs:
        if isinstance(operand, FoldedConstant):
            inputs.append(how.constant(operand))
        else:
            inputs.append(layouts.pending[operand].value if operand else operand)
    return layouts.append_before(pending, how, replace(operation, inputs=tuple(inputs)))


def _softmax(layouts: _Layouts, operation: NormalOperation, pending: _Pending) -> bool:
    how, axis = pending.arrangement, operation.attributes["axis"]
    if not (how.only_moves or (how.spreads and axis == 1)):
        return False
    softmax = replace(operation, inputs=(pending.value,), attributes={"axis": how.order[axis]})
    return layouts.append_before(pending, how, softmax)


def _batch_norm(layouts: _Layouts, operation: NormalOperation, pending: _Pending) -> bool:
    if not pending.arrangement.spreads:
        return False
    norm = replace(operation, inputs=(pending.value, *operation.inputs[1:]))
    return layouts.append_before(pending, pending.arrangement, norm)


def _convolution(layouts: _Layouts, operation: NormalOperation, pending: _Pending) -> bool:
    """A 1x1 kernel over a map of one pixel is a linear layer."""
    weight, *bias = operation.constants
    plain = operation.shape[2:] == (1, 1) == weight.shape[2:] and operation.attributes["group"] == 1
    if not (pending.arrangement.spreads and plain) or any(map(any, operation.attributes["pads"])):
        return False
    inputs: tuple[Operand, ...] = (pending.value, weight.reshaped(weight.shape[:2]), *bias)
    linear = replace(operation, op="Gemm", inputs=inputs, attributes={})
    return layouts.append_before(pending, reshaped(operation.shape[:2], operation.shape), linear)


def _linear(layouts: _Layouts, operation: NormalOperation, pending: _Pending) -> bool:
    """After maps that are flattened in another order: the columns of the weight in the order of a flatten."""
    value, how, nodes = pending
    if not how.flattens:
        return False
    weight, *bias = operation.constants
    flat = layouts.append(NormalOperation("Flatten", (value,), f"{operation.output}/flat", how.shape, {}, nodes))
    layouts.append(replace(operation, inputs=(flat, how.weight(weight), *bias)))
    return True


def _mean(layouts: _Layouts, operation: NormalOperation, pending: _Pending) -> bool:
    """A mean over height and width, wherever they are, is a global pool."""
    how, keeps_axes = pending.arrangement, operation.attributes["keepdims"]
    axes = sorted(how.order[axis] for axis in operation.attributes["axes"]) if how.only_moves else []
    if len(how.x) != 4 or how.order[0] != 0 or axes != [2, 3]:
        return False
    pooled = in_order((*how.x[:2], 1, 1), how.order)
    pool = replace(operation, op="GlobalAveragePool", inputs=(pending.value,), attributes={})
    return layouts.append_before(pending, pooled if keeps_axes else replace(pooled, shape=operation.shape), pool)


_RULES: Final[dict[str, Rule]] = {
    "Softmax": _softmax,
    "LogSoftmax": _softmax,
    "BatchNormalization": _batch_norm,
    "Conv": _convolution,
    "Gemm": _linear,
    "ReduceMean": _mean,
}
