"""The recovered network compared with what it was recovered from: on the same inputs, and where needed with the same
other weights, which reveal more of the graph than trained ones may.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
import onnx
from torch import nn

from vggc.backends.onnx.protobuf_stream import MAX_FILE
from vggc.base.errors import ProductError
from vggc.base.progress import Progress
from vggc.importing.reading.graph_values import Array, FoldedConstant
from vggc.importing.reading.preparing import Prepared
from vggc.ir.program import Program
from vggc.verify.output_check import OutputCheck
from vggc.verify.reference import Reference
from vggc.verify.report import Measurement
from vggc.verify.sessions import Run, State, open_session, runner


class Original(Protocol):
    """What a network was recovered from."""

    @property
    def run(self) -> Run:
        """Its output for a batch of images."""

    def with_weights(self, weights: State) -> tuple[Run, State]:
        """The same with other weights, by the keys of the network's tensors; and those of them that it can take."""


def check(
    program: Program,
    module: nn.Sequential,
    original: Original,
    batch: int | None,
    report: Measurement,
    progress: Progress,
) -> None:
    """Measure a recovered network against its original, and write the verdict into the report.

    Args:
        program: the recovered network, after the passes that the original went through.
        module: the network in torch, with the recovered weights.
        original: what it was recovered from.
        batch: the one batch size that the original takes; None where it takes any.
        report: takes the measurements.
        progress: told the passes done.
    """
    reference = Reference(program, module.eval())
    samples = [sample if batch is None else sample._replace(batch=batch) for sample in reference.samples()]
    OutputCheck(reference, report, progress=progress).run("own", original.run, samples, original.with_weights)


class OnnxOriginal:
    """An ONNX file at inference in float32, run by onnxruntime.

    Args:
        file: the file as it was read.
        prepared: its model.
        tensors: those of the recovered network by its keys. Another weight can be given for each that is an initializer
            of the file which nothing else uses.
        adapted: brings a run of the file to what the network takes and gives.

    Raises:
        ProductError: the model is too large once it is in float32.
    """

    def __init__(
        self, file: Path, prepared: Prepared, tensors: Mapping[str, FoldedConstant], adapted: Callable[[Run], Run]
    ) -> None:
        model = prepared.model
        if not prepared.as_written and model.ByteSize() > MAX_FILE:
            raise ProductError(f"not supported: {file.name} has more than 2 GiB of weights once it is in float32")
        self.model = model
        self.adapted = adapted
        self.source: str | bytes = str(file) if prepared.as_written else model.SerializeToString()
        self.run = adapted(runner(open_session(self.source)))
        uses = Counter(name for node in model.graph.node for name in node.input)
        uses.update(tensor.origin.name for tensor in tensors.values() if tensor.origin is not None)
        self.origins = {  # one use as an input of a node, and one as a tensor
            key: tensor.origin
            for key, tensor in tensors.items()
            if tensor.origin is not None and uses[tensor.origin.name] == 2
        }

    def with_weights(self, weights: State) -> tuple[Run, State]:
        """The file with other weights, and those that it can take."""
        replaced: dict[str, Array] = {
            origin.name: np.ascontiguousarray(origin.back(weights[key].numpy())) for key, origin in self.origins.items()
        }
        run = self.adapted(runner(open_session(self._with_fixed_initializers(), replaced)))
        return run, {key: weights[key] for key in self.origins}

    def _with_fixed_initializers(self) -> str | bytes:
        """Before IR version 4 initializers are inputs as well, which onnxruntime does not replace."""
        constants = {tensor.name for tensor in self.model.graph.initializer}
        inputs = [value for value in self.model.graph.input if value.name not in constants]
        if len(inputs) == len(self.model.graph.input):
            return self.source
        fixed = onnx.ModelProto()
        fixed.CopyFrom(self.model)
        del fixed.graph.input[:]
        fixed.graph.input.extend(inputs)
        fixed.ir_version = max(4, fixed.ir_version)
        return fixed.SerializeToString()
