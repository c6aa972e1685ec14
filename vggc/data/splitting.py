"""Images held out of a training set: stratified by class, and the same on every machine."""

from typing import Final

import numpy as np
import torch

from vggc.base.errors import ProductError

TEST_SHARE: Final = 0.2  # of the images of a source that has no test split of its own
TEST_SEED: Final = 0


def split_indices(labels: torch.Tensor, fraction: float, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Choose the images that are held out, at random.

    Every class gives its share, rounded so that the shares add up to `fraction` of all images (largest remainders
    first, then lower labels). The last image of a class is never held out; and one of each class that has two is, as
    long as the fraction of all images makes one for each.

    Args:
        labels: int64 (N,).
        fraction: the share that is held out, from 0 to below 1.
        seed: of the choice, which depends on nothing else but the labels and the fraction.

    Returns:
        the indices that stay and those that are held out: int64, sorted, disjoint.

    Raises:
        ProductError: the fraction would leave nothing.
    """
    if not 0 <= fraction < 1:
        raise ProductError(f"validation: {fraction} of the training images cannot be held out; write a share below 1")
    values = labels.numpy()
    held_out = np.zeros(len(values), dtype=bool)
    # The images of a class in random order: sorted by label first, by random key second.
    shuffled = np.lexsort((np.random.default_rng(seed).random(len(values)), values))
    counts = np.bincount(values)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]]) if len(counts) else counts
    for start, share in zip(starts, _shares(counts, fraction), strict=True):
        held_out[shuffled[start : start + share]] = True
    return torch.from_numpy(np.flatnonzero(~held_out)), torch.from_numpy(np.flatnonzero(held_out))


def _shares(counts: "np.ndarray[tuple[int], np.dtype[np.int64]]", fraction: float) -> list[int]:
    """How many images of each class are held out."""
    exact = counts * fraction
    shares = np.floor(exact).astype(np.int64)
    left = round(float(exact.sum())) - int(shares.sum())
    by_remainder = np.argsort(shares - exact, kind="stable")
    shares[by_remainder[: max(left, 0)]] += 1
    if fraction and exact.sum() >= np.count_nonzero(counts):
        shares = np.maximum(shares, 1)
    shares = np.minimum(shares, np.maximum(counts - 1, 0))
    return [int(share) for share in shares]
