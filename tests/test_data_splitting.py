"""Images held out: disjoint, complete, stratified, and a function of labels, fraction and seed alone."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedShuffleSplit

from vggc.base.errors import ProductError
from vggc.data.splitting import split_indices

labels = st.lists(st.integers(0, 6), max_size=200).map(lambda found: torch.tensor(found, dtype=torch.int64))
fractions = st.floats(0, 1, exclude_max=True)


@given(labels, fractions, st.integers(0, 2**40))
def test_what_is_promised(labels: torch.Tensor, fraction: float, seed: int) -> None:
    stays, held_out = split_indices(labels, fraction, seed)
    assert stays.dtype == held_out.dtype == torch.int64
    assert torch.equal(torch.cat([stays, held_out]).sort().values, torch.arange(len(labels)))
    assert torch.equal(stays, stays.sort().values)
    assert torch.equal(held_out, held_out.sort().values)
    counts, shares = torch.bincount(labels, minlength=7), torch.bincount(labels[held_out], minlength=7)
    for count, share in zip(counts.tolist(), shares.tolist(), strict=True):
        assert abs(share - count * fraction) < 1 + 1e-9
        assert count == 0 or share < count
    again = split_indices(labels.clone(), fraction, seed)
    assert torch.equal(again[1], held_out)


@given(st.lists(st.integers(2, 40), min_size=1, max_size=9), st.floats(0, 0.5))
def test_the_shares_add_up(counts: list[int], fraction: float) -> None:
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    held_out = split_indices(labels, fraction, 0)[1]
    exact = np.array(counts) * fraction
    without = np.count_nonzero(exact < 1) if exact.sum() >= len(counts) else 0  # one of each of them comes on top
    assert 0 <= len(held_out) - round(float(exact.sum())) <= without


@pytest.mark.parametrize(
    ("counts", "fraction", "expected"),
    [
        ([40, 40, 4], 0.1, [4, 4, 1]),
        ([40, 40, 2], 0.1, [4, 4, 1]),
        ([40, 40, 1], 0.1, [4, 4, 0]),  # it is needed for training
        ([0, 40, 2], 0.1, [0, 4, 1]),
        ([40, 40, 4], 0, [0, 0, 0]),
        ([5, 5, 5], 0.1, [1, 1, 0]),  # so small a fraction makes no three
    ],
)
def test_a_rare_class_is_held_out_too(counts: list[int], fraction: float, expected: list[int]) -> None:
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    held_out = split_indices(labels, fraction, 0)[1]
    assert torch.bincount(labels[held_out], minlength=len(counts)).tolist() == expected


def test_of_equal_remainders_lower_labels_come_first() -> None:
    labels = torch.arange(40).repeat_interleave(5)
    assert labels[split_indices(labels, 0.1, 0)[1]].tolist() == list(range(20))


def test_as_many_of_each_class_as_scikit_learn_takes() -> None:
    labels = torch.repeat_interleave(torch.arange(4), torch.tensor([100, 37, 63, 11]))
    held_out = split_indices(labels, 0.2, 3)[1]
    splitter = StratifiedShuffleSplit(1, test_size=42, random_state=0)
    ((_, theirs),) = splitter.split(np.zeros(len(labels)), labels.numpy())
    assert len(held_out) == len(theirs) == 42
    assert torch.bincount(labels[held_out]).tolist() == np.bincount(labels.numpy()[theirs]).tolist()


def test_the_seed_decides() -> None:
    labels = torch.arange(1000) % 10
    first, second = (split_indices(labels, 0.1, seed)[1] for seed in (0, 1))
    assert not torch.equal(first, second)
    # Two independent tenths share a tenth of their elements: 10 of 100, give or take three standard deviations.
    shared = len(set(first.tolist()) & set(second.tolist()))
    assert 1 <= shared <= 20


def test_the_split_is_the_same_on_every_machine() -> None:
    """A change here would change what every figure so far was measured on."""
    assert split_indices(torch.arange(40) % 4, 0.2, 0)[1].tolist() == [2, 3, 11, 13, 18, 20, 21, 32]


@pytest.mark.parametrize("fraction", [1.0, 1.5, -0.1])
def test_nothing_would_be_left(fraction: float) -> None:
    with pytest.raises(ProductError, match="of the training images cannot be held out; write a share below 1"):
        split_indices(torch.arange(4), fraction, 0)
