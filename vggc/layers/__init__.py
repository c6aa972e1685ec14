"""The kinds of layers: the contents page of the language.

A new kind is one class in a family's file and one line here; the schema, the shapes, both backends, the reference and
the contract test read it from this table. Kinds of other packages join through the entry-point group `vggc.layers`, and
find here what they are written with.
"""

from functools import cache
from typing import Final

from vggc.layers import (
    adaptive_pool,
    conv,
    conv_transpose,
    dropout,
    global_pool,
    layer_norm,
    linear,
    local_response_norm,
    norm,
    padding,
    pool,
    probabilities,
    rectifiers,
    reshape,
    smooth_activations,
)
from vggc.layers.answers import LoweringError as LoweringError
from vggc.layers.answers import OnnxNode as OnnxNode
from vggc.layers.answers import Shape as Shape
from vggc.layers.answers import ShapeError as ShapeError
from vggc.layers.answers import TorchCall as TorchCall
from vggc.layers.answers import UnsupportedModuleError as UnsupportedModuleError
from vggc.layers.answers import constant as constant
from vggc.layers.checks import image as image
from vggc.layers.checks import require as require
from vggc.layers.checks import slide as slide
from vggc.layers.extent import SAME as SAME
from vggc.layers.extent import AffineFloor as AffineFloor
from vggc.layers.extent import Axis as Axis
from vggc.layers.extent import window_axis as window_axis
from vggc.layers.layer import Layer as Layer
from vggc.layers.operation import Lookahead as Lookahead
from vggc.layers.option_types import Count as Count
from vggc.layers.option_types import NonNegative as NonNegative
from vggc.layers.option_types import Padding as Padding
from vggc.layers.option_types import Positive as Positive
from vggc.layers.option_types import PositiveNumber as PositiveNumber
from vggc.layers.option_types import Probability as Probability
from vggc.layers.option_types import Size as Size
from vggc.layers.option_types import pair as pair

BUILT_IN: Final[tuple[type[Layer], ...]] = (
    conv.Conv2d,
    conv_transpose.ConvTranspose2d,
    pool.MaxPool2d,
    pool.AvgPool2d,
    adaptive_pool.AdaptiveAvgPool2d,
    adaptive_pool.AdaptiveMaxPool2d,
    global_pool.GlobalAvgPool2d,
    global_pool.GlobalMaxPool2d,
    norm.BatchNorm,
    norm.GroupNorm,
    norm.InstanceNorm,
    layer_norm.LayerNorm,
    local_response_norm.LocalResponseNorm,
    rectifiers.ReLU,
    rectifiers.ReLU6,
    rectifiers.LeakyReLU,
    rectifiers.PReLU,
    rectifiers.ELU,
    rectifiers.CELU,
    rectifiers.SELU,
    smooth_activations.GELU,
    smooth_activations.SiLU,
    smooth_activations.Mish,
    smooth_activations.Hardswish,
    smooth_activations.Hardsigmoid,
    smooth_activations.Sigmoid,
    smooth_activations.Tanh,
    smooth_activations.Softplus,
    probabilities.Softmax,
    probabilities.LogSoftmax,
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
