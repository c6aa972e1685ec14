"""The first layer whose output differs."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import torch
from torch import nn

from vggc.backends import onnx_model
from vggc.backends.torch_module import without_hints
from vggc.ir import Network, ShapedLayer
from vggc.verify.outputs import example_input, relative_l2
from vggc.verify.report import RELATIVE_L2, Culprit
from vggc.verify.sessions import Array, open_session

MAX_HELD: Final = 64 * 2**20  # bytes of intermediate values that are compared at once


def first_difference(
    network: Network, module: nn.Sequential, model: onnx.ModelProto, boundaries: Mapping[str, str], folder: Path
) -> Culprit | None:
    """The first layer whose output in onnxruntime differs from torch's; None where the values cannot be found.

    `folder` is where the model's data lies, if it has any in a file beside it.
    The layers are gone through in groups that fit into memory; nothing later than the first difference is computed.
    """
    names = {output for node in model.graph.node for output in node.output}
    pending = [layer for layer in network.layers if boundaries[layer.path] in names]
    x = example_input(network, 0, 1)
    expected = dict(_intermediate(network, module, x))
    before = 0.0
    for group in _groups(pending):
        values = _run_until(model, [boundaries[layer.path] for layer in group], x, folder)
        for layer in group:
            error = relative_l2(values[boundaries[layer.path]], expected[layer.path])
            if error > RELATIVE_L2:
                place = str(layer.node.span)
                return Culprit(layer.path, layer.alias, layer.kind, place, error, before)
            before = error
    return None


def _groups(layers: list[ShapedLayer]) -> Iterator[list[ShapedLayer]]:
    group: list[ShapedLayer] = []
    held = 0
    for layer in layers:
        size = 4 * int(np.prod(layer.output))
        if group and held + size > MAX_HELD:
            yield group
            group, held = [], 0
        group.append(layer)
        held += size
    if group:
        yield group


def _intermediate(network: Network, module: nn.Sequential, x: torch.Tensor) -> Iterator[tuple[str, Array]]:
    with torch.no_grad(), without_hints():
        for layer in network.layers:
            x = module.get_submodule(layer.path)(x)
            yield layer.path, x.numpy()


def _run_until(model: onnx.ModelProto, names: list[str], x: torch.Tensor, folder: Path) -> dict[str, Array]:
    """The values of that name, from a copy of the model that ends with them."""
    shortened = onnx.ModelProto()
    shortened.CopyFrom(model)
    del shortened.graph.output[:]
    shortened.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names
    )
    session = open_session(shortened.SerializeToString(), folder=folder)
    return dict(zip(names, session.run(names, {onnx_model.INPUT: x.numpy()}), strict=True))
