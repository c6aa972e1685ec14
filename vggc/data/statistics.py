"""`vggc stats`: how many images there are, of what sizes and classes, and mean and standard deviation by channel."""

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from math import sqrt
from typing import Any, Final

import numpy as np
import torch

from vggc.base.errors import ProductError
from vggc.base.progress import Progress, silent
from vggc.base.words import plural
from vggc.data import parallel
from vggc.data.compatibility import check_channels
from vggc.data.dataset import Images, ImageSource, SplitName
from vggc.data.torch_preprocessing import PreprocessingPlan, plan_preprocessing
from vggc.ir.network import Network

CHANNELS: Final = {1: ("grey",), 3: ("red", "green", "blue")}
MAX_LINES: Final = 20  # of classes and of sizes


@dataclass
class ChannelSums:
    """Number, sum and sum of squares of the values of each channel, 0 to 255, of any number of images.

    Integers are summed as integers of any length, so nothing is lost; resized images in float64.
    """

    count: int = 0
    total: list[Any] = field(default_factory=list)
    squares: list[Any] = field(default_factory=list)

    @classmethod
    def of(cls, image: torch.Tensor) -> "ChannelSums":
        """The sums of an image (C, H, W), uint8 or float32."""
        channels = image.reshape(len(image), -1)
        if image.dtype == torch.uint8:
            # How often each value occurs: the sums follow in integers.
            values = np.arange(256)
            counts = [np.bincount(channel, minlength=256) for channel in channels.numpy()]
            total, squares = ([int(count @ powers) for count in counts] for powers in (values, values**2))
            return cls(channels.shape[1], total, squares)
        exact = channels.double()
        return cls(channels.shape[1], exact.sum(1).tolist(), (exact * exact).sum(1).tolist())

    def add(self, other: "ChannelSums") -> None:
        """Add the sums of more images."""
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


@dataclass(frozen=True)
class Statistics:
    """The number of images of each size (height, width) and of each class, and the sums of the values."""

    images: int
    sizes: Counter[tuple[int, int]]
    per_class: tuple[int, ...]
    sums: ChannelSums


def measure(
    source: ImageSource, split: SplitName = "train", network: Network | None = None, progress: Progress = silent
) -> Statistics:
    """Measure all images of a split.

    Args:
        source: where they are.
        split: which of them.
        network: its resizing and centre crop come before the sums; if left out, the images are taken as they are.
        progress: is told the images done.

    Raises:
        ProductError: there are no images, one cannot be decoded, or it does not fit the network.
    """
    if network is not None:
        check_channels(network, source)
    images = source.images(split)
    if not len(images):
        raise ProductError(f"{source.words} has no images in the split {split}")
    indices = torch.arange(len(images))
    plan = None if network is None else plan_preprocessing(network, images, indices, progress=progress)
    sizes: Counter[tuple[int, int]] = Counter()
    sums = ChannelSums()
    for size, of_image in parallel.map_images(partial(_of_image, images, plan), indices, "measuring images", progress):
        sizes[size] += 1
        sums.add(of_image)
    per_class = torch.bincount(images.labels, minlength=len(source.classes))
    return Statistics(len(images), sizes, tuple(per_class.tolist()), sums)


def _of_image(images: Images, plan: PreprocessingPlan | None, index: int) -> tuple[tuple[int, int], ChannelSums]:
    pixels = images.pixels(index)
    if plan is None:
        image = torch.from_numpy(pixels).permute(2, 0, 1)
    else:
        image = plan.batch(plan.image(pixels, images.place(index))[None])[0]
    return (pixels.shape[0], pixels.shape[1]), ChannelSums.of(image)


# --- the text that `vggc stats` prints ---


def report(source: ImageSource, split: SplitName, network: Network | None, statistics: Statistics) -> str:
    """The statistics in lines, and the line for a spec."""
    where = "" if network is None else f", resized and cropped for {network.name}"
    names = CHANNELS.get(source.channels, tuple(map(str, range(source.channels))))
    sums = statistics.sums
    rows = zip(names, sums.mean, sums.std, strict=True)
    return "\n".join(
        [
            f"{source.words}: {plural(statistics.images, 'image')} in the split {split}{where}",
            *source.notes,
            "",
            *_sizes(statistics.sizes),
            "",
            *_per_class(source.classes, statistics.per_class),
            "",
            f"{'channel':7}  {'mean':>6}  {'std':>6}",
            *(f"{name:7}  {mean:6.4f}  {std:6.4f}" for name, mean, std in rows),
            "",
            _for_spec(network, sums),
        ]
    )


def _sizes(sizes: Counter[tuple[int, int]]) -> list[str]:
    """The sizes, the most frequent first; of many sizes, the smallest and largest."""
    if len(sizes) > MAX_LINES:
        heights, widths = zip(*sizes, strict=True)
        ranges = f"height {min(heights)} to {max(heights)}, width {min(widths)} to {max(widths)}"
        return [f"{len(sizes):,} sizes: {ranges}"]
    return [f"{height}x{width} (height x width): {count:,}" for (height, width), count in sizes.most_common()]


def _per_class(names: tuple[str, ...], counts: tuple[int, ...]) -> list[str]:
    """The images of each class; of many classes, those with the fewest and the most."""
    if len(names) > MAX_LINES:
        least, most = (extreme(range(len(names)), key=counts.__getitem__) for extreme in (min, max))
        return [f"{len(names):,} classes, from {counts[least]:,} ({names[least]}) to {counts[most]:,} ({names[most]})"]
    width = max(map(len, names))
    return [f"{name:{width}}  {count:,}" for name, count in zip(names, counts, strict=True)]


def _for_spec(network: Network | None, sums: ChannelSums) -> str:
    """The line to paste into a spec, with the network's own resizing and cropping."""
    if not all(float(f"{std:.4f}") for std in sums.std):
        return "a channel hardly varies: there is no standard deviation to divide by"
    steps = {} if network is None or network.header.preprocess is None else network.header.preprocess.changed()
    options = [
        f"{key}: {list(steps[key]) if isinstance(steps[key], tuple) else steps[key]}"
        for key in ("resize", "crop")
        if key in steps
    ]
    options += [
        f"{key}: [{', '.join(f'{value:.4f}' for value in values)}]"
        for key, values in (("mean", sums.mean), ("std", sums.std))
    ]
    return f"preprocess: {{{', '.join(options)}}}"
