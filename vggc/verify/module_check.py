"""The torch module against the analysis."""

from collections.abc import Callable, Iterator

import torch
from torch import nn

from vggc.backends.torch.torch_module import evaluate, hollow, operation, without_hints
from vggc.base.errors import InternalError
from vggc.ir.network import Network, ShapedLayer


def check_module(network: Network, module: nn.Sequential) -> None:
    """Compare every analytic shape and count with the module, which may be on the meta device.

    Raises:
        InternalError: they disagree.
    """
    state = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    expected = {f"{layer.path}.{name}": shape for layer in network.layers for name, shape in layer.state.items()}
    if state != expected:
        differing = sorted(name for name in state.keys() | expected.keys() if state.get(name) != expected.get(name))
        raise InternalError(f"the module's tensors are not those of the analysis: {', '.join(differing[:5])}")
    shapes = dict(_module_shapes(network, module))
    for layer in network.layers:
        if shapes[layer.path] != layer.output:
            raise InternalError(f"{layer.path} gives {shapes[layer.path]} in torch and {layer.output} in the analysis")


def _module_shapes(network: Network, module: nn.Sequential) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The output shapes of torch's own kernels for a batch of no images, which costs no computation.

    The meta device would do as well, but its first forward pass imports torch's compiler, which takes seconds. It is
    used for the few kernels that refuse an empty batch, such as instance norm.
    """
    shell = hollow(module).eval()

    def shaped(layer: ShapedLayer, inputs: tuple[torch.Tensor, ...]) -> torch.Tensor:
        computes = operation(layer, shell)
        try:
            return computes(*inputs)
        except (IndexError, RuntimeError):
            return torch.empty((0, *_on_meta(computes, inputs)))

    with torch.no_grad(), without_hints():
        for layer, y in evaluate(network, shell, torch.empty((0, *network.input)), shaped):
            yield layer.path, tuple(y.shape[1:])


def _on_meta(computes: Callable[..., torch.Tensor], inputs: tuple[torch.Tensor, ...]) -> tuple[int, ...]:
    if isinstance(computes, nn.Module):
        computes = computes.to("meta")
    output = computes(*(torch.empty((2, *x.shape[1:]), device="meta") for x in inputs))
    return tuple(output.shape[1:])
