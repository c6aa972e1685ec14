"""The random changes of a recipe, for a whole batch at once.

What happens to a sample in an epoch follows from the seed, the epoch and the sample alone: each change has a stream of
random numbers of its own, with numbers for all samples of the data set.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import nn

from vggc.base.errors import ProductError
from vggc.base.records import Named
from vggc.base.words import compact
from vggc.layers.option_types import pair
from vggc.recipe.recipe import RandomCrop, RandomErasing, RandomHorizontalFlip

# Share of the image and height over width of an erased rectangle: Zhong et al., arXiv:1708.04896, and torchvision.
ERASED_AREA: Final = (0.02, 0.33)
ERASED_RATIO: Final = (0.3, 3.3)


@dataclass(frozen=True)
class Canvas:
    """A batch that is being augmented: `pixels` (B, C, H, W) in 0 to 255, and where it is erased, bool (B, 1, H, W)."""

    pixels: torch.Tensor
    erased: torch.Tensor | None = None

    def map(self, change: Callable[[torch.Tensor], torch.Tensor]) -> "Canvas":
        """Move pixels and erased places alike."""
        return Canvas(change(self.pixels), None if self.erased is None else change(self.erased))


def random_numbers(seed: int, epoch: int, stream: int, samples: int, columns: int) -> torch.Tensor:
    """Uniform numbers in [0, 1), float64 (samples, columns), a function of the arguments alone.

    `stream` separates uses: 0 is the order of the samples, n the n-th augmentation.
    """
    return torch.from_numpy(np.random.default_rng((seed, epoch, stream)).random((samples, columns)))


def _integers(u: torch.Tensor, largest: torch.Tensor | int) -> torch.Tensor:
    """Whole numbers from 0 to `largest`, each as likely, from uniform numbers."""
    return (u * (largest + 1)).floor().long()


def random_crop(crop: RandomCrop, canvas: Canvas, u: torch.Tensor) -> Canvas:
    """A window at a random place of each image."""
    size = pair(crop.size)
    room = [side + 2 * crop.padding - cropped for side, cropped in zip(canvas.pixels.shape[2:], size, strict=True)]
    top, left = (_integers(u[:, axis], room[axis]).to(canvas.pixels.device) for axis in (0, 1))
    return canvas.map(lambda images: _windows(nn.functional.pad(images, (crop.padding,) * 4), top, left, size))


def _windows(images: torch.Tensor, top: torch.Tensor, left: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """The window of each image (B, C, H, W) that begins at its row `top` and column `left`, (B,): (B, C, *size).

    In a view every element begins a window, and one for each image is selected: one copy, without a loop in Python.
    """
    images = images.contiguous()
    samples, channels, height, width = images.shape
    extent = (channels - 1) * height * width + (size[0] - 1) * width + size[1]
    windows = images.as_strided(
        (images.numel() - extent + 1, channels, *size), (1, height * width, width, 1), images.storage_offset()
    )
    sample = torch.arange(samples, device=images.device)
    return windows.index_select(0, (sample * channels * height + top) * width + left)


def random_horizontal_flip(flip: RandomHorizontalFlip, canvas: Canvas, u: torch.Tensor) -> Canvas:
    """Some images mirrored."""
    flipped = (u[:, 0] < flip.p).to(canvas.pixels.device)
    chosen = torch.arange(len(flipped), device=flipped.device) + len(flipped) * flipped
    return canvas.map(lambda images: torch.cat([images, images.flip(-1)]).index_select(0, chosen))


def random_erasing(erasing: RandomErasing, canvas: Canvas, u: torch.Tensor) -> Canvas:
    """A rectangle of some images marked as erased.

    Its area is uniform, the logarithm of its ratio is uniform among the ratios with which it fits into the image; where
    none does, it takes the whole height or width.
    """
    extent = canvas.pixels.shape[2:]
    area = (ERASED_AREA[0] + u[:, 1] * (ERASED_AREA[1] - ERASED_AREA[0])) * extent[0] * extent[1]
    fitting = area / extent[1] ** 2, extent[0] ** 2 / area
    least, most = (torch.full_like(area, bound).clamp(*fitting).log() for bound in ERASED_RATIO)
    ratio = (least + u[:, 2] * (most - least)).exp()
    erased = (u[:, 0] < erasing.p).view(-1, 1, 1, 1)
    for axis, side in enumerate(((area * ratio).sqrt(), (area / ratio).sqrt())):
        length = side.round().long().clamp(1, extent[axis])
        start = _integers(u[:, 3 + axis], extent[axis] - length)
        place = torch.arange(extent[axis])
        inside = (place >= start[:, None]) & (place < (start + length)[:, None])
        erased = erased & inside[:, None].unsqueeze(3 - axis)
    erased = erased.to(canvas.pixels.device)
    return Canvas(canvas.pixels, erased if canvas.erased is None else canvas.erased | erased)


# How many random numbers a change needs for each sample, and the change.
_CHANGES: Final[Mapping[type[Named], tuple[int, Callable[[Any, Canvas, torch.Tensor], Canvas]]]] = {
    RandomCrop: (2, random_crop),
    RandomHorizontalFlip: (1, random_horizontal_flip),
    RandomErasing: (5, random_erasing),
}


class Augmentation:
    """The changes of a recipe in their order, under a seed, for a data set of so many samples."""

    def __init__(self, changes: tuple[Named, ...], seed: int, samples: int) -> None:
        self._changes = changes
        self._seed = seed
        self._samples = samples
        self._numbers: list[torch.Tensor] = []

    def set_epoch(self, epoch: int) -> None:
        """Generate the random numbers of an epoch, for all samples."""
        self._numbers = [
            random_numbers(self._seed, epoch, stream, self._samples, _CHANGES[type(change)][0])
            for stream, change in enumerate(self._changes, start=1)
        ]

    def __call__(self, pixels: torch.Tensor, indices: torch.Tensor) -> Canvas:
        """Change a batch (B, C, H, W) of the samples with these indices (B,), which are on the CPU."""
        canvas = Canvas(pixels)
        for change, numbers in zip(self._changes, self._numbers, strict=True):
            canvas = _CHANGES[type(change)][1](change, canvas, numbers[indices])
        return canvas


def has_random_crop(changes: tuple[Named, ...]) -> bool:
    """Whether a random crop takes the place of the centre crop."""
    return any(isinstance(change, RandomCrop) for change in changes)


def check_sizes(changes: tuple[Named, ...], start: tuple[int, int], network: str, expected: tuple[int, int]) -> None:
    """Follow height and width through the changes, before the first step.

    Raises:
        ProductError: a crop is larger than the images, or the last one does not give the network's input.
    """
    size = start
    for change in changes:
        if isinstance(change, RandomCrop):
            crop = pair(change.size)
            if any(cropped > side + 2 * change.padding for cropped, side in zip(crop, size, strict=True)):
                raise ProductError(
                    f"random_crop: a crop of {compact(crop)} does not fit into images of {compact(size)} with padding "
                    f"{change.padding}; add `padding`, or `preprocess: {{resize: ...}}`"
                )
            size = crop
    if size != expected:
        option = expected[0] if expected[0] == expected[1] else list(expected)
        raise ProductError(
            f"`augment` gives images of {compact(size)}, and the input of {network} is {compact(expected)}; "
            f"write `random_crop: {option}`"
        )
