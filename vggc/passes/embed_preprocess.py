"""The image as it was decoded is the input, and the file does the rest."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, final

from vggc.base.errors import ProductError
from vggc.ir.program import BATCH, PassNote, Port, Program
from vggc.layers.answers import LoweringError, OnnxNode, OnnxValue, Shape, constant
from vggc.layers.option_types import pair
from vggc.passes.pass_definition import Pass
from vggc.recipe.recipe import Preprocess

if TYPE_CHECKING:
    import torch

_ANTIALIASED_RESIZE: Final = 18  # the opset that it came with
FLOAT: Final = 1  # onnx.TensorProto.FLOAT


@final
class EmbedPreprocess(Pass):
    """The input becomes `image`, uint8 (batch, height, width, C), and the spec's `preprocess` the first nodes.

    Resized with antialiasing, cropped in the centre, scaled to [0, 1], normalised: what `vggc predict` does before the
    network. With a resize or a crop the image may have any size, otherwise it has that of the spec.
    """

    name = "embed_preprocess"
    help = "Take uint8 images, and preprocess them in the file."

    def apply(self, program: Program) -> Program:
        preprocess = program.network.header.preprocess
        if preprocess is None:
            raise ProductError("not supported: --embed-preprocess: the spec says no `preprocess`")
        channels, height, width = program.network.input
        sized = preprocess.resize is not None or preprocess.crop is not None
        if sized and program.dynamic:
            raise ProductError(
                "not supported: --embed-preprocess beside an open height and width: "
                f"the spec's preprocess makes every image {height}x{width}"
            )
        rows, columns = ("height", "width") if sized else program.input.dims[2:]
        port = Port("image", (BATCH, rows, columns, channels), "uint8")
        prologue = _Preprocessing(preprocess, program.network.input)
        return replace(program, input=port, prologue=prologue).noted(PassNote(self.name, _summary(preprocess)))


@dataclass(frozen=True, slots=True)
class _Preprocessing:
    """The spec's `preprocess` for a network that takes (C, H, W)."""

    preprocess: Preprocess
    input: Shape

    @property
    def least_opset(self) -> int:
        return _ANTIALIASED_RESIZE if self.preprocess.resize is not None else 0

    def nodes(self, opset: int) -> tuple[OnnxNode, ...]:
        return tuple(_chain(list(_steps(self.preprocess, self.input, opset))))

    def compute(self, x: "torch.Tensor") -> "torch.Tensor":
        return preprocessed(x, self.preprocess)


def preprocessed(image: "torch.Tensor", preprocess: Preprocess) -> "torch.Tensor":
    """Images, uint8 (batch, H, W, C), as float32 inputs (batch, C, H', W')."""
    import torch
    from torch.nn import functional

    x = image.permute(0, 3, 1, 2).to(torch.get_default_dtype())
    if preprocess.resize is not None:
        size = pair(preprocess.resize)
        x = functional.interpolate(x, size, mode="bilinear", antialias=True, align_corners=False)
    if preprocess.crop is not None:
        rows, columns = pair(preprocess.crop)
        top, left = (x.shape[2] - rows) // 2, (x.shape[3] - columns) // 2
        x = x[:, :, top : top + rows, left : left + columns]
    x = x / 255
    if preprocess.mean is not None:
        x = x - torch.tensor(preprocess.mean).reshape(-1, 1, 1)
    if preprocess.std is not None:
        x = x / torch.tensor(preprocess.std).reshape(-1, 1, 1)
    return x


def _summary(preprocess: Preprocess) -> str:
    steps = []
    if preprocess.resize is not None:
        steps.append("resize to {}x{}".format(*pair(preprocess.resize)))
    if preprocess.crop is not None:
        steps.append("crop to {}x{}".format(*pair(preprocess.crop)))
    steps.append("scale to [0, 1]")
    if preprocess.mean is not None or preprocess.std is not None:
        steps.append("normalise")
    return f"{', '.join(steps)}; the input is uint8 (batch, height, width, C)"


def _chain(nodes: list[OnnxNode]) -> Iterator[OnnxNode]:
    """The nodes with the output of each called `y` only where it is the last."""
    *others, last = nodes
    yield from others
    yield replace(last, output="y")


def _steps(preprocess: Preprocess, x: Shape, opset: int) -> Iterator[OnnxNode]:
    yield OnnxNode("Cast", ("x",), {"to": FLOAT}, "pixels")
    yield OnnxNode("Transpose", ("pixels",), {"perm": (0, 3, 1, 2)}, "planes")
    value = "planes"
    if preprocess.resize is not None:
        yield from _resize(value, pair(preprocess.resize), opset)
        value = "resized"
    if preprocess.crop is not None:
        fixed = pair(preprocess.resize) if preprocess.resize is not None else None
        yield from _crop(value, fixed, pair(preprocess.crop), x[0])
        value = "cropped"
    yield from _normalise(value, preprocess, x[0])


def _resize(value: str, size: tuple[int, int], opset: int) -> Iterator[OnnxNode]:
    if opset < _ANTIALIASED_RESIZE:
        raise LoweringError(
            f"a resize with antialiasing came with opset {_ANTIALIASED_RESIZE}, and the file has {opset}"
        )
    # All four sizes rather than the `axes` of the last two: where onnxruntime moves a Transpose past a Resize, it takes
    # two sizes for those of all axes.
    yield OnnxNode("Shape", (value,), {}, "whole_shape")
    yield constant("first", (0,))
    yield constant("third", (2,))
    yield OnnxNode("Slice", ("whole_shape", "first", "third"), {}, "batch_and_channels")
    yield constant("size", size)
    yield OnnxNode("Concat", ("batch_and_channels", "size"), {"axis": 0}, "sizes")
    attributes: dict[str, OnnxValue] = {
        "mode": "linear",
        "coordinate_transformation_mode": "half_pixel",
        "antialias": 1,
        "exclude_outside": 1,  # at the border the weights of the pixels that are there add up to 1, as in torch
    }
    yield OnnxNode("Resize", (value, "", "", "sizes"), attributes, "resized")


def _crop(value: str, whole: tuple[int, int] | None, size: tuple[int, int], channels: int) -> Iterator[OnnxNode]:
    """The centre; of an image of unknown size by arithmetic in the graph, which must leave the promised size."""
    yield constant("axes", (2, 3))
    if whole is not None:
        start = tuple((whole[i] - size[i]) // 2 for i in (0, 1))
        yield constant("start", start)
        yield constant("end", tuple(start[i] + size[i] for i in (0, 1)))
        yield OnnxNode("Slice", (value, "start", "end", "axes"), {}, "cropped")
        return
    yield constant("kept", size)
    yield constant("two", (2,))
    yield OnnxNode("Shape", (value,), {}, "shape")
    yield OnnxNode("Gather", ("shape", "axes"), {}, "whole")
    yield OnnxNode("Sub", ("whole", "kept"), {}, "border")
    yield OnnxNode("Div", ("border", "two"), {}, "start")
    yield OnnxNode("Add", ("start", "kept"), {}, "end")
    yield OnnxNode("Slice", (value, "start", "end", "axes"), {}, "centre")
    yield constant("promised", (0, channels, *size))  # an image smaller than the crop fails here
    yield OnnxNode("Reshape", ("centre", "promised"), {}, "cropped")


def _normalise(value: str, preprocess: Preprocess, channels: int) -> Iterator[OnnxNode]:
    """(x / 255 - mean) / std as one product and one sum."""
    mean = preprocess.mean or (0.0,) * channels
    std = preprocess.std or (1.0,) * channels
    yield constant("per_channel", (channels, 1, 1))
    yield constant("scales", tuple(1 / (255 * deviation) for deviation in std))
    yield OnnxNode("Reshape", ("scales", "per_channel"), {}, "scale")
    yield OnnxNode("Mul", (value, "scale"), {}, "scaled")
    if preprocess.mean is not None:
        yield constant("shifts", tuple(-a / b for a, b in zip(mean, std, strict=True)))
        yield OnnxNode("Reshape", ("shifts", "per_channel"), {}, "shift")
        yield OnnxNode("Add", ("scaled", "shift"), {}, "normalised")
