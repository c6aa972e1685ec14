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
    """A model that computes in float32 what the file computes at inference.

    `notes` say what was changed; `as_written` is whether nothing was, so that the file itself can be run.
    """

    model: onnx.ModelProto
    notes: tuple[str, ...]

    @property
    def as_written(self) -> bool:
        """Whether the model is the file's own."""
        return not self.notes


def prepare(model: onnx.ModelProto, name: str) -> Prepared:
    """Switch training off and bring all numbers to float32; the model given is left as it is.

    Raises:
        ProductError: a tensor of the file is not what it says; `name` is that of the file.
    """
    _check_sound(model.graph, name)
    trained = sum(_trains(model, node) for node in model.graph.node)
    types = sorted({OTHER_FLOATS[each] for each in _float_types(model.graph)})
    if not trained and not types:
        return Prepared(model, ())
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    notes = []
    if trained:
        _at_inference(copy)
        notes.append(f"exported in training mode: {trained} nodes are read and run as at inference")
    if types:
        _retype(copy.graph)
        how = "rounded to float32" if "float64" in types else "widened to float32, which changes no value"
        notes.append(f"{' and '.join(types)} in the file: weights are {how}, and the file is run in float32")
    return Prepared(copy, tuple(notes))


def _check_sound(graph: onnx.GraphProto, name: str) -> None:
    """What a parser takes and no exporter writes: tensors that are not what they say, and names that are no text."""
    for tensor in _tensors(graph):
        try:
            numpy_helper.to_array(tensor)
        except (KeyError, TypeError, ValueError) as error:
            raise ProductError(f"{name}: the tensor {tensor.name or 'of a node'} is damaged: {error}") from error
    words = [word for each in graph.node for word in (each.op_type, each.domain, each.name, *each.input, *each.output)]
    words += [each.name for values in (graph.input, graph.output, graph.initializer) for each in values]
    if not all(isinstance(word, str) for word in words):
        raise ProductError(f"{name} is no ONNX file: a name in it is no text")


# --- training ---


def _trains(model: onnx.ModelProto, node: onnx.NodeProto) -> bool:
    if node.op_type == "Dropout" and len(node.input) > 2 and node.input[2]:
        return _truth(model, node.input[2])
    if node.op_type == "BatchNormalization":
        return any(each.name == "training_mode" and each.i for each in node.attribute)
    return False


def _truth(model: onnx.ModelProto, name: str) -> bool:
    """Whether a constant is true; what is no constant is not."""
    for tensor in model.graph.initializer:
        if tensor.name == name:
            return bool(numpy_helper.to_array(tensor).any())
    for node in model.graph.node:
        if name in node.output and node.op_type == "Constant":
            return any(bool(numpy_helper.to_array(each.t).any()) for each in node.attribute if each.name == "value")
    return False


def _at_inference(model: onnx.ModelProto) -> None:
    for node in model.graph.node:
        if not _trains(model, node):
            continue
        if node.op_type == "Dropout":
            del node.input[2:]
        else:
            del node.output[1:]
            for each in node.attribute:
                if each.name == "training_mode":
                    each.i = 0


# --- types ---


def _float_types(graph: onnx.GraphProto) -> Iterator[int]:
    """The other types of floating point that a graph speaks of."""
    yield from (tensor.data_type for tensor in _tensors(graph) if tensor.data_type in OTHER_FLOATS)
    yield from (each.i for each in _attributes(graph) if each.name in _TYPED and each.i in OTHER_FLOATS)
    values = [*graph.input, *graph.output]
    yield from (each.type.tensor_type.elem_type for each in values if each.type.tensor_type.elem_type in OTHER_FLOATS)


def _tensors(graph: onnx.GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    yield from (each.t for each in _attributes(graph) if each.type == AttributeProto.TENSOR)


def _attributes(graph: onnx.GraphProto) -> Iterator[AttributeProto]:
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.GRAPH:
                yield from _attributes(attribute.g)
            else:
                yield attribute


def _retype(graph: onnx.GraphProto) -> None:
    for tensor in graph.initializer:
        _retype_tensor(tensor)
    for value in (*graph.input, *graph.output, *graph.value_info):
        if value.type.tensor_type.elem_type in OTHER_FLOATS:
            value.type.tensor_type.elem_type = TensorProto.FLOAT
    for attribute in _attributes(graph):
        if attribute.type == AttributeProto.TENSOR:
            _retype_tensor(attribute.t)
        elif attribute.name in _TYPED and attribute.i in OTHER_FLOATS:
            attribute.i = TensorProto.FLOAT


def _retype_tensor(tensor: TensorProto) -> None:
    if tensor.data_type in OTHER_FLOATS:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name))


def attributes_of(node: onnx.NodeProto) -> dict[str, Any]:
    """The attributes of a node as Python values; words are strings, lists are tuples."""
    found: dict[str, Any] = {}
    for each in node.attribute:
        value = helper.get_attribute_value(each)
        if isinstance(value, bytes):
            value = value.decode("utf-8", errors="replace")
        found[each.name] = tuple(value) if isinstance(value, list) else value
    return found
