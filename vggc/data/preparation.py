"""`preprocess` in torch: a part that is done to each image when it is decoded, and a part that is done to a batch.

The same steps in numpy, for one image, are `vggc.data.images.preprocessing`.
"""

from dataclasses import dataclass
from math import prod
from typing import Final

import torch
from torch import nn

from vggc.base.errors import ProductError
from vggc.base.progress import Progress, silent
from vggc.data.dataset import Images, Pixels
from vggc.data.images.preprocessing import Extent, unfit
from vggc.ir.network import Network
from vggc.layers.layer import pair
from vggc.recipe.recipe import Preprocess

_FLOAT_BYTES: Final = 4


@dataclass(frozen=True)
class Preparation:
    """Which steps are done when.

    Between the two parts an image is held with height and width `stored`: in uint8 as it was decoded, or in float32 (0
    to 255) once it is resized. Resizing waits for the batch where all images are of one size and would take more
    memory resized.
    """

    network: str
    channels: int
    stored: Extent
    resize_image: Extent | None
    crop_image: Extent | None
    resize_batch: Extent | None
    crop_batch: Extent | None
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None

    @property
    def image_bytes(self) -> int:
        """What a stored image takes."""
        return self.channels * prod(self.stored) * (1 if self.resize_image is None else _FLOAT_BYTES)

    @property
    def ready(self) -> Extent:
        """Height and width of a batch before it is augmented."""
        return self.crop_batch or self.resize_batch or self.stored

    def image(self, pixels: Pixels, place: str) -> torch.Tensor:
        """The first part: (C, height, width) as it is stored, of an image (H, W, C).

        Raises:
            ProductError: it has another size than the network, or all other images, and nothing makes it fit.
        """
        stored = torch.from_numpy(pixels).permute(2, 0, 1)
        if self.resize_image is not None:
            stored = resized(stored.unsqueeze(0), self.resize_image).squeeze(0)
        if self.crop_image is not None and _covers(stored, self.crop_image):
            stored = centre_cropped(stored, self.crop_image)
        if stored.shape[1:] != self.stored:
            raise too_small_or_large(place, (pixels.shape[0], pixels.shape[1]), self.network, self.stored)
        return stored

    def batch(self, stored: torch.Tensor) -> torch.Tensor:
        """The second part up to the augmentation: (B, C, H, W), in 0 to 255 still."""
        if self.resize_batch is not None:
            stored = resized(stored, self.resize_batch)
        return stored if self.crop_batch is None else centre_cropped(stored, self.crop_batch)

    def normalized(self, batch: torch.Tensor) -> torch.Tensor:
        """The last steps: float32, scaled to [0, 1], less the mean, over the standard deviation."""
        x = batch.to(torch.float32, copy=True).div_(255)
        if self.mean is not None:
            x -= x.new_tensor(self.mean).view(-1, 1, 1)
        if self.std is not None:
            x /= x.new_tensor(self.std).view(-1, 1, 1)
        return x


def prepare(
    network: Network, images: Images, indices: torch.Tensor, *, centre: bool = True, progress: Progress = silent
) -> Preparation:
    """The preparation of some images for a network.

    Args:
        network: its `preprocess` says the steps, its input the size.
        images: where the images are.
        indices: those that are meant.
        centre: whether the centre crop is done; a random crop takes its place.
        progress: told the headers read, where sizes have to be known.

    Raises:
        ProductError: an image cannot be read.
    """
    steps = network.header.preprocess or Preprocess()
    resize = pair(steps.resize) if steps.resize is not None else None
    crop = pair(steps.crop) if steps.crop is not None and centre else None
    common = None if resize is None else _common_size(images, indices, progress)
    if common == resize:
        resize = None  # it would change nothing, not even a value
    in_batch = resize is not None and common is not None and prod(common) <= _FLOAT_BYTES * prod(resize)
    if in_batch and common is not None:
        stored = common
    else:
        stored = crop or resize or _expected(network, images, indices, centre)
    return Preparation(
        network=network.name,
        channels=network.input[0],
        stored=stored,
        resize_image=None if in_batch else resize,
        crop_image=None if in_batch else crop,
        resize_batch=resize if in_batch else None,
        crop_batch=crop if in_batch else None,
        mean=steps.mean,
        std=steps.std,
    )


def _expected(network: Network, images: Images, indices: torch.Tensor, centre: bool) -> Extent:
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


def too_small_or_large(place: str, size: Extent, network: str, wanted: Extent) -> ProductError:
    """The error on an image whose size is wrong."""
    value = wanted[0] if wanted[0] == wanted[1] else f"[{wanted[0]},{wanted[1]}]"
    way_out = f"--set preprocess.resize={value}, or `preprocess: {{resize: {value}}}` in the spec"
    return ProductError(f"{unfit(place, size, network, wanted)}: {way_out}")


def _covers(image: torch.Tensor, size: Extent) -> bool:
    return image.shape[-2] >= size[0] and image.shape[-1] >= size[1]


def resized(images: torch.Tensor, size: Extent) -> torch.Tensor:
    """Bilinear with antialiasing and half-pixel centres, in float32 and not rounded: (B, C, H, W) -> (B, C, *size)."""
    floats = images.to(torch.float32)
    return nn.functional.interpolate(floats, size=size, mode="bilinear", antialias=True, align_corners=False)


def centre_cropped(images: torch.Tensor, size: Extent) -> torch.Tensor:
    """The centre of (..., H, W); where it cannot be exact, it lies half a pixel nearer to the top and left."""
    top, left = (images.shape[-2] - size[0]) // 2, (images.shape[-1] - size[1]) // 2
    return images[..., top : top + size[0], left : left + size[1]]
