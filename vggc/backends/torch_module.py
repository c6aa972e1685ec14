"""Network -> `nn.Sequential`, of torch's own classes alone."""

import copy
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from vggc.ir import Network, ShapedLayer
from vggc.layers.base import TorchCall
from vggc.progress import Progress, silent


def build(network: Network) -> nn.Sequential:
    """The module on the meta device: every shape and no memory."""
    children: OrderedDict[str, nn.Module] = OrderedDict()
    with torch.device("meta"):
        for section, layers in sections(network):
            modules = [construct(layer.layer.torch(layer.input)) for layer in layers]
            children[section] = nn.Sequential(*modules) if section in ("features", "classifier") else modules[0]
    return nn.Sequential(children)


@contextmanager
def without_hints() -> Iterator[None]:
    """Silence torch's hint that `padding="same"` with an even kernel may cost a copy: it is no matter of a check."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Using padding='same' with even kernel lengths")
        yield


def sections(network: Network) -> Iterator[tuple[str, list[ShapedLayer]]]:
    """The layers of each top-level child, in order."""
    grouped: dict[str, list[ShapedLayer]] = {}
    for layer in network.layers:
        grouped.setdefault(layer.node.section, []).append(layer)
    yield from grouped.items()


def construct(call: TorchCall) -> nn.Module:
    """Carry a call out."""
    module: nn.Module = getattr(nn, call.name)(*call.args, **call.kwargs)
    return module


def allocate(network: Network) -> nn.Sequential:
    """The module on the CPU with memory that nothing was written to yet.

    `Module.to_empty` does the same through torch's meta references, which import a compiler on their way.
    """
    return _refilled(build(network), lambda tensor: torch.empty(tensor.shape, dtype=tensor.dtype))


def hollow(module: nn.Sequential) -> nn.Sequential:
    """A copy on the CPU, every tensor of which is a single zero seen through its shape: no memory, and no use but to
    send batches of no images through torch's own kernels.
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
    """The module on the CPU, every weight allocated once and drawn once, by the spec's `init`.

    The state of torch's random generator is left as it was.
    """
    module = allocate(network)
    total = network.params
    done = 0
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        for layer in network.layers:
            initialize(module.get_submodule(layer.path), layer, network)
            done += layer.params
            progress("drawing weights", done, total)
    return module


def initialize(module: nn.Module, layer: ShapedLayer, network: Network) -> None:
    """Draw the tensors of one layer; torch's default is drawn only where the spec leaves a tensor to it."""
    schemes = network.initializers(layer)
    if None in schemes.values() or not schemes:
        _reset(module)
    elif layer.layer.buffers(layer.input):
        module.reset_running_stats()  # type: ignore[operator]
    for name, scheme in schemes.items():
        if scheme is not None:
            function, arguments = scheme.torch()
            getattr(nn.init, function)(getattr(module, name), **arguments)


def _reset(module: nn.Module) -> None:
    reset = getattr(module, "reset_parameters", None)
    if reset is not None:
        reset()
