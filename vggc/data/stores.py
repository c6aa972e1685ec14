"""Where the stored images of a data set are held: decoded once into memory, or decoded anew by worker processes."""

import os
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final, Protocol

import torch
from torch.utils.data import DataLoader, Dataset

from vggc.base.errors import ProductError
from vggc.base.progress import Progress
from vggc.data import parallel
from vggc.data.dataset import Images
from vggc.data.preparation import Preparation

MAX_IN_MEMORY: Final = 2 * 2**30  # bytes of stored images
_MAX_WORKERS: Final = 8


class Store(Protocol):
    """Hands out stored images."""

    def batches(self, order: Sequence[torch.Tensor]) -> Iterator[torch.Tensor]:
        """For each tensor of indices (B,), the stored images (B, C, H, W), on the device."""


class InMemory:
    """Decoded once, on all cores, and kept on the device."""

    def __init__(
        self, images: Images, indices: torch.Tensor, preparation: Preparation, device: torch.device, progress: Progress
    ) -> None:
        stored = _decoded(images, indices, preparation, progress)
        self._stored = stored.to(device)
        self._rows = torch.full((len(images),), -1)
        self._rows[indices] = torch.arange(len(indices))

    def batches(self, order: Sequence[torch.Tensor]) -> Iterator[torch.Tensor]:
        for indices in order:
            yield self._stored.index_select(0, self._rows[indices].to(self._stored.device))


def _decoded(images: Images, indices: torch.Tensor, preparation: Preparation, progress: Progress) -> torch.Tensor:
    dtype = torch.uint8 if preparation.resize_image is None else torch.float32
    stored = torch.empty((len(indices), preparation.channels, *preparation.stored), dtype=dtype)
    decoded = parallel.each(partial(_decode, images, preparation), indices, "decoding images", progress)
    for row, image in enumerate(decoded):
        stored[row] = image
    return stored


def _decode(images: Images, preparation: Preparation, index: int) -> torch.Tensor:
    return preparation.image(images.pixels(index), images.place(index))


class Streaming:
    """Decoded anew in every epoch, by worker processes that run ahead of the training."""

    def __init__(self, images: Images, preparation: Preparation, device: torch.device, workers: int) -> None:
        self._samples = _Samples(images, preparation)
        self._device = device
        self._workers = workers

    def batches(self, order: Sequence[torch.Tensor]) -> Iterator[torch.Tensor]:
        loader = DataLoader(
            self._samples,
            batch_sampler=[indices.tolist() for indices in order],
            num_workers=self._workers,
            collate_fn=_as_it_is,
            pin_memory=self._device.type == "cuda",
        )
        try:
            for stored in loader:
                if isinstance(stored, str):
                    raise ProductError(stored)
                yield stored.to(self._device, non_blocking=True)
        except RuntimeError as error:
            if not str(error).startswith("DataLoader worker"):
                raise
            reason = "a process that decodes images has ended, probably for want of memory"
            raise ProductError(f"{reason}; take fewer workers: {str(error).splitlines()[0]}") from error


class _Samples(Dataset[torch.Tensor | str]):
    """Whole batches by their indices.

    What went wrong is handed over as its message: an exception that crosses processes arrives wrapped in a traceback.
    """

    def __init__(self, images: Images, preparation: Preparation) -> None:
        self._images = images
        self._preparation = preparation

    def __len__(self) -> int:
        return len(self._images)

    def __getitems__(self, indices: list[int]) -> torch.Tensor | str:
        try:
            return torch.stack([_decode(self._images, self._preparation, index) for index in indices])
        except ProductError as error:
            return str(error)


def _as_it_is(batch: Any) -> Any:
    return batch


def default_workers() -> int:
    """One core is left to the training itself."""
    return max(1, min(_MAX_WORKERS, (os.cpu_count() or 1) - 1))
