"""How other exporters spell the kinds that ONNX has no operator for, or had none in old opsets.

The kind's own lowering is not repeated here. Orders of operands, attributes that became inputs, divisions by a number
and the like need no entry: `spelling` has settled them.
"""

from collections.abc import Callable
from typing import Final

from vggc.layers.activation import GELU, Hardswish, Softplus, error_function, tanh_approximation
from vggc.layers.layer import Layer, OnnxNode, Shape, constant
from vggc.layers.norm import GroupNorm, LocalResponseNorm
from vggc.layers.reshape import PixelShuffle

SPELLED_AT: Final = 21  # the opset that the nodes below are written in

Spelling = tuple[OnnxNode, ...]


def other_spellings(layer: Layer, x: Shape) -> tuple[Spelling, ...]:
    """The spellings of a layer besides its own, for an input of shape `x` (without the batch axis)."""
    spell = _SPELLINGS.get(type(layer))
    return spell(layer, x) if spell is not None else ()


def _gelu(layer: Layer, x: Shape) -> tuple[Spelling, ...]:
    """`x * (0.5 * (1 + erf(x / sqrt(2))))`, or with half of x in front; and the same with tanh."""
    assert isinstance(layer, GELU)
    curve = error_function() if layer.approximate == "none" else tanh_approximation()
    common = (*curve, constant("one", 1.0), constant("half", 0.5), OnnxNode("Add", ("curve", "one"), {}, "shifted"))
    share = (OnnxNode("Mul", ("shifted", "half"), {}, "share"), OnnxNode("Mul", ("x", "share")))
    halved = (OnnxNode("Mul", ("x", "half"), {}, "halved"), OnnxNode("Mul", ("halved", "shifted")))
    return (*common, *share), (*common, *halved)


def _hardswish(layer: Layer, x: Shape) -> tuple[Spelling, ...]:
    """`x * clip(x + 3, 0, 6) / 6`, divided before or behind the product."""
    gate = (
        *(constant("three", 3.0), constant("least", 0.0), constant("most", 6.0), constant("sixth", 1 / 6)),
        OnnxNode("Add", ("x", "three"), {}, "shifted"),
        OnnxNode("Clip", ("shifted", "least", "most"), {}, "gate"),
    )
    behind = (OnnxNode("Mul", ("x", "gate"), {}, "product"), OnnxNode("Mul", ("product", "sixth")))
    before = (OnnxNode("Mul", ("gate", "sixth"), {}, "share"), OnnxNode("Mul", ("x", "share")))
    return (*gate, *behind), (*gate, *before)


def _softplus(layer: Layer, x: Shape) -> tuple[Spelling, ...]:
    """With torch's threshold of 20, above which its softplus is x."""
    assert isinstance(layer, Softplus)
    scaled: Spelling = ()
    if layer.beta != 1:
        scaled = (constant("beta", float(layer.beta)), OnnxNode("Mul", ("x", "beta"), {}, "scaled"))
    value, soft = ("scaled", "soft") if scaled else ("x", "curve")
    curve = OnnxNode("Softplus", (value,), {}, soft)
    unscaled = (OnnxNode("Div", ("soft", "beta"), {}, "curve"),) if scaled else ()
    return (
        (
            *(*scaled, curve, *unscaled),
            constant("threshold", 20.0),
            OnnxNode("Greater", (value, "threshold"), {}, "large"),
            OnnxNode("Where", ("large", "x", "curve")),
        ),
    )


def _group_norm(layer: Layer, x: Shape) -> tuple[Spelling, ...]:
    """The operator of ONNX, which always has a scale and a bias."""
    assert isinstance(layer, GroupNorm)
    attributes: dict[str, int | float] = {"num_groups": layer.num_groups, "epsilon": float(layer.eps)}
    if layer.affine:
        return ((OnnxNode("GroupNormalization", ("x", "weight", "bias"), attributes),),)
    unit = constant("ones", (1.0,) * x[0]), constant("zeros", (0.0,) * x[0])
    return ((*unit, OnnxNode("GroupNormalization", ("x", "ones", "zeros"), attributes)),)


def _response(layer: Layer, x: Shape) -> tuple[Spelling, ...]:
    """As torch does it: the channels become an axis of their own, padded, and averaged over."""
    assert isinstance(layer, LocalResponseNorm)
    before, after = layer.size // 2, (layer.size - 1) // 2
    channels, height, width = x
    spread = (
        OnnxNode("Mul", ("x", "x"), {}, "squares"),
        constant("columns_shape", (-1, 1, channels, height, width)),
        OnnxNode("Reshape", ("squares", "columns_shape"), {}, "columns"),
        constant("pads", (0, 0, before, 0, 0, 0, 0, after, 0, 0)),
        OnnxNode("Pad", ("columns", "pads"), {}, "padded"),
        OnnxNode("AveragePool", ("padded",), {"kernel_shape": (layer.size, 1, 1)}, "neighbours"),
        constant("map_shape", (-1, *x)),
        OnnxNode("Reshape", ("neighbours", "map_shape"), {}, "means"),
    )
    weighed = (
        *(constant("alpha", float(layer.alpha)), constant("k", float(layer.k)), constant("beta", float(layer.beta))),
        OnnxNode("Mul", ("means", "alpha"), {}, "weighed"),
        OnnxNode("Add", ("weighed", "k"), {}, "summed"),
        OnnxNode("Pow", ("summed", "beta"), {}, "divisor"),
        OnnxNode("Div", ("x", "divisor")),
    )
    return ((*spread, *weighed),)


def _pixel_shuffle(layer: Layer, x: Shape) -> tuple[Spelling, ...]:
    """The block's rows and columns as axes of their own, moved beside those of the map."""
    assert isinstance(layer, PixelShuffle)
    factor, (channels, height, width) = layer.upscale_factor, x
    blocks = channels // factor**2
    return (
        (
            constant("split_shape", (-1, blocks, factor, factor, height, width)),
            OnnxNode("Reshape", ("x", "split_shape"), {}, "split"),
            OnnxNode("Transpose", ("split",), {"perm": (0, 1, 4, 2, 5, 3)}, "moved"),
            constant("map_shape", (-1, blocks, height * factor, width * factor)),
            OnnxNode("Reshape", ("moved", "map_shape")),
        ),
    )


_SPELLINGS: Final[dict[type[Layer], Callable[[Layer, Shape], tuple[Spelling, ...]]]] = {
    GELU: _gelu,
    Hardswish: _hardswish,
    Softplus: _softplus,
    GroupNorm: _group_norm,
    LocalResponseNorm: _response,
    PixelShuffle: _pixel_shuffle,
}
