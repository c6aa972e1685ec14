"""Program -> ONNX, lowered directly: no tracing, names from the spec, the same bytes every time."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, Final, Literal

import numpy as np
import onnx
from onnx import TensorProto, helper

from vggc.backends import yaml_spec
from vggc.backends.protobuf_stream import Tensor
from vggc.ir import Network, ShapedLayer
from vggc.layers.base import LoweringError, OnnxNode
from vggc.passes import ALWAYS, PASSES, check_sizes, prepare
from vggc.passes.program import Array, Derived, Port, Program, State
from vggc.unroll import unroll
from vggc.version import __version__

OLDEST_OPSET: Final = 13
DEFAULT_OPSET: Final = 17  # onnxruntime 1.12 (2022) and all later ones run it

Float = Literal["float32", "float16"]
ELEMENTS: Final = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "uint8": TensorProto.UINT8}
DTYPES: Final[dict[int, str]] = {TensorProto.FLOAT: "<f4", TensorProto.FLOAT16: "<f2"}


@dataclass(frozen=True)
class Lowered:
    """A program as ONNX without its weights.

    `derived` says how each of `tensors` is computed from the network's state dict. `boundaries` gives for a layer of
    the network, by its path, the value that holds its output; a layer that a pass removed has none.
    """

    program: Program
    model: onnx.ModelProto
    tensors: tuple[Tensor, ...]
    derived: Mapping[str, Derived]
    boundaries: Mapping[str, str]

    def values(self, name: str, state: State) -> Array:
        """The values of an initializer, computed from the network's state dict, in the type that the file holds.

        Raises:
            LoweringError: float16 cannot hold one of them.
        """
        wanted = next(tensor for tensor in self.tensors if tensor.name == name)
        values = self.derived[name].compute(state)
        if values.shape != wanted.shape or values.dtype != np.float32:
            raise ValueError(f"{name} is {values.dtype}{list(values.shape)} instead of float32{list(wanted.shape)}")
        return _cast(name, values, DTYPES[wanted.data_type])


def _cast(name: str, values: Array, dtype: str) -> Array:
    if values.dtype == np.dtype(dtype):
        return values
    with np.errstate(over="ignore"):
        cast: Array = values.astype(dtype)
    lost = int((np.isinf(cast) & np.isfinite(values)).sum())
    if lost:
        most = float(np.finfo(dtype).max)
        raise LoweringError(
            f"{lost} of the {values.size} values of {name} are beyond {most:g}, the most of {cast.dtype}"
        )
    return cast


def lower(what: Program | Network, opset: int = DEFAULT_OPSET, precision: Float = "float32") -> Lowered:
    """The nodes, inputs, outputs and metadata of a program, or of a network as it is.

    In float16 the weights and everything between them are float16, behind a cast of the input and before one of the
    output, which stay float32.

    Raises:
        LoweringError: a layer has no form in the opset.
        ProductError: height and width are left open, and a layer is not the same at every size.
    """
    program = what if isinstance(what, Program) else prepare(what)
    if program.dynamic:
        check_sizes(program, opset)
    lowering = _Lowering(program, opset, precision)
    graph = helper.make_graph(
        lowering.nodes,
        program.network.name,
        [_port(program.input)],
        [_port(program.output)],
        value_info=lowering.values,
    )
    imports = [helper.make_opsetid("", opset)]
    model = helper.make_model(
        graph,
        opset_imports=imports,
        ir_version=helper.find_min_ir_version_for(imports),
        producer_name="vggc",
        producer_version=__version__,
    )
    helper.set_model_props(model, metadata(program, precision))
    return Lowered(program, model, tuple(lowering.tensors), lowering.derived, lowering.boundaries)


def _port(port: Port) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(port.name, ELEMENTS[port.dtype], port.dims)


def metadata(program: Program, precision: str) -> dict[str, str]:
    """What travels in the file: the expanded spec and its hash, versions, passes, preprocessing, class names."""
    network = program.network
    text = yaml_spec.emit(unroll(network.spec))
    found = {
        "vggc.version": __version__,
        "vggc.spec": text,
        "vggc.spec_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "vggc.passes": json.dumps([name for name in PASSES if program.did(name) and name not in ALWAYS]),
        "vggc.precision": precision,
        "onnx.version": onnx.__version__,
    }
    if network.graph.until is not None:
        found["vggc.until"] = network.graph.until
    if network.spec.preprocess is not None:
        found["vggc.preprocess"] = json.dumps(network.spec.preprocess.changed())
    if network.spec.classes is not None and network.spec.classes.names is not None:
        found["vggc.classes"] = json.dumps(network.spec.classes.names, ensure_ascii=False)
    return found


class _Lowering:
    """One pass over the steps; `value` is the name of what the last one gave."""

    def __init__(self, program: Program, opset: int, precision: Float) -> None:
        self.element = ELEMENTS[precision]
        self.rows_and_columns = program.dynamic
        self.nodes: list[onnx.NodeProto] = []
        self.values: list[onnx.ValueInfoProto] = []
        self.tensors: list[Tensor] = []
        self.derived: dict[str, Derived] = {}
        self.boundaries: dict[str, str] = {}
        self.value = program.input.name
        lowered = [(step, step.layer.layer.onnx(step.layer.input, opset)) for step in program.steps]
        last = max((i for i, (_, nodes) in enumerate(lowered) if nodes), default=None)
        if program.prologue is not None:
            self._append("preprocess", program.prologue(opset), "preprocess", {}, TensorProto.FLOAT)
        if precision != "float32":
            self._cast(self.element, "input_cast")
        for i, (step, nodes) in enumerate(lowered):
            ends = i == last and precision == "float32"
            self._layer(step.layer, nodes, program.output.name if ends else step.path, step.tensors)
            if step.gives:
                self.boundaries[step.gives] = self.value
        if precision != "float32":
            self._cast(TensorProto.FLOAT, program.output.name)
        elif last is None:
            self.nodes.append(helper.make_node("Identity", [self.value], [program.output.name], name="identity"))

    def _layer(
        self, layer: ShapedLayer, nodes: tuple[OnnxNode, ...], output: str, tensors: Mapping[str, Derived]
    ) -> None:
        if not nodes:
            return
        used = {name for node in nodes for name in node.inputs if name in tensors}
        names: dict[str, str] = {}
        for name in (each for each in tensors if each in used):
            derived = tensors[name]
            names[name] = derived.name
            self.derived[derived.name] = derived
            size = prod(derived.shape) * np.dtype(DTYPES[self.element]).itemsize
            self.tensors.append(Tensor(derived.name, derived.shape, self.element, size))
        self._append(layer.path, nodes, output, names, self.element)
        if output == layer.path:
            dims = layer.output if not (self.rows_and_columns and len(layer.output) == 3) else (layer.output[0], "", "")
            self.values.append(
                helper.make_tensor_value_info(output, self.element, ["batch", *(d or None for d in dims)])
            )

    def _append(
        self, path: str, nodes: tuple[OnnxNode, ...], output: str, tensors: Mapping[str, str], element: int
    ) -> None:
        """Nodes between the current value and `output`, which becomes the current one."""
        names = {"x": self.value, "y": output, "": "", **tensors}
        single = {name for node in nodes if node.op == "Resize" for name in node.inputs[1:]}  # its scales stay float32
        for node in nodes:
            names.setdefault(node.output, f"{path}/{node.output}")
            kept = element if node.output not in single else TensorProto.FLOAT
            self.nodes.append(_node(path, node, names, kept))
        self.value = output

    def _cast(self, to: int, output: str) -> None:
        self.nodes.append(helper.make_node("Cast", [self.value], [output], name=output, to=to))
        self.value = output


def _node(path: str, node: OnnxNode, names: Mapping[str, str], element: int) -> onnx.NodeProto:
    return helper.make_node(
        node.op,
        [names[name] for name in node.inputs],
        [names[node.output]],
        name=path if node.output == "y" else f"{path}/{node.output}",
        **_attributes(node, element),
    )


def _attributes(node: OnnxNode, element: int) -> dict[str, Any]:
    """The attributes; of a constant a tensor, which is the one form that every tool reads."""
    if node.op != "Constant":
        return dict(node.attributes)
    ((name, value),) = node.attributes.items()
    dtype = "<i8" if name.startswith("value_int") else DTYPES[element]
    return {"value": onnx.numpy_helper.from_array(np.asarray(value, dtype=dtype))}


def operators(model: onnx.ModelProto) -> Iterator[str]:
    """The operator of every node, in order."""
    for node in model.graph.node:
        yield node.op_type
