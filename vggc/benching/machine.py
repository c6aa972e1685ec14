"""The machine that was measured: figures say little without it."""

import os
import platform
import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from vggc.base.version import __version__
from vggc.base.words import plural


@dataclass(frozen=True, slots=True)
class MachineInfo:
    """A machine when the measurement began, with the cores for this process and the processes at work just before."""

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
    details = Path("/proc/cpuinfo")
    name = re.search(r"(?m)^model name\s*:\s*(.+)$", details.read_text() if details.is_file() else "")
    processor = name[1].strip() if name else platform.processor() or platform.machine()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    versions = {"vggc": __version__, "Python": platform.python_version()} | {name: version(name) for name in libraries}
    return MachineInfo(processor, cores(), load, platform.system(), versions)


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
