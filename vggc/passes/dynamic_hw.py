"""Height and width left open, where the graph is the same for every size."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final, final

from vggc.ir.program import BATCH, PassNote, Port, Program, Step, relayered
from vggc.ir.walk import walk
from vggc.layers.answers import Shape
from vggc.passes.pass_definition import Pass

_MUCH: Final = 2**16  # by which an image grows where every map that can grow shall


@final
class DynamicHw(Pass):
    """The input's height and width are called `height` and `width`; features keep an open size, a classifier does not.

    Whether every layer is right at every size is checked when the program is lowered, once the opset is known.
    """

    name = "dynamic_hw"
    help = "Leave height and width open, where that stays correct."

    def apply(self, program: Program) -> Program:
        note = PassNote(self.name, "height and width are left open")
        return with_open_ports(replace(program, steps=with_open_sizes(program.steps))).noted(note)


def with_open_ports(program: Program) -> Program:
    """The program with its input's height and width called so, and its output's `rows` and `columns` if they vary.

    After a pool over the whole map they do not.
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
