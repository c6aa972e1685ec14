"""`preprocess` in torch: a part that is done for each image when it is decoded, and a part that is done for a batch.

The same steps in numpy, for one image, are `vggc.data.images.preprocessing`.
"""

from dataclasses import dataclass
from math import prod
from typing import Final

import torch
from torch import nn

from vggc.base.errors import ProductError
from vggc.base.progress import Progress, silent
from vggc.data.dataset import Images
from vggc.data.images.decoding import Pixels
from vggc.data.images.preprocessing import Extent, size_mismatch
from vggc.ir.network import Network
from vggc.layers.option_types import pair
from vggc.recipe.recipe import Preprocess

_FLOAT_BYTES: Final = 4


@dataclass(frozen=True)
class PreprocessingPlan:
    """Which steps of `preprocess` are done when.

    Between the two parts an image is stored with height and width `stored`: in uint8 as it was decoded, or in float32
    (0 to 255) once it is resized. Resizing and cropping wait for the batch (`in_batch`) if all images are of one size
    and would take more memory resized.
    """

    network: str
    channels: int
    stored: Extent
    resize: Extent | None
    crop: Extent | None
    in_batch: bool
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None

    @property
    def stored_dtype(self) -> torch.dtype:
        """The type of the values of a stored image."""
        return torch.uint8 if self.resize is None or self.in_batch else torch.float32

    @property
    def image_bytes(self) -> int:
        """The size of a stored image."""
        return self.channels * prod(self.stored) * self.stored_dtype.itemsize

    @property
    def before_augmentation(self) -> Extent:
        """Height and width of a batch before it is augmented."""
        return (self.crop or self.resize or self.stored) if self.in_batch else self.stored

    def image(self, pixels: Pixels, place: str) -> torch.Tensor:
        """The first part: the stored image (C, *stored) of an image (H, W, C).

        Raises:
            ProductError: it has another size than the network, or all other images, and no step makes it fit.
        """
        image = torch.from_numpy(pixels).permute(2, 0, 1)
        if not self.in_batch:
            image = self._resized_and_cropped(image[None])[0]
        if image.shape[1:] != self.stored:
            size, (height, width) = (pixels.shape[0], pixels.shape[1]), self.stored
            value = height if height == width else f"[{height},{width}]"
            advice = f"--set preprocess.resize={value}, or `preprocess: {{resize: {value}}}` in the spec"
            raise ProductError(f"{size_mismatch(place, size, self.network, self.stored)}: {advice}")
        return image

    def batch(self, stored: torch.Tensor) -> torch.Tensor:
        """The second part up to the augmentation: (B, C, H, W), still in 0 to 255."""
        return self._resized_and_cropped(stored) if self.in_batch else stored

    def _resized_and_cropped(self, images: torch.Tensor) -> torch.Tensor:
        if self.resize is not None:
            images = resized(images, self.resize)
        return images if self.crop is None else centre_cropped(images, self.crop)

    def normalized(self, batch: torch.Tensor) -> torch.Tensor:
        """The last steps: float32, scaled to [0, 1], minus the mean, divided by the standard deviation."""
        x = batch.to(torch.float32, copy=True).div_(255)
        if self.mean is not None:
            x -= x.new_tensor(self.mean).view(-1, 1, 1)
        if self.std is not None:
            x /= x.new_tensor(self.std).view(-1, 1, 1)
        return x


def plan_preprocessing(
    network: Network, images: Images, indices: torch.Tensor, *, centre: bool = True, progress: Progress = silent
) -> PreprocessingPlan:
    """The plan for some images and a network.

    Args:
        network: its `preprocess` has the steps, its input the size.
        images: where the images are.
        indices: which of them, int64 (N,).
        centre: whether the centre crop is done; a random crop takes its place.
        progress: is told the headers read, where sizes have to be known.

    Raises:
        ProductError: an image cannot be read.
    """
    steps = network.header.preprocess or Preprocess()
    resize = pair(steps.resize) if steps.resize is not None else None
    crop = pair(steps.crop) if steps.crop is not None and centre else None
    common = None if resize is None else _common_size(images, indices, progress)
    if common == resize:
        resize = None  # it would change nothing, not even a value
    in_batch = False
    stored = crop or resize or _expected_size(network, images, indices, centre)
    if resize is not None and common is not None and prod(common) <= _FLOAT_BYTES * prod(resize):
        in_batch, stored = True, common
    channels = network.input[0]
    return PreprocessingPlan(network.name, channels, stored, resize, crop, in_batch, steps.mean, steps.std)


def _expected_size(network: Network, images: Images, indices: torch.Tensor, centre: bool) -> Extent:
    """The size that images must have where no step changes it: the network's; before a random crop the first one's."""
    if centre or not len(indices):
        return network.input[1], network.input[2]
    return images.size(int(indices[0]))


def _common_size(images: Images, indices: torch.Tensor, progress: Progress) -> Extent | None:
    """The size that all images have, or None."""
    first = None
    for done, index in enumerate(indices.tolist()):
        size = images.size(index)
        first = first or size
        if size != first:
            return None
        if done % 1024 == 0:
            progress("reading sizes", done, len(indices))
    progress("reading sizes", len(indices), len(indices))
    return first


def resized(images: torch.Tensor, size: Extent) -> torch.Tensor:
    """Bilinear with antialiasing and half-pixel centres, in float32 and not rounded: (B, C, H, W) -> (B, C, *size)."""
    floats = images.to(torch.float32)
    return nn.functional.interpolate(floats, size=size, mode="bilinear", antialias=True, align_corners=False)


def centre_cropped(images: torch.Tensor, size: Extent) -> torch.Tensor:
    """The centre of (..., H, W); where it cannot be exact, it is half a pixel nearer to the top and left."""
    top, left = (images.shape[-2] - size[0]) // 2, (images.shape[-1] - size[1]) // 2
    return images[..., top : top + size[0], left : left + size[1]]
