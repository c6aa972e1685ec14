"""Probabilities instead of logits."""

from dataclasses import replace

from vggc.base.errors import ProductError
from vggc.layers.activation import Softmax
from vggc.passes.program import Note, Program, appended


def softmax(program: Program) -> Program:
    """A softmax over the classes behind the last layer; the output is called `probabilities`.

    Raises:
        ProductError: the network has no classifier, or ends in a softmax of its own.
    """
    last = program.network.layers[-1]
    if last.node.section != "classifier":
        raise ProductError("not supported: --softmax: the network ends in features, and has no logits")
    if last.layer.gives_probabilities:
        raise ProductError(f"not supported: --softmax: the network ends in {last.kind} already")
    output = replace(program.output, name="probabilities")
    note = Note("softmax", f"behind {last.alias}; the output is called probabilities")
    return replace(appended(program, "softmax", Softmax()), output=output).noted(note)
