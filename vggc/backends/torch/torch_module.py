"""Network -> `nn.Sequential`, of torch's own classes alone."""

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import nn

from vggc.backends.torch.containers import function_of, nest
from vggc.base.progress import Progress, silent
from vggc.ir.network import Network, ShapedLayer
from vggc.ir.walk import walk
from vggc.layers.answers import TorchCall


def build(network: Network) -> nn.Sequential:
    """The module on the meta device: every shape and no memory."""
    with torch.device("meta"):
        calls = {layer.path: layer.layer.torch(*layer.shapes) for layer in network.layers}
        modules = {path: construct(call) for path, call in calls.items() if isinstance(call, TorchCall)}
        return nest(network, modules)  # type: ignore[return-value]  # of several branches it is an fx.GraphModule


def evaluate(
    network: Network, module: nn.Module, x: torch.Tensor, apply: "Apply | None" = None
) -> Iterator[tuple[ShapedLayer, torch.Tensor]]:
    """Every layer with its output, node by node, for an input (batch, C, H, W).

    Args:
        network: whose module it is.
        module: from `build`, `allocate` or `materialize`.
        x: the input.
        apply: computes the output of a layer from its inputs; the layer's own module or function if left out.
    """
    apply = apply or (lambda layer, inputs: operation(layer, module)(*inputs))
    yield from walk(network.layers, x, apply)


Apply = Callable[[ShapedLayer, tuple[torch.Tensor, ...]], torch.Tensor]


def operation(layer: ShapedLayer, module: nn.Module) -> Callable[..., torch.Tensor]:
    """What computes a layer: its module, or its function where it has none."""
    if not layer.has_module:
        return function_of(layer)
    own: Callable[..., torch.Tensor] = module.get_submodule(layer.path)
    return own


def with_state(layer: ShapedLayer, module: nn.Module, state: Mapping[str, torch.Tensor]) -> Callable[..., torch.Tensor]:
    """What computes a layer with the tensors of `state`, by their keys in the network, in place of its own."""
    computes = operation(layer, module)
    if not isinstance(computes, nn.Module):
        return computes
    own = {name: state[f"{layer.path}.{name}"] for name in layer.state}
    return lambda *inputs: torch.func.functional_call(computes, own, inputs)


@contextmanager
def without_hints() -> Iterator[None]:
    """Silence torch's hint that `padding="same"` with an even kernel may cost a copy: irrelevant here."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Using padding='same' with even kernel lengths")
        yield


def construct(call: TorchCall) -> nn.Module:
    """The module that a call describes."""
    module: nn.Module = getattr(nn, call.name)(*call.args, **call.kwargs)
    return module


def allocate(network: Network) -> nn.Sequential:
    """The module on the CPU with uninitialised memory.

    `Module.to_empty` does the same through torch's meta references, which import a compiler on their way.
    """
    return _refilled(build(network), lambda tensor: torch.empty(tensor.shape, dtype=tensor.dtype))


def hollow(module: nn.Sequential) -> nn.Sequential:
    """A copy on the CPU whose tensors take no memory: each is one zero, expanded to the shape.

    It is good for batches of no images alone.
    """
    return _refilled(copy.deepcopy(module), lambda tensor: torch.zeros((), dtype=tensor.dtype).expand(tensor.shape))


def _refilled(module: nn.Sequential, fill: Callable[[torch.Tensor], torch.Tensor]) -> nn.Sequential:
    for layer in module.modules():
        for name, parameter in layer.named_parameters(recurse=False):
            setattr(layer, name, nn.Parameter(fill(parameter)))
        for name, buffer in layer.named_buffers(recurse=False):
            setattr(layer, name, fill(buffer))
    return module


def materialize(network: Network, seed: int = 0, progress: Progress = silent) -> nn.Sequential:
    """The module on the CPU, every weight allocated and initialised once, by the spec's `init`.

    The state of torch's random generator is left as it was.
    """
    module = allocate(network)
    total = network.params
    done = 0
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        for layer in network.layers:
            if layer.has_module:
                initialize(module.get_submodule(layer.path), layer, network)
            done += layer.params
            progress("initialising weights", done, total)
    return module


def initialize(module: nn.Module, layer: ShapedLayer, network: Network) -> None:
    """Initialise the tensors of one layer; by torch's default only where the spec leaves a tensor to it."""
    schemes = network.initializers(layer)
    if None in schemes.values() or not schemes:
        _reset(module)
    elif layer.layer.buffers(*layer.shapes):
        module.reset_running_stats()  # type: ignore[operator]
    for name, scheme in schemes.items():
        if scheme is not None:
            function, arguments = scheme.torch()
            getattr(nn.init, function)(getattr(module, name), **arguments)


def _reset(module: nn.Module) -> None:
    reset = getattr(module, "reset_parameters", None)
    if reset is not None:
        reset()
