"""Norms and softmax in one spelling: axes from the front, what is left out written out."""

from math import prod
from typing import Final

import numpy as np

from vggc.importing.normal_form.builder import Builder, Rule, axis_of, constant, with_defaults
from vggc.importing.reading.graph_values import Constant, Operand, Step, UnreadableError


def _batch_norm(step: Step, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    if not step.attributes.get("spatial", 1):
        raise UnreadableError("spatial is 0: it has statistics for every pixel")
    if step.attributes.get("training_mode", 0):
        raise UnreadableError("it takes its statistics from the batch")
    attributes = with_defaults(step)
    names = ("scale", "bias", "mean", "variance")
    tensors = [constant(each, name) for each, name in zip(inputs[1:5], names, strict=True)]
    chosen = {"epsilon": attributes["epsilon"], "momentum": attributes["momentum"]}
    builder.emit(step, "BatchNormalization", (inputs[0], *tensors), chosen)


def _layer_norm(step: Step, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    axis = axis_of(step, "axis", len(step.shape), -1)
    scale = constant(inputs[1], "scale")
    bias = inputs[2] if len(inputs) > 2 and inputs[2] != "" else Constant(np.zeros(scale.shape, np.float32))
    attributes = {"axis": axis, "epsilon": float(step.attributes.get("epsilon", 1e-5))}
    builder.emit(step, "LayerNormalization", (inputs[0], scale, bias), attributes)


def _group_norm(step: Step, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    """Before opset 21 there was a scale for every group; for every channel it says the same."""
    if len(inputs) != 3 or step.attributes.get("num_groups", 0) < 1:
        raise UnreadableError("its groups, scale or bias are left out")
    groups, channels = int(step.attributes["num_groups"]), builder.shape(inputs[0])[1]
    tensors = [constant(each, name) for each, name in zip(inputs[1:], ("scale", "bias"), strict=True)]
    if step.opset < 21 and groups != channels:
        tensors = [each.changed(lambda array: np.repeat(array, channels // groups)) for each in tensors]
    attributes = {"num_groups": groups, "epsilon": float(step.attributes.get("epsilon", 1e-5))}
    builder.emit(step, "GroupNormalization", (inputs[0], *tensors), attributes)


def _softmax(step: Step, builder: Builder, inputs: tuple[Operand, ...]) -> None:
    """Before opset 13 all axes from the given one on were one."""
    rank = len(step.shape)
    axis = axis_of(step, "axis", rank, -1 if step.opset >= 13 else 1)
    if step.opset < 13 and prod(step.shape[axis + 1 :]) != 1:
        raise UnreadableError(f"before opset 13 it is a softmax over all axes from {axis} on")
    builder.emit(step, step.op, inputs[:1], {"axis": axis})


RULES: Final[dict[str, Rule]] = {
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm,
    "GroupNormalization": _group_norm,
    "Softmax": _softmax,
    "LogSoftmax": _softmax,
}
