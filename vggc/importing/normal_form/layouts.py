"""Operations -> the same on values arranged as the layers have them: channels first, and nothing moved without need.

Frameworks that have the channels last put Transpose nodes around what ONNX computes with the channels first, and models
squeeze and unsqueeze. What works on a value so arranged works on the value itself, and the arrangement waits behind it
until another one undoes it, or the weights of a linear layer take it up. Where neither comes it is a node in the way.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from vggc.importing.reading.arrangements import CHANNELS_LAST, Arrangement, in_order, same_but_for_ones, seen_as
from vggc.importing.reading.graph_values import Constant, Operation
from vggc.layers.layer import Shape

# What works on every number alone, or on pairs of them.
_POINTWISE: Final = frozenset((
    "Add", "Clip", "Div", "Dropout", "Elu", "Erf", "Gelu", "Greater", "HardSigmoid", "HardSwish", "LeakyRelu", "Max",
    "Min", "Mish", "Mul", "PRelu", "Pow", "Relu", "Selu", "Sigmoid", "Softplus", "Sqrt", "Sub", "Tanh", "Where",
))  # fmt: skip
_REARRANGING: Final = ("Transpose", "Reshape", "Flatten")
_SQUEEZING: Final = ("Flatten", "Squeeze", "Unsqueeze")  # nodes; a Reshape may be a part of a layer


class _Waiting(NamedTuple):
    """A value of the file: which one it is rearranged, how, and by which nodes."""

    value: str
    how: Arrangement
    made_of: tuple[tuple[str, str], ...]


class Arranged(NamedTuple):
    """Operations with as few rearrangements as there can be, and the name of the output.

    `channels_last` is whether the file gives it with the channels last.
    """

    operations: list[Operation]
    output: str
    channels_last: bool = False


def arrange(
    operations: Sequence[Operation], shapes: Mapping[str, Shape], output: str, channels_last: str | None = None
) -> Arranged:
    """The operations on values that are arranged as the layers have them.

    Args:
        operations: in the order of the data.
        shapes: of the inputs, with the batch axis, by name.
        output: the name of the output.
        channels_last: the input that the file takes as (batch, height, width, channels); the operations found take
            `channels_first(channels_last)` instead, and give maps with the channels first as well.
    """
    layouts = _Layouts(shapes)
    if channels_last is not None:
        layouts.take_channels_first(channels_last)
    for operation in operations:
        layouts.add(operation)
    last = layouts.waiting.get(layouts.named(output))
    if channels_last is not None and last is not None and last.how == in_order(last.how.x, CHANNELS_LAST):
        return Arranged(layouts.operations, last.value, channels_last=True)
    return Arranged(layouts.operations, layouts.plain(layouts.named(output)))


def channels_first(input: str) -> str:
    """The name of an input with the channels first that the file takes with the channels last."""
    return f"{input}/channels_first"


class _Layouts:
    def __init__(self, shapes: Mapping[str, Shape]) -> None:
        self.operations: list[Operation] = []
        self.shapes: dict[str, Shape] = dict(shapes)
        self.waiting: dict[str, _Waiting] = {}
        self.aliases: dict[str, str] = {}

    def take_channels_first(self, input: str) -> None:
        batch, height, width, channels = self.shapes[input]
        x = (batch, channels, height, width)
        self.shapes[channels_first(input)] = x
        made_of = ((input, "the input, with the channels last"),)
        self.waiting[input] = _Waiting(channels_first(input), in_order(x, CHANNELS_LAST), made_of)

    def named(self, name: str) -> str:
        """A value by the one name that it has."""
        return self.aliases.get(name, name)

    def add(self, operation: Operation) -> None:
        """One operation: a rearrangement, one that works on what was rearranged, or any other."""
        inputs = tuple(self.named(each) if isinstance(each, str) else each for each in operation.inputs)
        operation = replace(operation, inputs=inputs)
        if not (self._rearranges(operation) or self._works_behind(operation)):
            for name in operation.data:
                self.plain(name)
            if not self._rearranges(operation):
                self.emit(operation)

    def emit(self, operation: Operation) -> str:
        """An operation as it is; its output."""
        self.shapes[operation.output] = operation.shape
        self.operations.append(operation)
        return operation.output

    def plain(self, name: str) -> str:
        """A value as the file has it, for what can only work on that: what waited becomes operations."""
        found = self.waiting.pop(name, None)
        if found is None:
            return name
        value, how, made_of = found
        if how.mixes or how.only_moves:
            output = name if how.shape == how.ordered else f"{name}/moved"
            moved_by = tuple(each for each in made_of if each[1] == "Transpose") or made_of
            value = self.emit(Operation("Transpose", (value,), output, how.ordered, {"perm": how.order}, moved_by))
        if value != name:
            flat = len(how.shape) == 2 and how.shape[0] == how.x[0]
            attributes = {} if flat else {"shape": how.shape}
            self.emit(Operation("Flatten" if flat else "Reshape", (value,), name, how.shape, attributes, made_of))
        return name

    def wait(self, output: str, waiting: _Waiting) -> None:
        """An output of the file that is another value rearranged, or that value itself."""
        if waiting.how.does_nothing:
            self.aliases[output] = waiting.value
        else:
            self.waiting[output] = waiting

    # --- rearrangements ---

    def _rearranges(self, operation: Operation) -> bool:
        """Whether the operation only rearranges a value, in a way that can wait."""
        if operation.op not in _REARRANGING:
            return False
        found = self.waiting.get(operation.data[0]) or self._as_it_is(operation.data[0])
        how = self._rearranged(found.how, operation)
        if how is not None:
            self.wait(operation.output, found._replace(how=how, made_of=found.made_of + operation.made_of))
        return how is not None

    def _as_it_is(self, name: str) -> _Waiting:
        return _Waiting(name, seen_as(self.shapes[name], self.shapes[name]), ())

    def _rearranged(self, before: Arrangement, operation: Operation) -> Arrangement | None:
        if operation.op == "Transpose":
            return before.moved(operation.attributes["perm"])
        if before.does_nothing and not _squeezes(operation, before.x):
            return None
        return before.viewed(operation.shape)

    # --- what works on them ---

    def _works_behind(self, operation: Operation) -> bool:
        """Whether the operation could be put before the one arrangement that all its operands wait in."""
        found = [self.waiting[name] for name in operation.data if name in self.waiting]
        rule = _pointwise if operation.op in _POINTWISE else _RULES.get(operation.op)
        alike = len(found) == len(operation.data) and len({each.how for each in found}) == 1
        return rule is not None and alike and rule(self, operation, found[0])


def _squeezes(operation: Operation, x: Shape) -> bool:
    """Whether axes of one element come and go; a Reshape that does so may be a part of a layer, as of a group norm."""
    alone = operation.op == "Flatten" or operation.made_of[-1][1] in _SQUEEZING or len(x) == 2
    return alone and same_but_for_ones(x, operation.shape)


Rule = Callable[[_Layouts, Operation, _Waiting], bool]


def _behind(layouts: _Layouts, operation: Operation, waiting: _Waiting, how: Arrangement) -> bool:
    """Emit an operation on values before their arrangement; its output waits in the one given."""
    value = layouts.emit(replace(operation, output=f"{operation.output}/before", shape=how.x))
    layouts.wait(operation.output, waiting._replace(value=value, how=how))
    return True


def _pointwise(layouts: _Layouts, operation: Operation, waiting: _Waiting) -> bool:
    how = waiting.how
    if operation.shape != how.shape or not (how.only_moves or how.flattens or how.spreads):
        return False
    if any(constant.number is None and len(constant.shape) != len(how.shape) for constant in operation.constants):
        return False
    inputs = tuple(
        how.constant(each) if isinstance(each, Constant) else layouts.waiting[each].value if each else each
        for each in operation.inputs
    )
    return _behind(layouts, replace(operation, inputs=inputs), waiting, how)


def _softmax(layouts: _Layouts, operation: Operation, waiting: _Waiting) -> bool:
    how, axis = waiting.how, operation.attributes["axis"]
    if not (how.only_moves or (how.spreads and axis == 1)):
        return False
    softmax = replace(operation, inputs=(waiting.value,), attributes={"axis": how.order[axis]})
    return _behind(layouts, softmax, waiting, how)


def _batch_norm(layouts: _Layouts, operation: Operation, waiting: _Waiting) -> bool:
    if not waiting.how.spreads:
        return False
    norm = replace(operation, inputs=(waiting.value, *operation.inputs[1:]))
    return _behind(layouts, norm, waiting, waiting.how)


def _convolution(layouts: _Layouts, operation: Operation, waiting: _Waiting) -> bool:
    """A 1x1 kernel over a map of one pixel is a linear layer."""
    weight = operation.inputs[1]
    assert isinstance(weight, Constant)
    plain = operation.shape[2:] == (1, 1) == weight.shape[2:] and operation.attributes["group"] == 1
    if not (waiting.how.spreads and plain) or any(map(any, operation.attributes["pads"])):
        return False
    inputs = (waiting.value, weight.reshaped(weight.shape[:2]), *operation.inputs[2:])
    linear = replace(operation, op="Gemm", inputs=inputs, attributes={})
    flat = operation.shape[:2]
    return _behind(layouts, linear, waiting, seen_as(flat, operation.shape))


def _linear(layouts: _Layouts, operation: Operation, waiting: _Waiting) -> bool:
    """Behind maps that are flattened in another order: the columns of the weight in the order of a flatten."""
    value, how, made_of = waiting
    if not how.flattens:
        return False
    weight = operation.inputs[1]
    assert isinstance(weight, Constant)
    flat = layouts.emit(Operation("Flatten", (value,), f"{operation.output}/flat", how.shape, {}, made_of))
    layouts.emit(replace(operation, inputs=(flat, how.weight(weight), *operation.inputs[2:])))
    return True


def _mean(layouts: _Layouts, operation: Operation, waiting: _Waiting) -> bool:
    """A mean over height and width, wherever they are, is a global pool."""
    how, kept = waiting.how, operation.attributes["keepdims"]
    axes = sorted(how.order[axis] for axis in operation.attributes["axes"]) if how.only_moves else []
    if len(how.x) != 4 or how.order[0] != 0 or axes != [2, 3]:
        return False
    pooled = in_order((*how.x[:2], 1, 1), how.order)
    pool = replace(operation, op="GlobalAveragePool", inputs=(waiting.value,), attributes={})
    return _behind(layouts, pool, waiting, pooled if kept else replace(pooled, shape=operation.shape))


_RULES: Final[dict[str, Rule]] = {
    "Softmax": _softmax,
    "LogSoftmax": _softmax,
    "BatchNormalization": _batch_norm,
    "Conv": _convolution,
    "Gemm": _linear,
    "ReduceMean": _mean,
}
