"""Two models on the same inputs, and a control that must fail: what every verdict rests on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
import torch

from vggc.base.progress import Progress, silent
from vggc.verify.outputs import compare, perturbed, relative_l2
from vggc.verify.reference import Reference, Sample
from vggc.verify.report import FLOAT32, Comparison, Control, Measurement, Tolerance, Verdict
from vggc.verify.sessions import Array

_WAY_OUT: Final = "weights that tell more are trained ones (--weights), or an `init` that suits the activations"

Run = Callable[[torch.Tensor], Array]  # a model: its output for an input, the batch first


class _Pair(NamedTuple):
    """An input, what the other model gives for it, and what the reference gives."""

    sample: Sample
    x: torch.Tensor
    actual: Array
    expected: Array


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
        self.finite = True  # what the reference gave last

    def compare(self, label: str, state: Mapping[str, torch.Tensor], run: Run, samples: Sequence[Sample]) -> None:
        """Hold the reference with the weights of `state` against the other model, for every sample."""
        pairs = []
        for sample in samples:
            self._advance()
            x = self.reference.input(sample)
            pairs.append(_Pair(sample, x, run(x), self.reference.output(state, x)))
        self.finite = all(np.isfinite(each.expected).all() for each in pairs)
        found = self._of_images(label, pairs) if self.reference.inputs else self._of_samples(label, state, pairs)
        self.report.comparisons += found
        self._advance()
        self.report.controls.append(self._control(label, state, pairs[0], max(each.relative_l2 for each in found)))

    def _of_images(self, label: str, pairs: Sequence[_Pair]) -> list[Comparison]:
        """One comparison of all, so that the share of winners that agree is one of all images."""
        actual = np.concatenate([each.actual for each in pairs])
        expected = np.concatenate([each.expected for each in pairs])
        return [compare(label, None, actual, expected, tolerance=self.tolerance)]

    def _of_samples(self, label: str, state: Mapping[str, torch.Tensor], pairs: Sequence[_Pair]) -> list[Comparison]:
        found = []
        for sample, x, actual, expected in pairs:
            comparison = compare(label, sample.seed, actual, expected, sample.size, self.tolerance)
            if not comparison.passed and self.finite and self.tolerance.widest > 1:
                rounding = self.reference.rounding(state, x, expected)
                wider = self.tolerance.widened(rounding)
                again = compare(label, sample.seed, actual, expected, sample.size, wider)
                comparison = replace(again, rounding=rounding)
            found.append(comparison)
        return found

    def _control(self, label: str, state: Mapping[str, torch.Tensor], pair: _Pair, error: float) -> Control:
        """The first layer with weights is perturbed: what it changes has the longest way to the output."""
        name = next((name for name in state if name.endswith(".weight")), None)
        if name is None:
            other = self.reference.output(state, (pair.x * 0.5).to(pair.x.dtype))
        else:
            other = self.reference.output({**state, name: perturbed(state[name])}, pair.x)
        layer = name.rpartition(".")[0] if name else self.reference.program.input.name
        return Control(label, layer, relative_l2(pair.actual, other), self.tolerance.least_miss(error))

    def _advance(self) -> None:
        self.progress("verifying", self.steps, 2 * len(self.reference.samples()) + 1)
        self.steps += 1

    # --- what it means ---

    def differs(self) -> bool:
        """Whether some output did not agree."""
        return not all(comparison.passed for comparison in self.report.comparisons)

    def says_little(self) -> bool:
        """Whether the last control missed by little, or some batch norm is the identity still and hides its errors."""
        return not self.is_seen_widely() or self._has_fresh_statistics()

    def is_seen_widely(self) -> bool:
        """Whether the last control missed the tolerance by a wide margin."""
        return self.report.controls[-1].relative_l2 >= self.tolerance.wide_miss

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
            f"an error might stay unseen; {_WAY_OUT}"
        )

    def overflow(self) -> str:
        """Why nothing can be compared where the reference itself gives values that are not finite."""
        return f"the network's own output is not finite in torch, so nothing can be compared; {_WAY_OUT}"
