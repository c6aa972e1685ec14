"""What a file takes and gives: one batch of images, one output; everything else is refused with the way out."""

from dataclasses import dataclass
from typing import Final

import onnx
from onnx import TensorProto, numpy_helper

from vggc.base.errors import ProductError
from vggc.importing.reading.arrangements import CHANNELS_FIRST
from vggc.importing.reading.graph_values import OPEN_BATCH
from vggc.layers.layer import MAX_DIMENSION, Shape

OLDEST_OPSET = 7
_BEFORE: Final = ("Add", "Cast", "Div", "Identity", "Mul", "Sub")  # what may be done to images until then


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


def interface(model: onnx.ModelProto, name: str, wanted: Shape | None) -> Interface:
    """The interface of a file.

    Args:
        model: the file's model.
        name: of the file, for messages.
        wanted: (C, H, W), where the caller says it.

    Raises:
        ProductError: the file has another interface than one batch of images and one output.
    """
    graph = model.graph
    constants = {each.name for each in graph.initializer}
    inputs = [each for each in graph.input if each.name not in constants]
    for what, values in (("input", inputs), ("output", list(graph.output))):
        if len(values) != 1:
            names = ", ".join(each.name for each in values) or "none"
            raise ProductError(f"{name} has {len(values)} {what}s ({names}); a spec has one")
    kind = inputs[0].type.tensor_type.elem_type
    if kind != TensorProto.FLOAT:
        said = TensorProto.DataType.Name(kind).lower()
        raise ProductError(f"{name}: the input {inputs[0].name} is {said}, and a spec takes images of floats")
    dims = list(inputs[0].type.tensor_type.shape.dim)
    described = f"{inputs[0].name}{_described(dims)}"
    channels_last = len(dims) == 4 and _takes_channels_last(graph, inputs[0].name, dims)
    if channels_last:
        described += " with the channels last, which --input has first"
        dims = [dims[axis] for axis in CHANNELS_FIRST]
    shape, batch = _shape(dims, wanted, described, name)
    return Interface(inputs[0].name, graph.output[0].name, shape, batch, channels_last)


def _takes_channels_last(graph: onnx.GraphProto, input: str, dims: list[onnx.TensorShapeProto.Dimension]) -> bool:
    """Whether all that is made of the input has its channels brought to the front first."""
    names, brought = [input], False
    for name in names:
        for node in (each for each in graph.node if name in each.input):
            if _brings_channels_first(graph, node, dims):
                brought = True
            elif node.op_type in _BEFORE:
                names.extend(node.output)
            elif node.op_type != "Shape":
                return False
    return brought


def _brings_channels_first(
    graph: onnx.GraphProto, node: onnx.NodeProto, dims: list[onnx.TensorShapeProto.Dimension]
) -> bool:
    """A Transpose, or the Reshape that is the same where there is one channel."""
    if node.op_type == "Transpose":
        return any(tuple(each.ints) == CHANNELS_FIRST for each in node.attribute if each.name == "perm")
    if node.op_type != "Reshape" or dims[3].dim_value != 1 or len(node.input) != 2:
        return False
    wanted = [1, dims[1].dim_value, dims[2].dim_value]
    return any(
        numpy_helper.to_array(each).tolist()[1:] == wanted for each in graph.initializer if each.name == node.input[1]
    )


def _described(dims: list[onnx.TensorShapeProto.Dimension]) -> str:
    words = (dim.dim_param or (str(dim.dim_value) if dim.HasField("dim_value") else "?") for dim in dims)
    return f"[{', '.join(words)}]"


def _shape(
    dims: list[onnx.TensorShapeProto.Dimension], wanted: Shape | None, described: str, name: str
) -> tuple[Shape, int | None]:
    if dims and len(dims) != 4:
        raise ProductError(
            f"{name}: the input is {described}, and a spec takes images: (batch, channels, height, width)"
        )
    sizes = [dim.dim_value if dim.dim_value > 0 else None for dim in dims] or [None] * 4
    if wanted is None and None in sizes[1:]:
        raise ProductError(
            f"{name}: the input is {described}, so its size is open; say one, for example --input 3,224,224"
        )
    if wanted is not None and any(size not in (None, said) for size, said in zip(sizes[1:], wanted, strict=True)):
        raise ProductError(f"{name}: the input is {described}, and {','.join(map(str, wanted))} does not fit")
    shape = tuple(int(size or 0) for size in (wanted or sizes[1:]))
    if max(shape) > MAX_DIMENSION:
        raise ProductError(f"{name}: the input is {described}, and no dimension may exceed {MAX_DIMENSION:,}")
    return shape, sizes[0]
