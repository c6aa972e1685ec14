"""A subject measured in the engines and settings asked for: what `vggc bench` does."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

from vggc.base.errors import ProductError
from vggc.base.progress import Progress, silent
from vggc.base.words import in_bytes
from vggc.benching.engines import OnnxruntimeEngine, TorchEngine, random_values, threads_restored
from vggc.benching.machine import Machine, available_memory, cores, this_machine
from vggc.benching.medians import ENGINES, Cell, Engine, Measurement, Ratio, Setting, ratios
from vggc.benching.rounds import Plan, Run, measure
from vggc.benching.subject import Subject
from vggc.verify.outputs import relative_l2

DISAGREEMENT: Final = 1e-2  # relative L2, above which the engines surely do not compute the same


@dataclass(frozen=True)
class Result:
    """What was measured, on what, and what has to be known about it."""

    subject: Subject
    plan: Plan
    machine: Machine
    measurements: list[Measurement]
    notes: list[str]

    @property
    def ratios(self) -> list[Ratio]:
        """Torch's time beside onnxruntime's, in every setting that both were measured in."""
        return ratios(self.measurements)


def default_threads() -> list[int]:
    """One, and all cores that the process may use."""
    return sorted({1, cores()})


def bench(
    subject: Subject,
    *,
    engines: Sequence[Engine] | None = None,
    batches: Sequence[int] = (1, 8),
    threads: Sequence[int] | None = None,
    plan: Plan | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Result:
    """Measure a subject.

    Args:
        subject: what.
        engines: in which engines; in all that can run it if left out.
        batches: images at once; a file with a frozen batch is measured at that alone.
        threads: how many threads work on an operator; `default_threads` if left out.
        plan: how long.
        seed: of the input.
        progress: told what is done.

    Raises:
        ProductError: an engine cannot run the subject, or the memory does not suffice.
    """
    plan = plan or Plan()
    chosen = [each for each in ENGINES if each in (engines or subject.engines)]
    if missing := set(chosen) - set(subject.engines):
        raise ProductError(f"{subject.title} cannot be run in {missing.pop()}: {subject.notes[0]}")
    taken = [subject.frozen_batch] if subject.frozen_batch is not None else list(dict.fromkeys(batches))
    settings = [Setting(batch, each) for batch in taken for each in dict.fromkeys(threads or default_threads())]
    _check_memory(subject, chosen, settings)
    machine = this_machine(_libraries(chosen))
    with TemporaryDirectory(prefix="vggc-bench-") as folder, threads_restored():
        runs = _runs(subject, chosen, settings, Path(folder), seed, progress)
        notes = [*subject.notes, *_cautions(subject, settings, batches, machine), *_agreement(subject, runs)]
        measurements = measure(runs, plan, progress)
    return Result(subject, plan, machine, measurements, notes)


def _libraries(engines: Sequence[Engine]) -> list[str]:
    return [*engines, "onnx", "numpy"]


def needed_memory(subject: Subject, engines: Sequence[Engine], settings: Sequence[Setting]) -> int:
    """About how many bytes: the weights and the largest activations, in torch once and once a session of onnxruntime.

    Of an unknown network only the input is counted.
    """
    copies = len({each.threads for each in settings}) * ("onnxruntime" in engines) + ("torch" in engines)
    sample = sum(each.dtype.itemsize * prod(each.shape) for each in subject.inputs)
    if subject.network is not None:
        sample += subject.network.peak_activation_bytes
    return copies * (subject.weight_bytes + max(each.batch for each in settings) * sample)


def _check_memory(subject: Subject, engines: Sequence[Engine], settings: Sequence[Setting]) -> None:
    needed, available = needed_memory(subject, engines, settings), available_memory()
    if available is not None and needed > available:
        raise ProductError(
            f"measuring {subject.title} needs about {in_bytes(needed)} of memory, and {in_bytes(available)} "
            "can be had; take a smaller --batch, fewer --threads, or one of --engines"
        )


def _runs(
    subject: Subject,
    engines: Sequence[Engine],
    settings: Sequence[Setting],
    folder: Path,
    seed: int,
    progress: Progress,
) -> dict[Cell, Run]:
    """A run for every cell, the engines of a setting beside each other."""
    path, module = subject.source.open(folder, progress, module="torch" in engines)
    onnxruntime = OnnxruntimeEngine(path)
    torch = TorchEngine(module) if module is not None else None
    runs: dict[Cell, Run] = {}
    for setting in settings:
        feed = {each.name: random_values((setting.batch, *each.shape), each.dtype, seed) for each in subject.inputs}
        if "onnxruntime" in engines:
            runs[Cell("onnxruntime", setting)] = onnxruntime.run(feed, setting.threads)
        if torch is not None and subject.network is not None:
            shape = (setting.batch, *subject.network.input)
            x = next(iter(feed.values())) if subject.same_input else random_values(shape, np.dtype(np.float32), seed)
            runs[Cell("torch", setting)] = torch.run(x, setting.threads)
    return runs


def _cautions(subject: Subject, settings: Sequence[Setting], batches: Sequence[int], machine: Machine) -> list[str]:
    """What makes the figures other than they seem."""
    found = []
    if subject.frozen_batch is not None and list(batches) != [subject.frozen_batch]:
        found.append(f"the batch of the file is frozen at {subject.frozen_batch}: nothing else is measured")
    most = max(each.threads for each in settings)
    if most > machine.cores:
        found.append(f"{most} threads on {machine.cores} cores wait for each other")
    if machine.load is not None and machine.load > machine.cores / 2:
        found.append(
            f"the machine was at other work when this began (load {machine.load:.1f} on {machine.cores} cores): "
            "the figures are those of a busy machine"
        )
    return found


def _agreement(subject: Subject, runs: dict[Cell, Run]) -> list[str]:
    """Whether both engines compute the same, in the first setting: else their times could not be compared."""
    by_engine = {cell.engine: run for cell, run in reversed(runs.items())}
    if len(by_engine) < len(ENGINES) or not subject.same_input:
        return []
    error = relative_l2(by_engine["onnxruntime"](), by_engine["torch"]())
    if error > DISAGREEMENT:
        return [f"the engines disagree (relative L2 {error:.1e}); vggc verify finds out where"]
    return [f"the engines' outputs agree (relative L2 {error:.1e})"]
