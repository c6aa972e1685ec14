"""One line of the table: what was measured against what, the target, and whether it is met."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import comb
from statistics import median
from typing import Literal

from benchmarks.measure import NotMeasuredError

Verdict = Literal["met", "within noise", "missed", "not measured", ""]


@dataclass(frozen=True)
class Row:
    """A side against its peer."""

    what: str
    beside: str
    target: float | None = None
    """At most so much; None where the design names nothing."""
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
        """What counts."""
        return median(self.values)

    @property
    def verdict(self) -> Verdict:
        """Whether the median reaches the target; "within noise" where it does not, and the true one may yet."""
        if not self.values:
            return "not measured"
        if self.target is None:
            return ""
        if self.median <= self.target:
            return "met"
        return "within noise" if likely(self.values)[0] <= self.target else "missed"


def likely(values: Sequence[float]) -> tuple[float, float]:
    """Between which of the values the true median lies in 95 of 100 runs, however the noise is distributed.

    So many of n values lie below the true median as a coin shows heads in n throws. Of fewer than six values it is
    their whole range.
    """
    n = len(values)
    outside, chance = 0, 0.5**n
    while chance + comb(n, outside + 1) * 0.5**n <= 0.025:
        outside += 1
        chance += comb(n, outside) * 0.5**n
    ordered = sorted(values)
    return ordered[outside], ordered[n - 1 - outside]
