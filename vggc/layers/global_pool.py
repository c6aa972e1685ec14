"""Pools of the whole map: (C, H, W) -> (C, 1, 1)."""

from typing import ClassVar, final

from vggc.layers.answers import Shape, TorchCall
from vggc.layers.extent import AffineFloor, Axis
from vggc.layers.sliding import SlidingWindow


class GlobalPool(SlidingWindow):
    """A pool of the whole map to one value a channel, (C, H, W) -> (C, 1, 1)."""

    group = "pool"
    torch_name: ClassVar[str]

    def axes(self) -> tuple[Axis, Axis]:
        axis = Axis(AffineFloor(0, 1), 1, None)
        return axis, axis

    def torch(self, x: Shape) -> TorchCall:
        return TorchCall(self.torch_name, (1,))


@final
class GlobalAvgPool2d(GlobalPool):
    """The mean of each channel, (C, H, W) -> (C, 1, 1): `torch.nn.AdaptiveAvgPool2d(1)`, ONNX `GlobalAveragePool`."""

    kind = "global_avg_pool2d"
    torch_name = "AdaptiveAvgPool2d"
    onnx_operators = ("GlobalAveragePool",)


@final
class GlobalMaxPool2d(GlobalPool):
    """The maximum of each channel, (C, H, W) -> (C, 1, 1): `torch.nn.AdaptiveMaxPool2d(1)`, ONNX `GlobalMaxPool`."""

    kind = "global_max_pool2d"
    torch_name = "AdaptiveMaxPool2d"
    onnx_operators = ("GlobalMaxPool",)
    takes_maximum = True
