"""Runs in turn: in every round each cell has one turn, and every other round goes backwards.

What disturbs a machine for a second then disturbs all cells alike, and a cell is compared with what ran just before
or after it. A cell that ran all of its turns at once would be compared with another time of the day.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from vggc.base.progress import Progress, silent
from vggc.benching.medians import Cell, Measurement, Setting

FEWEST: Final = 5  # rounds, where a single run takes longer than its share
PAUSE: Final = 0.01  # seconds before a turn, in which the threads of the engine before it stop waiting for more work

Run = Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to measure."""

    rounds: int = 10
    seconds: float = 2.0
    """Of a cell, in all rounds together; a cell whose runs are longer takes longer, in fewer rounds."""

    @property
    def share(self) -> float:
        """The seconds of a turn."""
        return self.seconds / self.rounds

    def rounds_for(self, run: float) -> int:
        """How many rounds there are for cells the slowest of which takes so many seconds a run."""
        return min(self.rounds, max(FEWEST, int(self.seconds / run))) if run > self.share else self.rounds


@dataclass(frozen=True, slots=True)
class Clock:
    """Time as the rounds see it."""

    now: Callable[[], float] = time.perf_counter
    sleep: Callable[[float], None] = time.sleep


def measure(
    runs: Mapping[Cell, Run], plan: Plan, progress: Progress = silent, clock: Clock | None = None
) -> list[Measurement]:
    """Run every cell twice uncounted, then in rounds.

    The warm-up fills caches and allocates, and says how many rounds there is time for: as many for all engines in a
    setting, so that their rounds can be paired.
    """
    clock = clock or Clock()
    warm = _warmed_up(runs, progress, clock)
    rounds = _rounds(warm, plan)
    total = sum(rounds[cell.setting] for cell in runs)
    found: dict[Cell, list[list[float]]] = {cell: [] for cell in runs}
    done = 0
    for i in range(plan.rounds):
        turns = [cell for cell in runs if i < rounds[cell.setting]]
        for cell in reversed(turns) if i % 2 else turns:
            progress("measuring", done, total)
            found[cell].append(_turn(runs[cell], plan.share, warm[cell], clock))
            done += 1
    progress("measuring", total, total)
    return [
        Measurement(cell, tuple(median(turn) for turn in turns), sum(len(turn) for turn in turns))
        for cell, turns in found.items()
    ]


def _warmed_up(runs: Mapping[Cell, Run], progress: Progress, clock: Clock) -> dict[Cell, float]:
    """The seconds of a second run of every cell: the first allocates and, in onnxruntime, plans its memory."""
    taken: dict[Cell, float] = {}
    for cell, run in runs.items():
        progress("warming up", len(taken), len(runs))
        first = _once(run, clock)
        taken[cell] = min(first, _once(run, clock))
    progress("warming up", len(runs), len(runs))
    return taken


def _rounds(warm: Mapping[Cell, float], plan: Plan) -> dict[Setting, int]:
    slowest: dict[Setting, float] = {}
    for cell, seconds in warm.items():
        slowest[cell.setting] = max(seconds, slowest.get(cell.setting, 0.0))
    return {setting: plan.rounds_for(seconds) for setting, seconds in slowest.items()}


def _turn(run: Run, share: float, warm: float, clock: Clock) -> list[float]:
    """The seconds of as many runs as fit into a share, and at least of one.

    The first is not counted where several fit: it finds the caches full of another engine's data.
    """
    clock.sleep(PAUSE)
    if warm < share:
        run()
    ends = clock.now() + share
    taken = [_once(run, clock)]
    while clock.now() + taken[-1] <= ends:
        taken.append(_once(run, clock))
    return taken


def _once(run: Run, clock: Clock) -> float:
    started = clock.now()
    run()
    return clock.now() - started
