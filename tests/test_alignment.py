"""Alignment: the least cost, by brute force; everything once and in order; early partners."""

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vggc.authoring import alignment
from vggc.authoring.alignment import ALONE, Pair, align


def cost(one: str, other: str) -> int | None:
    """Equal, the same letter in another case, or two vowels."""
    if one == other:
        return 0
    if one.lower() == other.lower():
        return 2
    return 3 if one in "ae" and other in "ae" else None


def total(pairs: list[Pair], one: str, other: str) -> int:
    found = 0
    for i, j in pairs:
        paired = ALONE if i is None or j is None else cost(one[i], other[j])
        assert paired is not None, "two elements that are never paired"
        found += paired
    return found


def least(one: str, other: str) -> int:
    @cache
    def from_here(i: int, j: int) -> int:
        ways = []
        if i < len(one):
            ways.append(ALONE + from_here(i + 1, j))
        if j < len(other):
            ways.append(ALONE + from_here(i, j + 1))
        if i < len(one) and j < len(other) and (paired := cost(one[i], other[j])) is not None:
            ways.append(paired + from_here(i + 1, j + 1))
        return min(ways, default=0)

    return from_here(0, 0)


words = st.text("aAbBe", max_size=9)


@given(words, words)
def test_nothing_is_cheaper(one: str, other: str) -> None:
    assert total(align(one, other, cost), one, other) == least(one, other)


@pytest.mark.parametrize("limit", [alignment.MAX_CELLS, 3])
@given(one=words, other=words)
def test_everything_stands_once_and_in_order(limit: int, one: str, other: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alignment, "MAX_CELLS", limit)
        pairs = align(one, other, cost)
    assert [i for i, _ in pairs if i is not None] == list(range(len(one)))
    assert [j for _, j in pairs if j is not None] == list(range(len(other)))
    total(pairs, one, other)


def test_the_last_of_equal_elements_is_the_one_that_came() -> None:
    assert align("aabb", "aaabb", cost) == [(0, 0), (1, 1), (None, 2), (2, 3), (3, 4)]
    assert align("abab", "ababab", cost) == [(0, 0), (1, 1), (2, 2), (3, 3), (None, 4), (None, 5)]


def test_a_change_in_place_is_one() -> None:
    assert align("abe", "aBe", cost) == [(0, 0), (1, 1), (2, 2)]
    assert align("ab", "eb", cost) == [(0, 0), (1, 1)]
    assert align("ab", "bb", cost) == [(0, None), (1, 0), (None, 1)]


def test_long_sequences_with_equal_ends_are_quick() -> None:
    one = "ab" * 4000
    pairs = align(one, one[:3000] + "B" + one[3000:], cost)
    assert pairs.count((None, 3000)) == 1
    assert len(pairs) == 8001
