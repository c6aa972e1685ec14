"""An ONNX file held against a network and the module with its weights: structure, outputs, and the first difference."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import onnx
import onnxruntime
import torch
from torch import nn

from vggc.backends import onnx_model
from vggc.ir import Network
from vggc.progress import Progress, silent
from vggc.verify.bisection import first_difference
from vggc.verify.outputs import compare, example_input, forward, relative_l2, telling_weights
from vggc.verify.report import Control, Report, Verdict
from vggc.verify.sessions import SESSION_ERRORS, Array, open_session
from vggc.verify.structure import Structure, opset_of

PASSES: Final = ((0, 1), (1, 2), (2, 3))  # (seed, batch size)
PERTURBATION: Final = 0.5
_RUNNABLE: Final = ("operators", "weights")  # a file that fails these alone can still be run, to find out where


def verify(
    network: Network,
    path: Path,
    module: nn.Sequential,
    *,
    opset: int | None = None,
    own_weights: bool = False,
    progress: Progress = silent,
) -> Report:
    """Hold an ONNX file against the network and a module with the weights that it ought to have.

    Args:
        network: what the file is said to be.
        path: the file.
        module: the reference, on the CPU; it is put into eval mode.
        opset: the opset that the file was asked for; its own if left out.
        own_weights: whether the module's weights are the file's own, so that comparing them would say nothing.
        progress: told the passes done.
    """
    verification = _Verification(network, path, module.eval(), progress)
    try:
        return verification.run(opset, own_weights)
    except SESSION_ERRORS as error:
        return verification.end("mismatch", f"onnxruntime cannot run it: {str(error).splitlines()[0]}")


class _Verification:
    def __init__(self, network: Network, path: Path, module: nn.Sequential, progress: Progress) -> None:
        self.network = network
        self.path = path
        self.module = module
        self.progress = progress
        self.model = onnx.load(str(path), load_external_data=False)
        self.lowered = onnx_model.lower(network, opset_of(self.model))
        self.report = Report(
            file=path.name,
            network=network.name,
            size=path.stat().st_size,
            sha256=_sha256(path),
            opset=opset_of(self.model),
            ir_version=self.model.ir_version,
            operators=dict(Counter(onnx_model.operators(self.model))),
        )
        self.steps = 0

    def run(self, opset: int | None, own_weights: bool) -> Report:
        """Structure first, then outputs; the first that fails is the verdict."""
        structure = Structure(self.network, self.module, self.path, self.model, self.lowered)
        self.report.checks = list(structure.checks(opset, own_weights))
        failed = [check for check in self.report.checks if not check.passed]
        if failed:
            if all(check.name in _RUNNABLE for check in failed):
                self._find_culprit()
            return self.end("mismatch", f"{failed[0].name}: {failed[0].detail}")
        self._compare("as written", dict(self.module.state_dict()), open_session(str(self.path)), PASSES)
        if self._mismatch():
            return self._blame("as written")
        if not self.report.controls[-1].seen or self._has_fresh_statistics():
            weights = telling_weights(self.network)
            replaced = {tensor.name: weights[tensor.name].numpy() for tensor in self.lowered.tensors}
            self._compare("He", weights, open_session(str(self.path), replaced), PASSES[:2])
            if self._mismatch():
                return self._blame("with He weights")
        if self.report.controls[-1].seen:
            return self.end("verified", "the outputs agree, and a perturbed layer is seen")
        control = self.report.controls[-1]
        return self.end(
            "inconclusive",
            f"the outputs agree, and halving {control.layer} changes them by {control.relative_l2:.1e} alone: "
            "an error might stay unseen",
        )

    def end(self, verdict: Verdict, reason: str) -> Report:
        """The report, with its verdict."""
        self.report.verdict = verdict
        self.report.reason = reason
        return self.report

    def _mismatch(self) -> bool:
        return not all(comparison.passed for comparison in self.report.comparisons)

    def _blame(self, weights: str) -> Report:
        worst = max(self.report.comparisons, key=lambda each: each.relative_l2)
        self._find_culprit()
        return self.end("mismatch", f"{weights} the outputs differ by {worst.relative_l2:.1e} (relative L2)")

    def _find_culprit(self) -> None:
        self.report.culprit = first_difference(
            self.network, self.module, self.model, self.lowered.boundaries, self.path.parent
        )

    # --- outputs ---

    def _has_fresh_statistics(self) -> bool:
        """Whether some batch norm is the identity still, so that an error in it would not show."""
        for name, tensor in self.module.state_dict().items():
            if name.endswith("running_mean") and not tensor.any():
                return True
        return False

    def _compare(
        self,
        label: str,
        state: Mapping[str, torch.Tensor],
        session: onnxruntime.InferenceSession,
        passes: tuple[tuple[int, int], ...],
    ) -> None:
        first = None
        for seed, batch in passes:
            self._advance()
            x = example_input(self.network, seed, batch)
            actual = session.run(None, {onnx_model.INPUT: x.numpy()})[0]
            expected = forward(self.module, state, x)
            self.report.comparisons.append(compare(label, seed, batch, actual, expected))
            first = first if first is not None else (x, actual)
        assert first is not None
        self._advance()
        self.report.controls.append(self._control(label, state, *first))

    def _control(self, label: str, state: Mapping[str, torch.Tensor], x: torch.Tensor, actual: Array) -> Control:
        """The first layer with weights is halved: what it changes has the longest way to the output."""
        name = next((tensor.name for tensor in self.lowered.tensors if tensor.name.endswith(".weight")), None)
        if name is None:
            perturbed = forward(self.module, state, x * PERTURBATION)
        else:
            perturbed = forward(self.module, {**state, name: state[name] * PERTURBATION}, x)
        layer = name.rpartition(".")[0] if name else onnx_model.INPUT
        return Control(label, layer, relative_l2(actual, perturbed))

    def _advance(self) -> None:
        self.progress("verifying", self.steps, 2 * len(PASSES) + 1)
        self.steps += 1


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
