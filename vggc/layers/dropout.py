"""Dropout: any shape -> the same shape; nothing at inference, so it is never in an ONNX file."""

from collections.abc import Iterator
from typing import Annotated, final

from vggc.layers.answers import OnnxNode, Shape, TorchCall, constant
from vggc.layers.checks import image
from vggc.layers.layer import Layer
from vggc.layers.operation import Lookahead, decimal
from vggc.layers.option_types import Probability

Chance = Annotated[Probability, "the probability with which a value is dropped in training"]
Inplace = Annotated[bool, "whether the input is overwritten"]


class AnyDropout(Layer):
    """What all of them share: the identity at inference."""

    main = "p"
    group = "dropout"
    elementwise = True

    p: Chance = 0.5
    inplace: Inplace = False

    @final
    def torch(self, x: Shape) -> TorchCall:
        return TorchCall(self.torch_classes[0], (), {"p": self.p} | self.changed())

    @final
    def onnx(self, x: Shape, opset: int) -> tuple[OnnxNode, ...]:
        return ()


@final
class Dropout(AnyDropout):
    """Drops single values: `torch.nn.Dropout`."""

    kind = "dropout"
    torch_classes = ("Dropout",)
    onnx_operators = ("Dropout",)
    example = "dropout: 0.5"

    @classmethod
    def from_onnx(cls, ahead: Lookahead) -> Iterator[tuple[Layer, ...]]:
        yield (cls(p=decimal(ahead.start.attributes["ratio"])),)

    def onnx_variants(self, x: Shape) -> tuple[tuple[OnnxNode, ...], ...]:
        """Exporters keep it where they export for training."""
        return ((constant("ratio", float(self.p)), OnnxNode("Dropout", ("x", "ratio"))),)


@final
class Dropout2d(AnyDropout):
    """Drops whole channels of an image (Tompson et al., 2015): `torch.nn.Dropout2d`."""

    kind = "dropout2d"
    torch_classes = ("Dropout2d",)
    example = "dropout2d: 0.1"

    def shape(self, x: Shape) -> Shape:
        return image(x, self.kind)


@final
class AlphaDropout(AnyDropout):
    """Drops single values and keeps mean and variance, for selu (Klambauer et al., 2017): `torch.nn.AlphaDropout`."""

    kind = "alpha_dropout"
    torch_classes = ("AlphaDropout",)
    example = "alpha_dropout: 0.1"
