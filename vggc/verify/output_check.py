"""The outputs of two models compared on the same inputs, and a negative control: what every verdict rests on."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
import torch

from vggc.base.progress import Progress, silent
from vggc.verify.outputs import compare, perturbed, relative_l2
from vggc.verify.reference import Reference, Sample
from vggc.verify.report import FLOAT32, Comparison, Control, Measurement, Tolerance, Verdict
from vggc.verify.sessions import Array, Run, State

_ADVICE: Final = "use trained weights (--weights), or an `init` that suits the activations"
_SAMPLES_OF_OTHER_WEIGHTS: Final = 2

WithWeights = Callable[[State], tuple[Run, State]]  # a model with other weights, and those of them that it can take


class _Outputs(NamedTuple):
    """An input, what the reference gives for it, and what the other model gives."""

    sample: Sample
    x: torch.Tensor
    expected: Array
    actual: Array


class OutputCheck:
    """Compares a reference with another model, and writes what is measured and the verdict into a report.

    Args:
        reference: what the outputs ought to be.
        report: comparisons, controls, verdict and reason are written into it.
        tolerance: how far outputs may differ.
        progress: told the forward passes done.
    """

    def __init__(
        self, reference: Reference, report: Measurement, tolerance: Tolerance = FLOAT32, progress: Progress = silent
    ) -> None:
        self.reference = reference
        self.report = report
        self.tolerance = tolerance
        self.progress = progress
        self.state = dict(reference.module.state_dict())
        self._passes = 0

    def run(
        self, label: str, run: Run, samples: Sequence[Sample], with_weights: WithWeights | None = None
    ) -> State | None:
        """Compare under the model's own weights and, where these reveal too little, under other ones.

        Args:
            label: what the report calls the model's own weights.
            run: the other model.
            samples: the inputs.
            with_weights: gives the other model with other weights; None where it cannot take any.

        Returns:
            the reference's weights under which the outputs differ (`state` where they are its own); else None.
        """
        if not self._compare(label, self.state, run, samples):
            self._end("inconclusive", f"the network's own output is not finite in torch; {_ADVICE}")
            return None
        if self._differs():
            return self._mismatch("its own", self.state)
        if with_weights is not None and (not self._control_is_clear() or self._has_initial_statistics()):
            for name, weights in self.reference.revealing_weights():
                other, accepted = with_weights(weights)
                if not accepted:
                    break
                state = {**self.state, **accepted}
                self._compare(name, state, other, samples[:_SAMPLES_OF_OTHER_WEIGHTS])
                if self._differs():
                    return self._mismatch(name, state)
                if self._control_is_clear():
                    break
        self._end(*self._agreement())
        return None

    # --- measuring ---

    def _compare(self, label: str, state: State, run: Run, samples: Sequence[Sample]) -> bool:
        """Compare both models for every sample, and run a control; whether the reference's outputs are finite."""
        self._advance()
        inputs = [self.reference.input(sample) for sample in samples]
        expected = [self.reference.output(state, x) for x in inputs]  # first: the other model may still be opening
        perturbed_layer, perturbed_output = self._perturbed(state, inputs[0])
        outputs = []
        for sample, x, output in zip(samples, inputs, expected, strict=True):
            self._advance()
            outputs.append(_Outputs(sample, x, output, run(x)))
        finite = all(np.isfinite(output.expected).all() for output in outputs)
        if self.reference.inputs:
            comparisons = [self._of_images(label, outputs)]
        else:
            comparisons = [self._of_sample(label, state, output, finite) for output in outputs]
        self.report.comparisons += comparisons
        change = relative_l2(outputs[0].actual, perturbed_output)
        needed = self.tolerance.least_miss(max(comparison.relative_l2 for comparison in comparisons))
        self.report.controls.append(Control(label, perturbed_layer, change, needed))
        return finite

    def _of_images(self, label: str, outputs: Sequence[_Outputs]) -> Comparison:
        """One comparison of all, so that the share of winners that agree is one of all images."""
        actual = np.concatenate([output.actual for output in outputs])
        expected = np.concatenate([output.expected for output in outputs])
        return compare(label, None, actual, expected, tolerance=self.tolerance)

    def _of_sample(self, label: str, state: State, output: _Outputs, finite: bool) -> Comparison:
        """A comparison whose tolerance is widened where rounding in this network adds up to more than usual."""
        sample, x, expected, actual = output
        comparison = compare(label, sample.seed, actual, expected, sample.size, self.tolerance)
        if comparison.passed or not finite or self.tolerance.widest <= 1:
            return comparison
        rounding = self.reference.rounding(state, x, expected)
        wider = self.tolerance.widened(rounding)
        return replace(compare(label, sample.seed, actual, expected, sample.size, wider), rounding=rounding)

    def _perturbed(self, state: State, x: torch.Tensor) -> tuple[str, Array]:
        """The first layer with weights, whose change passes through all others, and the output with it perturbed."""
        name = next((name for name in state if name.endswith(".weight")), None)
        if name is None:
            return self.reference.program.input.name, self.reference.output(state, (x * 0.5).to(x.dtype))
        return name.rpartition(".")[0], self.reference.output({**state, name: perturbed(state[name])}, x)

    def _advance(self) -> None:
        self.progress("verifying", self._passes, 2 * len(self.reference.samples()) + 1)
        self._passes += 1

    # --- deciding ---

    def _differs(self) -> bool:
        return not all(comparison.passed for comparison in self.report.comparisons)

    def _control_is_clear(self) -> bool:
        """Whether the last control missed the tolerance by a wide margin."""
        return self.report.controls[-1].relative_l2 >= self.tolerance.wide_miss

    def _has_initial_statistics(self) -> bool:
        """Whether some batch norm is still the identity, which hides its errors."""
        return any(name.endswith("running_mean") and not tensor.any() for name, tensor in self.state.items())

    def _mismatch(self, weights: str, state: State) -> State:
        error = max(comparison.relative_l2 for comparison in self.report.comparisons)
        self._end("mismatch", f"with {weights} weights the outputs differ by {error:.1e} (relative L2)")
        return state

    def _agreement(self) -> tuple[Verdict, str]:
        """The verdict where nothing differs, and its reason."""
        control = self.report.controls[-1]
        if control.seen:
            return "verified", "the outputs agree, and a perturbed layer is seen"
        change = f"perturbing {control.layer} changes them only by {control.relative_l2:.1e}"
        return "inconclusive", f"the outputs agree, but {change}: an error might stay unseen; {_ADVICE}"

    def _end(self, verdict: Verdict, reason: str) -> None:
        self.report.verdict, self.report.reason = verdict, reason
