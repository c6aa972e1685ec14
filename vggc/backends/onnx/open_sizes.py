"""Whether a program with open height and width is lowered to the same nodes at every size."""

from collections.abc import Iterator
from typing import Final

from vggc.base.errors import ProductError
from vggc.base.words import compact
from vggc.ir.program import Program, Step
from vggc.ir.walk import walk
from vggc.layers.answers import LoweringError, Shape, ShapeError
from vggc.layers.layer import Layer

_PROBED: Final = 64  # sizes in a row that are tried: more than the total stride of any network of this kind


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
    native, other = (compact(inputs[0]) for inputs in (step.layer.shapes, shapes))
    dense = "fc_to_conv" in program.passes
    asked = "--fc-to-conv" if dense else "--dynamic-hw"
    hint = ""
    if not dense and (step.layer.layer.flattens or step.layer.layer.fixes_size()):
        hint = "; use --fc-to-conv, or end the features in global_avg_pool2d"
    return ProductError(
        f"not supported: {asked}: {step.layer.alias} ({step.layer.kind}) is not the same for an input of {native} "
        f"and one of {other}{hint}"
    )
