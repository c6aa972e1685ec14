"""The images of a split as batches of a network's input: shuffled, augmented and normalised on the device."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from vggc.base.errors import ProductError
from vggc.base.progress import Progress, silent
from vggc.base.records import Named
from vggc.data import augmentation
from vggc.data.augmentation import Augmentation
from vggc.data.dataset import Images
from vggc.data.stores import MAX_IN_MEMORY, InMemory, Store, Streaming, decode
from vggc.data.torch_preprocessing import plan_preprocessing
from vggc.ir.network import Network


@dataclass(frozen=True)
class BatchSettings:
    """How images become batches.

    Attributes:
        batch_size: images in a step of all processes together.
        augment: the random changes; a random crop among them takes the place of the centre crop.
        shuffle: whether the order is new in each epoch, for training. A last batch with less than two images for each
            process, which batch norm could not work with, is left out then.
        seed: of order and augmentation.
        device: where the batches are computed.
        rank: which process this is.
        world_size: how many there are; rank r takes every `world_size`-th image of each batch, from the r-th on.
            Without `shuffle`, a process that gets nothing of the last batch has one batch less.
        in_memory: whether images are decoded once and kept; if left out, whether they take 2 GiB or less.
    """

    batch_size: int
    augment: tuple[Named, ...] = ()
    shuffle: bool = False
    seed: int = 0
    device: str | torch.device = "cpu"
    rank: int = 0
    world_size: int = 1
    in_memory: bool | None = None


class Batches:
    """An iterable of (inputs float32 (B, C, H, W), labels int64 (B,), indices int64 (B,)); the indices are on the CPU.

    It can be iterated again and again; without `set_epoch` every time gives the same. What is random about a sample
    follows from the seed, the epoch and its index, whatever the batch size, device or rank.

    Args:
        images: the split.
        indices: int64 (N,), which of its images.
        network: its `preprocess` and input say what becomes of an image.
        settings: how they become batches.
        progress: is told the images decoded.

    Raises:
        ProductError: an image cannot be decoded or has no size that fits, or a batch is too small for the processes.
    """

    def __init__(
        self,
        images: Images,
        indices: torch.Tensor,
        network: Network,
        settings: BatchSettings,
        progress: Progress = silent,
    ) -> None:
        processes = settings.world_size
        if settings.batch_size < processes:
            raise ProductError(f"a batch of {settings.batch_size} cannot be shared by {processes} processes")
        if settings.shuffle and processes > 1 and len(indices) < 2 * processes:
            raise ProductError(f"{len(indices)} training images cannot be shared by {processes} processes")
        centre = not augmentation.has_random_crop(settings.augment)
        plan = plan_preprocessing(network, images, indices, centre=centre, progress=progress)
        expected = network.input[1], network.input[2]
        augmentation.check_sizes(settings.augment, plan.before_augmentation, network.name, expected)
        self._plan = plan
        self._augmentation = Augmentation(settings.augment, settings.seed, len(images))
        self._labels, self._indices = images.labels, indices
        self._settings, self._epoch = settings, 0
        self._device = torch.device(settings.device)
        self.batch_size = settings.batch_size
        fits = plan.image_bytes * len(indices) <= MAX_IN_MEMORY
        self.in_memory = fits if settings.in_memory is None else settings.in_memory
        self._store: Store = Streaming(images, plan, self._device)
        if self.in_memory:
            self._store = InMemory(decode(images, indices, plan, progress).to(self._device), indices, len(images))

    def set_epoch(self, epoch: int) -> None:
        """Set which epoch the next iteration is, counted from 0."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._shares(self._indices))

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        order = self._shares(self._shuffled() if self._settings.shuffle else self._indices)
        self._augmentation.set_epoch(self._epoch)
        for indices, stored in zip(order, self._store.batches(order), strict=True):
            canvas = self._augmentation(self._plan.batch(stored), indices)
            inputs = self._plan.normalized(canvas.pixels)
            if canvas.erased is not None:
                inputs.masked_fill_(canvas.erased, 0)
            yield inputs, self._labels[indices].to(self._device), indices

    def _shuffled(self) -> torch.Tensor:
        keys = augmentation.random_numbers(self._settings.seed, self._epoch, 0, len(self._labels), 1)[:, 0]
        return self._indices[keys[self._indices].argsort()]

    def _shares(self, indices: torch.Tensor) -> list[torch.Tensor]:
        """The share of this process in each batch."""
        rank, processes = self._settings.rank, self._settings.world_size
        batches = list(torch.split(indices, self.batch_size)) if len(indices) else []
        if self._settings.shuffle and len(batches) > 1 and len(batches[-1]) < 2 * processes:
            batches.pop()
        shares = [batch[rank::processes] for batch in batches]
        return [share for share in shares if len(share)]
