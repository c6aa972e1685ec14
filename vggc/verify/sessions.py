"""onnxruntime: sessions on the CPU, and which opsets it runs."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch

from vggc.backends import onnx_model

Array = np.ndarray[Any, np.dtype[Any]]

_state = onnxruntime.capi.onnxruntime_pybind11_state
# What onnxruntime raises for a model that it does not take or cannot run; they share no base of their own.
RUNTIME_ERRORS = (
    _state.Fail,
    _state.InvalidArgument,
    _state.InvalidGraph,
    _state.InvalidProtobuf,
    _state.NotImplemented,
    _state.RuntimeException,
)


def newest_opset() -> int:
    """The newest opset that both the installed onnx can write and the installed onnxruntime runs."""
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
    except onnxruntime.capi.onnxruntime_pybind11_state.Fail:
        return False
    return True


def open_session(model: str | bytes, initializers: Mapping[str, Array] | None = None) -> onnxruntime.InferenceSession:
    """A session on the CPU, where asked with other initializers than the file's.

    onnxruntime takes them in place of the file's only with its optimisations off, which fold the file's own.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    kept = []
    for name, values in (initializers or {}).items():
        kept.append(onnxruntime.OrtValue.ortvalue_from_numpy(values))
        options.add_initializer(name, kept[-1])
    if initializers:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    session.vggc_initializers = kept  # the session refers to their memory
    return session


def runner(session: onnxruntime.InferenceSession) -> Callable[[torch.Tensor], Array]:
    """The one output of a session for its one input."""
    name = session.get_inputs()[0].name

    def run(x: torch.Tensor) -> Array:
        output: Array = session.run(None, {name: x.numpy()})[0]
        return output

    return run
