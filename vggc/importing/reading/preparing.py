"""A file's model -> the same model at inference, in float32; and what was done to it, in words."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from vggc.base.errors import ProductError

OTHER_FLOATS: Final[dict[int, str]] = {
    TensorProto.FLOAT16: "float16",
    TensorProto.BFLOAT16: "bfloat16",
    TensorProto.DOUBLE: "float64",
}

_TYPED: Final = ("to", "dtype")  # the attributes that name a type


@dataclass(frozen=True)
class Prepared:
    """A model that computes in float32 what the file computes at inference; `notes` say what was changed for that."""

    model: onnx.ModelProto
    notes: tuple[str, ...]

    @property
    def as_written(self) -> bool:
        """Whether the model is the file's own, so that the file itself can be run."""
        return not self.notes


def prepare(model: onnx.ModelProto, name: str) -> Prepared:
    """Switch training off and bring all numbers to float32; the model passed in is left as it is.

    Raises:
        ProductError: a tensor or a name in the file is damaged; `name` is that of the file.
    """
    _check_sound(model.graph, name)
    training = sum(_is_training(model, node) for node in model.graph.node)
    types = sorted({OTHER_FLOATS[type] for type in _types(model.graph) if type in OTHER_FLOATS})
    if not training and not types:
        return Prepared(model, ())
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    notes = []
    if training:
        _at_inference(copy)
        notes.append(f"exported in training mode: {training} nodes are read and run as at inference")
    if types:
        _to_float32(copy.graph)
        how = "rounded to float32" if "float64" in types else "widened to float32, which changes no value"
        notes.append(f"{' and '.join(types)} in the file: weights are {how}, and the file is run in float32")
    return Prepared(copy, tuple(notes))


def _check_sound(graph: onnx.GraphProto, name: str) -> None:
    """What a parser takes and no exporter writes: tensors that contradict themselves, and names that are no text."""
    for tensor in _tensors(graph):
        try:
            numpy_helper.to_array(tensor)
        except (KeyError, TypeError, ValueError) as error:
            raise ProductError(f"{name}: the tensor {tensor.name or 'of a node'} is damaged: {error}") from error
    words = [word for node in graph.node for word in (node.op_type, node.domain, node.name, *node.input, *node.output)]
    words += [value.name for values in (graph.input, graph.output, graph.initializer) for value in values]
    if not all(isinstance(word, str) for word in words):
        raise ProductError(f"{name} is not a valid ONNX file: a name in it is not text")


# --- training ---


def _is_training(model: onnx.ModelProto, node: onnx.NodeProto) -> bool:
    if node.op_type == "Dropout" and len(node.input) > 2 and node.input[2]:
        return _is_true(model, node.input[2])
    return node.op_type == "BatchNormalization" and any(
        attribute.name == "training_mode" and attribute.i for attribute in node.attribute
    )


def _is_true(model: onnx.ModelProto, name: str) -> bool:
    """Whether a constant is true; what is no constant is not."""
    constants = (node for node in model.graph.node if node.op_type == "Constant" and name in node.output)
    tensors = [tensor for tensor in model.graph.initializer if tensor.name == name]
    tensors += [attribute.t for node in constants for attribute in node.attribute if attribute.name == "value"]
    return any(bool(numpy_helper.to_array(tensor).any()) for tensor in tensors)


def _at_inference(model: onnx.ModelProto) -> None:
    for node in model.graph.node:
        if not _is_training(model, node):
            continue
        if node.op_type == "Dropout":
            del node.input[2:]
        else:
            del node.output[1:]
            kept = [attribute for attribute in node.attribute if attribute.name != "training_mode"]
            del node.attribute[:]
            node.attribute.extend(kept)


# --- types ---


def _types(graph: onnx.GraphProto) -> Iterator[int]:
    """The types of the tensors, inputs and outputs of a graph, and those that its attributes name."""
    yield from (tensor.data_type for tensor in _tensors(graph))
    yield from (attribute.i for attribute in _attributes(graph) if attribute.name in _TYPED)
    yield from (value.type.tensor_type.elem_type for value in (*graph.input, *graph.output))


def _tensors(graph: onnx.GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    yield from (attribute.t for attribute in _attributes(graph) if attribute.type == AttributeProto.TENSOR)


def _attributes(graph: onnx.GraphProto) -> Iterator[AttributeProto]:
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.GRAPH:
                yield from _attributes(attribute.g)
            else:
                yield attribute


def _to_float32(graph: onnx.GraphProto) -> None:
    for tensor in _tensors(graph):
        if tensor.data_type in OTHER_FLOATS:
            values = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    for value in (*graph.input, *graph.output, *graph.value_info):
        if value.type.tensor_type.elem_type in OTHER_FLOATS:
            value.type.tensor_type.elem_type = TensorProto.FLOAT
    for attribute in _attributes(graph):
        if attribute.name in _TYPED and attribute.i in OTHER_FLOATS:
            attribute.i = TensorProto.FLOAT


def attributes_of(node: onnx.NodeProto) -> dict[str, Any]:
    """The attributes of a node as Python values; words are strings, lists are tuples."""
    attributes: dict[str, Any] = {}
    for attribute in node.attribute:
        value = helper.get_attribute_value(attribute)
        if isinstance(value, bytes):
            value = value.decode("utf-8", errors="replace")
        attributes[attribute.name] = tuple(value) if isinstance(value, list) else value
    return attributes
