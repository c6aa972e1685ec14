"""Settings, and medians and spreads of what was measured in them; a mean would hide what disturbed it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Final, Literal, get_args

Engine = Literal["onnxruntime", "torch"]
ENGINES: Final[tuple[Engine, ...]] = get_args(Engine)


@dataclass(frozen=True, slots=True)
class BenchSetting:
    """An engine, the images of a batch, and the threads of an operator."""

    engine: Engine
    batch: int
    threads: int


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some values, the quartiles, the least and the most."""

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
class Timing:
    """The median seconds of a run, which is one batch, in every round; `runs` is their number in all rounds."""

    setting: BenchSetting
    seconds: tuple[float, ...]
    runs: int

    @property
    def latency(self) -> Spread:
        """Milliseconds a batch."""
        return Spread.of(1000 * seconds for seconds in self.seconds)

    @property
    def throughput(self) -> Spread:
        """Images a second."""
        return Spread.of(self.setting.batch / seconds for seconds in self.seconds)


@dataclass(frozen=True, slots=True)
class EngineRatio:
    """Torch's time as a multiple of onnxruntime's in every round."""

    batch: int
    threads: int
    values: tuple[float, ...]


def engine_ratios(timings: Sequence[Timing]) -> list[EngineRatio]:
    """The ratios for every batch and number of threads that both engines were measured with, paired by round."""
    seconds = {timing.setting: timing.seconds for timing in timings}
    ratios = []
    for setting, torch in seconds.items():
        onnxruntime = seconds.get(BenchSetting("onnxruntime", setting.batch, setting.threads))
        if setting.engine == "torch" and onnxruntime is not None:
            values = tuple(a / b for a, b in zip(torch, onnxruntime, strict=False))
            ratios.append(EngineRatio(setting.batch, setting.threads, values))
    return ratios
