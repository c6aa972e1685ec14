"""`vggc stats`: how many images there are, of what sizes and classes, and mean and standard deviation per channel."""

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from math import sqrt
from typing import Any, Final

import numpy as np
import torch

from vggc.data import parallel
from vggc.data.base import Images, Source, Split
from vggc.data.fitting import check_channels
from vggc.data.preparation import Preparation, prepare
from vggc.ir import Network
from vggc.progress import Progress, silent


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
        ProductError: an image cannot be decoded, or does not fit the network.
    """
    if network is not None:
        check_channels(network, source)
    images = source.images(split)
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


MAX_LINES: Final = 20  # of classes and of sizes


def report(source: Source, split: Split, network: Network | None, found: Statistics) -> str:
    """What was measured, in lines, and what to paste into a spec."""
    where = "" if network is None else f", resized and cropped for {network.name}"
    lines = [f"{source.words}: {found.images:,} images in the split {split}{where}", *source.notes]
    lines += ["", *_sizes(found.sizes), "", *_per_class(source.classes, found.per_class), ""]
    names = _CHANNELS.get(source.channels, tuple(map(str, range(source.channels))))
    lines.append(f"{'channel':7}  {'mean':>6}  {'std':>6}")
    lines += [
        f"{name:7}  {mean:6.4f}  {std:6.4f}"
        for name, mean, std in zip(names, found.sums.mean, found.sums.std, strict=True)
    ]
    return "\n".join([*lines, "", *_to_paste(network, found.sums)])


_CHANNELS: Final = {1: ("grey",), 3: ("red", "green", "blue")}


def _sizes(sizes: Counter[tuple[int, int]]) -> list[str]:
    """The sizes, the most frequent first."""
    lines = [f"{height}x{width} (height x width): {count:,}" for (height, width), count in sizes.most_common(MAX_LINES)]
    return lines if len(sizes) <= MAX_LINES else [*lines, f"and {len(sizes) - MAX_LINES:,} sizes more"]


def _per_class(names: tuple[str, ...], counts: tuple[int, ...]) -> list[str]:
    """The images of each class; of many classes, those with the fewest and the most."""
    if len(names) > MAX_LINES:
        least, most = (chosen(range(len(names)), key=counts.__getitem__) for chosen in (min, max))
        return [f"{len(names):,} classes, from {counts[least]:,} ({names[least]}) to {counts[most]:,} ({names[most]})"]
    width = max(map(len, names))
    return [f"{name:{width}}  {count:,}" for name, count in zip(names, counts, strict=True)]


def _to_paste(network: Network | None, sums: Sums) -> list[str]:
    mean, std = ([float(f"{value:.4f}") for value in values] for values in (sums.mean, sums.std))
    if not all(std):
        return ["a channel is the same in all pixels: there is no standard deviation to divide by"]
    steps = {} if network is None or network.spec.preprocess is None else network.spec.preprocess.changed()
    kept = "".join(
        f"{key}: {list(steps[key]) if isinstance(steps[key], tuple) else steps[key]}, "
        for key in ("resize", "crop")
        if key in steps
    )
    values = (", ".join(f"{value:.4f}" for value in each) for each in (mean, std))
    return ["preprocess: {{{}mean: [{}], std: [{}]}}".format(kept, *values)]
