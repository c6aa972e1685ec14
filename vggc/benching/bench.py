"""A subject measured with engines, batch sizes and numbers of threads: what `vggc bench` does."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

from vggc.base.errors import ProductError
from vggc.base.progress import Progress, silent
from vggc.base.words import in_bytes, plural
from vggc.benching.engines import OnnxruntimeEngine, OutputOf, random_values, threads_restored, torch_run
from vggc.benching.machine import MachineInfo, available_memory, cores, this_machine
from vggc.benching.measurement import ENGINES, BenchSetting, Engine, EngineRatio, Timing, engine_ratios
from vggc.benching.rounds import measure
from vggc.benching.subject import BenchSubject
from vggc.verify.outputs import relative_l2

DISAGREEMENT: Final = 1e-2  # relative L2, above which the engines surely do not compute the same


@dataclass(frozen=True, slots=True)
class BenchPlan:
    """What is measured, and for how long.

    Args:
        engines: all that can run the subject if left out.
        batches: images at once; a file with a frozen batch is measured at that alone.
        threads: how many threads work on an operator; 1 and all cores if left out.
        rounds: turns of every setting.
        seconds: of every setting, in all rounds together; runs that are longer have fewer rounds.
        seed: of the input.
    """

    engines: Sequence[Engine] | None = None
    batches: Sequence[int] = (1, 8)
    threads: Sequence[int] | None = None
    rounds: int = 10
    seconds: float = 2.0
    seed: int = 0

    def settings(self, subject: BenchSubject) -> list[BenchSetting]:
        """All settings, those that differ by their engine next to each other.

        Raises:
            ProductError: an engine cannot run the subject.
        """
        engines = [engine for engine in ENGINES if engine in (self.engines or subject.engines)]
        if missing := set(engines) - set(subject.engines):
            raise ProductError(f"{subject.title} cannot be run in {missing.pop()}: {subject.notes[0]}")
        batches = self.batches if subject.frozen_batch is None else [subject.frozen_batch]
        threads = self.threads or sorted({1, cores()})
        settings = (BenchSetting(e, batch, count) for batch in batches for count in threads for e in engines)
        return list(dict.fromkeys(settings))


@dataclass(frozen=True, slots=True)
class BenchResult:
    """What was measured, on what machine, and what must be known about it."""

    subject: BenchSubject
    plan: BenchPlan
    machine: MachineInfo
    timings: list[Timing]
    notes: list[str]

    @property
    def ratios(self) -> list[EngineRatio]:
        """Torch's time beside onnxruntime's, where both were measured."""
        return engine_ratios(self.timings)


def bench(subject: BenchSubject, plan: BenchPlan | None = None, progress: Progress = silent) -> BenchResult:
    """Measure a subject.

    Raises:
        ProductError: an engine cannot run the subject, or the memory does not suffice.
    """
    plan = plan or BenchPlan()
    settings = plan.settings(subject)
    _check_memory(subject, settings)
    machine = this_machine([*dict.fromkeys(setting.engine for setting in settings), "onnx", "numpy"])
    with TemporaryDirectory(prefix="vggc-bench-") as folder, threads_restored():
        runs = _runs(subject, settings, plan.seed, Path(folder), progress)
        notes = [*subject.notes, *_cautions(subject, plan, settings, machine), *_agreement(subject, runs)]
        timings = measure(runs, plan.rounds, plan.seconds, progress)
    return BenchResult(subject, plan, machine, timings, notes)


def needed_memory(subject: BenchSubject, settings: Sequence[BenchSetting]) -> int:
    """About how many bytes: the weights and the largest activations, in torch once and once a session of onnxruntime.

    Of an unknown network only the input is counted.
    """
    copies = {("torch", 0) if setting.engine == "torch" else (setting.engine, setting.threads) for setting in settings}
    sample = sum(value.dtype.itemsize * prod(value.shape) for value in subject.inputs)
    if subject.network is not None:
        sample += subject.network.peak_activation_bytes
    return len(copies) * (subject.weight_bytes + max(setting.batch for setting in settings) * sample)


def _check_memory(subject: BenchSubject, settings: Sequence[BenchSetting]) -> None:
    needed, available = needed_memory(subject, settings), available_memory()
    if available is not None and needed > available:
        raise ProductError(
            f"measuring {subject.title} needs about {in_bytes(needed)} of memory, and {in_bytes(available)} "
            "are free; take a smaller --batch, fewer --threads, or one of --engines"
        )


def _runs(
    subject: BenchSubject, settings: Sequence[BenchSetting], seed: int, folder: Path, progress: Progress
) -> dict[BenchSetting, OutputOf]:
    path, module = subject.open(folder, any(setting.engine == "torch" for setting in settings), progress)
    onnxruntime = OnnxruntimeEngine(path)
    runs: dict[BenchSetting, OutputOf] = {}
    for setting in settings:
        batch = setting.batch
        if setting.engine == "onnxruntime":
            feed = {value.name: random_values((batch, *value.shape), value.dtype, seed) for value in subject.inputs}
            runs[setting] = onnxruntime.run(feed, setting.threads)
        elif module is not None and subject.network is not None:
            x = random_values((batch, *subject.network.input), np.dtype(np.float32), seed)
            runs[setting] = torch_run(module, x, setting.threads)
    return runs


def _cautions(
    subject: BenchSubject, plan: BenchPlan, settings: Sequence[BenchSetting], machine: MachineInfo
) -> Iterator[str]:
    """What makes the figures other than they seem."""
    if subject.frozen_batch is not None and list(plan.batches) != [subject.frozen_batch]:
        yield f"the batch of the file is frozen at {subject.frozen_batch}: nothing else is measured"
    most = max(setting.threads for setting in settings)
    if most > machine.cores:
        yield f"{plural(most, 'thread')} on {plural(machine.cores, 'core')} wait for each other"
    if machine.load is not None and machine.load > machine.cores / 2:
        load = f"load {machine.load:.1f} on {plural(machine.cores, 'core')}"
        yield f"the machine was busy when this began ({load}): on an idle one the figures are better"


def _agreement(subject: BenchSubject, runs: dict[BenchSetting, OutputOf]) -> list[str]:
    """Whether both engines compute the same, in the first setting: otherwise their times could not be compared."""
    by_engine = {setting.engine: run for setting, run in reversed(runs.items())}
    if len(by_engine) < len(ENGINES) or not subject.same_input:
        return []
    error = relative_l2(by_engine["onnxruntime"](), by_engine["torch"]())
    if error > DISAGREEMENT:
        return [f"the engines disagree (relative L2 {error:.1e}); vggc verify finds out where"]
    return [f"the engines' outputs agree (relative L2 {error:.1e})"]
