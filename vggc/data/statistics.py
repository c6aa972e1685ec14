"""How many images there are, of what sizes and classes, and the mean and standard deviation of each channel."""

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from math import sqrt
from typing import Any

import numpy as np
import torch

from vggc.base.errors import ProductError
from vggc.base.progress import Progress, silent
from vggc.data import parallel
from vggc.data.dataset import Images, Source, Split
from vggc.data.fitting import check_channels
from vggc.data.preparation import Preparation, prepare
from vggc.ir.network import Network


@dataclass
class Sums:
    """Number, sum and sum of squares of the values of each channel, of any number of images.

    Values from 0 to 255: integers are summed as integers of any length, so nothing is lost; what resizing made of them
    in float64.
    """

    count: int = 0
    total: list[Any] = field(default_factory=list)
    squares: list[Any] = field(default_factory=list)

    def add(self, other: "Sums") -> None:
        """Take the sums of more images."""
        self.count += other.count
        self.total = [a + b for a, b in zip(self.total or [0] * len(other.total), other.total, strict=True)]
        self.squares = [a + b for a, b in zip(self.squares or [0] * len(other.squares), other.squares, strict=True)]

    @property
    def mean(self) -> tuple[float, ...]:
        """The mean of each channel, on the scale from 0 to 1."""
        return tuple(total / self.count / 255 for total in self.total)

    @property
    def std(self) -> tuple[float, ...]:
        """The standard deviation of each channel over all pixels of all images, on the same scale.

        Over the whole population: sqrt(E[x^2] - E[x]^2), with the subtraction in integers where the values are.
        """
        count = self.count
        return tuple(
            sqrt(max(count * squares - total * total, 0)) / count / 255
            for total, squares in zip(self.total, self.squares, strict=True)
        )


def sums_of(image: torch.Tensor) -> Sums:
    """The sums of an image (C, H, W), uint8 or float32."""
    channels = image.reshape(len(image), -1)
    if image.dtype == torch.uint8:
        # How often each value occurs: the sums follow in integers.
        values = np.arange(256)
        found = [np.bincount(channel, minlength=256) for channel in channels.numpy()]
        return Sums(
            channels.shape[1], [int(each @ values) for each in found], [int(each @ values**2) for each in found]
        )
    exact = channels.double()
    return Sums(channels.shape[1], exact.sum(1).tolist(), (exact * exact).sum(1).tolist())


@dataclass(frozen=True)
class Statistics:
    """What was found: the sizes (height, width) and how many images have each, the images of each class, the sums."""

    images: int
    sizes: Counter[tuple[int, int]]
    per_class: tuple[int, ...]
    sums: Sums


def measure(
    source: Source, split: Split = "train", network: Network | None = None, progress: Progress = silent
) -> Statistics:
    """Go over all images of a split once.

    Args:
        source: where they are.
        split: which of them.
        network: its resizing and centre crop come before the sums; if left out, the images are taken as they are.
        progress: told the images done.

    Raises:
        ProductError: there are no images, one cannot be decoded, or it does not fit the network.
    """
    if network is not None:
        check_channels(network, source)
    images = source.images(split)
    if not len(images):
        raise ProductError(f"{source.words} has no images in the split {split}")
    every = torch.arange(len(images))
    steps = None if network is None else prepare(network, images, every, progress=progress)
    sizes: Counter[tuple[int, int]] = Counter()
    sums = Sums()
    for size, found in parallel.each(partial(_of_image, images, steps), every, "going over images", progress):
        sizes[size] += 1
        sums.add(found)
    per_class = torch.bincount(images.labels, minlength=len(source.classes))
    return Statistics(len(images), sizes, tuple(per_class.tolist()), sums)


def _of_image(images: Images, steps: Preparation | None, index: int) -> tuple[tuple[int, int], Sums]:
    pixels = images.pixels(index)
    size = pixels.shape[0], pixels.shape[1]
    if steps is None:
        return size, sums_of(torch.from_numpy(pixels).permute(2, 0, 1))
    stored = steps.image(pixels, images.place(index))
    return size, sums_of(steps.batch(stored[None])[0])
