"""An ONNX file compared with what it is said to be: structure, outputs, and the first difference."""

from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import onnx
from torch import nn

from vggc.backends.onnx import onnx_model
from vggc.base.errors import ProductError, VerificationError
from vggc.base.progress import Progress, silent
from vggc.layers.answers import LoweringError
from vggc.verify.bisection import culprit, first_difference, first_structural_difference, layer_of
from vggc.verify.claim import Claim, Strictness
from vggc.verify.int8_tensors import quantized_span
from vggc.verify.model_file import data_files, opset_of, read_model, sha256_of
from vggc.verify.output_check import OutputCheck
from vggc.verify.reference import Reference
from vggc.verify.report import TOLERANCES, Check, Report
from vggc.verify.revealing_weights import revealing_weights
from vggc.verify.sessions import Array, Run, State, opened_in_background, runnable
from vggc.verify.structure import Structure

# A file that fails these alone can still be run, to find out where it differs.
_RUNNABLE: Final = ("operators", "nodes", "weights")

_CALIBRATED: Final = (
    "a static int8 file is right for images like those that it was calibrated on: compare on such with --calibration"
)


def verify_or_raise(
    claim: Claim,
    path: Path,
    module: nn.Sequential,
    *,
    model: onnx.ModelProto | None = None,
    progress: Progress = silent,
) -> Report:
    """Compare an ONNX file with what it is said to be, and with a module that has the weights that it ought to have.

    Args:
        claim: what the file is said to be.
        path: the file.
        module: the reference, on the CPU; it is put into eval mode.
        model: the file, where it was read already.
        progress: told the passes done.

    Returns:
        what was measured, where all of it agrees.

    Raises:
        ProductError: the file cannot be read, onnxruntime does not run it, or it cannot hold the module's weights.
        VerificationError: it is something else, or that cannot be decided.
    """
    with ThreadPoolExecutor() as executor, runnable(path.name):
        digest = executor.submit(sha256_of, path)
        model = model if model is not None else read_model(path, mapped=True)
        program = claim.lowered.program
        reference = Reference(program, module.eval(), claim.inputs, quantized_span(model, program.input.name))
        try:
            report = _Verification(claim, path, model, reference, executor, progress).run()
        except LoweringError as error:  # float16 cannot hold one of the reference's weights
            raise ProductError(f"not supported: {error}") from error
        report = replace(report, sha256=digest.result())
    if report.verdict != "verified":
        raise VerificationError(report)
    return report


class _Verification:
    def __init__(
        self,
        claim: Claim,
        path: Path,
        model: onnx.ModelProto,
        reference: Reference,
        executor: Executor,
        progress: Progress,
    ) -> None:
        self.claim = claim
        self.executor = executor
        self.structure = Structure(path, model, claim.lowered)
        self.reference = reference
        self.tolerance = TOLERANCES[claim.precision]
        self.report = Report(
            file=path.name,
            network=reference.program.network.name,
            size=path.stat().st_size + sum(data.stat().st_size for data in data_files(path, model)),
            sha256="",
            opset=opset_of(model),
            ir_version=model.ir_version,
            operators=dict(Counter(onnx_model.operators(model))),
            precision=claim.precision,
            notes=list(reference.program.notes),
        )
        self.outputs = OutputCheck(reference, self.report, self.tolerance, progress)

    def run(self) -> Report:
        """Structure first, then outputs; the first that fails is the verdict."""
        report = self.report
        report.checks = list(self.structure.checks(self.claim, self.outputs.state))
        if all(check.passed for check in report.checks):
            report.checks += self._range()
        failed = [check for check in report.checks if not check.passed]
        if failed:
            self._find_structural_culprit([check.name for check in failed])
            report.verdict, report.reason = "mismatch", f"{failed[0].name}: {failed[0].detail}"
            return report
        with_weights = None if self.claim.strictness is Strictness.OUTPUTS_ONLY else self._with_weights
        run = self._session()
        state = self.outputs.run("as written", run, self.reference.samples(), with_weights)
        if state is not None:
            self._blame(state)
        return report

    def _with_weights(self, weights: State) -> tuple[Run, State]:
        """The file with other weights of the network."""
        return self._session(self._replaced(weights)), weights

    def _session(self, replaced: Mapping[str, Array] | None = None) -> Run:
        return opened_in_background(self.executor, str(self.structure.path), replaced)

    def _replaced(self, weights: State) -> dict[str, Array]:
        """The initializers of the file for other weights of the network."""
        lowered = self.claim.lowered
        names = [tensor.name for tensor in lowered.tensors]
        return {name: lowered.values(name, lambda key: weights[key].numpy()) for name in names}

    # --- blame ---

    def _blame(self, state: State) -> None:
        if self.reference.span is not None and not self.reference.inputs:
            self.report.verdict, self.report.reason = "inconclusive", f"{self.report.reason}; {_CALIBRATED}"
        elif not self.claim.foreign:
            self._find_culprit(state)

    def _find_culprit(self, state: State) -> None:
        replaced = self._replaced(state) if state is not self.outputs.state else None
        self.report.culprit = first_difference(self.reference, state, self.structure, self.tolerance, replaced)

    def _find_structural_culprit(self, failed: list[str]) -> None:
        """By the values where the file can be run, else by its nodes and tensors alone."""
        if self.claim.foreign:
            return
        if failed == ["weights"] and self.claim.strictness is not Strictness.STRICT:
            if altered := self.structure.altered_tensors():
                self.report.culprit = layer_of(self.claim.lowered, altered[0])
        elif all(name in _RUNNABLE for name in failed) and not self.structure.tensor_differences():
            network = self.reference.program.network
            self._find_culprit(self.outputs.state if "weights" in failed else revealing_weights(network))
        self.report.culprit = self.report.culprit or first_structural_difference(self.structure)

    # --- outputs ---

    def _range(self) -> Iterator[Check]:
        """Whether float16 holds what flows between the layers: a CPU computes in float32 and hides it."""
        if self.claim.precision != "float16":
            return
        x = self.reference.input(self.reference.samples()[0])
        limit = float(np.finfo(np.float16).max)
        maxima = ((float(np.abs(y).max()), path) for path, y in self.reference.intermediate(self.outputs.state, x))
        largest, path = max(maxima)
        if largest > limit:
            layer = next(layer for layer in self.reference.program.network.layers if layer.path == path)
            self.report.culprit = culprit(layer, f"its values reach {largest:.3g}")
        detail = f"values up to {largest:.3g} at {path}, and float16 ends at {limit:g}"
        yield Check("float16 range", largest <= limit, detail)
