"""An ONNX file held against a network and the module with its weights: structure, outputs, and the first difference."""

import hashlib
from collections import Counter
from pathlib import Path
from typing import Final

import onnx
from torch import nn

from vggc.backends import onnx_model
from vggc.ir import Network
from vggc.progress import Progress, silent
from vggc.verify.bisection import first_difference
from vggc.verify.outputs import telling_weights
from vggc.verify.report import Report, Verdict
from vggc.verify.sessions import open_session, runner
from vggc.verify.structure import Structure, opset_of
from vggc.verify.trial import PASSES, Trial

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
    return _Verification(network, path, module.eval(), progress).run(opset, own_weights)


class _Verification:
    def __init__(self, network: Network, path: Path, module: nn.Sequential, progress: Progress) -> None:
        self.network = network
        self.path = path
        self.module = module
        self.progress = progress
        self.model = onnx.load(str(path))
        self.lowered = onnx_model.lower(network, opset_of(self.model))
        self.report = Report(
            file=path.name,
            network=network.name,
            size=path.stat().st_size,
            sha256=sha256_of(path),
            opset=opset_of(self.model),
            ir_version=self.model.ir_version,
            operators=dict(Counter(onnx_model.operators(self.model))),
        )
        self.trial = Trial(network, module, self.report, progress)

    def run(self, opset: int | None, own_weights: bool) -> Report:
        """Structure first, then outputs; the first that fails is the verdict."""
        structure = Structure(self.network, self.module, self.path, self.model, self.lowered)
        self.report.checks = list(structure.checks(opset, own_weights))
        failed = [check for check in self.report.checks if not check.passed]
        if failed:
            if all(check.name in _RUNNABLE for check in failed):
                self._find_culprit()
            return self._end("mismatch", f"{failed[0].name}: {failed[0].detail}")
        self.trial.compare("as written", dict(self.module.state_dict()), runner(open_session(str(self.path))), PASSES)
        if self.trial.differs():
            return self._blame("as written")
        if self.trial.says_little():
            weights = telling_weights(self.network)
            replaced = {tensor.name: weights[tensor.name].numpy() for tensor in self.lowered.tensors}
            self.trial.compare("He", weights, runner(open_session(str(self.path), replaced)), PASSES[:2])
            if self.trial.differs():
                return self._blame("with He weights")
        return self._end(*self.trial.verdict())

    def _end(self, verdict: Verdict, reason: str) -> Report:
        self.report.verdict = verdict
        self.report.reason = reason
        return self.report

    def _blame(self, weights: str) -> Report:
        self._find_culprit()
        return self._end("mismatch", self.trial.difference(weights))

    def _find_culprit(self) -> None:
        self.report.culprit = first_difference(self.network, self.module, self.model, self.lowered.boundaries)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
