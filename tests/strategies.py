"""Random layers of every kind, inputs for them, and stacks of them.

The fields of a layer come from their annotations, as its schema does. Written by hand is only what no annotation says:
how options depend on one another, and which inputs suit.
"""

from collections.abc import Callable, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from hypothesis import assume
from hypothesis import strategies as st

from vggc.base.records import Limits
from vggc.layers import KINDS
from vggc.layers.answers import Shape, ShapeError
from vggc.layers.conv import Conv2d
from vggc.layers.layer import Layer
from vggc.layers.option_types import pair

Fields = dict[str, Any]

SPREAD: Final = 5  # an integer field takes its minimum and at most so much more
NUMBERS: Final = (-2.5, -0.3, 0, 0.0, 0.01, 0.1, 0.75, 1, 1.0, 3)
POSITIVE: Final = (1e-5, 0.001, 0.1, 0.5, 1, 1.0, 2.5)


# --- fields ------------------------------------------------------------------------------------------------------


def values(annotation: Any, limits: Limits | None = None) -> st.SearchStrategy[Any]:
    """Small legal values of a field's type."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return values(arguments[0], next((each for each in arguments[1:] if isinstance(each, Limits)), limits))
    if origin in (Union, UnionType):
        return st.one_of([values(each) for each in arguments])
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is tuple:
        return st.tuples(*map(values, arguments))
    if annotation is float:
        return st.sampled_from(_numbers(limits or Limits()))
    if annotation is int:
        least = (limits or Limits()).minimum or 0
        return st.integers(least, least + SPREAD)
    return {bool: st.booleans(), NoneType: st.none()}[annotation]


def _numbers(limits: Limits) -> list[float]:
    if limits.exclusive_minimum is not None:
        return list(POSITIVE)
    low = -10 if limits.minimum is None else limits.minimum
    high = 10 if limits.maximum is None else limits.maximum
    return [each for each in NUMBERS if low <= each <= high]


def loose_fields(cls: type[Layer]) -> st.SearchStrategy[Fields]:
    """Each field for itself, so that some contradict one another."""
    return st.fixed_dictionaries({name: values(cls.annotation(name)) for name in cls.field_names()})


# --- layers ------------------------------------------------------------------------------------------------------


def loose_layers(cls: type[Layer]) -> st.SearchStrategy[Layer]:
    """Layers whose options may contradict one another."""
    return loose_fields(cls).map(lambda chosen: cls(**chosen))


def layers(cls: type[Layer]) -> st.SearchStrategy[Layer]:
    """Layers whose options agree."""
    return _agreeing(cls)


@st.composite
def _agreeing(draw: st.DrawFn, cls: type[Layer]) -> Layer:
    chosen = draw(loose_fields(cls))
    if cls.kind in AGREEMENTS:
        chosen |= AGREEMENTS[cls.kind](draw, chosen)
    layer = cls(**chosen)
    assert layer.conflict() is None, layer
    return layer


def _convolution(draw: st.DrawFn, chosen: Fields) -> Fields:
    """The groups divide the channels, and `same` has stride 1."""
    groups = chosen["groups"]
    agreed = {"out_channels": groups * chosen["out_channels"]}
    if chosen["in_channels"] is not None:
        agreed["in_channels"] = groups * chosen["in_channels"]
    if chosen["padding"] == "same":
        agreed["stride"] = draw(st.sampled_from([1, (1, 1)]))
    return agreed


def _pool(draw: st.DrawFn, chosen: Fields) -> Fields:
    """The padding is at most half the window."""
    most = [size // 2 for size in pair(chosen["kernel_size"])]
    both = st.tuples(st.integers(0, most[0]), st.integers(0, most[1]))
    return {"padding": draw(st.integers(0, min(most)) | both)}


def _enlargement(draw: st.DrawFn, chosen: Fields) -> Fields:
    """The pixels of mode nearest have no corners to align."""
    return {"align_corners": draw(st.booleans()) and chosen["mode"] != "nearest"}


def _response(draw: st.DrawFn, chosen: Fields) -> Fields:
    """What is raised to a power stays well above zero; any other is undefined in torch as well."""
    alphas = [alpha for alpha in (-0.001, 0, 1e-4, 0.5, 1) if alpha >= 0 or chosen["size"] > 1]
    return {"k": draw(st.sampled_from([0.5, 1, 2.0])), "alpha": draw(st.sampled_from(alphas))}


def _transposed(draw: st.DrawFn, chosen: Fields) -> Fields:
    """The groups divide the channels, and what is added is less than the stride or the dilation."""
    groups = chosen["groups"]
    agreed = {"out_channels": groups * chosen["out_channels"]}
    if chosen["in_channels"] is not None:
        agreed["in_channels"] = groups * chosen["in_channels"]
    most = [max(both) - 1 for both in zip(pair(chosen["stride"]), pair(chosen["dilation"]), strict=True)]
    both = st.tuples(st.integers(0, most[0]), st.integers(0, most[1]))
    return agreed | {"output_padding": draw(st.integers(0, min(most)) | both)}


AGREEMENTS: Final[Mapping[str, Callable[[st.DrawFn, Fields], Fields]]] = {
    "conv2d": _convolution,
    "conv_transpose2d": _transposed,
    "max_pool2d": _pool,
    "avg_pool2d": _pool,
    "upsample": _enlargement,
    "local_response_norm": _response,
}


# --- inputs ------------------------------------------------------------------------------------------------------


def vectors() -> st.SearchStrategy[Shape]:
    """(F,)."""
    return st.tuples(st.integers(1, 12))


def images() -> st.SearchStrategy[Shape]:
    """(C, H, W)."""
    return st.tuples(st.integers(1, 12), st.integers(1, 12), st.integers(1, 12))


def inputs() -> st.SearchStrategy[Shape]:
    """Any input, whether a layer can take it or not."""
    return images() | vectors()


@st.composite
def fitting(draw: st.DrawFn, layer: Layer) -> Shape:
    """An input that the layer takes."""
    channels = _written(layer) or channel_unit(layer) * draw(st.integers(1, max(1, 6 // channel_unit(layer))))
    least = [axis.minimum for axis in layer.axes() or ()] or [1, 1]
    image = (channels, *(extent + draw(st.just(0) | st.integers(1, 8)) for extent in least))
    candidates = [x for x in (image, (channels,)) if refusal(layer, x) is None]
    assume(candidates)
    return draw(st.sampled_from(candidates))


def fitted(cls: type[Layer]) -> st.SearchStrategy[tuple[Layer, Shape]]:
    """A layer and an input that it takes."""
    return layers(cls).flatmap(lambda layer: st.tuples(st.just(layer), fitting(layer)))


@st.composite
def nearly_fitting(draw: st.DrawFn, layer: Layer) -> Shape:
    """An input that the layer takes, but for one more or less of something."""
    x = list(draw(fitting(layer)))
    axis = draw(st.integers(0, len(x) - 1))
    x[axis] = max(1, x[axis] + draw(st.sampled_from([-1, 1])))
    return tuple(x)


def channel_unit(layer: Layer) -> int:
    """What the channels of the input must be a multiple of."""
    groups: int = getattr(layer, "groups", getattr(layer, "num_groups", 1))
    block: int = getattr(layer, "upscale_factor", 1) ** 2
    return groups * block


def _written(layer: Layer) -> int | None:
    """The channels or features that the layer insists on."""
    sizes = (getattr(layer, name, None) for name in ("in_channels", "in_features", "num_parameters"))
    return next((size for size in sizes if size not in (None, 1)), None)


def refusal(layer: Layer, x: Shape) -> ShapeError | None:
    """Why the layer does not take an input of shape `x`; None where it does."""
    try:
        layer.shape(x)
    except ShapeError as error:
        return error
    return None


# --- stacks ------------------------------------------------------------------------------------------------------

CHANNELS: Final = 4  # of the input of every stack, and of all its maps
SPATIAL: Final = (
    *("conv2d", "conv_transpose2d", "max_pool2d", "avg_pool2d", "upsample", "pixel_shuffle"),
    *("zero_pad2d", "reflection_pad2d", "replication_pad2d"),
)
ADAPTIVE: Final = ("adaptive_avg_pool2d", "adaptive_max_pool2d", "global_avg_pool2d", "global_max_pool2d")


def stacks(kinds: tuple[str, ...], most: int = 6) -> st.SearchStrategy[list[Layer]]:
    """Layers on top of one another that change height and width."""
    return st.lists(st.sampled_from(kinds).flatmap(_chunk), min_size=1, max_size=most).map(
        lambda chunks: [layer for chunk in chunks for layer in chunk]
    )


def _chunk(kind: str) -> st.SearchStrategy[list[Layer]]:
    """One layer, or a pair of them, from CHANNELS to CHANNELS."""
    if kind == "pixel_shuffle":
        return st.just([KINDS[kind](upscale_factor=2), Conv2d(out_channels=CHANNELS, kernel_size=1)])
    if kind in ("conv2d", "conv_transpose2d"):
        return layers(KINDS[kind]).map(lambda layer: [changed(layer, **ALL_CHANNELS)])
    return layers(KINDS[kind]).map(lambda layer: [layer])


ALL_CHANNELS: Final = {"out_channels": CHANNELS, "groups": 1, "in_channels": None}


def changed(layer: Layer, **fields: object) -> Layer:
    """The layer with other values in some fields."""
    return type(layer)(**{**vars(layer), **fields})


def written(layer: Layer) -> object:
    """The layer as an item of a spec."""
    return {layer.kind: layer.changed()} if layer.changed() else layer.kind
