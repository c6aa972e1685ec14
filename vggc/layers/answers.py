"""The plain records in which a layer kind answers, and the errors with which it refuses.

Shapes never hold the batch axis; an image is (C, H, W), a vector (F,).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]
else:  # nothing of numpy is needed to check a spec
    Array = Any

Shape = tuple[int, ...]
WeightForm = Literal["kernel", "matrix", "factors"]
OnnxValue = int | float | str | tuple[int, ...] | tuple[float, ...]


class ShapeError(ValueError):
    """A layer cannot take its input.

    `option` names the option at fault, where one is. `spatial` says that height or width is the cause, so that
    inference can go on with a legal one. `recovered` is the output to go on with otherwise. `claim` is what the user
    wrote of the input and need not have written, where that is wrong: the message goes on with what the input is.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        option: str | None = None,
        spatial: bool = False,
        recovered: Shape | None = None,
        help: str | None = None,
        claim: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.option = option
        self.spatial = spatial
        self.recovered = recovered
        self.help = help
        self.claim = claim


class UnsupportedModuleError(ValueError):
    """A torch module has options that its kind cannot express; the message says which."""


class LoweringError(ValueError):
    """A layer has no form in that ONNX opset; the message says which has."""


@dataclass(frozen=True, slots=True)
class TorchCall:
    """The constructor of a class in `torch.nn`: its name, positional and keyword arguments."""

    name: str
    args: tuple[object, ...] = ()
    kwargs: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TorchFunction:
    """A function of `torch` that takes the values of a layer's inputs one by one: a layer without a module."""

    name: str


@dataclass(frozen=True, slots=True)
class OnnxNode:
    """One node.

    `x` is the layer's input, `y` its output, tensor names are the layer's own, others are local. The further inputs of
    a layer that takes several are `x1`, `x2` and so on.
    """

    op: str
    inputs: tuple[str, ...] = ("x",)
    attributes: Mapping[str, OnnxValue] = field(default_factory=dict)
    output: str = "y"


def constant(output: str, value: OnnxValue) -> OnnxNode:
    """A Constant node: a list of integers or floats, or one number."""
    values = value if isinstance(value, tuple) else (value,)
    typed = "int" if all(isinstance(number, int) for number in values) else "float"
    return OnnxNode("Constant", (), {f"value_{typed}{'s' if isinstance(value, tuple) else ''}": value}, output)
