"""Two models on the same inputs, and a control that must fail: what every verdict rests on."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

from vggc.progress import Progress, silent
from vggc.verify.outputs import compare, perturbed, relative_l2
from vggc.verify.reference import Reference, Sample
from vggc.verify.report import FLOAT32, Control, Measurement, Tolerance, Verdict
from vggc.verify.sessions import Array

Run = Callable[[torch.Tensor], Array]  # a model: its output for an input, the batch first


class Trial:
    """A reference beside another model; what is measured is noted in a report."""

    def __init__(
        self, reference: Reference, report: Measurement, tolerance: Tolerance = FLOAT32, progress: Progress = silent
    ) -> None:
        self.reference = reference
        self.report = report
        self.tolerance = tolerance
        self.progress = progress
        self.steps = 0

    def compare(self, label: str, state: Mapping[str, torch.Tensor], run: Run, samples: Sequence[Sample]) -> None:
        """Hold the reference with the weights of `state` against the other model, for every sample."""
        pairs = []
        for sample in samples:
            self._advance()
            x = self.reference.input(sample)
            pairs.append((sample, x, run(x), self.reference.output(state, x)))
        if self.reference.inputs:
            actual, expected = (np.concatenate(each) for each in zip(*(pair[2:] for pair in pairs), strict=True))
            self.report.comparisons.append(compare(label, None, actual, expected, tolerance=self.tolerance))
        else:
            self.report.comparisons += [
                compare(label, sample.seed, actual, expected, sample.size, self.tolerance)
                for sample, _, actual, expected in pairs
            ]
        self._advance()
        self.report.controls.append(self._control(label, state, *pairs[0][1:3]))

    def _control(self, label: str, state: Mapping[str, torch.Tensor], x: torch.Tensor, actual: Array) -> Control:
        """The first layer with weights is perturbed: what it changes has the longest way to the output."""
        name = next((name for name in state if name.endswith(".weight")), None)
        needed = self.tolerance.margin * self.tolerance.relative_l2
        if name is None:
            other = self.reference.output(state, (x * 0.5).to(x.dtype))
        else:
            other = self.reference.output({**state, name: perturbed(state[name])}, x)
        layer = name.rpartition(".")[0] if name else self.reference.program.input.name
        return Control(label, layer, relative_l2(actual, other), needed)

    def _advance(self) -> None:
        self.progress("verifying", self.steps, 2 * len(self.reference.samples()) + 1)
        self.steps += 1

    # --- what it means ---

    def differs(self) -> bool:
        """Whether some output did not agree."""
        return not all(comparison.passed for comparison in self.report.comparisons)

    def says_little(self) -> bool:
        """Whether the last control was not seen, or some batch norm is the identity still and hides its errors."""
        return not self.report.controls[-1].seen or self._has_fresh_statistics()

    def _has_fresh_statistics(self) -> bool:
        state = self.reference.module.state_dict()
        return any(name.endswith("running_mean") and not tensor.any() for name, tensor in state.items())

    def difference(self, weights: str) -> str:
        """The largest difference in words; `weights` says under which."""
        worst = max(self.report.comparisons, key=lambda each: each.relative_l2)
        return f"{weights} the outputs differ by {worst.relative_l2:.1e} (relative L2)"

    def verdict(self) -> tuple[Verdict, str]:
        """The verdict where nothing differs, and its reason."""
        control = self.report.controls[-1]
        if control.seen:
            return "verified", "the outputs agree, and a perturbed layer is seen"
        return "inconclusive", (
            f"the outputs agree, and perturbing {control.layer} changes them by {control.relative_l2:.1e} alone: "
            "an error might stay unseen"
        )
