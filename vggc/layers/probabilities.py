"""Probabilities of logits, over the channels or features: any shape -> the same shape."""

from typing import Any, final

from vggc.layers.activation import Activation
from vggc.layers.answers import Shape, TorchCall
from vggc.layers.checks import require
from vggc.layers.layer import Layer


class ChannelSoftmax(Activation):
    """Over the axis after the batch."""

    ends_classifier = True
    elementwise = False
    gives_probabilities = True
    onnx_attributes = (("axis", 1),)

    def torch(self, x: Shape) -> TorchCall:
        return TorchCall(self.torch_classes[0], (), {"dim": 1})

    @classmethod
    def from_torch(cls, module: Any, x: Shape) -> Layer:
        if type(module).__name__ == "Softmax2d":
            require(len(x) == 3, "its input is no image")
        else:
            require(module.dim in (1, -len(x)), f"it is over axis {module.dim}, not over the channels")
        return cls()


@final
class Softmax(ChannelSoftmax):
    """Shares that sum to 1 over the channels or features: `torch.nn.Softmax`, ONNX `Softmax`."""

    kind = "softmax"
    torch_classes = ("Softmax", "Softmax2d")
    onnx_operators = ("Softmax",)


@final
class LogSoftmax(ChannelSoftmax):
    """The logarithm of softmax over the channels or features: `torch.nn.LogSoftmax`, ONNX `LogSoftmax`."""

    kind = "log_softmax"
    torch_classes = ("LogSoftmax",)
    onnx_operators = ("LogSoftmax",)
