"""A batch norm after a convolution or linear layer is a linear map after a linear map: one layer does both."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import final

import numpy as np

from vggc.ir.program import Array, Derived, PassNote, Program, State, Step, relayered
from vggc.passes.pass_definition import Pass


@final
class FoldBatchNorm(Pass):
    """Fold every batch norm into the convolution or linear layer right before it.

    The layer's weight is multiplied by the norm's factors, the norm is applied to its bias; both are
    computed in float64 and rounded once. The new tensors have names of their own, because they are not those of the
    state dict. A batch norm after anything else stays, and the note says so.
    """

    name = "fold_batch_norm"
    help = "Fold batch norms into the layers before them."

    def apply(self, program: Program) -> Program:
        uses = Counter(name for step in program.steps for name in step.inputs)
        steps: list[Step] = []
        positions: dict[str, int] = {}
        pairs: list[str] = []
        left: list[str] = []
        for step in program.steps:
            position = positions.get(step.inputs[0])
            before = None if position is None else steps[position]
            positions[step.value] = len(steps)
            if not step.layer.layer.uses_batch_statistics:
                steps.append(step)
            elif before is not None and before.layer.layer.takes_factors and uses[before.value] == 1:
                pairs.append(f"{step.layer.alias} into {before.layer.alias}")
                positions[step.value] = positions[before.value]
                steps[positions[step.value]] = _folded(before, step)
            else:
                left.append(f"{step.layer.alias} stays: {_why_left(before)}")
                steps.append(step)
        summary = f"{len(pairs)} folded" if pairs or left else "the network has no batch_norm"
        return replace(program, steps=tuple(steps)).noted(PassNote(self.name, summary, (*pairs, *left)))


def _why_left(before: Step | None) -> str:
    if before is None:
        return "it is after the input"
    if before.layer.layer.takes_factors:
        return f"{before.layer.alias} has another consumer"
    return f"it is after {before.layer.kind}"


def _folded(first: Step, norm: Step) -> Step:
    layer = relayered(first.layer, first.layer.layer.with_options(bias=True), *first.layer.shapes)
    weight, bias = first.tensors["weight"], first.tensors.get("bias")
    batch_norm = norm.layer.layer

    def folded_weight(state: State) -> Array:
        factors, _ = batch_norm.at_inference(0.0, _doubles(norm, state))
        return first.layer.layer.scaled_weight(weight.compute(state), factors).astype(np.float32)

    def folded_bias(state: State) -> Array:
        own = bias.compute(state).astype(np.float64) if bias is not None else 0.0
        _, shifted = batch_norm.at_inference(own, _doubles(norm, state))
        return shifted.astype(np.float32)

    def restored_bias(values: Array) -> Mapping[str, Array]:
        """As a batch norm that adds the bias and does nothing else, after a layer without one."""
        state = batch_norm.tensors_that_add(values)
        restored = {f"{norm.path}.{name}": tensor for name, tensor in state.items()}
        return restored if bias is None else {**restored, **bias.restore(np.zeros_like(values))}

    shape = layer.state["bias"]
    tensors = {
        "weight": Derived(f"{first.path}.weight/folded", weight.shape, folded_weight, weight.restore),
        "bias": Derived(f"{first.path}.bias/folded", shape, folded_bias, restored_bias),
    }
    return Step(layer, tensors, norm.value, first.inputs)


def _doubles(norm: Step, state: State) -> dict[str, Array]:
    """The tensors of a norm in float64, by its own names for them."""
    return {name: tensor.compute(state).astype(np.float64) for name, tensor in norm.tensors.items()}
