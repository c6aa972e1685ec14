"""Small ONNX files as other frameworks write them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Tensors = Mapping[str, Any]


def weights(*shape: int, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Standard normal values, small enough that a few layers keep them so."""
    drawn = np.random.default_rng(seed).standard_normal(shape)
    return (drawn / max(1, np.prod(shape[1:])) ** 0.5).astype(np.float32)


def positive(*shape: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Values from 0.5 on, for variances."""
    return (0.5 + np.abs(weights(*shape, seed=5))).astype(np.float32)


def node(op: str, inputs: str, output: str, /, name: str = "", **attributes: Any) -> onnx.NodeProto:
    """A node; its inputs are separated by blanks, and `-` is one that is left out."""
    return helper.make_node(
        op, ["" if each == "-" else each for each in inputs.split()], output.split(), name=name, **attributes
    )


def model(
    nodes: Sequence[onnx.NodeProto],
    tensors: Tensors | None = None,
    *,
    input: Sequence[int | str] = ("N", 3, 8, 8),
    opset: int = 13,
    ir_version: int = 7,
    listed: bool = False,
    name: str = "net",
    type: int = TensorProto.FLOAT,
    domains: Sequence[str] = (),
) -> onnx.ModelProto:
    """A model from `x` to `y`; `listed` says that the initializers are inputs as well, as before IR version 4."""
    initializers = [numpy_helper.from_array(np.asarray(value), key) for key, value in (tensors or {}).items()]
    inputs = [helper.make_tensor_value_info("x", type, list(input))]
    if listed:
        inputs += [helper.make_tensor_value_info(each.name, each.data_type, each.dims) for each in initializers]
    outputs = [helper.make_tensor_value_info("y", type, None)]
    graph = helper.make_graph(list(nodes), name, inputs, outputs, initializers)
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(graph, opset_imports=imports, ir_version=ir_version)


def save(made: onnx.ModelProto, folder: Path, name: str = "net.onnx") -> Path:
    """The path of the model, written."""
    path = folder / name
    onnx.save(made, str(path))
    return path
