"""The ways back, by the operator that a layer begins with: what it might be, as candidates that are then compared.

A candidate may be wrong: `matching` holds what it lowers to against the file. So all that stands in a way is where a
layer's options are to be read from.
"""

from collections.abc import Iterator
from typing import Final

from vggc.importing.reading.graph_values import Operation
from vggc.importing.recognition import candidates_norms as values
from vggc.importing.recognition import candidates_windows as windows
from vggc.importing.recognition.views import Stack, View, Way, always
from vggc.layers import activation, adaptive_pool, reshape
from vggc.layers.layer import Shape


def candidates(x: Shape, operations: tuple[Operation, ...], starts: set[str]) -> Iterator[Stack]:
    """The stacks of layers that may begin with an operation, each in the shape of the language.

    Args:
        x: the shape of the value, with the batch axis.
        operations: the next `AHEAD` of them.
        starts: the kinds of the operations that take the value.
    """
    view = View(x, operations)
    for op in sorted(starts):
        for way in WAYS.get(op, ()):
            yield from way(view)


_GELUS: Final = always(activation.GELU(), activation.GELU(approximate="tanh"))
_HARDSWISH: Final = always(activation.Hardswish())
_UNEVEN_MEAN: Final = windows.uneven_pool(adaptive_pool.AdaptiveAvgPool2d, "MatMul")
_UNEVEN_MAX: Final = windows.uneven_pool(adaptive_pool.AdaptiveMaxPool2d, "ReduceMax")

WAYS: Final[dict[str, tuple[Way, ...]]] = {
    "Conv": (windows.convolution,),
    "Gemm": (windows.linear_layer,),
    "Pad": (windows.padded_convolution, windows.average_pool, windows.border),
    "Slice": (windows.padded_convolution,),
    "Concat": (windows.padded_convolution,),
    "MaxPool": (windows.max_pool,),
    "AveragePool": (windows.average_pool,),
    "GlobalAveragePool": (always(adaptive_pool.GlobalAvgPool2d()),),
    "GlobalMaxPool": (always(adaptive_pool.AdaptiveMaxPool2d(output_size=1)),),
    "MatMul": (_UNEVEN_MEAN,),
    "Gather": (_UNEVEN_MAX,),
    "BatchNormalization": (values.batch_norm,),
    "InstanceNormalization": (values.instance_norm,),
    "GroupNormalization": (values.group_norm,),
    "LayerNormalization": (values.layer_norm,),
    "ReduceMean": (values.layer_norm,),
    "LRN": (values.response,),
    "Relu": (always(activation.ReLU()),),
    "Clip": (always(activation.ReLU6()),),
    "LeakyRelu": (values.by_alpha(activation.LeakyReLU, "negative_slope"),),
    "Elu": (values.by_alpha(activation.ELU, "alpha"),),
    "Selu": (always(activation.SELU()),),
    "PRelu": (values.prelu,),
    "Gelu": (values.gelu,),
    "Mul": (_GELUS, always(activation.SiLU(), activation.Mish()), _HARDSWISH, values.softplus, values.spelled_response),
    "Add": (_HARDSWISH,),
    "Sigmoid": (always(activation.Sigmoid(), activation.SiLU()),),
    "Mish": (always(activation.Mish()),),
    "Softplus": (values.softplus, always(activation.Mish())),
    "HardSwish": (_HARDSWISH,),
    "HardSigmoid": (always(activation.Hardsigmoid()), _HARDSWISH),
    "Tanh": (always(activation.Tanh()),),
    "Softmax": (always(activation.Softmax()),),
    "LogSoftmax": (always(activation.LogSoftmax()),),
    "Flatten": (always(reshape.Flatten()),),
    "Reshape": (values.group_norm, windows.pixel_shuffle),
    "DepthToSpace": (windows.pixel_shuffle,),
    "Resize": (windows.upsample,),
}
