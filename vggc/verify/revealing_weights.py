"""Weights under which every layer shows in the output."""

from math import prod
from typing import Final

import torch

from vggc.backends.torch import torch_module
from vggc.ir.network import Network, ShapedLayer

_LEAST_SHARE: Final = 0.5  # of the mean square, that is taken for the deviation
_LEAST_DEVIATION: Final = 1e-12

State = dict[str, torch.Tensor]


def revealing_weights(network: Network, seed: int = 0) -> State:
    """He-normal weights, small biases, and statistics unlike those of a fresh norm: enough where ReLU is used."""
    generator = torch.Generator().manual_seed(seed)
    state: State = {}
    for layer in network.layers:
        for name, shape in layer.state.items():
            state[f"{layer.path}.{name}"] = _initial(name, shape, layer, generator)
    return state


def balanced(network: Network, state: State, x: torch.Tensor) -> State:
    """The same weights, scaled layer by layer so that each shows in the output, whatever the activations.

    He's factor is that of ReLU. After a few sigmoids the values of an image hardly differ from those of another, and an
    error is lost in their mean. So the weights and bias of each convolution and linear layer, in order, are scaled so
    that its output has mean 0 in every channel and deviation 1: Mishkin and Matas, "All you need is a good init"
    (2016), section 3. That amplifies rounding too, so these weights are not the first choice.

    Args:
        network: whose weights they are.
        state: the weights, which are left as they are.
        x: what the network is given, (batch, C, H, W).
    """
    state = dict(state)
    module = torch_module.build(network).eval()

    def balance(layer: ShapedLayer, inputs: tuple[torch.Tensor, ...]) -> torch.Tensor:
        y = torch_module.with_state(layer, module, state)(*inputs)
        if layer.layer.is_weight_layer:
            own = {name: state[f"{layer.path}.{name}"] for name in layer.state}
            scaled, y = _scaled(own, y)
            state.update({f"{layer.path}.{name}": values for name, values in scaled.items()})
        return y

    with torch.no_grad(), torch_module.without_hints():
        for _ in torch_module.evaluate(network, module, x, balance):
            pass
    return state


def _initial(name: str, shape: tuple[int, ...], layer: ShapedLayer, generator: torch.Generator) -> torch.Tensor:
    if name == "num_batches_tracked":
        return torch.tensor(0)
    values = torch.randn(shape, generator=generator)
    if name == "weight" and layer.layer.is_weight_layer:
        fan_in = layer.macs / prod(layer.output)
        scaled: torch.Tensor = values * (2.0 / fan_in) ** 0.5
        return scaled
    if name == "running_var":
        return 0.5 + values.abs()
    return 1 + 0.1 * values if name == "weight" else 0.1 * values


def _scaled(own: State, y: torch.Tensor) -> tuple[State, torch.Tensor]:
    """The weights and bias of a layer that gives y (batch, channels or features, ...), and y itself, both balanced.

    A bias takes the mean out, and keeps its initial value beside that, so that it shows. Where there is little but
    a mean, it is scaled by less, because scaling amplifies rounding.
    """
    mean = y.mean(dim=[axis for axis in range(y.ndim) if axis != 1], keepdim=True)
    deviation = float((y - mean).square().mean().sqrt())
    scale = 1 / max(deviation, _LEAST_SHARE * float(y.square().mean().sqrt()), _LEAST_DEVIATION)
    if "bias" not in own:
        return {"weight": own["weight"] * scale}, y * scale
    bias = (own["bias"] - mean.flatten()) * scale + own["bias"]
    return {"weight": own["weight"] * scale, "bias": bias}, (y - mean) * scale + own["bias"].reshape(mean.shape)
