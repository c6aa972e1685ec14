"""A source of labelled images, and one split of it."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Literal

import torch

from vggc.base.errors import ProductError
from vggc.data.images.decoding import Pixels, colours, read_pixels, read_size
from vggc.data.splitting import TEST_SEED, TEST_SHARE, split_indices

SplitName = Literal["train", "test"]


class Images(ABC):
    """The images of a split: their labels, int64 (N,), and the pixels of each on demand."""

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
            ProductError: it is not an image.
        """

    @abstractmethod
    def place(self, index: int) -> str:
        """Where an image comes from, as an error says it: a path, or a file and the row in it."""

    def check_labels(self, classes: int) -> None:
        """Check that the labels are those of so many classes; raises ProductError."""
        wrong = torch.nonzero((self.labels < 0) | (self.labels >= classes)).flatten().tolist()
        if wrong:
            label = int(self.labels[wrong[0]])
            raise ProductError(f"{self.place(wrong[0])} has the label {label}; labels are 0 to {classes - 1}")


class ImageSource(ABC):
    """Labelled images in one format.

    Attributes:
        prefix: the name of the format, which is written before the colon.
        words: what the user wrote, such as `folder:photos`.
        classes: the names of the classes in the order of the labels.
        channels: 1 for grey and 3 for RGB.
        notes: sentences for the output of a run, such as which images are the test split if the source has none.
    """

    prefix: ClassVar[str]
    classes: tuple[str, ...]
    channels: int
    notes: tuple[str, ...] = ()

    @abstractmethod
    def __init__(self, words: str, path: str) -> None:
        """Read what is cheap: headers, labels and class names.

        Args:
            words: as the user wrote them, for errors.
            path: what is written after the colon.

        Raises:
            ProductError: there are no such images at the path.
        """
        self.words = words
        self._splits: dict[SplitName, Images] = {}

    def images(self, split: SplitName) -> Images:
        """The images of a split, which are read once.

        Raises:
            ProductError: they cannot be read.
        """
        if split not in self._splits:
            self._splits[split] = self.read(split)
        return self._splits[split]

    @abstractmethod
    def read(self, split: SplitName) -> Images:
        """Read the images of a split; raises ProductError if they cannot be read."""


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


class EncodedImages(Images):
    """Images that Pillow decodes; all of them have the channels of the source's first one.

    Args:
        labels: int64 (N,).
        channels: those of the first image.
        file: the path of an image, or the bytes of its file, by the index.
        place: where it comes from, by the index.
    """

    def __init__(
        self, labels: torch.Tensor, channels: int, file: Callable[[int], Path | bytes], place: Callable[[int], str]
    ) -> None:
        self.labels = labels
        self._channels = channels
        self._file = file
        self._place = place

    def pixels(self, index: int) -> Pixels:
        pixels = read_pixels(self._file(index), self.place(index))
        if pixels.shape[2] != self._channels:
            raise ProductError(
                f"{self.place(index)} is {colours(pixels.shape[2])}, and the first image {colours(self._channels)}; "
                "convert the images so that all are alike"
            )
        return pixels

    def size(self, index: int) -> tuple[int, int]:
        return read_size(self._file(index), self.place(index))

    def place(self, index: int) -> str:
        return self._place(index)


class Subset(Images):
    """Some of other images."""

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


def held_out(images: Images, split: SplitName) -> Images:
    """A split of images that have no test split: a fixed, stratified share is the test split."""
    train, test = split_indices(images.labels, TEST_SHARE, TEST_SEED)
    return Subset(images, train if split == "train" else test)


def held_out_note(words: str) -> str:
    """The note about it."""
    share = f"{round(100 * TEST_SHARE)} % of each class"
    return f"{words} has no test split: {share} are held out for it, the same ones every time"
