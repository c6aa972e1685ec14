"""Outputs: the same random inputs through torch and onnxruntime, and a control that must fail."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from vggc.backends.torch_module import without_hints
from vggc.ir import Network, ShapedLayer
from vggc.verify.report import RELATIVE_MAXIMUM, Comparison
from vggc.verify.sessions import Array


def example_input(network: Network, seed: int, batch: int) -> torch.Tensor:
    """A standard normal input of shape (batch, C, H, W)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((batch, *network.input), generator=generator)


def forward(module: nn.Sequential, state: Mapping[str, torch.Tensor], x: torch.Tensor) -> Array:
    """The module's output for `x` of shape (batch, C, H, W), with the weights of `state` in place of its own."""
    with torch.no_grad(), without_hints():
        output: torch.Tensor = torch.func.functional_call(module, dict(state), (x,))
    values: Array = output.numpy()
    return values


def relative_l2(actual: Array, expected: Array) -> float:
    """|actual - expected| / |expected|; infinite where a value is not finite or nothing is expected but 0."""
    difference = np.linalg.norm((actual.astype(np.float64) - expected.astype(np.float64)).ravel())
    norm = np.linalg.norm(expected.astype(np.float64).ravel())
    if not np.isfinite(difference):
        return float("inf")
    if norm == 0:
        return 0.0 if difference == 0 else float("inf")
    return float(difference / norm)


def compare(label: str, seed: int, batch: int, actual: Array, expected: Array) -> Comparison:
    """Two outputs of shape (batch, ...)."""
    if actual.shape != expected.shape:
        return Comparison(label, seed, batch, float("inf"), float("inf"), False)
    largest = float(np.abs(expected).max())
    difference = float(np.abs(actual - expected).max())
    relative = difference / largest if largest else difference
    agrees = _argmax_agrees(actual, expected, RELATIVE_MAXIMUM * largest)
    return Comparison(label, seed, batch, relative_l2(actual, expected), relative, agrees)


def _argmax_agrees(actual: Array, expected: Array, tolerance: float) -> bool:
    """Whether each sample's winner is the same, or the two that changed places are as good as equal."""
    if expected.ndim != 2:
        return True
    rows = np.arange(len(expected))
    gap = expected.max(axis=1) - expected[rows, actual.argmax(axis=1)]
    return bool((gap <= tolerance).all())


def telling_weights(network: Network, seed: int = 0) -> dict[str, torch.Tensor]:
    """Weights under which every layer shows in the output: He-normal, and statistics unlike those of a fresh norm."""
    generator = torch.Generator().manual_seed(seed)
    state: dict[str, torch.Tensor] = {}
    for layer in network.layers:
        shapes = layer.layer.tensors(layer.input) | layer.layer.buffers(layer.input)
        for name, shape in shapes.items():
            state[f"{layer.path}.{name}"] = _telling(name, shape, layer, generator)
    return state


def _telling(name: str, shape: tuple[int, ...], layer: ShapedLayer, generator: torch.Generator) -> torch.Tensor:
    if name == "num_batches_tracked":
        return torch.tensor(0)
    drawn = torch.randn(shape, generator=generator)
    if name == "weight" and len(shape) > 1 and layer.layer.group in ("conv", "linear"):
        scaled: torch.Tensor = drawn * (2.0 / drawn[0].numel()) ** 0.5
        return scaled
    if name == "running_var":
        return 0.5 + drawn.abs()
    return 1 + 0.1 * drawn if name == "weight" else 0.1 * drawn
