"""Image files -> pixels, by Pillow: uint8 (H, W, C), grey with one channel or RGB with three.

Nothing is converted that would lose or invent something. A palette becomes RGB and a bitmap grey; an image with an EXIF
orientation is turned upright; of an animation the first frame is taken. An alpha channel that is opaque everywhere is
dropped. Transparent pixels, more than 8 bits a channel, and other colour spaces are errors.
"""

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from vggc.base.errors import ProductError, could_not_read
from vggc.base.extras import require
from vggc.base.words import plural

if TYPE_CHECKING:
    from PIL.Image import Image

Pixels = np.ndarray[Any, np.dtype[np.uint8]]

SUFFIXES: Final = frozenset(
    (".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp")
)
_COLOURS: Final = {1: "grey", 3: "RGB"}
_ORIENTATION: Final = 0x0112
_SWAPPED: Final = range(5, 9)  # orientations that swap height and width


def read_pixels(file: Path | bytes, place: str) -> Pixels:
    """Decode an image.

    Args:
        file: a path, or the bytes of a file.
        place: how an error names it.

    Raises:
        ProductError: it is unreadable or damaged, or would have to be converted.
    """
    with _opened(file, place) as image:
        _check_depth(image, place)
        _exif_transpose(image)
        pixels = np.array(_grey_or_rgb(image, place))
    return pixels if pixels.ndim == 3 else pixels[..., np.newaxis]


def read_size(file: Path | bytes, place: str) -> tuple[int, int]:
    """Height and width of an image, upright, from its header.

    Raises:
        ProductError: it is unreadable or not an image.
    """
    with _opened(file, place) as image:
        width, height = image.size
        turned = "exif" in image.info and image.getexif().get(_ORIENTATION) in _SWAPPED
    return (width, height) if turned else (height, width)


@contextmanager
def _opened(file: Path | bytes, place: str) -> "Iterator[Image]":
    """An open image; what Pillow raises for broken files becomes one kind of error."""
    pillow = require("PIL.Image", extra=None, by="reading images")
    try:
        with pillow.open(BytesIO(file) if isinstance(file, bytes) else file) as image:
            yield image
    except FileNotFoundError:
        raise ProductError(f"there is no image {place}") from None
    except pillow.UnidentifiedImageError:
        raise ProductError(f"{place} is not an image") from None
    except pillow.DecompressionBombError as error:
        raise ProductError(f"{place} is too large: {error}") from error
    except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ProductError(f"{place} cannot be read: {reason.lower()}") from error


def _check_depth(image: "Image", place: str) -> None:
    """Refuse more than 8 bits a channel; of colours Pillow would silently keep the upper 8."""
    if image.mode[:1] in ("I", "F") or any(";16" in str(tile) for tile in getattr(image, "tile", ())):
        raise ProductError(f"{place} has more than 8 bits a channel; convert it to 8 bits")


def _exif_transpose(image: "Image") -> None:
    from PIL import ImageOps

    ImageOps.exif_transpose(image, in_place=True)


def _grey_or_rgb(image: "Image", place: str) -> "Image":
    """The image in mode L or RGB."""
    if image.mode.endswith(("A", "a")) or "transparency" in image.info:
        image = _opaque(image, place)
    if image.mode in ("1", "P"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    if image.mode not in ("L", "RGB"):
        raise ProductError(f"{place} is {image.mode}; convert it to RGB or grey")
    return image


def _opaque(image: "Image", place: str) -> "Image":
    """The image without its alpha channel; raises ProductError if that is not opaque everywhere."""
    grey = image.mode in ("1", "L", "LA", "La")
    image = image.convert("LA" if grey else "RGBA")
    if image.getchannel("A").getextrema() != (255, 255):
        raise ProductError(f"{place} has transparent pixels; put it on a background first")
    return image.convert("L" if grey else "RGB")


def colours(channels: int) -> str:
    """A number of channels, in words: `grey (1 channel)`."""
    count = plural(channels, "channel")
    return f"{_COLOURS[channels]} ({count})" if channels in _COLOURS else f"of {count}"


def image_files(folder: Path) -> list[Path]:
    """The files in a folder and below it that are images by their suffix, in the order of their names.

    Hidden files and folders are left out. Links are followed, but not into a folder that they are in.

    Raises:
        ProductError: a folder cannot be read.
    """
    return list(_files(folder, frozenset()))


def _files(folder: Path, above: frozenset[str]) -> Iterator[Path]:
    above |= {os.path.realpath(folder)}
    for entry in entries(folder):
        if not entry.is_dir():
            if entry.suffix.lower() in SUFFIXES:
                yield entry
        elif os.path.realpath(entry) not in above:
            yield from _files(entry, above)


def entries(folder: Path) -> list[Path]:
    """The entries of a folder that are not hidden, sorted by name.

    Raises:
        ProductError: it cannot be read.
    """
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise could_not_read(folder, error) from error
