"""Images that are files, or the bytes of files, until they are decoded."""

from abc import abstractmethod
from pathlib import Path

import torch

from vggc.base.errors import ProductError
from vggc.data.dataset import Images, Pixels, Split, Subset
from vggc.data.images.decoding import coloured, read_pixels, read_size
from vggc.data.splitting import TEST_SEED, TEST_SHARE, split_indices


class EncodedImages(Images):
    """Images that Pillow decodes; all of them have the channels of the source's first one."""

    def __init__(self, labels: torch.Tensor, channels: int) -> None:
        self.labels = labels
        self._channels = channels

    @abstractmethod
    def file(self, index: int) -> Path | bytes:
        """The file of an image, or what is in it."""

    def pixels(self, index: int) -> Pixels:
        pixels = read_pixels(self.file(index), self.place(index))
        if pixels.shape[2] != self._channels:
            raise ProductError(
                f"{self.place(index)} is {coloured(pixels.shape[2])}, and the first image {coloured(self._channels)}; "
                "convert the images so that all are alike"
            )
        return pixels

    def size(self, index: int) -> tuple[int, int]:
        return read_size(self.file(index), self.place(index))


def held_out(images: Images, split: Split) -> Images:
    """The half of images that come without a test split of their own: a fixed, stratified share is the test split."""
    train, test = split_indices(images.labels, TEST_SHARE, TEST_SEED)
    return Subset(images, train if split == "train" else test)


def held_out_note(words: str) -> str:
    """The sentence that says so."""
    share = f"{round(100 * TEST_SHARE)} % of each class"
    return f"{words} has no test split: {share} are held out for it, the same ones every time"
