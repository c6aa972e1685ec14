"""The first layer that differs: in its nodes and tensors, or in its output."""

from collections.abc import Iterator, Mapping
from math import prod
from typing import Final

import numpy as np
import onnx
import torch

from vggc.backends.onnx.onnx_model import Lowered
from vggc.ir.graph import Origin
from vggc.ir.network import ShapedLayer
from vggc.verify.int8_tensors import is_quantized_form
from vggc.verify.model_file import EMBEDDED
from vggc.verify.outputs import relative_l2
from vggc.verify.reference import Reference
from vggc.verify.report import Culprit, Tolerance
from vggc.verify.sessions import Array, open_session
from vggc.verify.structure import Structure

_LINE: Final = 60  # characters of a line that are quoted
MAX_BYTES: Final = 64 * 2**20  # of intermediate values that are compared at once


def first_difference(
    reference: Reference,
    state: Mapping[str, torch.Tensor],
    structure: Structure,
    tolerance: Tolerance,
    replaced: Mapping[str, Array] | None = None,
) -> Culprit | None:
    """The first layer whose output in onnxruntime differs from torch's; None where the values cannot be found.

    Both engines go through the layers side by side, in groups that fit into memory, and nothing later than the first
    difference is computed.

    Args:
        reference: what the file ought to compute, at the size of the spec.
        state: the weights of the reference.
        structure: the file, beside what it ought to hold.
        tolerance: how far the values may differ.
        replaced: initializers that take the place of the file's.
    """
    lowered = structure.lowered
    names = {output for node in structure.model.graph.node for output in node.output}
    x = reference.input(reference.samples()[0])
    differing = _layers_that_differ(structure)
    before = 0.0
    values: dict[str, Array] = {}
    groups = _groups([layer for layer in _layers(lowered) if lowered.boundaries[layer.path] in names])
    for path, expected in reference.intermediate(state, x):
        if path not in lowered.boundaries or lowered.boundaries[path] not in names:
            continue
        name = lowered.boundaries[path]
        if name not in values:
            outputs = [lowered.boundaries[layer.path] for layer in next(groups)]
            values = _run_until(structure, outputs, x, replaced)
        error = relative_l2(values[name].astype(np.float32).reshape(expected.shape), expected)
        if error > tolerance.relative_l2:
            return culprit(_blamed(lowered, path), differing.get(path, ""), error, before)
        before = error
    return None


def first_structural_difference(structure: Structure) -> Culprit | None:
    """The first layer whose nodes or tensors' shapes are not those that were lowered."""
    nodes = _layers_that_differ(structure)
    tensors = structure.tensor_differences()
    for step in structure.lowered.program.steps:
        misshapen = next((tensors[tensor.name] for tensor in step.tensors.values() if tensor.name in tensors), "")
        if difference := nodes.get(step.value, misshapen):
            return culprit(step.layer, difference)
    return None


def layer_of(lowered: Lowered, tensor: str) -> Culprit | None:
    """The layer whose tensor of that name was altered."""
    for step in lowered.program.steps:
        if any(is_quantized_form(tensor, derived.name) for derived in step.tensors.values()):
            return culprit(step.layer, f"{tensor} is not the one that was written")
    return None


def culprit(layer: ShapedLayer, difference: str, error: float | None = None, before: float | None = None) -> Culprit:
    """A layer as the one to blame."""
    return Culprit(layer.path, layer.alias, layer.kind, _place(layer.node.origin), difference, error, before)


def _place(origin: Origin) -> str:
    """Where a layer is written; with the line itself where that is in the spec embedded in a file."""
    span = origin.span
    if span is None or not span.source.name.endswith(EMBEDDED):
        return str(origin)
    line = span.source.lines[span.line].strip().removeprefix("- ")
    return f"{span} `{line if len(line) <= _LINE else line[: _LINE - 3] + '...'}`"


def _layers(lowered: Lowered) -> list[ShapedLayer]:
    """The network's layers whose output the file holds."""
    return [layer for layer in lowered.program.network.layers if layer.path in lowered.boundaries]


def _blamed(lowered: Lowered, path: str) -> ShapedLayer:
    """The layer whose nodes give the output of the one at `path`: that one, or what it was folded into."""
    node = next((step.path for step in lowered.program.steps if step.value == path), path)
    return next(layer for layer in lowered.program.network.layers if layer.path == node)


def _layers_that_differ(structure: Structure) -> dict[str, str]:
    """For the layers of the network whose nodes differ from those that were lowered: how."""
    by_step: dict[str, str] = {}
    for name, difference in structure.node_differences().items():
        by_step.setdefault(name.partition("/")[0], difference)
    return {step.value: by_step[step.path] for step in structure.lowered.program.steps if step.path in by_step}


def _groups(layers: list[ShapedLayer]) -> Iterator[list[ShapedLayer]]:
    """The layers in groups whose outputs fit into memory together."""
    group: list[ShapedLayer] = []
    total = 0
    for layer in layers:
        size = 4 * prod(layer.output)
        if group and total + size > MAX_BYTES:
            yield group
            group, total = [], 0
        group.append(layer)
        total += size
    if group:
        yield group


def _run_until(
    structure: Structure, names: list[str], x: torch.Tensor, replaced: Mapping[str, Array] | None
) -> dict[str, Array]:
    """The values of those names, from a copy of the model that ends with them."""
    names = list(dict.fromkeys(names))
    lowered = structure.lowered
    elements = {value.name: value.type.tensor_type.elem_type for value in lowered.model.graph.value_info}
    shortened = onnx.ModelProto()
    shortened.CopyFrom(structure.model)
    del shortened.graph.output[:]
    shortened.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, elements.get(name, onnx.TensorProto.FLOAT), None) for name in names
    )
    session = open_session(shortened.SerializeToString(), replaced, folder=structure.path.parent)
    values = session.run(names, {lowered.program.input.name: x.numpy()})
    return dict(zip(names, values, strict=True))
