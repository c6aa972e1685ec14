"""What a budget is, and which of the variants that keep to it is the best.

The best variant makes the most of the budget: its use is the geometric mean of the shares of every limit that is set,
so one that spends all of one limit and little of another comes behind one that spends most of both. Uses are told apart
in steps of 5 % of the highest; among equals the one nearest to its parent is the better, where distance is the sum of
the doublings or halvings of width, input and, on average, stages. A design that was tuned in its proportions keeps them
as far as the budget allows.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Final

from vggc.analysis.shapes import MAX_MEMORY
from vggc.authoring.adapting import Changes
from vggc.authoring.counting import Counts

STEP: Final = 0.05  # in which the uses of a budget are told apart

Budget = Mapping[str, int]  # the most that a figure may be, by its key


@dataclass(frozen=True, slots=True)
class Variant:
    """A variant that fits: what it says besides its parent, and its figures.

    `use` is the geometric mean of the shares of the budget, `distance` how far it is from its parent.
    """

    changes: Changes
    counts: Counts
    use: float
    distance: float


def fits(counts: Counts, budget: Budget) -> bool:
    """Whether every limit is kept to, and the one on the weights that holds for every spec."""
    within = counts.weight_bytes <= MAX_MEMORY
    return within and all(getattr(counts, key) <= most for key, most in budget.items())


def use(counts: Counts, budget: Budget) -> float:
    """How much of the budget is used, from 0 to 1."""
    shares: list[float] = [getattr(counts, key) / most for key, most in budget.items()]
    return prod(shares) ** (1 / len(shares))


def ranked(variants: Iterable[Variant]) -> list[Variant]:
    """The best first."""
    found = list(variants)
    most = max((each.use for each in found), default=0) or 1  # 0 where there is nothing to limit
    return sorted(found, key=lambda each: (int((1 - each.use / most) / STEP), each.distance, -each.use))
