"""Dense evaluation (Simonyan and Zisserman, 2014, section 3.2): convolutions in place of the linear layers."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, final

from vggc.base.errors import ProductError
from vggc.base.words import plural
from vggc.ir.network import Network, ShapedLayer
from vggc.ir.program import PassNote, Program, Step, relayered, reshaped
from vggc.ir.walk import walk
from vggc.layers.answers import Shape, ShapeError
from vggc.layers.layer import Layer
from vggc.passes.dynamic_hw import with_open_ports, with_open_sizes
from vggc.passes.pass_definition import Computation, Pass

if TYPE_CHECKING:
    import torch
    from torch import nn


@final
class FcToConv(Pass):
    """The first linear layer becomes a convolution over the whole map, the others 1x1 convolutions.

    At the size of the spec the output is (classes, 1, 1) with the same values; on a larger input it is a map of scores,
    (classes, rows, columns), one for every place of the map at which the classifier fits. An adaptive pool becomes the
    plain pool that it is at the size of the spec. Where the paper wants one vector of scores, the map is averaged.

    Verification compares with the classifier itself on every window of the map, not with a convolution.
    """

    name = "fc_to_conv"
    help = "Linear layers as convolutions, for any larger input."

    def apply(self, program: Program) -> Program:
        flatten = next((i for i, step in enumerate(program.steps) if step.layer.layer.flattens), None)
        if flatten is None or not any(map(_is_linear, program.steps[flatten:])):
            raise ProductError("not supported: --fc-to-conv: the network has no linear layer after a flatten")
        dense = _Dense(program.steps[flatten])
        for _ in walk(with_open_sizes(program.steps), program.network.input, dense.step):
            pass
        converted = replace(program, steps=tuple(dense.steps))
        converted = replace(converted, steps=converted.without(dense.dropped))
        count = len(dense.notes)
        became = f"{plural(count, 'linear layer')} became {'a convolution' if count == 1 else 'convolutions'}"
        return with_open_ports(converted).noted(PassNote(self.name, became, tuple(dense.notes)))

    def reference(self, program: Program, module: "nn.Module", computation: Computation) -> Computation:
        return lambda x: _on_windows(program.network, module, x)


class _Dense:
    """The steps of a network without its flatten; `dropped` are those among them that do nothing now."""

    def __init__(self, flatten: Step) -> None:
        self.flatten = flatten
        self.in_head = False
        self.steps: list[Step] = []
        self.dropped: list[Step] = []
        self.notes: list[str] = []

    def step(self, step: Step, shapes: tuple[Shape, ...]) -> Shape:
        """The shape of a step's value once everything is a map."""
        if step.value == self.flatten.value:
            self.in_head = True
            self.steps.append(step)
            self.dropped.append(step)
            return shapes[0]
        converted = self._in_head(step, shapes) if self.in_head else self._static(step)
        self.steps.append(converted)
        return converted.layer.output

    def _static(self, step: Step) -> Step:
        """An adaptive pool as the plain pool that it is at the size of the spec; a global one stays."""
        layer = step.layer.layer.with_fixed_windows(step.layer.input)
        if layer is None:
            sizes = " -> ".join(f"{height}x{width}" for _, height, width in (step.layer.input, step.layer.output))
            raise _different(step, f"{sizes} is no plain pool: its windows differ in size")
        if layer is step.layer.layer:
            return step
        fixed = replace(step, layer=relayered(step.layer, layer, *step.layer.shapes))
        if fixed.layer.output == fixed.layer.input:  # windows of a single value
            self.dropped.append(fixed)
        return fixed

    def _in_head(self, step: Step, shapes: tuple[Shape, ...]) -> Step:
        layer = step.layer.layer
        convolution = layer.as_convolution(shapes[0])
        if convolution is not None:
            return self._convolution(step, convolution, shapes[0])
        if not self.notes and not layer.elementwise:
            raise _different(step, "it is between the flatten and the first linear layer")
        if layer.flattens:
            raise _different(step, "the classifier flattens twice")
        try:
            return replace(step, layer=relayered(step.layer, layer, *shapes))
        except ShapeError as error:
            raise _different(step, str(error)) from error

    def _convolution(self, step: Step, layer: Layer, x: Shape) -> Step:
        channels, height, width = x
        shaped = relayered(step.layer, layer, x)
        self.notes.append(f"{step.layer.alias}: {height}x{width} kernel, {channels} -> {shaped.output[0]} channels")
        weight = step.tensors["weight"]
        kernel = reshaped(weight, layer.tensors(x)["weight"], f"{weight.name}/conv")
        return replace(step, layer=shaped, tensors={**step.tensors, "weight": kernel})


def _is_linear(step: Step) -> bool:
    layer = step.layer
    return len(layer.input) == 1 and layer.layer.as_convolution((*layer.input, 1, 1)) is not None


def _different(step: Step, why: str) -> ProductError:
    return ProductError(f"not supported: --fc-to-conv: {step.layer.alias} ({step.layer.kind}): {why}")


def _on_windows(network: Network, module: "nn.Module", x: "torch.Tensor") -> "torch.Tensor":
    """The classifier on every window of the map that is as large as the spec's: (batch, classes, rows, columns)."""
    from vggc.backends.torch.torch_module import evaluate, operation

    places = (0, 0)  # rows and columns of windows

    def apply(layer: ShapedLayer, inputs: "tuple[torch.Tensor, ...]") -> "torch.Tensor":
        nonlocal places
        if layer is network.flatten_layer:
            _, height, width = layer.input
            windows = inputs[0].unfold(2, height, 1).unfold(3, width, 1)  # (batch, C, rows, columns, height, width)
            places = (windows.shape[2], windows.shape[3])
            return windows.permute(0, 2, 3, 1, 4, 5).reshape(len(x) * places[0] * places[1], -1)
        computes = operation(layer, module)
        return _side_by_side(layer, computes, inputs[0]) if _adapts(layer) else computes(*inputs)

    *_, (_, y) = evaluate(network, module, x, apply)
    return y.reshape(len(x), *places, -1).permute(0, 3, 1, 2)


def _adapts(layer: ShapedLayer) -> bool:
    """Whether a layer would take other windows from a larger map, and leave more than one value."""
    return len(layer.output) == 3 and layer.output[1:] != (1, 1) and layer.layer.fixes_size()


def _side_by_side(
    layer: ShapedLayer, computes: "Callable[[torch.Tensor], torch.Tensor]", x: "torch.Tensor"
) -> "torch.Tensor":
    """The windows that the layer takes from the map of the spec, side by side on a larger map.

    The layer itself computes them, on every part of the map (batch, C, H, W) that is as large as the spec's and begins
    with a window. Each window is in several of them, and taken from the first.
    """
    import torch

    (_, height, width), (channels, rows, columns) = layer.input, layer.output
    parts = x.unfold(2, height, height // rows).unfold(3, width, width // columns)
    down, right = parts.shape[2:4]
    flat = parts.permute(0, 2, 3, 1, 4, 5).reshape(-1, *layer.input)
    y = computes(flat).reshape(len(x), down, right, channels, rows, columns).permute(0, 3, 1, 4, 2, 5)
    row, column = torch.arange(down + rows - 1), torch.arange(right + columns - 1)
    part_down, part_right = row.clamp(max=down - 1), column.clamp(max=right - 1)
    return y[:, :, part_down, row - part_down][:, :, :, part_right, column - part_right]
