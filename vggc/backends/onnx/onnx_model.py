"""Program -> ONNX, lowered directly: no tracing, names from the spec, the same bytes every time."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Final, Literal

import numpy as np
import onnx
from onnx import TensorProto, helper

from vggc.backends.onnx.open_sizes import check_sizes
from vggc.backends.onnx.protobuf_stream import Tensor
from vggc.backends.text import yaml_spec
from vggc.base.version import __version__
from vggc.ir.graph import INPUT
from vggc.ir.network import Network, ShapedLayer
from vggc.ir.program import Array, Derived, Port, Program, State, Step
from vggc.ir.program import program as as_program
from vggc.ir.walk import is_chain, walk
from vggc.layers.answers import LoweringError, OnnxNode

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
        tensor = next(tensor for tensor in self.tensors if tensor.name == name)
        values = self.derived[name].compute(state)
        if values.shape != tensor.shape or values.dtype != np.float32:
            raise ValueError(f"{name} is {values.dtype}{list(values.shape)} instead of float32{list(tensor.shape)}")
        return _cast(name, values, DTYPES[tensor.data_type])


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

    In float16 the weights and everything between them are float16, after a cast of the input and before one of the
    output, which stay float32.

    Raises:
        LoweringError: a layer has no form in the opset.
        ProductError: height and width are left open, and a layer is not the same at every size.
    """
    program = what if isinstance(what, Program) else as_program(what)
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
    entries = {"vggc.version": __version__}
    if is_chain(network.graph.nodes):  # the language has no words for branches
        text = yaml_spec.emit(network.graph.whole)
        entries |= {"vggc.spec": text, "vggc.spec_sha256": hashlib.sha256(text.encode()).hexdigest()}
    entries |= {
        "vggc.passes": json.dumps(program.passes),
        "vggc.precision": precision,
        "onnx.version": onnx.__version__,
    }
    if network.graph.until is not None:
        entries["vggc.until"] = network.graph.until
    if network.header.preprocess is not None:
        entries["vggc.preprocess"] = json.dumps(network.header.preprocess.changed())
    if network.header.classes is not None and network.header.classes.names is not None:
        entries["vggc.classes"] = json.dumps(network.header.classes.names, ensure_ascii=False)
    return entries


class _Lowering:
    """Every step as nodes; the value of a step is the name of the ONNX value that holds it."""

    def __init__(self, program: Program, opset: int, precision: Float) -> None:
        self.program = program
        self.precision = precision
        self.element = ELEMENTS[precision]
        self.nodes: list[onnx.NodeProto] = []
        self.values: list[onnx.ValueInfoProto] = []
        self.tensors: list[Tensor] = []
        self.derived: dict[str, Derived] = {}
        self.boundaries: dict[str, str] = {}
        self.lowered = {step.value: step.nodes(opset) for step in program.steps}
        self.last = _last(program.steps, self.lowered)
        value = start = self._input(opset)
        for step, value in walk(program.steps, start, self._step):
            if step.value in program.values:
                self.boundaries[step.value] = value
        if precision != "float32":
            self._cast(value, TensorProto.FLOAT, program.output.name)
        elif self.last is None:
            self.nodes.append(helper.make_node("Identity", [value], [program.output.name], name="identity"))

    def _input(self, opset: int) -> str:
        """What the first layer takes: the file's input, preprocessed and cast where that is asked for."""
        value = self.program.input.name
        if self.program.prologue is not None:
            nodes = self.program.prologue.nodes(opset)
            value = self._append("preprocess", nodes, {"x": value, "y": "preprocess"}, TensorProto.FLOAT)
        if self.precision != "float32":
            value = self._cast(value, self.element, "input_cast")
        return value

    def _step(self, step: Step, inputs: tuple[str, ...]) -> str:
        nodes = self.lowered[step.value]
        if not nodes:
            return inputs[0]
        ends = step.value == self.last and self.precision == "float32"
        output = self.program.output.name if ends else step.path
        names = {"x": inputs[0], "y": output} | {f"x{i}": name for i, name in enumerate(inputs) if i}
        self._append(step.path, nodes, names | self._initializers(step, nodes), self.element)
        if output == step.path:
            self._describe(step.layer, output)
        return output

    def _initializers(self, step: Step, nodes: tuple[OnnxNode, ...]) -> dict[str, str]:
        """The names in the file of the tensors that the nodes of a step use."""
        used = {name for node in nodes for name in node.inputs}
        names = {name: tensor.name for name, tensor in step.tensors.items() if name in used}
        for name in names:
            derived = step.tensors[name]
            self.derived[derived.name] = derived
            size = prod(derived.shape) * np.dtype(DTYPES[self.element]).itemsize
            self.tensors.append(Tensor(derived.name, derived.shape, self.element, size))
        return names

    def _describe(self, layer: ShapedLayer, value: str) -> None:
        """The shape of a value, for tools that show it; the batch axis, and an open height and width, have none."""
        shape = layer.output
        dims: list[int | None] = [*shape] if not (self.program.dynamic and len(shape) == 3) else [shape[0], None, None]
        self.values.append(helper.make_tensor_value_info(value, self.element, ["batch", *dims]))

    def _append(self, path: str, nodes: tuple[OnnxNode, ...], names: dict[str, str], element: int) -> str:
        """Nodes by the names of their values in the file; the name of their output."""
        names[""] = ""
        single = {name for node in nodes if node.op == "Resize" for name in node.inputs[1:]}  # its scales stay float32
        for node in nodes:
            names.setdefault(node.output, f"{path}/{node.output}")
            kept = element if node.output not in single else TensorProto.FLOAT
            self.nodes.append(_node(path, node, names, kept))
        return names["y"]

    def _cast(self, value: str, to: int, output: str) -> str:
        self.nodes.append(helper.make_node("Cast", [value], [output], name=output, to=to))
        return output


def _last(steps: Sequence[Step], lowered: Mapping[str, tuple[OnnxNode, ...]]) -> str | None:
    """The step whose nodes give the output, past steps without nodes; None where the input itself is the output."""
    by_value = {step.value: step for step in steps}
    value = steps[-1].value if steps else INPUT
    while value != INPUT and not lowered[value]:
        value = by_value[value].inputs[0]
    return None if value == INPUT else value


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
