"""The recovered network beside what it was recovered from: the same inputs, and where needed the same other weights."""

from collections.abc import Callable

import torch
from torch import nn

from vggc.base.progress import Progress
from vggc.ir.program import Program
from vggc.verify.reference import Reference
from vggc.verify.report import Measurement
from vggc.verify.trial import Run, Trial

Weights = dict[str, torch.Tensor]


def check(
    program: Program,
    module: nn.Sequential,
    run: Run,
    batch: int | None,
    reweighed: Callable[[Weights], tuple[Run, Weights]],
    report: Measurement,
    progress: Progress,
) -> None:
    """Measure a recovered network against its original, and write the verdict into the report.

    Args:
        program: what was recovered, and the passes that the original went through.
        module: the network in torch, with the recovered weights.
        run: the original.
        batch: the one batch size that the original takes; None where it takes any.
        reweighed: the original with other weights, and those of them that it can take.
        report: what is measured is noted in it.
        progress: told the passes done.
    """
    reference = Reference(program, module.eval())
    samples = [each if batch is None else each._replace(batch=batch) for each in reference.samples()]
    trial = Trial(reference, report, progress=progress)
    own = dict(module.state_dict())
    trial.compare("own", own, run, samples)
    label = "with its own weights"
    if not trial.finite:
        report.reason = trial.overflow()
        return
    if not trial.differs() and trial.says_little():
        for kind, weights in reference.telling_weights():
            other, taken = reweighed(weights)
            if not taken:
                break
            label = f"with {kind} weights"
            trial.compare(kind, {**own, **taken}, other, samples[:2])
            if trial.differs() or trial.is_seen_widely():
                break
    if trial.differs():
        report.verdict, report.reason = "mismatch", trial.difference(label)
    else:
        report.verdict, report.reason = trial.verdict()
