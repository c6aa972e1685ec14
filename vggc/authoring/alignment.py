"""Two sequences, paired at the least cost: which elements were kept, changed, inserted or removed.

The dynamic programme of Needleman and Wunsch (1970), after the equal elements at the beginning.
"""

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

T = TypeVar("T")

# The cost of pairing two elements, 0 if they are equal; None for two that are never paired.
Cost = Callable[[T, T], int | None]
Pair = tuple[int | None, int | None]  # positions in both; None if the element has no partner

ALONE: Final = 2  # the cost of an element without a partner
MAX_CELLS: Final = 1_000_000  # about half a second


def align(before: Sequence[T], after: Sequence[T], cost: Cost[T]) -> list[Pair]:
    """The pairs in the order of both sequences.

    Among alignments of equal cost, elements are paired as early as possible: a third equal layer after two is the one
    that was inserted. If more than a million pairs would have to be considered, the equal ends are paired first, and
    the rest is paired one by one if it is still too long.
    """
    shorter = min(len(before), len(after))
    start = next((i for i in range(shorter) if cost(before[i], after[i]) != 0), shorter)
    end, middle = 0, _least
    if _cells(before, after, start, end) > MAX_CELLS:
        end = next((i for i in range(shorter - start) if cost(before[-1 - i], after[-1 - i]) != 0), shorter - start)
        middle = _in_order if _cells(before, after, start, end) > MAX_CELLS else _least
    inner = middle(before[start : len(before) - end], after[start : len(after) - end], cost)
    ends = zip(range(len(before) - end, len(before)), range(len(after) - end, len(after)), strict=True)
    return [*((i, i) for i in range(start)), *((_shifted(i, start), _shifted(j, start)) for i, j in inner), *ends]


def _cells(before: Sequence[T], after: Sequence[T], start: int, end: int) -> int:
    return (len(before) - start - end) * (len(after) - start - end)


def _shifted(position: int | None, start: int) -> int | None:
    return None if position is None else position + start


def _in_order(before: Sequence[T], after: Sequence[T], cost: Cost[T]) -> list[Pair]:
    pairs: list[Pair] = []
    for i in range(max(len(before), len(after))):
        if i < min(len(before), len(after)) and cost(before[i], after[i]) is not None:
            pairs.append((i, i))
        else:
            pairs += [(i, None)] * (i < len(before)) + [(None, i)] * (i < len(after))
    return pairs


def _least(before: Sequence[T], after: Sequence[T], cost: Cost[T]) -> list[Pair]:
    costs = _costs_from(before, after, cost)
    pairs: list[Pair] = []
    i = j = 0
    while i < len(before) or j < len(after):
        paired = cost(before[i], after[j]) if i < len(before) and j < len(after) else None
        if paired is not None and costs[i][j] == paired + costs[i + 1][j + 1]:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif i < len(before) and costs[i][j] == ALONE + costs[i + 1][j]:
            pairs.append((i, None))
            i += 1
        else:
            pairs.append((None, j))
            j += 1
    return pairs


def _costs_from(before: Sequence[T], after: Sequence[T], cost: Cost[T]) -> list[list[int]]:
    """The least cost of pairing everything from i on with everything from j on."""
    rows = [[ALONE * (len(after) - j) for j in range(len(after) + 1)]]
    for i in reversed(range(len(before))):
        below = rows[-1]
        row = [0] * len(after) + [below[-1] + ALONE]
        for j in reversed(range(len(after))):
            least = min(below[j], row[j + 1]) + ALONE
            paired = cost(before[i], after[j])
            row[j] = least if paired is None else min(least, paired + below[j + 1])
        rows.append(row)
    return rows[::-1]
