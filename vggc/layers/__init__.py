"""The kinds of layers: the contents page of the language.

A new kind is one class in a family's file and one line here; the schema, the shapes, both backends, the reference and
the contract test read it from this table. Kinds of other packages join through the entry-point group `vggc.layers`, and
find here what they are written with.
"""

from functools import cache
from typing import Final

from vggc.layers import activation, adaptive_pool, conv, conv_transpose, dropout, linear, norm, padding, pool, reshape
from vggc.layers.answers import LoweringError, OnnxNode, Shape, ShapeError, TorchCall, UnsupportedModuleError, constant
from vggc.layers.checks import image, require, slide
from vggc.layers.extent import SAME, AffineFloor, Axis, window_axis
from vggc.layers.layer import Layer
from vggc.layers.operation import Lookahead
from vggc.layers.option_types import Count, NonNegative, Padding, Positive, PositiveNumber, Probability, Size, pair

__all__ = [
    "BUILT_IN",
    "KINDS",
    "SAME",
    "AffineFloor",
    "Axis",
    "Count",
    "Layer",
    "Lookahead",
    "LoweringError",
    "NonNegative",
    "OnnxNode",
    "Padding",
    "Positive",
    "PositiveNumber",
    "Probability",
    "Shape",
    "ShapeError",
    "Size",
    "TorchCall",
    "UnsupportedModuleError",
    "all_kinds",
    "constant",
    "find",
    "image",
    "of_group",
    "pair",
    "plugged_in",
    "require",
    "slide",
    "window_axis",
]

BUILT_IN: Final[tuple[type[Layer], ...]] = (
    conv.Conv2d,
    conv_transpose.ConvTranspose2d,
    pool.MaxPool2d,
    pool.AvgPool2d,
    adaptive_pool.AdaptiveAvgPool2d,
    adaptive_pool.AdaptiveMaxPool2d,
    adaptive_pool.GlobalAvgPool2d,
    adaptive_pool.GlobalMaxPool2d,
    norm.BatchNorm,
    norm.GroupNorm,
    norm.InstanceNorm,
    norm.LayerNorm,
    norm.LocalResponseNorm,
    activation.ReLU,
    activation.ReLU6,
    activation.LeakyReLU,
    activation.PReLU,
    activation.ELU,
    activation.CELU,
    activation.SELU,
    activation.GELU,
    activation.SiLU,
    activation.Mish,
    activation.Hardswish,
    activation.Hardsigmoid,
    activation.Sigmoid,
    activation.Tanh,
    activation.Softplus,
    activation.Softmax,
    activation.LogSoftmax,
    dropout.Dropout,
    dropout.Dropout2d,
    dropout.AlphaDropout,
    linear.Linear,
    reshape.Flatten,
    reshape.Identity,
    reshape.PixelShuffle,
    reshape.Upsample,
    padding.ZeroPad2d,
    padding.ReflectionPad2d,
    padding.ReplicationPad2d,
)


KINDS: Final[dict[str, type[Layer]]] = {cls.kind: cls for cls in BUILT_IN}


@cache
def plugged_in() -> dict[str, type[Layer]]:
    """The kinds of other packages by name.

    Looking through all installed packages takes longer than checking a spec, so it is done only for a word that the
    language does not know, and where the whole vocabulary is asked for.

    Raises:
        TypeError: an entry point is no layer kind, or takes the name of another.
    """
    from importlib.metadata import entry_points

    table: dict[str, type[Layer]] = {}
    for point in entry_points(group="vggc.layers"):
        kind = point.load()
        if not (isinstance(kind, type) and issubclass(kind, Layer)):
            raise TypeError(f"the entry point `{point.name}` of group vggc.layers is no Layer: {kind!r}")
        if kind.kind in KINDS or kind.kind in table:
            raise TypeError(f"the entry point `{point.name}` of group vggc.layers takes the name `{kind.kind}` again")
        table[kind.kind] = kind
    return table


def find(kind: str) -> type[Layer] | None:
    """The kind of that name, if there is one."""
    return KINDS.get(kind) or plugged_in().get(kind)


def all_kinds() -> dict[str, type[Layer]]:
    """Every kind by its name, those of other packages last."""
    return KINDS | plugged_in()


def of_group(group: str) -> list[str]:
    """The names of the built-in kinds of one group."""
    return [name for name, cls in KINDS.items() if cls.group == group]
