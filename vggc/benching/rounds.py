"""Runs in turn: every setting has one turn in every round, and every other round goes backwards.

What disturbs a machine for a second disturbs all settings alike, and a setting is compared with what ran immediately
before or after it.
"""

from collections.abc import Callable, Mapping
from statistics import median
from time import perf_counter, sleep
from typing import Any, Final

from vggc.base.progress import Progress, silent
from vggc.benching.measurement import BenchSetting, Timing

FEWEST: Final = 5  # rounds, also of runs that take longer than their share of the time
PAUSE: Final = 0.01  # seconds before a turn, in which the threads of the engine before it stop waiting for more work

Run = Callable[[], Any]


def measure(runs: Mapping[BenchSetting, Run], rounds: int, seconds: float, progress: Progress = silent) -> list[Timing]:
    """Run every setting twice uncounted, which fills caches and allocates, and then in rounds.

    Args:
        runs: what is measured.
        rounds: how many at most. A setting whose time is used up has no more than `FEWEST`.
        seconds: of every setting, in all rounds together.
        progress: told of every round.
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
    return [
        Timing(setting, tuple(median(turn) for turn in turns[setting]), sum(len(turn) for turn in turns[setting]))
        for setting in runs
    ]


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
