"""Reads the options of a kind from the attributes of a module of torch."""

from collections.abc import Iterable
from math import prod
from typing import Any, Final

from vggc.layers.answers import Shape, ShapeError
from vggc.layers.operation import collapsed

# What a layer leaves out of a spec: it overwrites its input, which changes no value, or it is inferred.
_IMPLIED: Final = ("inplace", "in_channels", "in_features")


def options_of(module: Any, names: Iterable[str]) -> dict[str, Any]:
    """Those of the options with these names that the module has and a spec needs, as a spec has them."""
    present = (name for name in names if name not in _IMPLIED and hasattr(module, name))
    return {name: _option(name, getattr(module, name)) for name in present}


def _option(name: str, value: Any) -> Any:
    if name == "bias":
        return value is not None
    return collapsed(value) if isinstance(value, tuple) else value


def check_input_size(module: Any, x: Shape) -> None:
    """Check the channels or features that the module takes, where it has a number of them, with its input's.

    Raises:
        ShapeError: E202, the input has another number of them.
    """
    for name in ("in_channels", "num_channels", "num_features", "in_features"):
        what, actual = ("features", prod(x)) if name == "in_features" else ("channels", x[0])
        size = getattr(module, name, actual)
        if size != actual:
            raise ShapeError("E202", f"it takes {size} {what}, and its input has {actual}")
