"""Dense evaluation (Simonyan and Zisserman, 2014, section 3.2): convolutions in place of the linear layers."""

from dataclasses import replace

from vggc.base.errors import ProductError
from vggc.base.words import plural
from vggc.ir.walk import walk
from vggc.layers.layer import Layer, Shape, ShapeError
from vggc.passes.dynamic_hw import with_open_ports, with_open_sizes
from vggc.passes.program import Note, Program, Step, relayered, reshaped


def fc_to_conv(program: Program) -> Program:
    """The first linear layer becomes a convolution over the whole map, the others 1x1 convolutions.

    At the size of the spec the output is (classes, 1, 1) with the same values; on a larger input it is a map of scores,
    (classes, rows, columns), one for every place of the map at which the classifier fits. An adaptive pool becomes the
    plain pool that it is at the size of the spec. Where the paper wants one vector of scores, the map is averaged.

    Raises:
        ProductError: the network has no flatten and linear layer behind it, or a layer that is not the same at
            every place of a map.
    """
    flatten = next((i for i, step in enumerate(program.steps) if step.layer.layer.flattens), None)
    if flatten is None or not any(map(_is_linear, program.steps[flatten:])):
        raise ProductError("not supported: --fc-to-conv: the network has no linear layer behind a flatten")
    dense = _Dense(program.steps[flatten])
    for _ in walk(with_open_sizes(program.steps), program.network.input, dense.step):
        pass
    converted = replace(program, steps=tuple(dense.steps))
    converted = replace(converted, steps=converted.without(dense.dropped))
    count = len(dense.notes)
    became = f"{plural(count, 'linear layer')} became {'a convolution' if count == 1 else 'convolutions'}"
    return with_open_ports(converted).noted(Note("fc_to_conv", became, tuple(dense.notes)))


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
            raise _different(step, "it stands between the flatten and the first linear layer")
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
