"""Where the stored images of a data set are held: decoded once into memory, or decoded anew by worker processes."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Protocol

import torch
from torch.utils.data import DataLoader, Dataset

from vggc.data.base import Images
from vggc.data.preparation import Preparation
from vggc.errors import ProductError
from vggc.progress import Progress

MAX_IN_MEMORY: Final = 2 * 2**30  # bytes of stored images
_MAX_WORKERS: Final = 8
_CHUNK: Final = 256  # images decoded between two reports of progress


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
            yield self._stored[self._rows[indices].to(self._stored.device)]


def _decoded(images: Images, indices: torch.Tensor, preparation: Preparation, progress: Progress) -> torch.Tensor:
    dtype = torch.uint8 if preparation.resize_image is None else torch.float32
    stored = torch.empty((len(indices), preparation.channels, *preparation.stored), dtype=dtype)
    chunks = range(0, len(indices), _CHUNK)

    def decode(start: int) -> None:
        for row, index in enumerate(indices[start : start + _CHUNK].tolist(), start):
            stored[row] = preparation.image(images.pixels(index), images.place(index))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            for start, _ in zip(chunks, pool.map(decode, chunks), strict=True):
                progress("decoding images", min(start + _CHUNK, len(indices)), len(indices))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return stored


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
        for stored in loader:
            if isinstance(stored, str):
                raise ProductError(stored)
            yield stored.to(self._device, non_blocking=True)


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
            return torch.stack(
                [self._preparation.image(self._images.pixels(index), self._images.place(index)) for index in indices]
            )
        except ProductError as error:
            return str(error)


def _as_it_is(batch: Any) -> Any:
    return batch


def default_workers() -> int:
    """One core is left to the training itself."""
    return max(1, min(_MAX_WORKERS, (os.cpu_count() or 1) - 1))
