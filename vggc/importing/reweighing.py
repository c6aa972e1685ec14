"""A file run with other weights than its own, which tell more of its graph."""

from collections import Counter
from collections.abc import Callable, Mapping

import numpy as np
import onnx

from vggc.importing.reading.graph_values import Array, Constant
from vggc.verify.sessions import Run, State, open_session, runner


class Reweighed:
    """The file with other weights: those of the network's tensors that are each an initializer of its own."""

    def __init__(
        self, model: onnx.ModelProto, given: str | bytes, tensors: Mapping[str, Constant], fed: Callable[[Run], Run]
    ) -> None:
        self.model = model
        self.given = given
        self.fed = fed
        uses = Counter(name for node in model.graph.node for name in node.input)
        uses.update(each.origin.name for each in tensors.values() if each.origin is not None)
        self.tensors = {  # one use as an input, and one as a tensor
            name: each for name, each in tensors.items() if each.origin is not None and uses[each.origin.name] == 2
        }

    def __call__(self, weights: State) -> tuple[Run, State]:
        taken = {name: weights[name] for name in self.tensors}
        replaced: dict[str, Array] = {}
        for name, values in taken.items():
            origin = self.tensors[name].origin
            assert origin is not None
            replaced[origin.name] = np.ascontiguousarray(origin.back(values.numpy()))
        return self.fed(runner(open_session(self._with_fixed_inputs(), replaced))), taken

    def _with_fixed_inputs(self) -> str | bytes:
        """Before IR version 4 initializers are inputs as well, which onnxruntime does not replace."""
        constants = {each.name for each in self.model.graph.initializer}
        if not any(each.name in constants for each in self.model.graph.input):
            return self.given
        fixed = onnx.ModelProto()
        fixed.CopyFrom(self.model)
        kept = [each for each in fixed.graph.input if each.name not in constants]
        del fixed.graph.input[:]
        fixed.graph.input.extend(kept)
        fixed.ir_version = max(4, fixed.ir_version)
        return fixed.SerializeToString()
