"""What a budget is, and which of the variants within it is the best.

The best variant uses most of the budget: its use is the geometric mean of its shares of all limits, so a variant that
uses all of one limit and little of another is worse than one that uses most of both. Uses are compared in steps of 5 %
of the highest; of equal ones, the variant nearest to its parent is the better. The distance is the number of doublings
or halvings of width, input and, on average, stages.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Final

from vggc.analysis.shapes import MAX_MEMORY
from vggc.authoring.adapting import Changes
from vggc.authoring.counting import Counts

STEP: Final = 0.05  # in which the uses of a budget are compared

Budget = Mapping[str, int]  # the most that a figure may be, by its key


@dataclass(frozen=True, slots=True)
class Variant:
    """A variant within the budget: its keys besides those of its parent, and its figures.

    `use` is the geometric mean of its shares of the budget, `distance` its distance from the parent.
    """

    changes: Changes
    counts: Counts
    use: float
    distance: float


def fits(counts: Counts, budget: Budget) -> bool:
    """Whether the figures keep to every limit, and to the one on the weights that applies to every spec."""
    within = counts.weight_bytes <= MAX_MEMORY
    return within and all(getattr(counts, key) <= most for key, most in budget.items())


def use(counts: Counts, budget: Budget) -> float:
    """How much of the budget is used, from 0 to 1."""
    shares: list[float] = [getattr(counts, key) / most for key, most in budget.items()]
    return prod(shares) ** (1 / len(shares))


def ranked(variants: Iterable[Variant]) -> list[Variant]:
    """The best first."""
    unordered = list(variants)
    most = max((variant.use for variant in unordered), default=0) or 1  # 0 if there is nothing to limit

    def rank(variant: Variant) -> tuple[int, float, float]:
        return int((1 - variant.use / most) / STEP), variant.distance, -variant.use

    return sorted(unordered, key=rank)
