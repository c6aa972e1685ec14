"""The axis of a plot: values -> places, and the round values that are written beside it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Final

LEAST_RATIO: Final = 4.0  # of the largest value to the smallest, from which on an axis is logarithmic
MARGIN: Final = 0.06  # of the axis, left free at both ends
LEAST_MARKS: Final = 4  # marks on an axis, at least

_SUFFIXES: Final = ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "K"))


@dataclass(frozen=True, slots=True)
class PlotAxis:
    """From `low` to `high`, in powers of ten where it is logarithmic."""

    low: float
    high: float
    logarithmic: bool

    @staticmethod
    def over(values: Sequence[float]) -> "PlotAxis":
        """The axis on which all values have their place, none of them at its very end."""
        least, most = min(values), max(values)
        if least > 0 and most / least >= LEAST_RATIO:
            low, high = log10(least), log10(most)
            free = MARGIN * (high - low)
            return PlotAxis(low - free, high + free, True)
        free = MARGIN * (most - least) or max(1.0, 0.5 * abs(most))
        return PlotAxis(max(0.0, least - free) if least >= 0 else least - free, most + free, False)

    def place(self, value: float) -> float:
        """The place of a value, from 0 to 1."""
        return ((log10(value) if self.logarithmic else value) - self.low) / (self.high - self.low)

    def marks(self) -> list[float]:
        """Round values on the axis, in order."""
        return list(self._powers() if self.logarithmic else self._steps(self.low, self.high))

    def _powers(self) -> Iterator[float]:
        """1, 2 and 5 of every power of ten, or powers alone where there are many; finer steps where there are few."""
        values: list[float] = []
        for digits in ((1,), (1, 2, 5), (1, 1.5, 2, 3, 5, 7)):
            exponents = range(floor(self.low), ceil(self.high) + 1)
            powers = [digit * 10.0**exponent for exponent in exponents for digit in digits]
            values = [value for value in powers if self.low <= log10(value) <= self.high]
            if len(values) >= LEAST_MARKS:
                break
        yield from values

    @staticmethod
    def _steps(low: float, high: float) -> Iterator[float]:
        rough = (high - low) / LEAST_MARKS
        power = 10.0 ** floor(log10(rough))
        step = max(digit * power for digit in (1, 2, 5) if digit * power <= rough)
        yield from (i * step for i in range(ceil(low / step), floor(high / step) + 1))


def amount(value: float) -> str:
    """A value with the suffix that `expect` takes: 20M, 1.5G."""
    for factor, suffix in _SUFFIXES:
        if abs(value) >= factor:
            return f"{value / factor:.4g}{suffix}"
    return f"{value:.4g}"
