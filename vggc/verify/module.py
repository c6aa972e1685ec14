"""The torch module against the analysis."""

from collections.abc import Iterator

import torch
from torch import nn

from vggc.backends.torch_module import without_hints
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
    device = next((tensor.device for tensor in module.parameters()), torch.device("meta"))
    x = torch.empty((2, *network.input), device=device)
    was_training = module.training
    module.eval()
    with torch.no_grad(), without_hints():
        for layer in network.layers:
            x = module.get_submodule(layer.path)(x)
            yield layer.path, tuple(x.shape[1:])
    module.train(was_training)
