"""Probabilities instead of logits."""

from dataclasses import replace
from typing import TYPE_CHECKING, final

from vggc.base.errors import ProductError
from vggc.ir.program import PassNote, Program, appended
from vggc.layers.probabilities import Softmax
from vggc.passes.pass_definition import Computation, Pass

if TYPE_CHECKING:
    from torch import nn


@final
class SoftmaxPass(Pass):
    """A softmax over the classes after the last layer; the output is called `probabilities`."""

    name = "softmax"
    help = "Give probabilities instead of logits."

    def apply(self, program: Program) -> Program:
        last = program.network.layers[-1]
        if last.node.section != "classifier":
            raise ProductError("not supported: --softmax: the network ends in features, and has no logits")
        if last.layer.gives_probabilities:
            raise ProductError(f"not supported: --softmax: the network ends in {last.kind} already")
        output = replace(program.output, name="probabilities")
        note = PassNote(self.name, f"after {last.alias}; the output is called probabilities")
        return replace(appended(program, "softmax", Softmax()), output=output).noted(note)

    def reference(self, program: Program, module: "nn.Module", computation: Computation) -> Computation:
        return lambda x: computation(x).softmax(dim=1)
