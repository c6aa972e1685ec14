"""Two models on the same random inputs, and a control that must fail: what every verdict rests on."""

from collections.abc import Callable, Mapping
from typing import Final

import torch
from torch import nn

from vggc.ir import Network
from vggc.progress import Progress, silent
from vggc.verify.outputs import compare, example_input, forward, relative_l2
from vggc.verify.report import Control, Measurement, Verdict
from vggc.verify.sessions import Array

PASSES: Final = ((0, 1), (1, 2), (2, 3))  # (seed, batch size)
PERTURBATION: Final = 0.5

Run = Callable[[torch.Tensor], Array]  # a model: its output for an input of shape (batch, C, H, W)


class Trial:
    """A module beside another model; what is measured is noted in a report."""

    def __init__(
        self, network: Network, module: nn.Sequential, report: Measurement, progress: Progress = silent
    ) -> None:
        self.network = network
        self.module = module
        self.report = report
        self.progress = progress
        self.steps = 0

    def compare(
        self, label: str, state: Mapping[str, torch.Tensor], run: Run, passes: tuple[tuple[int, int], ...]
    ) -> None:
        """Hold the module with the weights of `state` against the other model, for every (seed, batch size)."""
        first = None
        for seed, batch in passes:
            self._advance()
            x = example_input(self.network, seed, batch)
            actual = run(x)
            expected = forward(self.module, state, x)
            self.report.comparisons.append(compare(label, seed, batch, actual, expected))
            first = first if first is not None else (x, actual)
        assert first is not None
        self._advance()
        self.report.controls.append(self._control(label, state, *first))

    def _control(self, label: str, state: Mapping[str, torch.Tensor], x: torch.Tensor, actual: Array) -> Control:
        """The first layer with weights is halved: what it changes has the longest way to the output."""
        layer = next((each for each in self.network.layers if "weight" in each.layer.tensors(each.input)), None)
        if layer is None:
            perturbed = forward(self.module, state, x * PERTURBATION)
        else:
            name = f"{layer.path}.weight"
            perturbed = forward(self.module, {**state, name: state[name] * PERTURBATION}, x)
        return Control(label, layer.path if layer else "input", relative_l2(actual, perturbed))

    def _advance(self) -> None:
        self.progress("verifying", self.steps, 2 * len(PASSES) + 1)
        self.steps += 1

    # --- what it means ---

    def differs(self) -> bool:
        """Whether some output did not agree."""
        return not all(comparison.passed for comparison in self.report.comparisons)

    def says_little(self) -> bool:
        """Whether the last control was not seen, or some batch norm is the identity still and hides its errors."""
        return not self.report.controls[-1].seen or self._has_fresh_statistics()

    def _has_fresh_statistics(self) -> bool:
        state = self.module.state_dict()
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
            f"the outputs agree, and halving {control.layer} changes them by {control.relative_l2:.1e} alone: "
            "an error might stay unseen"
        )
