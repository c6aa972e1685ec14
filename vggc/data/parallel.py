"""The same work for every image of a split, on all cores: Pillow decodes without holding Python's lock."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

import torch

from vggc.base.progress import Progress

_CHUNK: Final = 256  # images between two reports of progress
_AHEAD: Final = 2  # chunks for each core that are done before they are needed

R = TypeVar("R")


def map_chunks(work: Callable[[int], R], chunks: Iterable[Sequence[int]]) -> Iterator[list[R]]:
    """What `work` returns for the indices of each chunk, in order; the first error ends it.

    `work` is called on any thread, and only for a few chunks ahead.
    """
    cores = os.cpu_count() or 1
    pool = ThreadPoolExecutor(cores)
    results: deque[Future[list[R]]] = deque()
    try:
        for chunk in chunks:
            results.append(pool.submit(lambda indices: [work(index) for index in indices], chunk))
            if len(results) > _AHEAD * cores:
                yield results.popleft().result()
        while results:
            yield results.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def map_images(work: Callable[[int], R], indices: torch.Tensor, name: str, progress: Progress) -> Iterator[R]:
    """What `work` returns for each index, in order, as `map_chunks` has it.

    Args:
        work: called with an index, on any thread.
        indices: int64 (N,).
        name: what the work is called in the progress.
        progress: is told the images done.
    """
    chunks = [chunk.tolist() for chunk in torch.split(indices, _CHUNK)] if len(indices) else []
    done = 0
    for results in map_chunks(work, chunks):
        progress(name, done, len(indices))
        yield from results
        done += len(results)
    progress(name, done, len(indices))
