"""Network -> the text of a Python module that builds the same `nn.Sequential` and needs torch alone."""

import keyword
import re
from collections.abc import Iterator, Mapping

from vggc.base.errors import ProductError
from vggc.base.words import dimensions
from vggc.ir.network import Network, ShapedLayer
from vggc.layers.answers import TorchCall, TorchFunction
from vggc.recipe.initializers import Initializer

_TAKEN = {"torch", "nn", "OrderedDict", "initialize", "model", "output"}


def emit(network: Network) -> str:
    """The text, formatted as a formatter would leave it (lines may be long where a call is)."""
    return "\n".join([*_head(network), *_builder(network), *_initializer(network), *_main(network)]) + "\n"


def function_name(name: str) -> str:
    """The name of a network as a Python name."""
    identifier = re.sub(r"\W", "_", name)
    return f"{identifier}_" if keyword.iskeyword(identifier) or identifier in _TAKEN else identifier


def _head(network: Network) -> Iterator[str]:
    shapes = f"{dimensions(network.input)} -> {dimensions(network.output)}"
    yield f'"""{network.name}: {shapes}, {network.params:,} parameters.'
    yield ""
    yield 'Written by vggc from its spec; it needs torch alone."""'
    yield ""
    yield "from collections import OrderedDict"
    yield ""
    yield "import torch"
    yield "from torch import nn"
    yield ""


def _builder(network: Network) -> Iterator[str]:
    yield ""
    yield f"def {function_name(network.name)}() -> nn.Sequential:"
    yield f'    """{dimensions(network.input)} -> {dimensions(network.output)}, both without the batch axis."""'
    names = list(dict.fromkeys(layer.node.section for layer in network.layers))
    for name in names:
        layers = [layer for layer in network.layers if layer.node.section == name]
        if name not in ("features", "classifier"):
            yield f"    {name} = {_call(layers[0])}"
            continue
        yield f"    {name} = nn.Sequential("
        yield from (f"        {_call(layer)},  # {layer.alias}: {dimensions(layer.output)}" for layer in layers)
        yield "    )"
    arguments = ", ".join(f"{name}={name}" for name in names)
    yield f"    return nn.Sequential(OrderedDict({arguments}))"
    yield ""


def _call(layer: ShapedLayer) -> str:
    call = layer.layer.torch(*layer.shapes)
    if isinstance(call, TorchFunction):
        raise ProductError(f"not supported: Python source of a network with branches, at {layer.alias}")
    return call_text(call)


def call_text(call: TorchCall) -> str:
    """A call as it is written in Python."""
    arguments = [literal(value) for value in call.args]
    arguments += [f"{name}={literal(value)}" for name, value in call.kwargs.items()]
    return f"nn.{call.name}({', '.join(arguments)})"


def literal(value: object) -> str:
    """A value as it is written in Python, with the quotes that formatters prefer."""
    if isinstance(value, str):
        return f'"{value}"'
    return repr(value)


def _initializer(network: Network) -> Iterator[str]:
    schemes = _schemes(network)
    if not schemes:
        return
    yield ""
    yield "def initialize(model: nn.Sequential) -> None:"
    yield '    """Draw the weights as the spec says."""'
    yield "    for layer in model.modules():"
    for name, tensors in schemes.items():
        yield f"        if isinstance(layer, nn.{name}):"
        for tensor, scheme in tensors.items():
            yield from _initialize_call(tensor, scheme, indent=" " * 12)
    yield ""


def _schemes(network: Network) -> dict[str, Mapping[str, Initializer]]:
    """For every class of torch.nn, the scheme of each of its tensors, where the spec names one."""
    by_class: dict[str, Mapping[str, Initializer]] = {}
    for layer in network.layers:
        schemes = {name: scheme for name, scheme in network.initializers(layer).items() if scheme is not None}
        if schemes:
            cls = layer.layer.torch(*layer.shapes).name
            by_class[cls] = {**by_class.get(cls, {}), **schemes}
    return by_class


def _initialize_call(tensor: str, scheme: Initializer, indent: str) -> Iterator[str]:
    function, arguments = scheme.torch()
    written = "".join(f", {name}={literal(value)}" for name, value in arguments.items())
    if tensor == "bias":
        yield f"{indent}if layer.bias is not None:"
        indent += "    "
    yield f"{indent}nn.init.{function}(layer.{tensor}{written})"


def _main(network: Network) -> Iterator[str]:
    size = ", ".join(map(str, (1, *network.input)))
    yield ""
    yield 'if __name__ == "__main__":'
    yield f"    model = {function_name(network.name)}().eval()"
    if _schemes(network):
        yield "    initialize(model)"
    yield f"    output = model(torch.randn({size}))"
    yield '    print(f"{sum(each.numel() for each in model.parameters()):,} parameters, output {tuple(output.shape)}")'
