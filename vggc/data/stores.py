"""Where the decoded images of a data set come from: decoded once into memory, or decoded again in every epoch."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final, Protocol

import torch

from vggc.base.progress import Progress
from vggc.data import parallel
from vggc.data.dataset import Images
from vggc.data.torch_preprocessing import PreprocessingPlan

MAX_IN_MEMORY: Final = 2 * 2**30  # bytes of decoded images


class Store(Protocol):
    """Gives decoded images, as the plan stores them."""

    def batches(self, order: Sequence[torch.Tensor]) -> Iterator[torch.Tensor]:
        """For each tensor of indices (B,), the images (B, C, H, W) on the device."""


class InMemory:
    """Images that are decoded once, on all cores, and kept on the device."""

    def __init__(self, decoded: torch.Tensor, indices: torch.Tensor, total: int) -> None:
        """Keep images.

        Args:
            decoded: (N, C, H, W), on the device.
            indices: int64 (N,), their indices among the images of the split.
            total: the number of those.
        """
        self._decoded = decoded
        self._rows = torch.full((total,), -1)
        self._rows[indices] = torch.arange(len(indices))

    def batches(self, order: Sequence[torch.Tensor]) -> Iterator[torch.Tensor]:
        for indices in order:
            yield self._decoded.index_select(0, self._rows[indices].to(self._decoded.device))


class Streaming:
    """Images that are decoded again in every epoch, by threads that run ahead of the training."""

    def __init__(self, images: Images, plan: PreprocessingPlan, device: torch.device) -> None:
        self._decode = partial(_decode, images, plan)
        self._device = device

    def batches(self, order: Sequence[torch.Tensor]) -> Iterator[torch.Tensor]:
        for decoded in parallel.map_chunks(self._decode, (indices.tolist() for indices in order)):
            yield torch.stack(decoded).to(self._device)


def decode(images: Images, indices: torch.Tensor, plan: PreprocessingPlan, progress: Progress) -> torch.Tensor:
    """Decode images: (N, C, H, W), on the CPU."""
    decoded = torch.empty((len(indices), plan.channels, *plan.stored), dtype=plan.stored_dtype)
    work = partial(_decode, images, plan)
    for row, image in enumerate(parallel.map_images(work, indices, "decoding images", progress)):
        decoded[row] = image
    return decoded


def _decode(images: Images, plan: PreprocessingPlan, index: int) -> torch.Tensor:
    return plan.image(images.pixels(index), images.place(index))
