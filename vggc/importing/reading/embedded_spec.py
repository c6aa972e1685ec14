"""The spec that vggc wrote into a file of its own: believed only where the file's graph is what it lowers to."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import onnx

from vggc.backends.onnx import onnx_model
from vggc.base.diagnostics import Source, SpecError
from vggc.base.errors import ProductError
from vggc.importing.reading.graph_values import Constant, original
from vggc.importing.reading.interface import Interface
from vggc.ir.graph import Graph
from vggc.ir.network import Network
from vggc.ir.program import Program
from vggc.layers.layer import LoweringError, Shape
from vggc.passes import prepare
from vggc.pipeline import compile_source
from vggc.verify.file_origin import FileOrigin
from vggc.verify.model_file import opset_of


@dataclass(frozen=True)
class Embedded:
    """The network that a file says it is, where its graph is what that lowers to; and what there is to say about it.

    `program` is what the passes that the file names made of the network; its ports are the file's.
    """

    network: Network | None
    notes: tuple[str, ...] = ()
    program: Program | None = None

    @property
    def interface(self) -> Interface | None:
        """What the file takes and gives, where it is the network's."""
        if self.network is None or self.program is None:
            return None
        return Interface(self.program.input.name, self.program.output.name, self.network.input, None)

    def again(self, network: Network) -> Program:
        """What the file is of a network that was recovered from it: itself, or what the same passes make of it."""
        return prepare(network, [note.name for note in self.program.notes] if self.program is not None else ())

    def tensors(self, model: onnx.ModelProto) -> dict[str, Constant]:
        """The network's tensors by its own keys, taken back through what the passes made of them."""
        assert self.program is not None
        found = {each.name: onnx.numpy_helper.to_array(each) for each in model.graph.initializer}
        tensors: dict[str, Constant] = {}
        for derived in (each for step in self.program.steps for each in step.tensors.values()):
            if derived.name in found:
                values = found[derived.name]
                for key, restored in derived.restore(values.astype(np.float32)).items():
                    itself = key == derived.name and values.dtype == np.float32
                    tensors[key] = original(key, restored) if itself else Constant(restored)
        return tensors


def embedded(model: onnx.ModelProto, input: Shape | None = None) -> Embedded:
    """What a file of vggc says of itself, and whether that is so; of no use where another input is asked for."""
    metadata = {each.key: each.value for each in model.metadata_props}
    if "vggc.spec" not in metadata:
        return Embedded(None)
    try:
        network = compile_source(Source("spec in the file", metadata["vggc.spec"]), until=metadata.get("vggc.until"))
        made = FileOrigin.of(model, "the file")
        program = prepare(network, made.passes)
        lowered = onnx_model.lower(program, opset_of(model), "float16" if made.precision == "float16" else "float32")
    except (SpecError, LoweringError, ProductError) as error:
        return Embedded(None, (f"the spec in the file is not used: {str(error).splitlines()[0]}",))
    if input not in (None, network.input):
        said = ",".join(map(str, network.input))
        return Embedded(None, (f"the spec in the file is not used, because its input is {said}",))
    difference = next(_differences(model, lowered), None)
    if difference is not None:
        return Embedded(None, (f"the spec in the file is not used, because the graph is another: {difference}",))
    notes = ["the spec in the file is its own: it lowers to the same nodes, names and shapes"]
    if made.passes:
        asked = " ".join(f"--{each.replace('_', '-')}" for each in made.passes)
        notes.append(f"the file was exported with {asked}, and the spec is the one before that")
    return Embedded(network, tuple(notes), program)


def _differences(model: onnx.ModelProto, lowered: onnx_model.Lowered) -> Iterator[str]:
    found, wanted = model.graph, lowered.model.graph
    if len(found.node) != len(wanted.node):
        yield f"{len(found.node)} nodes instead of {len(wanted.node)}"
    for ours, theirs in zip(wanted.node, found.node, strict=False):
        if ours != theirs:
            yield f"{theirs.name or theirs.op_type} ({theirs.op_type}) is not {ours.name} ({ours.op_type}) of the spec"
    for what, left, right in (("input", found.input, wanted.input), ("output", found.output, wanted.output)):
        if list(left) != list(right):
            yield f"another {what}"
    shapes = {each.name: (tuple(each.dims), each.data_type) for each in found.initializer}
    if shapes != {each.name: (each.shape, each.data_type) for each in lowered.tensors}:
        yield "other tensors"


def standing_alone(network: Network) -> Graph:
    """The graph of a network as that of a spec of its own.

    A network that was cut short keeps nothing that speaks of the whole: its classes, and what was expected of it.
    """
    graph = network.graph
    if graph.until is None:
        return graph
    return Graph(replace(graph.header, name=network.stem, classes=None, expect=()), graph.nodes)
