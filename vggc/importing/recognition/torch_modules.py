"""A torch model -> its modules in order, as layers; or every module that is none."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Final

from torch import nn

from vggc.importing.recognition.torch_classes import CLASSES, MisfitError, UnsupportedError
from vggc.layers import linear, reshape
from vggc.layers.layer import Layer, Shape, ShapeError

MORE: Final = (
    "if `forward` does more than run the modules in order, export the model with torch.onnx.export and import the file"
)


@dataclass(frozen=True, eq=False)
class Placed:
    """A layer, and the name of the module that it was; empty for a flatten that the model does on its own."""

    layer: Layer
    path: str


def walk(module: nn.Module, path: str = "") -> Iterator[tuple[str, nn.Module]]:
    """The modules that compute, in the order in which they were registered; containers are looked into."""
    children = [(name, child) for name, child in module._modules.items() if child is not None]
    foreign = not type(module).__module__.startswith("torch.")
    if type(module) is nn.Sequential or (children and foreign):
        own = [name for name, parameter in module._parameters.items() if parameter is not None]
        if own:
            yield path, module
            return
        for name, child in children:
            yield from walk(child, f"{path}.{name}" if path else name)
    else:
        yield path, module


def read_modules(model: nn.Module, input: Shape) -> tuple[list[Placed], list[str]]:
    """The layers of a model for an input of shape (C, H, W), and every module that is none with the reason.

    A flatten is put where a linear layer meets an image: models do that in their own code. Whether the model does so,
    and nothing else, is for the verification to say. Behind a module that is refused nobody knows the shape, so that
    nothing is held against those that do not fit it.
    """
    found: list[Placed] = []
    refused: list[str] = []
    shape = input
    for path, module in walk(model):
        name = f"{path or 'the model'} ({type(module).__module__}.{type(module).__qualname__})"
        try:
            layer = _layer(module, shape)
            if isinstance(layer, linear.Linear) and len(shape) == 3:
                found.append(Placed(reshape.Flatten(), ""))
                shape = (prod(shape),)
            shape = layer.shape(shape)
        except (MisfitError, ShapeError) as error:
            if not refused:
                refused.append(f"{name}: {error}; {MORE}")
            continue
        except UnsupportedError as error:
            refused.append(f"{name}: {error}")
            continue
        found.append(Placed(layer, path))
    return found, refused


def _layer(module: nn.Module, x: Shape) -> Layer:
    read = CLASSES.get(type(module))
    if read is None:
        raise UnsupportedError("no layer of vggc")
    return read(module, x)
