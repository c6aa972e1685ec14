"""The checks with which kinds refuse an input or a module of torch."""

from vggc.layers.answers import Shape, ShapeError, UnsupportedModuleError
from vggc.layers.extent import Axis
from vggc.layers.layer import Layer


def require(condition: bool, why: str) -> None:
    """Check an option of a torch module.

    Raises:
        UnsupportedModuleError: the condition does not hold.
    """
    if not condition:
        raise UnsupportedModuleError(why)


def image(x: Shape, kind: str, recovered: Shape | None = None) -> tuple[int, int, int]:
    """`x` as (C, H, W).

    Raises:
        ShapeError: E201, `x` is a vector.
    """
    if len(x) != 3:
        raise ShapeError(
            "E201",
            f"{kind} works on an image (C, H, W), and its input is a vector of {x[0]}",
            recovered=recovered or x,
            help="move it before the flatten",
        )
    return x[0], x[1], x[2]


def written(kind: str, option: str, wrote: int | None, actual: int, derivation: str, recovered: Shape) -> None:
    """Check a size that the author need not have written.

    Raises:
        ShapeError: E202, the input has another size.
    """
    if wrote is not None and wrote != actual:
        claim = f"{kind}: you wrote {option} {wrote}"
        raise ShapeError(
            "E202",
            f"{claim}; {derivation}",
            option=option,
            recovered=recovered,
            help=f"remove {option}: it is inferred",
            claim=claim,
        )


def slide(layer: Layer, x: Shape, channels: int, axes: tuple[Axis, Axis]) -> Shape:
    """The output (channels, H', W') of a layer whose windows move over the image `x`.

    Raises:
        ShapeError: E203, the window does not fit the map.
    """
    _, height, width = x
    if height < axes[0].minimum or width < axes[1].minimum:
        raise ShapeError("E203", f"{layer.kind}: {layer.misfit(x)}", spatial=True)
    return channels, axes[0].map(height), axes[1].map(width)


def by_size(size: tuple[int, int], what: str, padding: tuple[int, int, int, int] | None = None) -> str:
    """A window in words: `a 2x2 window`, `a 7x7 kernel, padded by 1`."""
    text = f"a {size[0]}x{size[1]} {what}"
    if padding and any(padding):
        top, bottom, left, right = padding
        same = top == bottom == left == right
        text += f" with padding {top}" if same else f" with padding {top}, {bottom}, {left}, {right}"
    return text
