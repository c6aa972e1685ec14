"""Medians and spreads of what the rounds gave; a mean hides what disturbed it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Final, Literal, get_args

Engine = Literal["onnxruntime", "torch"]
ENGINES: Final[tuple[Engine, ...]] = get_args(Engine)


@dataclass(frozen=True, slots=True, order=True)
class Setting:
    """One way to run a network: images at once, and threads that work on them."""

    batch: int
    threads: int


@dataclass(frozen=True, slots=True)
class Cell:
    """An engine in a setting."""

    engine: Engine
    setting: Setting


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some values, the quartiles beside it, and the least and the most."""

    median: float
    quartiles: tuple[float, float]
    least: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        """Of at least one value; the quartiles of fewer than three are the least and the most."""
        ordered = sorted(values)
        first, _, third = quantiles(ordered, method="inclusive") if len(ordered) > 2 else (ordered[0], 0, ordered[-1])
        return cls(median(ordered), (first, third), ordered[0], ordered[-1])


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a cell took: in every round the median seconds of a run, which is one batch."""

    cell: Cell
    seconds: tuple[float, ...]
    runs: int
    """How many runs are behind these, in all rounds."""

    @property
    def latency(self) -> Spread:
        """Milliseconds a batch."""
        return Spread.of(1000 * each for each in self.seconds)

    @property
    def throughput(self) -> Spread:
        """Images a second."""
        return Spread.of(self.cell.setting.batch / each for each in self.seconds)

    def speed(self, macs: int) -> float:
        """Multiply-accumulates a second, where a sample takes so many."""
        return macs * self.throughput.median


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times as long torch takes as onnxruntime in a setting, round by round."""

    setting: Setting
    values: tuple[float, ...]

    @property
    def spread(self) -> Spread:
        """Of the rounds."""
        return Spread.of(self.values)


def ratios(measurements: Sequence[Measurement]) -> list[Ratio]:
    """Of every setting that both engines were measured in."""
    seconds = {each.cell: each.seconds for each in measurements}
    settings = dict.fromkeys(each.cell.setting for each in measurements)
    return [
        Ratio(setting, tuple(a / b for a, b in zip(seconds[torch], seconds[other], strict=True)))
        for setting in settings
        if (torch := Cell("torch", setting)) in seconds and (other := Cell("onnxruntime", setting)) in seconds
    ]
