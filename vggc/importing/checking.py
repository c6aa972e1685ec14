"""The recovered network beside what it was recovered from: the same inputs, and where needed the same other weights."""

from collections.abc import Callable

from torch import nn

from vggc.base.progress import Progress
from vggc.ir.program import Program
from vggc.verify.output_check import OutputCheck
from vggc.verify.reference import Reference
from vggc.verify.report import Measurement
from vggc.verify.sessions import Run, State


def check(
    program: Program,
    module: nn.Sequential,
    run: Run,
    batch: int | None,
    reweighed: Callable[[State], tuple[Run, State]],
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
    OutputCheck(reference, report, progress=progress).run("own", run, samples, reweighed)
