"""`preprocess` for one image, with numpy and Pillow alone, because a trained network is used without torch.

The same steps in torch, for batches, are `vggc.data.torch_preprocessing`; the tests compare both.
"""

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from vggc.base.errors import ProductError
from vggc.base.extras import require
from vggc.base.words import compact
from vggc.data.images.decoding import Pixels
from vggc.layers.option_types import pair

if TYPE_CHECKING:
    from vggc.recipe.recipe import Preprocess

_ADVICE: Final = "; resize the image, or export the network with a `resize` in its `preprocess`"

Floats = np.ndarray[Any, np.dtype[np.float32]]
Extent = tuple[int, int]  # height and width
ExpectedExtent = tuple[int | None, int | None]  # None where any will do


def preprocessed(pixels: Pixels, steps: "Preprocess", place: str, network: str, expected: ExpectedExtent) -> Floats:
    """An image as the network's input: resized, its centre cropped, scaled to [0, 1], normalised.

    Args:
        pixels: uint8 (H, W, C).
        steps: the steps, with as many values in `mean` and `std` as there are channels.
        place: how an error names the image.
        network: how an error names the network.
        expected: height and width that the steps must lead to; None where any will do.

    Returns:
        float32 (C, H, W).

    Raises:
        ProductError: the image has a size from which the steps do not lead there.
    """
    x = pixels.astype(np.float32)
    if steps.resize is not None:
        x = _resized(x, pair(steps.resize))
    if steps.crop is not None:
        x = _cropped(x, pair(steps.crop), place, network)
    check_size(x, place, network, expected)
    x /= np.float32(255)
    if steps.mean is not None:
        x -= np.array(steps.mean, np.float32)
    if steps.std is not None:
        x /= np.array(steps.std, np.float32)
    return np.ascontiguousarray(x.transpose(2, 0, 1))


def _resized(x: Floats, size: Extent) -> Floats:
    """(H, W, C) -> (*size, C): bilinear with antialiasing and half-pixel centres, not rounded."""
    images = require("PIL.Image", extra=None, by="resizing images")
    channels = [
        np.asarray(images.fromarray(x[..., channel]).resize((size[1], size[0]), images.Resampling.BILINEAR))
        for channel in range(x.shape[2])
    ]
    return np.stack(channels, axis=-1)


def _cropped(x: Floats, size: Extent, place: str, network: str) -> Floats:
    """(H, W, C) -> (*size, C); where the centre cannot be exact, it is half a pixel nearer to the top and left."""
    if x.shape[0] < size[0] or x.shape[1] < size[1]:
        check_size(x, place, network, size)
    top, left = (x.shape[0] - size[0]) // 2, (x.shape[1] - size[1]) // 2
    return x[top : top + size[0], left : left + size[1]]


def check_size(
    image: "np.ndarray[Any, Any]", place: str, network: str, expected: tuple[int | None, int | None]
) -> None:
    """Compare an image (H, W, C) with a height and a width; None where any will do.

    Raises:
        ProductError: it has another size.
    """
    height, width = (actual if side is None else side for actual, side in zip(image.shape[:2], expected, strict=True))
    if image.shape[:2] != (height, width):
        raise ProductError(size_mismatch(place, (image.shape[0], image.shape[1]), network, (height, width)) + _ADVICE)


def size_mismatch(place: str, size: Extent, network: str, expected: Extent) -> str:
    """What is wrong with the size of an image; the caller adds what to do."""
    return f"{place} is {compact(size)} (height x width), and {network} needs {compact(expected)}"
