"""Dense evaluation (Simonyan and Zisserman, 2014, section 3.2): convolutions in place of the linear layers."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from vggc.errors import ProductError
from vggc.layers.adaptive_pool import AdaptiveAvgPool2d, AdaptiveMaxPool2d
from vggc.layers.base import Shape, ShapeError, pair
from vggc.layers.conv import Conv2d
from vggc.layers.linear import Linear
from vggc.layers.pool import AvgPool2d, MaxPool2d
from vggc.layers.reshape import Flatten
from vggc.passes.dynamic_hw import with_open_ports, with_open_sizes
from vggc.passes.program import Note, Program, Step, relayered, reshaped

# What works on every value alone, so that it does not matter whether the flatten is before or behind it.
_BY_ELEMENT: Final = ("activation", "dropout")
_BY_CHANNEL: Final = ("softmax", "log_softmax", "prelu")


def fc_to_conv(program: Program) -> Program:
    """The first linear layer becomes a convolution over the whole map, the others 1x1 convolutions.

    At the size of the spec the output is (classes, 1, 1) with the same values; on a larger input it is a map of scores,
    (classes, rows, columns), one for every place of the map at which the classifier fits. An adaptive pool becomes the
    plain pool that it is at the size of the spec. Where the paper wants one vector of scores, the map is averaged.

    Raises:
        ProductError: the network has no flatten and linear layer behind it, or a layer that is not the same at
            every place of a map.
    """
    flatten = next((i for i, step in enumerate(program.steps) if isinstance(step.layer.layer, Flatten)), None)
    if flatten is None or not any(isinstance(step.layer.layer, Linear) for step in program.steps[flatten:]):
        raise ProductError("not supported: --fc-to-conv: the network has no linear layer behind a flatten")
    features = [each for step in with_open_sizes(program.steps[:flatten]) for each in _static(step)]
    head = _Head(program.steps[flatten].layer.input)
    steps = [*features, *(head.converted(step) for step in program.steps[flatten + 1 :])]
    count = len(head.done)
    became = "1 linear layer became a convolution" if count == 1 else f"{count} linear layers became convolutions"
    note = Note("fc_to_conv", became, tuple(head.done))
    return with_open_ports(replace(program, steps=tuple(steps))).noted(note)


def _static(step: Step) -> Iterator[Step]:
    """An adaptive pool as the plain pool that it is at the size of the spec, or as nothing; a global one stays."""
    layer = step.layer.layer
    if not isinstance(layer, AdaptiveAvgPool2d | AdaptiveMaxPool2d) or pair(layer.output_size) == (1, 1):
        yield step
        return
    _, height, width = step.layer.input
    rows, columns = pair(layer.output_size)
    if height % rows or width % columns:
        raise _different(step, f"{height}x{width} -> {rows}x{columns} is no plain pool: its windows differ in size")
    window = (height // rows, width // columns)
    if window != (1, 1):
        plain = AvgPool2d if isinstance(layer, AdaptiveAvgPool2d) else MaxPool2d
        yield Step(relayered(step.layer, plain(kernel_size=window), step.layer.input), {}, step.gives)


class _Head:
    """The layers behind the flatten, on maps: `shape` is the input of the next one."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.done: list[str] = []

    def converted(self, step: Step) -> Step:
        layer = step.layer.layer
        if isinstance(layer, Linear):
            return self._convolution(step, layer)
        if not self.done and (layer.group not in _BY_ELEMENT or layer.kind in _BY_CHANNEL):
            raise _different(step, "it stands between the flatten and the first linear layer")
        if isinstance(layer, Flatten):
            raise _different(step, "the classifier flattens twice")
        try:
            shaped = relayered(step.layer, layer, self.shape)
        except ShapeError as error:
            raise _different(step, str(error)) from error
        self.shape = shaped.output
        return Step(shaped, step.tensors, step.gives)

    def _convolution(self, step: Step, layer: Linear) -> Step:
        channels, height, width = self.shape
        kind = Conv2d(out_channels=layer.out_features, kernel_size=(height, width), bias=layer.bias)
        shaped = relayered(step.layer, kind, self.shape)
        self.done.append(f"{step.layer.alias}: {height}x{width} kernel, {channels} -> {layer.out_features} channels")
        self.shape = shaped.output
        weight = step.tensors["weight"]
        shape = kind.tensors(shaped.input)["weight"]
        kernel = reshaped(weight, shape, f"{weight.name}/conv")
        return Step(shaped, {**step.tensors, "weight": kernel}, step.gives)


def _different(step: Step, why: str) -> ProductError:
    return ProductError(f"not supported: --fc-to-conv: {step.layer.alias} ({step.layer.kind}): {why}")
