"""Network -> ONNX, lowered directly: no tracing, names from the spec, the same bytes every time."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper

from vggc.backends import protobuf_stream, yaml_spec
from vggc.backends.protobuf_stream import Tensor
from vggc.ir import Network, ShapedLayer
from vggc.layers.base import OnnxNode
from vggc.progress import Progress, silent
from vggc.publishing import data_name
from vggc.unroll import unroll
from vggc.version import __version__

OLDEST_OPSET: Final = 13
DEFAULT_OPSET: Final = 17  # onnxruntime 1.12 (2022) and all later ones run it
INPUT: Final = "input"
BATCH: Final = "batch"

Weights = Callable[[str], "np.ndarray[tuple[int, ...], np.dtype[np.float32]]"]


@dataclass(frozen=True)
class Lowered:
    """A network as ONNX without its weights.

    `boundaries` gives for every layer the value that holds its output; a layer without nodes shares its input's.
    """

    model: onnx.ModelProto
    tensors: tuple[Tensor, ...]
    boundaries: Mapping[str, str] = field(default_factory=dict)


def output_name(network: Network) -> str:
    """`logits` behind a classifier, `features` otherwise."""
    return "logits" if network.layers[-1].node.section == "classifier" else "features"


def lower(network: Network, opset: int = DEFAULT_OPSET) -> Lowered:
    """The nodes, inputs, outputs and metadata of a network.

    Raises:
        LoweringError: a layer has no form in the opset.
    """
    lowering = _Lowering(network, opset)
    graph = helper.make_graph(
        lowering.nodes,
        network.name,
        [_value(INPUT, network.input)],
        [_value(lowering.output, network.output)],
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
    helper.set_model_props(model, metadata(network))
    return Lowered(model, tuple(lowering.tensors), lowering.boundaries)


def _value(name: str, shape: tuple[int, ...]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [BATCH, *shape])


def metadata(network: Network) -> dict[str, str]:
    """What travels in the file: the expanded spec and its hash, versions, preprocessing, class names."""
    text = yaml_spec.emit(unroll(network.spec))
    found = {
        "vggc.version": __version__,
        "vggc.spec": text,
        "vggc.spec_sha256": hashlib.sha256(text.encode()).hexdigest(),
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
    """One pass over the layers; `value` is the name of what the last one gave."""

    def __init__(self, network: Network, opset: int) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.values: list[onnx.ValueInfoProto] = []
        self.tensors: list[Tensor] = []
        self.boundaries: dict[str, str] = {}
        self.value = INPUT
        self.output = output_name(network)
        lowered = [(layer, layer.layer.onnx(layer.input, opset)) for layer in network.layers]
        last = max((i for i, (_, nodes) in enumerate(lowered) if nodes), default=None)
        for i, (layer, nodes) in enumerate(lowered):
            self._layer(layer, nodes, self.output if i == last else layer.path)
            self.boundaries[layer.path] = self.value
        if last is None:
            self.nodes.append(helper.make_node("Identity", [INPUT], [self.output], name="identity"))

    def _layer(self, layer: ShapedLayer, nodes: tuple[OnnxNode, ...], output: str) -> None:
        if not nodes:
            return
        state = layer.layer.tensors(layer.input) | layer.layer.buffers(layer.input)
        names = {"x": self.value, "y": output, "": ""}
        used = {name for node in nodes for name in node.inputs if name in state}
        for name in (each for each in state if each in used):
            shape = state[name]
            names[name] = f"{layer.path}.{name}"
            self.tensors.append(Tensor(names[name], shape, TensorProto.FLOAT, 4 * prod(shape)))
        for node in nodes:
            names.setdefault(node.output, f"{layer.path}/{node.output}")
            self.nodes.append(_node(layer, node, names))
        self.value = output
        if output != self.output:
            self.values.append(_value(output, layer.output))


def _node(layer: ShapedLayer, node: OnnxNode, names: Mapping[str, str]) -> onnx.NodeProto:
    attributes: dict[str, Any] = dict(node.attributes)
    return helper.make_node(
        node.op,
        [names[name] for name in node.inputs],
        [names[node.output]],
        name=layer.path if node.output == "y" else f"{layer.path}/{node.output}",
        **attributes,
    )


def needs_external_data(lowered: Lowered) -> bool:
    """Whether the weights are too many for one protobuf message."""
    return file_size(lowered) > protobuf_stream.MAX_FILE


def _split(model: onnx.ModelProto) -> tuple[bytes, bytes]:
    """A model without its graph, and the graph, both serialized."""
    envelope = onnx.ModelProto()
    envelope.CopyFrom(model)
    envelope.ClearField("graph")
    return envelope.SerializeToString(deterministic=True), model.graph.SerializeToString(deterministic=True)


def write(
    lowered: Lowered,
    weights: Weights,
    path: Path,
    *,
    external_data: bool = False,
    progress: Progress = silent,
) -> Path | None:
    """Write the file, one tensor at a time.

    Args:
        lowered: the network without its weights.
        weights: the float32 values of an initializer by its name, which is its key in torch's state dict.
        path: the file to write.
        external_data: whether the weights go to a file beside it, named by `data_name`; needed above 2 GiB.
        progress: told the bytes written.

    Returns:
        the file beside it, if there is one.
    """
    model, graph = _split(lowered.model)
    total = sum(tensor.size for tensor in lowered.tensors)
    done = 0

    def data(tensor: Tensor) -> memoryview:
        nonlocal done
        progress("writing weights", done, total)
        done += tensor.size
        values = weights(tensor.name)
        if values.shape != tensor.shape or values.dtype != np.float32:
            raise ValueError(
                f"{tensor.name} is {values.dtype}{list(values.shape)} instead of float32{list(tensor.shape)}"
            )
        return np.ascontiguousarray(values, dtype="<f4").reshape(-1).data.cast("B")

    beside = None
    with path.open("wb") as file:
        if external_data:
            with path.with_name("data").open("wb") as weights_file:
                offsets, sha256 = protobuf_stream.write_data(weights_file, lowered.tensors, data)
            beside = path.with_name("data").rename(path.with_name(data_name(path.name, sha256)))
            protobuf_stream.write_referring(file, model, graph, lowered.tensors, offsets, beside.name)
        else:
            protobuf_stream.write_embedded(file, model, graph, lowered.tensors, data)
    progress("writing weights", total, total)
    return beside


def operators(model: onnx.ModelProto) -> Iterator[str]:
    """The operator of every node, in order."""
    for node in model.graph.node:
        yield node.op_type


def file_size(lowered: Lowered) -> int:
    """The bytes of the file with its weights inside."""
    return protobuf_stream.file_size(*_split(lowered.model), lowered.tensors)
