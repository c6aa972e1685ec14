"""Height and width left open, where the graph is the same for every size."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from vggc.errors import ProductError
from vggc.layers.adaptive_pool import AdaptiveAvgPool2d, GlobalAvgPool2d
from vggc.layers.base import Layer, LoweringError, Shape, ShapeError, pair
from vggc.passes.program import BATCH, Note, Port, Program, Step, relayered

_MUCH: Final = 2**16  # by which an image grows where every map that can grow shall
_PROBED: Final = 64  # sizes in a row that are tried: more than the total stride of any network of this kind

_ANSWERED: Final = ("flatten", "linear", "adaptive_avg_pool2d", "adaptive_max_pool2d")


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


def _output(steps: Iterable[Step], x: Shape) -> Shape:
    for step in steps:
        x = step.layer.layer.shape(x)
    return x


def with_open_sizes(steps: Iterable[Step]) -> tuple[Step, ...]:
    """The steps with every mean over the whole map as one, also where the map of the spec is a single pixel."""
    return tuple(_global(step) for step in steps)


def _global(step: Step) -> Step:
    layer = step.layer.layer
    if isinstance(layer, AdaptiveAvgPool2d) and pair(layer.output_size) == (1, 1):
        return Step(relayered(step.layer, GlobalAvgPool2d(), step.layer.input), step.tensors, step.gives)
    return step


def check_sizes(program: Program, opset: int) -> None:
    """Hold the nodes, tensors and features of every layer at the spec's size against those at others, equal or not.

    A layer whose lowering depends on the size (a flatten before a linear layer, an adaptive pool, ceil mode, a
    layer norm) would be silently wrong at others.

    Raises:
        ProductError: one of the layers differs.
    """
    for extra in _extras():
        for step, x in _at(program, extra):
            native = step.layer
            try:
                same = _lowered(native.layer, native.input, opset) == _lowered(native.layer, x, opset)
            except ShapeError:
                same = False
            except LoweringError:
                return  # the lowering itself reports it
            if not same:
                raise _fixed(program, step, x)


def _extras() -> Iterator[tuple[int, int]]:
    """What is added to height and width."""
    for more in range(1, _PROBED + 1):
        yield more, (more * 7) % _PROBED


def _at(program: Program, extra: tuple[int, int]) -> Iterator[tuple[Step, Shape]]:
    """Every step with its input for a larger image."""
    channels, height, width = program.network.input
    x: Shape = (channels, height + extra[0], width + extra[1])
    for step in program.steps:
        if not step.gives:
            continue
        yield step, x
        x = step.layer.layer.shape(x)


def _lowered(layer: Layer, x: Shape, opset: int) -> tuple[object, ...]:
    y = layer.shape(x)
    output = y if len(y) == 1 else y[:1]  # the features of a vector and the channels of a map, which must stay
    return layer.onnx(x, opset), layer.torch(x), layer.tensors(x), layer.buffers(x), output


def _fixed(program: Program, step: Step, x: Shape) -> ProductError:
    by = "x".join
    native, other = (by(map(str, shape)) for shape in (step.layer.input, x))
    asked = "--fc-to-conv" if program.did("fc_to_conv") else "--dynamic-hw"
    hint = ""
    if not program.did("fc_to_conv") and step.layer.kind in _ANSWERED:
        hint = "; use --fc-to-conv, or end the features in global_avg_pool2d"
    return ProductError(
        f"not supported: {asked}: {step.layer.alias} ({step.layer.kind}) is not the same for an input of {native} "
        f"and one of {other}{hint}"
    )
