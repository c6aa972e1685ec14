"""A source of labelled images, and one split of it."""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

import torch

from vggc.data.images.decoding import Pixels

__all__ = ["ArrayImages", "Images", "Pixels", "Source", "Split", "Subset"]

Split = Literal["train", "test"]


class Images(ABC):
    """The images of a split: how many, their labels, and the pixels of each on demand.

    `labels` is int64 (N,).
    """

    labels: torch.Tensor

    def __len__(self) -> int:
        return len(self.labels)

    @abstractmethod
    def pixels(self, index: int) -> Pixels:
        """One image, decoded: uint8 (H, W, C).

        Raises:
            ProductError: it cannot be decoded, or has another number of channels than the source.
        """

    @abstractmethod
    def size(self, index: int) -> tuple[int, int]:
        """Height and width of one image, without decoding more than its header.

        Raises:
            ProductError: it is no image.
        """

    @abstractmethod
    def place(self, index: int) -> str:
        """Where an image comes from, in the words of an error: a path, or a file and the row in it."""


class Source(ABC):
    """Labelled images in one format.

    `words` is what the user wrote, `classes` holds the names in the order of the labels, `channels` is 1 for grey and
    3 for RGB. `notes` are sentences that belong into the output of a run, such as which images were held out as the
    test split where the source has none.
    """

    prefix: ClassVar[str]

    words: str
    classes: tuple[str, ...]
    channels: int
    notes: tuple[str, ...] = ()

    @abstractmethod
    def __init__(self, words: str, path: str) -> None:
        """Read what is cheap: headers, labels and class names.

        Args:
            words: as the user wrote them, for errors.
            path: what stands behind the colon.

        Raises:
            ProductError: there is nothing of the kind at the path.
        """

    @abstractmethod
    def images(self, split: Split) -> Images:
        """The images of a split.

        Raises:
            ProductError: they cannot be read.
        """


class ArrayImages(Images):
    """Images of one size that are in memory already: uint8 (N, H, W, C)."""

    def __init__(self, pixels: Pixels, labels: torch.Tensor, file: str) -> None:
        self.labels = labels
        self._pixels = pixels
        self._file = file

    def pixels(self, index: int) -> Pixels:
        image: Pixels = self._pixels[index]
        return image

    def size(self, index: int) -> tuple[int, int]:
        return self._pixels.shape[1], self._pixels.shape[2]

    def place(self, index: int) -> str:
        return f"image {index} of {self._file}"


class Subset(Images):
    """Some images of others."""

    def __init__(self, images: Images, indices: torch.Tensor) -> None:
        self.labels = images.labels[indices]
        self._images = images
        self._indices = indices.tolist()

    def pixels(self, index: int) -> Pixels:
        return self._images.pixels(self._indices[index])

    def size(self, index: int) -> tuple[int, int]:
        return self._images.size(self._indices[index])

    def place(self, index: int) -> str:
        return self._images.place(self._indices[index])
