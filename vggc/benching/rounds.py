"""Runs in turn: every setting has one turn in every round, and every other round goes backwards.

What disturbs a machine for a second disturbs all settings alike, and a setting is compared with what ran immediately
before or after it. A mean would hide what disturbed it, so there are medians and spreads.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import floor, log10
from statistics import median
from time import perf_counter, sleep
from typing import Final

import torch

from vggc.backends.torch.torch_module import without_hints
from vggc.base.errors import ProductError
from vggc.base.progress import Progress, silent
from vggc.base.words import plural
from vggc.benching.machine import MachineInfo, cores, this_machine
from vggc.benching.subject import ENGINES, BenchSetting, BenchSubject, Engine, Run
from vggc.verify.outputs import relative_l2

ROUNDS: Final = 10
FEWEST: Final = 5  # rounds, also of runs that take longer than their share of the time
PAUSE: Final = 0.01  # seconds before a turn, in which the threads of the engine before it stop waiting for more work
DISAGREEMENT: Final = 1e-2  # relative L2, above which the engines surely do not compute the same


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some values, the least and the most."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Of at least one value."""
        return cls(median(values), min(values), max(values))

    def __str__(self) -> str:
        return f"{three_digits(self.median)} ({three_digits(self.least)} to {three_digits(self.most)})"


def three_digits(value: float) -> str:
    """Three significant digits, or more where they are before the point."""
    return f"{value:,.{max(0, 2 - floor(log10(value))) if value else 0}f}"


@dataclass(frozen=True, slots=True)
class Timing:
    """The median seconds of a run, which is one batch, in every round; `runs` is their number in all rounds."""

    setting: BenchSetting
    seconds: tuple[float, ...]
    runs: int

    @property
    def latency(self) -> Spread:
        """Milliseconds a batch."""
        return Spread.of([1000 * seconds for seconds in self.seconds])

    @property
    def throughput(self) -> Spread:
        """Images a second."""
        return Spread.of([self.setting.batch / seconds for seconds in self.seconds])


@dataclass(frozen=True, slots=True)
class BenchResult:
    """What was measured, on what machine, and what must be known about it."""

    subject: BenchSubject
    seconds: float
    machine: MachineInfo
    timings: list[Timing]
    notes: list[str]

    @property
    def ratios(self) -> dict[BenchSetting, list[float]]:
        """Torch's time as a multiple of onnxruntime's in every round, for the settings of torch that both ran."""
        seconds = {timing.setting: timing.seconds for timing in self.timings}
        pairs = ((setting, replace(setting, engine="onnxruntime")) for setting in seconds if setting.engine == "torch")
        return {
            setting: [a / b for a, b in zip(seconds[setting], seconds[other], strict=False)]
            for setting, other in pairs
            if other in seconds
        }


def settings(
    subject: BenchSubject,
    engine: Engine | None = None,
    batches: Iterable[int] = (1, 8),
    threads: Sequence[int] | None = None,
) -> list[BenchSetting]:
    """All settings, those that differ by their engine next to each other; of threads 1 and all cores if left out.

    Raises:
        ProductError: an engine cannot run the subject.
    """
    if engine == "torch" and subject.obstacle is not None:
        raise ProductError(f"{subject.title} cannot be run in torch: {subject.obstacle}")
    possible = ENGINES if subject.obstacle is None else ENGINES[:1]
    engines = possible if engine is None else [engine]
    sizes = [subject.frozen_batch] if subject.frozen_batch else batches
    combinations = product(sizes, threads or sorted({1, cores()}), engines)
    return list(dict.fromkeys(BenchSetting(engine, batch, count) for batch, count, engine in combinations))


def bench(
    subject: BenchSubject, settings: Sequence[BenchSetting], seconds: float = 2.0, progress: Progress = silent
) -> BenchResult:
    """Measure a subject in some settings, each for so many seconds; raises ProductError if it cannot be run."""
    threads = torch.get_num_threads()
    machine = this_machine([*dict.fromkeys(setting.engine for setting in settings), "onnx", "numpy"])
    try:
        with without_hints():
            runs = subject.runs(settings)
            notes = [*subject.notes, *_cautions(subject, machine), *_agreement(runs)]
            return BenchResult(subject, seconds, machine, measure(runs, seconds, progress=progress), notes)
    finally:
        torch.set_num_threads(threads)


def measure(
    runs: Mapping[BenchSetting, Run], seconds: float, rounds: int = ROUNDS, progress: Progress = silent
) -> list[Timing]:
    """Run every setting twice uncounted, which fills caches and allocates, and then in rounds.

    A setting has so many seconds in all rounds together. One whose time is used up has no more rounds than `FEWEST`.
    """
    warm = {}
    for number, (setting, run) in enumerate(runs.items()):
        progress("warming up", number, len(runs))
        run()
        warm[setting] = _timed(run)
    turns: dict[BenchSetting, list[list[float]]] = {setting: [] for setting in runs}
    for number in range(rounds):
        progress("measuring", number, rounds)
        settings = [setting for setting in runs if number < FEWEST or sum(map(sum, turns[setting])) < seconds]
        for setting in reversed(settings) if number % 2 else settings:
            turns[setting].append(_turn(runs[setting], seconds / rounds, warm[setting]))
    progress("measuring", rounds, rounds)
    return [Timing(setting, tuple(map(median, turns[setting])), sum(map(len, turns[setting]))) for setting in runs]


def _turn(run: Run, share: float, warm: float) -> list[float]:
    """The seconds of as many runs as fit into a share, and at least of one.

    The first is not counted if several fit: the caches are full of another engine's data.
    """
    sleep(PAUSE)
    if warm < share:
        run()
    end = perf_counter() + share
    seconds = [_timed(run)]
    while perf_counter() + seconds[-1] <= end:
        seconds.append(_timed(run))
    return seconds


def _timed(run: Run) -> float:
    start = perf_counter()
    run()
    return perf_counter() - start


def _cautions(subject: BenchSubject, machine: MachineInfo) -> Iterator[str]:
    """What makes the figures other than they seem."""
    if subject.obstacle is not None:
        yield f"{subject.obstacle}, so torch is left out"
    if subject.frozen_batch:
        yield f"the batch of the file is frozen at {subject.frozen_batch}: nothing else is measured"
    if machine.load is not None and machine.load > machine.cores / 2:
        load = f"load {machine.load:.1f} on {plural(machine.cores, 'core')}"
        yield f"the machine was busy when this began ({load}): on an idle one the figures are better"


def _agreement(runs: Mapping[BenchSetting, Run]) -> Iterator[str]:
    """Whether both engines compute the same, in the first setting: otherwise their times could not be compared."""
    by_engine = {setting.engine: runs[setting] for setting in reversed(list(runs))}
    if len(by_engine) == len(ENGINES):
        error = relative_l2(by_engine["onnxruntime"]()[0], by_engine["torch"]()[0])
        if error > DISAGREEMENT:
            yield f"the engines disagree (relative L2 {error:.1e}); vggc verify finds out where"
        else:
            yield f"the engines' outputs agree (relative L2 {error:.1e})"
