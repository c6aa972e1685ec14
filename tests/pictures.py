"""Small made-up images that the tests share."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from vggc.data.dataset import ArrayImages
from vggc.data.images.decoding import Pixels


def noise(*shape: int, seed: int = 0) -> Pixels:
    """Random uint8 values: an image (H, W, C), or several (N, H, W, C)."""
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def in_memory(pixels: Pixels, classes: int = 5) -> ArrayImages:
    """Images (N, H, W, C), labelled 0, 1, 2... round and round."""
    return ArrayImages(pixels, torch.arange(len(pixels)) % classes, "made-up images")


def picture(pixels: Pixels) -> Image.Image:
    """(H, W, C) for Pillow."""
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def encoded(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    """The bytes of an image file."""
    buffer = BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def save(path: Path, pixels: Pixels) -> Path:
    """Write an image (H, W, C) to a file, and make its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(pixels).save(path)
    return path
