"""An ONNX file held against a program and the module with its weights: structure, outputs, and the first difference."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

import numpy as np
import onnx
import torch
from torch import nn

from vggc.backends.onnx import onnx_model
from vggc.backends.onnx.onnx_model import Float
from vggc.base.progress import Progress, silent
from vggc.ir.network import Network
from vggc.ir.program import Program
from vggc.passes import prepare
from vggc.verify.bisection import culprit, first_difference, first_structural_difference, layer_of
from vggc.verify.int8_tensors import quantized_span
from vggc.verify.model_file import data_files
from vggc.verify.reference import Reference
from vggc.verify.report import TOLERANCES, Check, Report, Verdict
from vggc.verify.revealing_weights import telling_weights
from vggc.verify.sessions import Array, open_session, runnable, runner
from vggc.verify.structure import Structure, altered_tensors, opset_of, tensor_differences
from vggc.verify.trial import Trial

_RUNNABLE: Final = (
    "operators",
    "nodes",
    "weights",
)  # a file that fails these alone can still be run, to find out where

_CALIBRATED: Final = (
    "a static int8 file is right for images like those that it was calibrated on: compare on such with --calibration"
)

Precision = Literal["float32", "float16", "int8"]


def verify(
    what: Program | Network,
    path: Path,
    module: nn.Sequential,
    *,
    opset: int | None = None,
    precision: Precision = "float32",
    own_weights: bool = False,
    loosely: bool = False,
    inputs: Sequence[Array] = (),
    model: onnx.ModelProto | None = None,
    progress: Progress = silent,
) -> Report:
    """Hold an ONNX file against a program, or a network as it is, and a module with the weights that it ought to have.

    Args:
        what: what the file is said to be.
        path: the file.
        module: the reference, on the CPU; it is put into eval mode.
        opset: the opset that the file was asked for; its own if left out.
        precision: of the file's arithmetic; an int8 file is held against the outputs alone.
        own_weights: whether the module's weights are the file's own, so that comparing them would say nothing.
        loosely: whether the outputs alone must agree, because the file is made by others, or quantised.
        inputs: what to compare on, each a batch for the file's input; random values if left out.
        model: the file, where it was read already.
        progress: told the passes done.

    Raises:
        ProductError: onnxruntime does not run the file.
    """
    program = what if isinstance(what, Program) else prepare(what)
    with runnable(path.name):
        model = model if model is not None else onnx.load(str(path), load_external_data=False)
        reference = Reference(program, module.eval(), inputs, quantized_span(model, program.input.name))
        return _Verification(program, path, model, reference, precision, progress).run(opset, own_weights, loosely)


class _Verification:
    def __init__(
        self,
        program: Program,
        path: Path,
        model: onnx.ModelProto,
        reference: Reference,
        precision: Precision,
        progress: Progress,
    ) -> None:
        self.program = program
        self.path = path
        self.reference = reference
        self.state = dict(reference.module.state_dict())
        self.tolerance = TOLERANCES[precision]
        self.model = model
        size = path.stat().st_size + sum(each.stat().st_size for each in data_files(path, self.model))
        float_: Float = "float16" if precision == "float16" else "float32"
        self.lowered = onnx_model.lower(program, opset_of(self.model), float_)
        self.report = Report(
            file=path.name,
            network=program.network.name,
            size=size,
            sha256=sha256_of(path),
            opset=opset_of(self.model),
            ir_version=self.model.ir_version,
            operators=dict(Counter(onnx_model.operators(self.model))),
            precision=precision,
            notes=list(program.notes),
        )
        self.foreign = False
        self.trial = Trial(reference, self.report, self.tolerance, progress)

    def run(self, opset: int | None, own_weights: bool, loosely: bool) -> Report:
        """Structure first, then outputs; the first that fails is the verdict."""
        self.foreign = loosely and self.report.precision != "int8"  # so that its values have other names
        structure = Structure(self.path, self.model, self.lowered, self.state)
        checks = structure.loose_checks(opset) if loosely else structure.checks(opset, own_weights)
        self.report.checks = list(checks)
        if all(check.passed for check in self.report.checks):
            self.report.checks += self._range()
        failed = [check for check in self.report.checks if not check.passed]
        if failed:
            self._find_structural_culprit([check.name for check in failed], own_weights)
            return self._end("mismatch", f"{failed[0].name}: {failed[0].detail}")
        samples = self.reference.samples()
        self.trial.compare("as written", self.state, runner(open_session(str(self.path))), samples)
        if not self.trial.finite:
            return self._end("inconclusive", self.trial.overflow())
        if self.trial.differs():
            return self._blame("as written", self.state)
        if loosely or not self.trial.says_little():
            return self._end(*self.trial.verdict())
        for label, weights in self.reference.telling_weights():
            replaced = self._replaced(weights)
            self.trial.compare(label, weights, runner(open_session(str(self.path), replaced)), samples[:2])
            if self.trial.differs():
                return self._blame(f"with {label} weights", weights, replaced)
            if self.trial.is_seen_widely():
                break
        return self._end(*self.trial.verdict())

    def _replaced(self, weights: Mapping[str, torch.Tensor]) -> dict[str, Array]:
        """The initializers of the file for other weights of the network."""
        return {
            each.name: self.lowered.values(each.name, lambda key: weights[key].numpy()) for each in self.lowered.tensors
        }

    def _end(self, verdict: Verdict, reason: str) -> Report:
        self.report.verdict = verdict
        self.report.reason = reason
        return self.report

    # --- blame ---

    def _blame(
        self, weights: str, state: Mapping[str, torch.Tensor], replaced: Mapping[str, Array] | None = None
    ) -> Report:
        if self.reference.span is not None and not self.reference.inputs:
            return self._end("inconclusive", f"{self.trial.difference(weights)}; {_CALIBRATED}")
        if not self.foreign:
            self._find_culprit(state, replaced)
        return self._end("mismatch", self.trial.difference(weights))

    def _find_culprit(self, state: Mapping[str, torch.Tensor], replaced: Mapping[str, Array] | None = None) -> None:
        self.report.culprit = first_difference(
            self.reference, state, self.model, self.lowered, self.tolerance, replaced, folder=self.path.parent
        )

    def _find_structural_culprit(self, failed: list[str], own_weights: bool) -> None:
        """By the values where the file can be run, else by its nodes and tensors alone."""
        if self.foreign:
            return
        if failed == ["weights"] and (own_weights or self.report.precision == "int8"):
            altered = altered_tensors(self.model, self.path)
            if altered:
                self.report.culprit = layer_of(self.lowered, altered[0])
            else:
                self.report.culprit = first_structural_difference(self.lowered, self.model)
            return
        if all(name in _RUNNABLE for name in failed) and not tensor_differences(self.lowered, self.model):
            weights = telling_weights(self.program.network) if "weights" not in failed else self.state
            self._find_culprit(weights, self._replaced(weights) if weights is not self.state else None)
        self.report.culprit = self.report.culprit or first_structural_difference(self.lowered, self.model)

    # --- outputs ---

    def _range(self) -> Iterator[Check]:
        """Whether float16 holds what flows between the layers: a CPU computes in float32 and hides it."""
        if self.report.precision != "float16":
            return
        x = self.reference.input(self.reference.samples()[0])
        most = float(np.finfo(np.float16).max)
        largest, path = max((float(np.abs(y).max()), path) for path, y in self.reference.intermediate(self.state, x))
        if largest > most:
            layer = next(layer for layer in self.program.network.layers if layer.path == path)
            self.report.culprit = culprit(layer, f"its values reach {largest:.3g}")
        yield Check(
            "float16 range", largest <= most, f"values up to {largest:.3g} at {path}, and float16 ends at {most:g}"
        )


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
