"""How the modules of a network nest: a chain is an `nn.Sequential`, everything else a `torch.fx.GraphModule`.

The paths of the nodes say which container each module is in, so that the keys of the state dict are the paths.
Both classes are torch's own: what they hold pickles, scripts, exports and copies without a class of vggc.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import fx, nn

from vggc.base.errors import ProductError
from vggc.ir.graph import INPUT
from vggc.ir.network import Network, ShapedLayer
from vggc.ir.walk import is_chain
from vggc.layers.answers import TorchFunction


def nest(network: Network, modules: Mapping[str, nn.Module]) -> nn.Module:
    """The module of a network.

    Args:
        network: whose nodes say what takes what.
        modules: the module of every layer that has one, by path.

    Raises:
        ProductError: a layer takes a value from inside another container.
    """
    items = [_Item(layer, layer.path, layer.path, layer.inputs) for layer in network.layers]
    return _container(items, modules, {INPUT})


@dataclass(frozen=True, slots=True)
class _Item:
    """What is in a container: a layer, by its path within the container; or, without one, a container itself."""

    layer: ShapedLayer
    name: str
    value: str
    inputs: tuple[str, ...]


def _container(items: Sequence[_Item], modules: Mapping[str, nn.Module], available: Collection[str]) -> nn.Module:
    children: OrderedDict[str, nn.Module] = OrderedDict()
    uses: list[_Item] = []  # the children, each as one computation
    for name, members in _by_child(items).items():
        if len(members) == 1 and members[0].name == name:
            if members[0].value in modules:
                children[name] = modules[members[0].value]
            uses.append(members[0])
        else:
            inner = [replace(item, name=item.name.partition(".")[2]) for item in members]
            taken = _taken(members)
            children[name] = _container(inner, modules, taken)
            uses.append(_Item(members[-1].layer, name, members[-1].value, taken))
    _check_nested(uses, available)
    if len(children) == len(uses) and is_chain(_from_input(uses)):
        return nn.Sequential(children)
    return _graph_module(uses, children)


def _check_nested(items: Iterable[_Item], available: Collection[str]) -> None:
    """Raise unless every item takes inputs of its container, or values of items before it."""
    known = {*available}
    for item in items:
        for value in item.inputs:
            if value not in known:
                raise ProductError(f"not supported: {item.layer.path} takes {value}, which is inside another block")
        known.add(item.value)


def _by_child(items: Iterable[_Item]) -> dict[str, list[_Item]]:
    children: dict[str, list[_Item]] = {}
    for item in items:
        children.setdefault(item.name.partition(".")[0], []).append(item)
    return children


def _taken(items: Sequence[_Item]) -> tuple[str, ...]:
    """The values that items take from outside, in the order of their first use."""
    own = {item.value for item in items}
    return tuple(dict.fromkeys(name for item in items for name in item.inputs if name not in own))


def _from_input(items: Sequence[_Item]) -> list[_Item]:
    """The same with the one value that they take from outside as the input of the whole."""
    outside = _taken(items)
    names = {outside[0]: INPUT} if len(outside) == 1 else {}
    return [replace(item, inputs=tuple(names.get(name, name) for name in item.inputs)) for item in items]


def _graph_module(items: Sequence[_Item], children: Mapping[str, nn.Module]) -> fx.GraphModule:
    graph = fx.Graph()
    values = {name: graph.placeholder(f"x{i}" if i else "x") for i, name in enumerate(_taken(items))}
    for item in items:
        inputs = tuple(values[name] for name in item.inputs)
        if item.name in children:
            values[item.value] = graph.call_module(item.name, inputs)
        else:
            values[item.value] = graph.call_function(function_of(item.layer), inputs)
    graph.output(values[items[-1].value])
    return fx.GraphModule(dict(children), graph)


def function_of(layer: ShapedLayer) -> Callable[..., torch.Tensor]:
    """The function of torch that a layer without a module is."""
    call = layer.layer.torch(*layer.shapes)
    assert isinstance(call, TorchFunction)
    function: Callable[..., torch.Tensor] = getattr(torch, call.name)
    return function
