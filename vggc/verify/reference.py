"""What a program ought to compute, by torch alone: the network's module, and what its passes say that they add.

Written from what the passes promise rather than from how they do it: dense evaluation, for one, is the classifier on
every window of the map, not a convolution.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

import torch
from torch import nn
from torch.nn import functional

from vggc.backends.torch.torch_module import evaluate, operation, with_state, without_hints
from vggc.ir.geometry import receptive_fields
from vggc.ir.network import Network, ShapedLayer
from vggc.layers.layer import pair
from vggc.passes.program import Program
from vggc.recipe.recipe import Preprocess
from vggc.verify.outputs import relative_l2
from vggc.verify.revealing_weights import balanced, telling_weights
from vggc.verify.sessions import Array

SEEDS_AND_BATCHES: Final = ((0, 1), (1, 2), (2, 3))
_LARGEST_STEP: Final = 64


class Sample(NamedTuple):
    """An input to compare: `size` is (height, width)."""

    seed: int
    batch: int
    size: tuple[int, int]


class Reference:
    """The outputs that a program must have, for a module with its weights in eval mode on the CPU.

    Args:
        program: what was exported.
        module: the network's module.
        inputs: what to compare on, each a batch for the file's input; random values if left out.
        span: the least and the greatest of the random values, for a file that cuts off others; they are standard normal
            if left out.
    """

    def __init__(
        self,
        program: Program,
        module: nn.Sequential,
        inputs: Sequence[Array] = (),
        span: tuple[float, float] | None = None,
    ) -> None:
        self.program = program
        self.module = module
        self.span = span
        self.inputs = [torch.from_numpy(each) for each in inputs]
        self.expected = _Expected(program, module)

    def samples(self) -> list[Sample]:
        """Several seeds and batch sizes; where the size is open, several sizes, the spec's own first."""
        if self.inputs:
            spatial = slice(1, 3) if self.program.input.dtype == "uint8" else slice(2, 4)
            return [Sample(i, len(x), (x.shape[spatial][0], x.shape[spatial][1])) for i, x in enumerate(self.inputs)]
        sizes = _sizes(self.program)
        return [Sample(*each, sizes[i % len(sizes)]) for i, each in enumerate(SEEDS_AND_BATCHES)]

    def input(self, sample: Sample) -> torch.Tensor:
        """Random values (batch, C, H, W), or an image of noise, uint8 (batch, H, W, C)."""
        if self.inputs:
            return self.inputs[sample.seed]
        generator = torch.Generator().manual_seed(sample.seed)
        channels = self.program.network.input[0]
        if self.program.input.dtype == "uint8":
            return torch.randint(0, 256, (sample.batch, *sample.size, channels), generator=generator, dtype=torch.uint8)
        shape = (sample.batch, channels, *sample.size)
        if self.span is not None:
            least, greatest = self.span
            return least + (greatest - least) * torch.rand(shape, generator=generator)
        return torch.randn(shape, generator=generator)

    def telling_weights(self) -> Iterator[tuple[str, dict[str, torch.Tensor]]]:
        """Other weights, under which more shows in the output than under untrained ones, and what they are called: the
        first do for most networks, the second for the rest.
        """
        network = self.program.network
        weights = telling_weights(network)
        yield "He", weights
        x = self.input(Sample(len(SEEDS_AND_BATCHES), 2, self.samples()[0].size))
        yield "balanced", balanced(network, weights, self.expected.prepared(x) if self.takes_images else x)

    @property
    def takes_images(self) -> bool:
        """Whether the program begins with the spec's preprocessing, and takes uint8 (batch, H, W, C)."""
        return self.program.did("embed_preprocess")

    def output(self, state: Mapping[str, torch.Tensor], x: torch.Tensor) -> Array:
        """The output for an input, with the weights of `state` in place of the module's own."""
        under = {f"module.{name}": tensor for name, tensor in state.items()}
        with torch.no_grad(), without_hints():
            output: torch.Tensor = torch.func.functional_call(self.expected, under, (x,))
        values: Array = output.numpy()
        return values

    def rounding(self, state: Mapping[str, torch.Tensor], x: torch.Tensor, output: Array) -> float:
        """How far an output is from that of the same network in float64, relative L2: what rounding adds up to."""
        exact = {name: tensor.double() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
        with _default_dtype(torch.float64):
            return relative_l2(output, self.output(exact, x.double() if x.is_floating_point() else x))

    def intermediate(self, state: Mapping[str, torch.Tensor], x: torch.Tensor) -> Iterator[tuple[str, Array]]:
        """Path and output of every layer of the network, one after the other, for an input of the spec's size."""
        network = self.program.network
        with torch.no_grad(), without_hints():
            x = self.expected.prepared(x) if self.takes_images else x
            for layer, y in evaluate(
                network, self.module, x, lambda each, xs: with_state(each, self.module, state)(*xs)
            ):
                yield layer.path, y.clone().numpy()


@contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _sizes(program: Program) -> list[tuple[int, int]]:
    _, height, width = program.network.input
    preprocess = program.network.header.preprocess
    if program.did("embed_preprocess") and preprocess is not None and (preprocess.resize or preprocess.crop):
        return [(height, width), (height + 13, width + 6), (2 * height + 1, height + 4)]
    if program.dynamic:
        down, right = _strides(program.network)
        return [(height, width), (height + down, width + 2 * right), (height + 2 * down + 1, width + right + 1)]
    return [(height, width)]


def _strides(network: Network) -> tuple[int, int]:
    """By how much an image must grow for its last map to grow, unless a pool over the whole map makes that vast."""
    fields = [field for field in receptive_fields(network) if field[0].extent is not None]
    strides = [max(1, round(axis.stride)) for axis in fields[-1]] if fields else [1, 1]
    return min(strides[0], _LARGEST_STEP), min(strides[1], _LARGEST_STEP)


class _Expected(nn.Module):
    def __init__(self, program: Program, module: nn.Sequential) -> None:
        super().__init__()
        self.program = program
        self.module = module

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        network = self.program.network
        if self.program.did("embed_preprocess"):
            x = self.prepared(x)
        y: torch.Tensor = _densely(network, self.module, x) if self.program.did("fc_to_conv") else self.module(x)
        return y.softmax(dim=1) if self.program.did("softmax") else y

    def prepared(self, image: torch.Tensor) -> torch.Tensor:
        """The network's input for an image."""
        preprocess = self.program.network.header.preprocess
        assert preprocess is not None
        return preprocessed(image, preprocess)


def preprocessed(image: torch.Tensor, preprocess: Preprocess) -> torch.Tensor:
    """Images, uint8 (batch, H, W, C), as float32 inputs (batch, C, H', W')."""
    x = image.permute(0, 3, 1, 2).to(torch.get_default_dtype())
    if preprocess.resize is not None:
        size = pair(preprocess.resize)
        x = functional.interpolate(x, size, mode="bilinear", antialias=True, align_corners=False)
    if preprocess.crop is not None:
        rows, columns = pair(preprocess.crop)
        top, left = (x.shape[2] - rows) // 2, (x.shape[3] - columns) // 2
        x = x[:, :, top : top + rows, left : left + columns]
    x = x / 255
    if preprocess.mean is not None:
        x = x - torch.tensor(preprocess.mean).reshape(-1, 1, 1)
    if preprocess.std is not None:
        x = x / torch.tensor(preprocess.std).reshape(-1, 1, 1)
    return x


def _densely(network: Network, module: nn.Sequential, x: torch.Tensor) -> torch.Tensor:
    """The classifier on every window of the map that is as large as the spec's: (batch, classes, rows, columns)."""
    places = (0, 0)  # rows and columns of windows

    def apply(layer: ShapedLayer, inputs: tuple[torch.Tensor, ...]) -> torch.Tensor:
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
    layer: ShapedLayer, computes: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor
) -> torch.Tensor:
    """The windows that the layer takes from the map of the spec, side by side on a larger map.

    The layer itself computes them, on every part of the map (batch, C, H, W) that is as large as the spec's and begins
    with a window. Each window is in several of them, and taken from the first.
    """
    (_, height, width), (channels, rows, columns) = layer.input, layer.output
    parts = x.unfold(2, height, height // rows).unfold(3, width, width // columns)
    down, right = parts.shape[2:4]
    flat = parts.permute(0, 2, 3, 1, 4, 5).reshape(-1, *layer.input)
    y = computes(flat).reshape(len(x), down, right, channels, rows, columns).permute(0, 3, 1, 4, 2, 5)
    row, column = torch.arange(down + rows - 1), torch.arange(right + columns - 1)
    part_down, part_right = row.clamp(max=down - 1), column.clamp(max=right - 1)
    return y[:, :, part_down, row - part_down][:, :, :, part_right, column - part_right]
