"""onnxruntime: sessions on the CPU, and which opsets it runs."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import onnxruntime
import torch
from onnxruntime.capi import onnxruntime_pybind11_state as errors

from vggc.backends.onnx import onnx_model
from vggc.base.errors import ProductError

Array = np.ndarray[Any, np.dtype[Any]]
State = Mapping[str, torch.Tensor]  # a state dict
Run = Callable[[torch.Tensor], Array]  # a model: its output for an input, the batch first

# Everything that onnxruntime raises: its classes have no base of their own, and their number grows.
FAILURES: Final[tuple[type[Exception], ...]] = tuple(
    error for error in vars(errors).values() if isinstance(error, type) and issubclass(error, Exception)
)


@contextmanager
def runnable(name: str) -> Iterator[None]:
    """What onnxruntime raises becomes a ProductError that says which file it does not run."""
    try:
        yield
    except FAILURES as error:
        raise ProductError(f"onnxruntime does not run {name}: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    """The first line of its message, without the error code."""
    line = (str(error).splitlines() or [type(error).__name__])[0]
    return line.rpartition("[ONNXRuntimeError] : ")[2]


@cache
def newest_opset() -> int:
    """The newest opset that the installed onnx can write and the installed onnxruntime runs."""
    for opset in range(onnx.defs.onnx_opset_version(), onnx_model.OLDEST_OPSET, -1):
        if _runs(opset):
            return opset
    return onnx_model.OLDEST_OPSET


def _runs(opset: int) -> bool:
    value = onnx.helper.make_tensor_value_info
    node = onnx.helper.make_node("Relu", ["x"], ["y"])
    graph = onnx.helper.make_graph([node], "g", [value("x", 1, [1])], [value("y", 1, [1])])
    imports = [onnx.helper.make_opsetid("", opset)]
    model = onnx.helper.make_model(
        graph, opset_imports=imports, ir_version=onnx.helper.find_min_ir_version_for(imports)
    )
    try:
        open_session(model.SerializeToString())
    except FAILURES:
        return False
    return True


def open_session(
    model: str | bytes,
    initializers: Mapping[str, Array] | None = None,
    *,
    folder: Path | None = None,
    threads: int = 0,
) -> onnxruntime.InferenceSession:
    """A session on the CPU.

    Args:
        model: the path of a file, or a serialized model.
        initializers: values that replace the model's own; onnxruntime's optimisations, which fold those, are then off.
        folder: where the external data of a serialized model is.
        threads: how many work on an operator; onnxruntime chooses if it is 0.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    if folder is not None:
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(folder))
    kept = []
    for name, values in (initializers or {}).items():
        kept.append(onnxruntime.OrtValue.ortvalue_from_numpy(values))
        options.add_initializer(name, kept[-1])
    if initializers:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    session.vggc_initializers = kept  # the session refers to their memory
    return session


def opened_in_background(
    executor: Executor, model: str | bytes, initializers: Mapping[str, Array] | None = None
) -> Run:
    """The one output of a session that is opened meanwhile; the first input waits for it."""
    session = executor.submit(open_session, model, initializers)
    return lambda x: runner(session.result())(x)


def runner(session: onnxruntime.InferenceSession) -> Run:
    """The one output of a session for its one input."""
    name = session.get_inputs()[0].name

    def run(x: torch.Tensor) -> Array:
        output: Array = session.run(None, {name: x.numpy()})[0]
        return output

    return run
