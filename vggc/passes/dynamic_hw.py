"""Height and width left open, where the graph is the same for every size."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from vggc.base.errors import ProductError
from vggc.base.words import compact
from vggc.ir.walk import walk
from vggc.layers.layer import Layer, LoweringError, Shape, ShapeError
from vggc.passes.program import BATCH, Note, Port, Program, Step, relayered

_MUCH: Final = 2**16  # by which an image grows where every map that can grow shall
_PROBED: Final = 64  # sizes in a row that are tried: more than the total stride of any network of this kind


def dynamic_hw(program: Program) -> Program:
    """The input's height and width are called `height` and `width`; features keep an open size, a classifier does not.

    Whether every layer is right at every size is found out by `check_sizes`, once the opset is known.
    """
    note = Note("dynamic_hw", "height and width are left open")
    return with_open_ports(replace(program, steps=with_open_sizes(program.steps))).noted(note)


def with_open_ports(program: Program) -> Program:
    """The program with its input's height and width called so, and its output's `rows` and `columns` if they vary.

    Behind a pool over the whole map they do not.
    """
    channels, height, width = program.network.input
    input = Port(program.input.name, (BATCH, channels, "height", "width"))
    shape = program.steps[-1].layer.output if program.steps else program.network.output
    larger = _output(program.steps, (channels, height + _MUCH, width + _MUCH))
    names = ("rows", "columns") if len(shape) == 3 else ()
    extents = (n if n == m else name for name, n, m in zip(names, shape[1:], larger[1:], strict=True))
    output = Port(program.output.name, (BATCH, shape[0], *extents))
    return replace(program, input=input, output=output, dynamic=True)


def _output(steps: Sequence[Step], x: Shape) -> Shape:
    for _, shape in walk(steps, x, lambda step, shapes: step.layer.layer.shape(*shapes)):
        x = shape
    return x


def with_open_sizes(steps: Iterable[Step]) -> tuple[Step, ...]:
    """The steps with every pool over the whole map as one, also where the map of the spec is a single pixel."""
    return tuple(_with_open_size(step) for step in steps)


def _with_open_size(step: Step) -> Step:
    layer = step.layer.layer.with_open_size()
    if layer is step.layer.layer:
        return step
    return replace(step, layer=relayered(step.layer, layer, *step.layer.shapes))


def check_sizes(program: Program, opset: int) -> None:
    """Compare the nodes, tensors and features of every layer at the spec's size with those at other sizes.

    A layer whose lowering depends on the size (a flatten before a linear layer, an adaptive pool, ceil mode, a
    layer norm) would be silently wrong at others.

    Raises:
        ProductError: one of the layers differs.
    """
    channels, height, width = program.network.input
    sizes: Iterator[Shape] = ((channels, height + rows, width + columns) for rows, columns in _extras())
    own = [step for step in program.steps if step.value in program.values]

    def same_as_native(step: Step, shapes: tuple[Shape, ...]) -> Shape:
        native = step.layer
        try:
            same = _lowered(native.layer, native.shapes, opset) == _lowered(native.layer, shapes, opset)
        except ShapeError:
            same = False
        if not same:
            raise _fixed(program, step, shapes)
        return native.layer.shape(*shapes)

    try:
        for x in sizes:
            for _ in walk(own, x, same_as_native):
                pass
    except LoweringError:
        return  # the lowering itself reports it


def _extras() -> Iterator[tuple[int, int]]:
    """What is added to height and width."""
    for more in range(1, _PROBED + 1):
        yield more, (more * 7) % _PROBED


def _lowered(layer: Layer, shapes: tuple[Shape, ...], opset: int) -> tuple[object, ...]:
    y = layer.shape(*shapes)
    output = y if len(y) == 1 else y[:1]  # the features of a vector and the channels of a map, which must stay
    state = layer.tensors(*shapes) | layer.buffers(*shapes)
    return layer.onnx(*shapes, opset=opset), layer.torch(*shapes), state, output


def _fixed(program: Program, step: Step, shapes: tuple[Shape, ...]) -> ProductError:
    native, other = (compact(each[0]) for each in (step.layer.shapes, shapes))
    asked = "--fc-to-conv" if program.did("fc_to_conv") else "--dynamic-hw"
    hint, layer = "", step.layer.layer
    if not program.did("fc_to_conv") and (layer.flattens or layer.fixes_size()):
        hint = "; use --fc-to-conv, or end the features in global_avg_pool2d"
    return ProductError(
        f"not supported: {asked}: {step.layer.alias} ({step.layer.kind}) is not the same for an input of {native} "
        f"and one of {other}{hint}"
    )
