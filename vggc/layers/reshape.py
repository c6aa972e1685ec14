"""Layers that move values and compute nothing: flatten, identity, pixel_shuffle, upsample."""

from collections.abc import Iterator
from math import prod
from typing import Annotated, Any, Literal, final

from vggc.layers.answers import OnnxNode, OnnxValue, Shape, ShapeError, TorchCall, constant
from vggc.layers.checks import image, require, slide
from vggc.layers.extent import AffineFloor, Axis
from vggc.layers.layer import Layer
from vggc.layers.operation import Lookahead, collapsed
from vggc.layers.option_types import Positive, Size, pair
from vggc.layers.sliding import SlidingWindow


@final
class Flatten(Layer):
    """(C, H, W) -> (C * H * W,): `torch.nn.Flatten`, ONNX `Flatten`."""

    kind = "flatten"
    group = "shape"
    flattens = True
    torch_classes = ("Flatten",)
    onnx_operators = ("Flatten",)
    onnx_attributes = (("axis", 1),)

    def axes(self) -> None:
        return None

    def shape(self, x: Shape) -> Shape:
        return (prod(x),)

    @classmethod
    def from_torch(cls, module: Any, x: Shape) -> Layer:
        whole = module.start_dim == 1 and module.end_dim in (-1, len(x))
        require(whole, "it flattens other axes than all after the batch")
        return cls()


@final
class Identity(Layer):
    """Nothing, with a place in the stack: `torch.nn.Identity`."""

    kind = "identity"
    group = "shape"
    torch_classes = ("Identity",)

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        return ()


@final
class PixelShuffle(Layer):
    """(C * r * r, H, W) -> (C, r * H, r * W): `torch.nn.PixelShuffle`, ONNX `DepthToSpace`."""

    kind = "pixel_shuffle"
    main = "upscale_factor"
    group = "shape"
    example = "pixel_shuffle: 2"
    torch_classes = ("PixelShuffle",)
    onnx_operators = ("DepthToSpace", "Reshape")

    upscale_factor: Annotated[Positive, "the enlargement r of height and width"]

    def axes(self) -> tuple[Axis, Axis]:
        axis = Axis(AffineFloor(self.upscale_factor), 1, self.upscale_factor)
        return axis, axis

    def shape(self, x: Shape) -> Shape:
        channels, height, width = image(x, self.kind)
        factor = self.upscale_factor
        if channels % factor**2:
            raise ShapeError(
                "E205",
                f"{self.kind}: the {channels} channels of the input are not a multiple of {factor}*{factor}",
                option="upscale_factor",
                recovered=(max(1, channels // factor**2), height * factor, width * factor),
            )
        return slide(self, x, channels // factor**2, self.axes())

    def torch(self, x: Shape) -> TorchCall:
        return TorchCall("PixelShuffle", (self.upscale_factor,))

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        return (OnnxNode("DepthToSpace", ("x",), {"blocksize": self.upscale_factor, "mode": "CRD"}),)

    @classmethod
    def from_onnx(cls, ahead: Lookahead) -> Iterator[tuple[Layer, ...]]:
        if ahead.start.op == "DepthToSpace":
            yield (cls(upscale_factor=int(ahead.start.attributes["blocksize"])),)
        elif len(ahead.start.shape) == 6:
            yield (cls(upscale_factor=ahead.start.shape[2]),)

    def onnx_variants(self, x: Shape) -> tuple[tuple[OnnxNode, ...], ...]:
        """The block's rows and columns as axes of their own, moved beside those of the map."""
        factor, (channels, height, width) = self.upscale_factor, x
        blocks = channels // factor**2
        return (
            (
                constant("split_shape", (-1, blocks, factor, factor, height, width)),
                OnnxNode("Reshape", ("x", "split_shape"), {}, "split"),
                OnnxNode("Transpose", ("split",), {"perm": (0, 1, 4, 2, 5, 3)}, "moved"),
                constant("map_shape", (-1, blocks, height * factor, width * factor)),
                OnnxNode("Reshape", ("moved", "map_shape")),
            ),
        )


@final
class Upsample(SlidingWindow):
    """(C, H, W) -> (C, f * H, f * W): `torch.nn.Upsample`, ONNX `Resize`."""

    kind = "upsample"
    main = "scale_factor"
    group = "shape"
    example = "upsample: {scale_factor: 2, mode: bilinear}"
    torch_classes = ("Upsample",)
    onnx_operators = ("Resize",)

    scale_factor: Annotated[Size, "the enlargement of height and width"]
    mode: Annotated[Literal["nearest", "bilinear", "bicubic"], "how the new values are found"] = "nearest"
    align_corners: Annotated[bool, "whether the corner pixels keep their place; bilinear and bicubic only"] = False

    def conflict(self) -> tuple[str, str] | None:
        if self.align_corners and self.mode == "nearest":
            return "align_corners", "align_corners has no meaning for mode nearest"
        return None

    def axes(self) -> tuple[Axis, Axis]:
        # One output looks at 1, 2 or 4 neighbouring pixels of the input along each axis.
        pixels = {"nearest": 1, "bilinear": 2, "bicubic": 4}[self.mode]
        height, width = (Axis(AffineFloor(factor), 1, factor * pixels) for factor in pair(self.scale_factor))
        return height, width

    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        vertical, horizontal = pair(self.scale_factor)
        modes: dict[str, dict[str, OnnxValue]] = {
            "nearest": {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
            "bilinear": {"mode": "linear", "coordinate_transformation_mode": "half_pixel"},
            "bicubic": {"mode": "cubic", "coordinate_transformation_mode": "half_pixel", "cubic_coeff_a": -0.75},
        }
        attributes = modes[self.mode]
        if self.align_corners:
            attributes = attributes | {"coordinate_transformation_mode": "align_corners"}
        scales = constant("scales", (1.0, 1.0, float(vertical), float(horizontal)))
        return scales, OnnxNode("Resize", ("x", "", "scales"), attributes)

    @classmethod
    def from_torch(cls, module: Any, x: Shape) -> Layer:
        """By factors, or to a size that is a multiple of the input's."""
        require(module.mode in ("nearest", "bilinear", "bicubic"), f"its mode is {module.mode}")
        if module.size is None:
            scale = module.scale_factor if isinstance(module.scale_factor, tuple) else (module.scale_factor,) * 2
            require(all(float(factor).is_integer() for factor in scale), "its scale_factor is no whole number")
        else:
            require(len(x) == 3, "its input is no image")
            pairs = list(zip(pair(module.size), x[1:], strict=True))
            require(all(size % extent == 0 for size, extent in pairs), "its size is no multiple of the input's")
            scale = tuple(size // extent for size, extent in pairs)
        align_corners = bool(module.align_corners)
        return cls.from_options(scale_factor=collapsed(scale), mode=module.mode, align_corners=align_corners)

    @classmethod
    def from_onnx(cls, ahead: Lookahead) -> Iterator[tuple[Layer, ...]]:
        attributes = ahead.start.attributes
        yield (
            cls.from_options(
                scale_factor=collapsed(attributes["factors"]),
                mode={"linear": "bilinear", "cubic": "bicubic"}.get(attributes["mode"], "nearest"),
                align_corners=attributes["rule"] == "align_corners",
            ),
        )
