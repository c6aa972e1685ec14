"""The spec that vggc wrote into a file of its own: used only where the file's graph is what it lowers to."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import onnx

from vggc.backends.onnx import onnx_model
from vggc.base.diagnostics import Source, SpecError
from vggc.base.errors import ProductError
from vggc.importing.reading.graph_values import FoldedConstant, original
from vggc.importing.reading.interface import Interface
from vggc.ir.graph import Graph
from vggc.ir.network import Network
from vggc.ir.program import Program
from vggc.layers.answers import LoweringError, Shape
from vggc.passes import prepare
from vggc.pipeline import compile_source
from vggc.verify.file_origin import FileOrigin
from vggc.verify.model_file import opset_of


@dataclass(frozen=True)
class Embedded:
    """What a file says of itself, or why that is not used.

    `program` is what the passes that the file names made of its network; None where the file's spec is not used.
    """

    model: onnx.ModelProto
    program: Program | None = None
    notes: tuple[str, ...] = ()

    @property
    def interface(self) -> Interface | None:
        """What the file takes and gives."""
        if self.program is None:
            return None
        return Interface(self.program.input.name, self.program.output.name, self.program.network.input, None)

    @property
    def graph(self) -> Graph | None:
        """The graph of the network as that of a spec of its own.

        A network that was cut short keeps nothing that is about the whole: its classes, and what was expected of it.
        """
        if self.program is None:
            return None
        graph = self.program.network.graph
        if graph.until is None:
            return graph
        return Graph(replace(graph.header, name=self.program.network.stem, classes=None, expect=()), graph.nodes)

    @property
    def tensors(self) -> list[Mapping[str, FoldedConstant]]:
        """The tensors of each layer by torch's names, restored from what the passes made of them."""
        assert self.program is not None
        arrays = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in self.model.graph.initializer}
        tensors: dict[str, dict[str, FoldedConstant]] = {layer.path: {} for layer in self.program.network.layers}
        for derived in (tensor for step in self.program.steps for tensor in step.tensors.values()):
            if derived.name in arrays:
                values = arrays[derived.name]
                for key, restored in derived.restore(values.astype(np.float32)).items():
                    path, _, name = key.rpartition(".")
                    is_own = key == derived.name and values.dtype == np.float32
                    tensors[path][name] = original(key, restored) if is_own else FoldedConstant(restored)
        return list(tensors.values())

    def passed(self, network: Network) -> Program:
        """What the passes of the file make of the network that was recovered from it."""
        return prepare(network, [note.name for note in self.program.notes] if self.program is not None else ())


def embedded(model: onnx.ModelProto, input: Shape | None = None) -> Embedded:
    """What a file of vggc says of itself, and whether that is so; it is not used where another input is asked for."""
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    if "vggc.spec" not in metadata:
        return Embedded(model)
    try:
        network = compile_source(Source("spec in the file", metadata["vggc.spec"]), until=metadata.get("vggc.until"))
        origin = FileOrigin.of(model, "the file")
        program = prepare(network, origin.passes)
        lowered = onnx_model.lower(program, opset_of(model), "float16" if origin.precision == "float16" else "float32")
    except (SpecError, LoweringError, ProductError) as error:
        return Embedded(model, notes=(f"the spec in the file is not used: {str(error).splitlines()[0]}",))
    reason = ""
    if input not in (None, network.input):
        reason = f"its input is {','.join(map(str, network.input))}"
    elif difference := next(_differences(model, lowered), ""):
        reason = f"the graph is another: {difference}"
    if reason:
        return Embedded(model, notes=(f"the spec in the file is not used, because {reason}",))
    notes = ["the spec in the file is its own: it lowers to the same nodes, names and shapes"]
    if origin.passes:
        flags = " ".join(f"--{name.replace('_', '-')}" for name in origin.passes)
        notes.append(f"the file was exported with {flags}, and the spec is the one before that")
    return Embedded(model, program, tuple(notes))


def _differences(model: onnx.ModelProto, lowered: onnx_model.Lowered) -> Iterator[str]:
    actual, expected = model.graph, lowered.model.graph
    if len(actual.node) != len(expected.node):
        yield f"{len(actual.node)} nodes instead of {len(expected.node)}"
    for ours, theirs in zip(expected.node, actual.node, strict=False):
        if ours != theirs:
            yield f"{theirs.name or theirs.op_type} ({theirs.op_type}) is not {ours.name} ({ours.op_type}) of the spec"
    for what, left, right in (("input", actual.input, expected.input), ("output", actual.output, expected.output)):
        if list(left) != list(right):
            yield f"another {what}"
    shapes = {tensor.name: (tuple(tensor.dims), tensor.data_type) for tensor in actual.initializer}
    if shapes != {tensor.name: (tensor.shape, tensor.data_type) for tensor in lowered.tensors}:
        yield "other tensors"
