"""One line of the table: what was measured relative to what, the target, and whether it is met."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import comb
from statistics import median
from typing import Literal

from benchmarks.measure import NotMeasuredError

Verdict = Literal["met", "within noise", "missed", "not measured", ""]


@dataclass(frozen=True)
class Row:
    """A side relative to its peer."""

    what: str
    beside: str
    target: float | None = None
    """The greatest allowed value; None where the design names none."""
    values: tuple[float, ...] = ()
    """One for each round: the ratio, or MiB."""
    unit: Literal["x", "MiB"] = "x"
    note: str = ""

    def measured(self, sample: Callable[[], Sequence[float]]) -> "Row":
        """This row with the values of a sample, or with the reason why there are none."""
        try:
            return replace(self, values=tuple(sample()))
        except NotMeasuredError as error:
            return replace(self, note=str(error))

    @property
    def median(self) -> float:
        """The median of the values."""
        return median(self.values)

    @property
    def verdict(self) -> Verdict:
        """Whether the median meets the target; "within noise" if it does not, but the true median may."""
        if not self.values:
            return "not measured"
        if self.target is None:
            return ""
        if self.median <= self.target:
            return "met"
        return "within noise" if likely(self.values)[0] <= self.target else "missed"


def likely(values: Sequence[float]) -> tuple[float, float]:
    """The values between which the true median is in 95 of 100 runs, however the noise is distributed.

    The number of n values below the true median is distributed like the heads in n throws of a coin. For fewer than
    six values the answer is their whole range.
    """
    n = len(values)
    outside, chance = 0, 0.5**n
    while chance + comb(n, outside + 1) * 0.5**n <= 0.025:
        outside += 1
        chance += comb(n, outside) * 0.5**n
    ordered = sorted(values)
    return ordered[outside], ordered[n - 1 - outside]
