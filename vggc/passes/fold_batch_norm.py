"""A batch norm behind a convolution or linear layer is a linear map behind a linear map: one layer does both."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from vggc.layers.conv import Conv2d
from vggc.layers.linear import Linear
from vggc.layers.norm import BatchNorm
from vggc.passes.program import Array, Derived, Note, Program, State, Step, relayered, with_options


def fold_batch_norm(program: Program) -> Program:
    """Fold every batch norm into the convolution or linear layer right before it.

    With s = gamma / sqrt(variance + eps), the layer's weight becomes s * weight and its bias s * (bias - mean) + beta,
    computed in float64 and rounded once. The new tensors have names of their own, because they are not those of the
    state dict. A batch norm behind anything else stays, and the note says so.
    """
    uses = Counter(name for step in program.steps for name in step.inputs)
    steps: list[Step] = []
    positions: dict[str, int] = {}
    pairs: list[str] = []
    left: list[str] = []
    for step in program.steps:
        position = positions.get(step.inputs[0])
        before = None if position is None else steps[position]
        positions[step.value] = len(steps)
        if not isinstance(step.layer.layer, BatchNorm):
            steps.append(step)
        elif before is not None and isinstance(before.layer.layer, Conv2d | Linear) and uses[before.value] == 1:
            pairs.append(f"{step.layer.alias} into {before.layer.alias}")
            positions[step.value] = positions[before.value]
            steps[positions[step.value]] = _folded(before, step)
        else:
            left.append(f"{step.layer.alias} stays: {_why_left(before)}")
            steps.append(step)
    summary = f"{len(pairs)} folded" if pairs or left else "the network has no batch_norm"
    return replace(program, steps=tuple(steps)).noted(Note("fold_batch_norm", summary, (*pairs, *left)))


def _why_left(before: Step | None) -> str:
    if before is None:
        return "it is behind the input"
    if isinstance(before.layer.layer, Conv2d | Linear):
        return f"{before.layer.alias} has another consumer"
    return f"it is behind {before.layer.kind}"


def _folded(first: Step, norm: Step) -> Step:
    layer = relayered(first.layer, with_options(first.layer.layer, bias=True), first.layer.input)
    weight, bias = first.tensors["weight"], first.tensors.get("bias")
    columns = (-1,) + (1,) * (len(weight.shape) - 1)

    def folded_weight(state: State) -> Array:
        return (weight.compute(state) * _scale(norm, state).reshape(columns)).astype(np.float32)

    def folded_bias(state: State) -> Array:
        own = bias.compute(state).astype(np.float64) if bias is not None else np.zeros(1)
        shifted = (own - _of(norm, "running_mean", state)) * _scale(norm, state) + _of(norm, "bias", state, 0.0)
        return np.broadcast_to(shifted, weight.shape[:1]).astype(np.float32)

    def restored_bias(values: Array) -> Mapping[str, Array]:
        """As a batch norm that adds the bias and does nothing else, behind a layer without one."""
        assert isinstance(norm.layer.layer, BatchNorm)
        ones, zeros = np.ones_like(values), np.zeros_like(values)
        state = {"running_mean": -values, "running_var": ones - np.float32(norm.layer.layer.eps)}
        state |= {"weight": ones, "bias": zeros} if norm.layer.layer.affine else {}
        restored = {f"{norm.path}.{name}": each for name, each in state.items()}
        return restored if bias is None else {**restored, **bias.restore(zeros)}

    tensors = {
        "weight": Derived(f"{first.path}.weight/folded", weight.shape, folded_weight, weight.restore),
        "bias": Derived(f"{first.path}.bias/folded", weight.shape[:1], folded_bias, restored_bias),
    }
    return Step(layer, tensors, norm.value, first.inputs)


def _scale(norm: Step, state: State) -> Array:
    assert isinstance(norm.layer.layer, BatchNorm)
    scale: Array = _of(norm, "weight", state, 1.0) / np.sqrt(_of(norm, "running_var", state) + norm.layer.layer.eps)
    return scale


def _of(norm: Step, name: str, state: State, default: float = 0.0) -> Array:
    """A tensor of the batch norm in float64; the default where it does not learn one."""
    return norm.tensors[name].compute(state).astype(np.float64) if name in norm.tensors else np.full(1, default)
