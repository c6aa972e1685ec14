"""What a program ought to compute, by torch alone: the network's module, and what its passes say that they add.

Written from what the passes promise rather than from how they do it: dense evaluation, for one, is the classifier on
every window of the map, not a convolution.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

import torch
from torch import nn

from vggc.backends.torch.torch_module import evaluate, with_state, without_hints
from vggc.ir.geometry import receptive_fields
from vggc.ir.network import Network
from vggc.ir.program import Program
from vggc.passes import PASSES
from vggc.passes.pass_definition import Computation
from vggc.verify.outputs import relative_l2
from vggc.verify.revealing_weights import balanced, revealing_weights
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
        self.inputs = [torch.from_numpy(x) for x in inputs]
        self.expected = _Expected(program, module)

    def samples(self) -> list[Sample]:
        """Several seeds and batch sizes; where the size is open, several sizes, the spec's own first."""
        if self.inputs:
            spatial = slice(1, 3) if self.program.input.dtype == "uint8" else slice(2, 4)
            return [Sample(i, len(x), (x.shape[spatial][0], x.shape[spatial][1])) for i, x in enumerate(self.inputs)]
        sizes = _sizes(self.program)
        return [Sample(seed, batch, sizes[i % len(sizes)]) for i, (seed, batch) in enumerate(SEEDS_AND_BATCHES)]

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

    def revealing_weights(self) -> Iterator[tuple[str, dict[str, torch.Tensor]]]:
        """Weights that reveal more errors than untrained ones, by name: the first suit most networks, the second the
        rest.
        """
        network = self.program.network
        weights = revealing_weights(network)
        yield "He", weights
        x = self.input(Sample(len(SEEDS_AND_BATCHES), 2, self.samples()[0].size))
        yield "balanced", balanced(network, weights, self.expected.network_input(x))

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
            x = self.expected.network_input(x)
            for layer, y in evaluate(
                network, self.module, x, lambda layer, xs: with_state(layer, self.module, state)(*xs)
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
    if program.prologue is not None and isinstance(program.input.dims[1], str) and not program.dynamic:
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
        computation: Computation = self.module
        for name in self.program.passes:
            computation = PASSES[name].reference(self.program, self.module, computation)
        return computation(self.network_input(x))

    def network_input(self, x: torch.Tensor) -> torch.Tensor:
        """What the network is given for an input of the file."""
        return x if self.program.prologue is None else self.program.prologue.compute(x)
