"""What a file takes and gives: one batch of images, one output; everything else is refused with the way out."""

from dataclasses import dataclass
from typing import Final

import onnx
from onnx import TensorProto, numpy_helper

from vggc.base.errors import ProductError
from vggc.importing.reading.graph_values import OPEN_BATCH
from vggc.layers.answers import Shape
from vggc.layers.option_types import MAX_DIMENSION

OLDEST_OPSET: Final = 7
CHANNELS_LAST: Final = (0, 2, 3, 1)  # the axes of a batch of maps, in the order that has the channels last
CHANNELS_FIRST: Final = (0, 3, 1, 2)  # and the order that brings them to the front again
_BEFORE: Final = ("Add", "Cast", "Div", "Identity", "Mul", "Sub")  # what may be done to images until then

Dimensions = list[onnx.TensorShapeProto.Dimension]


@dataclass(frozen=True)
class Interface:
    """The names of input and output, the input's shape (C, H, W), and the batch where the file freezes it.

    `channels_last` is whether the file takes (batch, H, W, C).
    """

    input: str
    output: str
    shape: Shape
    batch: int | None
    channels_last: bool = False

    @property
    def x(self) -> Shape:
        """The shape that the file takes, with the batch axis; a batch that is open has an extent like no other."""
        channels, height, width = self.shape
        image = (height, width, channels) if self.channels_last else self.shape
        return (self.batch or OPEN_BATCH, *image)


def interface(model: onnx.ModelProto, name: str, size: Shape | None) -> Interface:
    """The interface of a file.

    Args:
        model: the file's model.
        name: of the file, for messages.
        size: (C, H, W), where the caller says it.

    Raises:
        ProductError: the file has another interface than one batch of images and one output.
    """
    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    for what, values in (("input", inputs), ("output", list(graph.output))):
        if len(values) != 1:
            names = ", ".join(value.name for value in values) or "none"
            raise ProductError(f"{name} has {len(values)} {what}s ({names}); a spec has one")
    input, type = inputs[0].name, inputs[0].type.tensor_type
    if type.elem_type != TensorProto.FLOAT:
        word = TensorProto.DataType.Name(type.elem_type).lower()
        raise ProductError(f"{name}: the input {input} is {word}, and a spec takes images of floats")
    dims = list(type.shape.dim)
    words = (dim.dim_param or (str(dim.dim_value) if dim.HasField("dim_value") else "?") for dim in dims)
    subject = f"{name}: the input is {input}[{', '.join(words)}]"
    channels_last = len(dims) == 4 and _takes_channels_last(graph, input, dims)
    if channels_last:
        subject += " with the channels last, which --input has first"
        dims = [dims[axis] for axis in CHANNELS_FIRST]
    batch, shape = _batch_and_shape(dims, size, subject)
    return Interface(input, graph.output[0].name, shape, batch, channels_last)


def _takes_channels_last(graph: onnx.GraphProto, input: str, dims: Dimensions) -> bool:
    """Whether all that is computed from the input has its channels brought to the front first."""
    names, brought = [input], False
    for name in names:
        for node in (node for node in graph.node if name in node.input):
            if _brings_channels_first(graph, node, dims):
                brought = True
            elif node.op_type in _BEFORE:
                names.extend(node.output)
            elif node.op_type != "Shape":
                return False
    return brought


def _brings_channels_first(graph: onnx.GraphProto, node: onnx.NodeProto, dims: Dimensions) -> bool:
    """A Transpose, or the Reshape that is the same where there is one channel."""
    if node.op_type == "Transpose":
        orders = (tuple(attribute.ints) for attribute in node.attribute if attribute.name == "perm")
        return CHANNELS_FIRST in orders
    if node.op_type != "Reshape" or dims[3].dim_value != 1 or len(node.input) != 2:
        return False
    shapes = (numpy_helper.to_array(tensor).tolist() for tensor in graph.initializer if tensor.name == node.input[1])
    return any(shape[1:] == [1, dims[1].dim_value, dims[2].dim_value] for shape in shapes)


def _batch_and_shape(dims: Dimensions, size: Shape | None, subject: str) -> tuple[int | None, Shape]:
    """The batch where it is fixed, and (C, H, W); `subject` begins the messages."""
    if dims and len(dims) != 4:
        raise ProductError(f"{subject}, and a spec takes images: (batch, channels, height, width)")
    batch, *fixed = [dim.dim_value if dim.dim_value > 0 else None for dim in dims] or [None] * 4
    if size is None and None in fixed:
        raise ProductError(f"{subject}, so its size is open; say one, for example --input 3,224,224")
    if size is not None and any(extent not in (None, asked) for extent, asked in zip(fixed, size, strict=True)):
        raise ProductError(f"{subject}, and {','.join(map(str, size))} does not fit")
    shape = tuple(int(extent or 0) for extent in (size or fixed))
    if max(shape) > MAX_DIMENSION:
        raise ProductError(f"{subject}, and no dimension may exceed {MAX_DIMENSION:,}")
    return batch, shape
