"""Measures two or more sides in turn, and the time and memory of a process."""

import multiprocessing
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

if TYPE_CHECKING:
    from vggc.model import Network

P = ParamSpec("P")
T = TypeVar("T")

ROOT: Final = Path(__file__).resolve().parents[1]
MIB: Final = 2**20
_STATUS: Final = Path("/proc/self/status")


class NotMeasuredError(Exception):
    """This machine lacks what a row needs; the message says what."""


@dataclass(frozen=True)
class Plan:
    """How thoroughly to measure."""

    quick: bool = False

    def rounds(self, full: int) -> int:
        """How often each side runs."""
        return min(full, 3) if self.quick else full

    def network(self) -> "Network":
        """VGG16; in a quick run VGG11 for small images, with a quarter of the weights."""
        from vggc.model import compile

        return compile("vgg11", {"input": [3, 64, 64], "pool": 2, "classes": 10}) if self.quick else compile("vgg16")


# --- time --------------------------------------------------------------------------------------------------------


def progress(what: str, detail: str = "") -> None:
    """Say on stderr what is being measured: on a terminal in one line that changes, else a line for each `what`."""
    if sys.stderr.isatty():
        print(f"\r\033[K{what} {detail}", end="", file=sys.stderr, flush=True)
    elif what and not detail:
        print(what, file=sys.stderr, flush=True)


def in_turn(what: str, rounds: int, *sides: Callable[[], T]) -> list[list[T]]:
    """Run the sides one after the other in every round; every other round in reverse order, so that none is favoured.

    A first round is not counted: it fills caches, imports, writes byte code and touches fresh memory.

    Returns:
        for each side, its result in every round.
    """
    results: list[list[T]] = [[] for _ in sides]
    progress(what)
    for i in range(rounds + 1):
        progress(what, f"{i} of {rounds}")
        turns = list(zip(results, sides, strict=True))
        for results_of_side, side in reversed(turns) if i % 2 else turns:
            result = side()
            if i:
                results_of_side.append(result)
    return results


def ratios(side: Iterable[float], peer: Iterable[float]) -> tuple[float, ...]:
    """Paired, round by round."""
    return tuple(a / b for a, b in zip(side, peer, strict=True))


def once(function: Callable[[], object]) -> Callable[[], float]:
    """A side that gives the seconds of one call."""

    def side() -> float:
        started = time.perf_counter()
        function()
        return time.perf_counter() - started

    return side


def quickest(side: Callable[[], float], budget: float) -> Callable[[], float]:
    """A side that is repeated within a budget of seconds and gives the least of its seconds, the least disturbed."""

    def quickest_side() -> float:
        ends = time.perf_counter() + budget
        least = side()
        while time.perf_counter() < ends:
            least = min(least, side())
        return least

    return quickest_side


def warm(function: Callable[[], object]) -> Callable[[], float]:
    """A side for calls of milliseconds."""
    return quickest(once(function), 0.1)


# --- processes ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Child:
    """The time and memory of a whole process."""

    seconds: float
    peak: float
    """In MiB."""


def times(children: Iterable[Child]) -> list[float]:
    """Their seconds."""
    return [child.seconds for child in children]


def python(*arguments: str) -> Child:
    """Run this interpreter in the repository, with byte code cached.

    Raises:
        RuntimeError: it failed; its message is on stderr.
    """
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, *arguments]
    launcher = [sys.executable, "-I", "-S", str(ROOT / "benchmarks" / "child.py")]
    done = subprocess.run([*launcher, *command], cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True)
    taken, peak, code = done.stdout.split()
    if int(code):
        raise RuntimeError(f"{' '.join(command)} ended with exit code {int(code)}")
    return Child(float(taken), int(peak) * 1024 / MIB)


def in_fresh_process(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function of a module in a process that has done nothing else."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *args, **kwargs).result()


# --- memory ------------------------------------------------------------------------------------------------------


def resident() -> float:
    """The memory of this process, in MiB."""
    return _status("VmRSS")


def peak() -> float:
    """The most memory of this process since `forget_peak`, in MiB."""
    return _status("VmHWM")


def forget_peak() -> None:
    """Reset `peak`."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError as error:
        raise NotMeasuredError("needs Linux's /proc/self/clear_refs") from error


def _status(key: str) -> float:
    try:
        line = re.search(rf"^{key}:\s+(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
    except OSError as error:
        raise NotMeasuredError("needs Linux's /proc") from error
    assert line, key
    return int(line[1]) * 1024 / MIB
