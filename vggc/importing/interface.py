"""What a file takes and gives: one batch of images, one output; everything else is refused with the way out."""

from dataclasses import dataclass

import onnx
from onnx import TensorProto

from vggc.errors import ProductError
from vggc.importing.values import OPEN_BATCH
from vggc.layers.base import MAX_DIMENSION, Shape

OLDEST_OPSET = 7


@dataclass(frozen=True)
class Interface:
    """The names of input and output, the input's shape (C, H, W), and the batch where the file freezes it."""

    input: str
    output: str
    shape: Shape
    batch: int | None

    @property
    def x(self) -> Shape:
        """The input's shape with the batch axis; a batch that is open has an extent like no other."""
        return (self.batch or OPEN_BATCH, *self.shape)


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
    shape, batch = _shape(dims, wanted, f"{inputs[0].name}{_described(dims)}", name)
    return Interface(inputs[0].name, graph.output[0].name, shape, batch)


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
        raise ProductError(f"{name}: the input is {described}, which {','.join(map(str, wanted))} does not fit")
    shape = tuple(int(size or 0) for size in (wanted or sizes[1:]))
    if max(shape) > MAX_DIMENSION:
        raise ProductError(f"{name}: the input is {described}, and no dimension may exceed {MAX_DIMENSION:,}")
    return shape, sizes[0]
