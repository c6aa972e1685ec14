"""The machine that was measured: figures say little without it."""

import os
import platform
import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from vggc.base.version import __version__
from vggc.base.words import plural

_CGROUP: Final = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class MachineInfo:
    """A machine when the measurement began, and the versions of libraries.

    `cores` are those that this process may use. `load` is the mean number of processes at work in the last minute; None
    where the system does not count.
    """

    processor: str
    cores: int
    load: float | None
    system: str
    versions: dict[str, str]

    def __str__(self) -> str:
        load = "" if self.load is None else f", load {self.load:.1f}"
        libraries = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        return f"{self.processor}, {plural(self.cores, 'core')}{load}; {self.system}; {libraries}"


def this_machine(libraries: Iterable[str]) -> MachineInfo:
    """The machine, with the versions of the libraries."""
    versions = {"vggc": __version__, "Python": platform.python_version()} | {name: version(name) for name in libraries}
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return MachineInfo(processor(), cores(), load, platform.system(), versions)


def processor() -> str:
    """The processor's name, or the architecture where the name is unknown."""
    name = re.search(r"^model name\s*:\s*(.+)$", _text(Path("/proc/cpuinfo")), re.MULTILINE)
    return name[1].strip() if name else platform.processor() or platform.machine()


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def available_memory() -> int | None:
    """The free bytes of the machine and within the process's control group; None if unknown."""
    free = re.search(r"^MemAvailable:\s+(\d+) kB$", _text(Path("/proc/meminfo")), re.MULTILINE)
    known = [1024 * int(free[1])] if free else []
    most, used = (_text(_CGROUP / name).strip() for name in ("memory.max", "memory.current"))
    if most.isdigit() and used.isdigit():
        known.append(int(most) - int(used))
    return min(known, default=None)


def _text(path: Path) -> str:
    """A file of the system, empty where it has none."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
