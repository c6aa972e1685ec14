"""The same done to every image of a split, on all cores: Pillow decodes without holding Python's lock."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import torch

from vggc.base.progress import Progress

_CHUNK: Final = 256  # images between two reports of progress

R = TypeVar("R")


def each(do: Callable[[int], R], indices: torch.Tensor, what: str, progress: Progress) -> Iterator[R]:
    """What `do` returns for each index, in their order; the first that fails ends it.

    Args:
        do: called with an index, on any thread.
        indices: int64 (N,).
        what: how the work is called where progress is shown.
        progress: told the images done.
    """
    chunks = [chunk.tolist() for chunk in torch.split(indices, _CHUNK)] if len(indices) else []
    pool = ThreadPoolExecutor(os.cpu_count())
    done = 0
    try:
        for found in pool.map(lambda chunk: [do(index) for index in chunk], chunks):
            progress(what, done, len(indices))
            yield from found
            done += len(found)
        progress(what, done, len(indices))
    finally:
        pool.shutdown(cancel_futures=True)
