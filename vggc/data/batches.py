"""The images of a split as batches of a network's input: shuffled, augmented and normalised on the device."""

from collections.abc import Iterator

import torch

from vggc.base.errors import ProductError
from vggc.base.progress import Progress, silent
from vggc.base.records import Named
from vggc.data import augmentation
from vggc.data.augmentation import Augmentation
from vggc.data.dataset import Images
from vggc.data.preparation import prepare
from vggc.data.stores import MAX_IN_MEMORY, InMemory, Store, Streaming, default_workers
from vggc.ir.network import Network


class Batches:
    """An iterable of (inputs float32 (B, C, H, W), labels int64 (B,), indices int64 (B,)); the indices are on the CPU.

    It can be iterated again and again; without `set_epoch` every time gives the same. What is random about a sample
    follows from `seed`, the epoch and its index, whatever the batch size, device, rank or number of workers.

    Args:
        images: the split.
        indices: int64 (N,), those of its images that are meant.
        network: its `preprocess` and input say what becomes of an image.
        batch_size: images in a step of all ranks together.
        augment: the random changes; a random crop among them takes the place of the centre crop.
        shuffle: in a new order in each epoch, for training. A last batch with less than two images for each rank, which
            batch norm could not work with, is left out then.
        seed: of order and augmentation.
        device: where the batches are made.
        rank: which process this is.
        world_size: how many there are; rank r takes every `world_size`-th image of each batch, beginning with the r-th.
            Without `shuffle` a rank that nothing of the last batch falls to has one batch less.
        workers: processes that decode, where the images are streamed.
        in_memory: whether images are decoded once and held; if left out, whether they take 2 GiB or less.
        progress: told the images decoded.

    Raises:
        ProductError: an image cannot be decoded or has no size that fits, or a batch is too small for the ranks.
    """

    def __init__(
        self,
        images: Images,
        indices: torch.Tensor,
        network: Network,
        *,
        batch_size: int,
        augment: tuple[Named, ...] = (),
        shuffle: bool = False,
        seed: int = 0,
        device: str | torch.device = "cpu",
        rank: int = 0,
        world_size: int = 1,
        workers: int | None = None,
        in_memory: bool | None = None,
        progress: Progress = silent,
    ) -> None:
        if batch_size < world_size:
            raise ProductError(f"a batch of {batch_size} cannot be shared by {world_size} processes")
        if shuffle and world_size > 1 and len(indices) < 2 * world_size:
            raise ProductError(f"{len(indices)} training images cannot be shared by {world_size} processes")
        random_crop = augmentation.has_random_crop(augment)
        self._preparation = prepare(network, images, indices, centre=not random_crop, progress=progress)
        augmentation.check_sizes(augment, self._preparation.ready, network.name, (network.input[1], network.input[2]))
        self._augmentation = Augmentation(augment, seed, len(images))
        self._labels = images.labels
        self._indices = indices
        self._shuffle, self._seed, self._epoch = shuffle, seed, 0
        self._rank, self._world_size = rank, world_size
        self._device = torch.device(device)
        self.batch_size = batch_size
        size = self._preparation.image_bytes * len(indices)
        self.in_memory = size <= MAX_IN_MEMORY if in_memory is None else in_memory
        self.workers = 0 if self.in_memory else default_workers() if workers is None else workers
        self._store: Store = (
            InMemory(images, indices, self._preparation, self._device, progress)
            if self.in_memory
            else Streaming(images, self._preparation, self._device, self.workers)
        )

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch the next iteration is, counted from 0."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._shares(self._indices))

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        order = self._shares(self._shuffled() if self._shuffle else self._indices)
        self._augmentation.draw(self._epoch)
        for indices, stored in zip(order, self._store.batches(order), strict=True):
            canvas = self._augmentation(self._preparation.batch(stored), indices)
            inputs = self._preparation.normalized(canvas.pixels)
            if canvas.erased is not None:
                inputs.masked_fill_(canvas.erased, 0)
            yield inputs, self._labels[indices].to(self._device), indices

    def _shuffled(self) -> torch.Tensor:
        keys = augmentation.numbers(self._seed, self._epoch, 0, len(self._labels), 1)[:, 0]
        return self._indices[keys[self._indices].argsort()]

    def _shares(self, indices: torch.Tensor) -> list[torch.Tensor]:
        """What of each batch falls to this rank."""
        batches = list(torch.split(indices, self.batch_size)) if len(indices) else []
        if self._shuffle and len(batches) > 1 and len(batches[-1]) < 2 * self._world_size:
            batches.pop()
        shares = [batch[self._rank :: self._world_size] for batch in batches]
        return [share for share in shares if len(share)]
