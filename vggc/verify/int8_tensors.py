"""What an int8 file holds: its weights, dequantized, and the range of its input.

onnxruntime's quantiser writes a tensor as three: `NAME_quantized`, `NAME_scale` and `NAME_zero_point`, the last two one
value each, or one for every output channel. Of a bias they are `NAME_quantized_scale` and `NAME_quantized_zero_point`.
The weight of a linear layer that is a matrix product now is `NAME_Transposed`.
"""

import re
from collections.abc import Mapping
from typing import Final

import numpy as np
import onnx
import torch

_QUANTIZED: Final = "_quantized"
_TRANSPOSED: Final = "_Transposed"


def dequantized(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """All tensors, under the names that they had before they were quantised.

    Args:
        tensors: those of the file by name.
    """
    plain = {name: tensor for name, tensor in tensors.items() if tensor.is_floating_point()}
    for name, tensor in tensors.items():
        if not name.endswith(_QUANTIZED):
            continue
        base = name.removesuffix(_QUANTIZED)
        scale = tensors.get(f"{name}_scale", tensors.get(f"{base}_scale"))
        zero = tensors.get(f"{name}_zero_point", tensors.get(f"{base}_zero_point"))
        if scale is not None and zero is not None:
            transposed = base.endswith(_TRANSPOSED)
            values = _values(tensor, scale, zero, axis=-1 if transposed else 0)
            plain[base.removesuffix(_TRANSPOSED)] = values.T.contiguous() if transposed else values
    return plain


def _values(tensor: torch.Tensor, scale: torch.Tensor, zero: torch.Tensor, axis: int) -> torch.Tensor:
    """(q - zero) * scale, for one scale or one for every place of an axis."""
    shape = [1] * tensor.ndim
    if tensor.ndim:
        shape[axis] = -1
    if scale.numel() == 1:
        return (tensor.float() - zero.float().reshape(())) * scale.reshape(())
    return (tensor.float() - zero.float().reshape(shape)) * scale.reshape(shape)


def is_quantized_form(name: str, tensor: str) -> bool:
    """Whether a tensor of a file is that of a program, or one of those that it was quantised to."""
    return re.fullmatch(rf"{re.escape(tensor)}(_Transposed)?(_quantized)?(_scale|_zero_point)?", name) is not None


def quantized_span(model: onnx.ModelProto, port: str) -> tuple[float, float] | None:
    """The least and the greatest input of a static int8 file, which clips all others; None for any other file.

    Args:
        model: the file.
        port: the name of its input.
    """
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear" and node.input[0] == port and set(node.input[1:3]) <= tensors.keys():
            scale, zero = (onnx.numpy_helper.to_array(tensors[name]) for name in node.input[1:3])
            ends = np.iinfo(zero.dtype)
            return float((ends.min - float(zero)) * scale), float((ends.max - float(zero)) * scale)
    return None
