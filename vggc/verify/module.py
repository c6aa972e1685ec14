"""The torch module against the analysis."""

from collections.abc import Iterator

import torch
from torch import nn

from vggc.backends.torch_module import hollow, without_hints
from vggc.errors import InternalError
from vggc.ir import Network


def check_module(network: Network, module: nn.Sequential) -> None:
    """Hold every analytic shape and count against the module, which may be on the meta device.

    Raises:
        InternalError: they disagree.
    """
    state = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    expected = {
        f"{layer.path}.{name}": shape
        for layer in network.layers
        for name, shape in (layer.layer.tensors(layer.input) | layer.layer.buffers(layer.input)).items()
    }
    if state != expected:
        differing = sorted(name for name in state.keys() | expected.keys() if state.get(name) != expected.get(name))
        raise InternalError(f"the module's tensors are not those of the analysis: {', '.join(differing[:5])}")
    shapes = dict(_module_shapes(network, module))
    for layer in network.layers:
        if shapes[layer.path] != layer.output:
            raise InternalError(f"{layer.path} gives {shapes[layer.path]} in torch and {layer.output} in the analysis")


def _module_shapes(network: Network, module: nn.Sequential) -> Iterator[tuple[str, tuple[int, ...]]]:
    """What torch's own kernels make of a batch of no images, which they shape and never compute.

    The meta device would do as well, and its first forward pass imports torch's compiler, for longer than torch. It is
    left to the few kernels that refuse an empty batch (instance norm does).
    """
    shell = hollow(module).eval()
    x = torch.empty((0, *network.input))
    with torch.no_grad(), without_hints():
        for layer in network.layers:
            try:
                x = shell.get_submodule(layer.path)(x)
            except (IndexError, RuntimeError):
                shape = _on_meta(shell.get_submodule(layer.path), x)
                x = torch.empty((0, *shape))
            yield layer.path, tuple(x.shape[1:])


def _on_meta(layer: nn.Module, x: torch.Tensor) -> tuple[int, ...]:
    output: torch.Tensor = layer.to("meta")(torch.empty((2, *x.shape[1:]), device="meta"))
    return tuple(output.shape[1:])
