"""A torch model -> its modules in order, as layers; or every module that is none."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Final

from torch import nn

from vggc.layers import all_kinds
from vggc.layers.answers import Shape, ShapeError, UnsupportedModuleError
from vggc.layers.layer import Layer
from vggc.layers.reshape import Flatten

MORE: Final = (
    "if `forward` does more than run the modules in order, export the model with torch.onnx.export and import the file"
)


@dataclass(frozen=True, eq=False)
class ModuleLayer:
    """A layer, and the name of the module that it was; empty for a flatten that the model does in its own code."""

    layer: Layer
    path: str


def computing_modules(module: nn.Module, path: str = "") -> Iterator[tuple[str, nn.Module]]:
    """The modules that compute and their names, in the order in which they were registered; no containers."""
    children = [(name, child) for name, child in module._modules.items() if child is not None]
    foreign = not type(module).__module__.startswith("torch.")
    is_container = type(module) is nn.Sequential or (children and foreign)
    if not is_container or any(parameter is not None for parameter in module._parameters.values()):
        yield path, module
        return
    for name, child in children:
        yield from computing_modules(child, f"{path}.{name}" if path else name)


def read_modules(model: nn.Module, input: Shape) -> tuple[list[ModuleLayer], list[str]]:
    """The layers of a model for an input of shape (C, H, W), and every module that is none with the reason.

    A flatten is put where a layer that takes vectors meets an image: models do that in their own code. Whether the
    model does so, and nothing else, is for the verification to say. After a module that is refused the shape is not
    known, so that modules which do not fit it are not refused.
    """
    layers: list[ModuleLayer] = []
    refused: list[str] = []
    shape = input
    for path, module in computing_modules(model):
        name = f"{path or 'the model'} ({type(module).__module__}.{type(module).__qualname__})"
        try:
            layer = _layer(module, shape)
            if layer.weight_form == "matrix" and len(shape) == 3:
                layers.append(ModuleLayer(Flatten(), ""))
                shape = (prod(shape),)
            shape = layer.shape(shape)
            layers.append(ModuleLayer(layer, path))
        except ShapeError as error:
            if not refused:
                refused.append(f"{name}: {error}; {MORE}")
        except UnsupportedModuleError as error:
            refused.append(f"{name}: {error}")
    return layers, refused


def _layer(module: nn.Module, x: Shape) -> Layer:
    for kind in all_kinds().values():
        if any(type(module) is getattr(nn, name, None) for name in kind.torch_classes):
            return kind.from_torch(module, x)
    raise UnsupportedModuleError("no layer of vggc")
