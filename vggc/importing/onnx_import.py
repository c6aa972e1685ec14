"""`vggc import MODEL.onnx`: the whole way back, top to bottom.

file -prepare-> model -chain-> Chain -recovery-> layers with tensors -sections-> Graph -idiom-> text
-pipeline-> Network -checking-> report
"""

import os
from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from vggc.analysis.shapes import MAX_MEMORY
from vggc.backends.onnx import onnx_model
from vggc.backends.onnx.protobuf_stream import MAX_FILE
from vggc.base.errors import ProductError
from vggc.base.progress import Progress, silent
from vggc.base.words import in_bytes
from vggc.importing.checking import check
from vggc.importing.normal_form.chain import Chain, read_chain
from vggc.importing.reading.arrangements import CHANNELS_FIRST, CHANNELS_LAST
from vggc.importing.reading.embedded_spec import Embedded, embedded, standing_alone
from vggc.importing.reading.graph_values import Constant, original
from vggc.importing.reading.interface import OLDEST_OPSET, Interface, interface
from vggc.importing.reading.preparing import Prepared, prepare
from vggc.importing.recognition.recovery import RecoveredLayer, recover
from vggc.importing.result import Imported, compiled, loaded, passed
from vggc.importing.reweighing import Reweighed
from vggc.importing.writing.sections import graph_of, idiomatic, legal_name
from vggc.ir.graph import Graph
from vggc.ir.network import Network
from vggc.ir.program import PassNote
from vggc.layers.layer import Shape
from vggc.layers.reshape import Identity
from vggc.verify.model_file import opset_of, read_model, sha256_of
from vggc.verify.reference import SEEDS_AND_BATCHES
from vggc.verify.report import Report
from vggc.verify.sessions import FAILURES, Run, open_session, runner

_CHANNELS_LAST: Final = (
    "the file takes images as (batch, height, width, channels), and the network (batch, channels, height, width): "
    "each is run on its own"
)


def import_onnx(
    path: str | os.PathLike[str],
    *,
    input: Shape | None = None,
    max_memory: int = MAX_MEMORY,
    progress: Progress = silent,
) -> Imported:
    """Recover the spec and the weights of a sequential ONNX file, and verify them against it; nothing is written.

    Args:
        path: the file, from whichever exporter.
        input: (C, H, W), where the file leaves its size open.
        max_memory: the bytes that the weights may take.
        progress: told the passes done.

    Raises:
        ProductError: the file cannot be read, or holds what no spec can say; all such nodes are named.
        VerificationError: what was recovered computes something else, or nobody can tell.
    """
    return _Import(Path(path), input, max_memory, progress).run()


class _Import:
    def __init__(self, file: Path, input: Shape | None, max_memory: int, progress: Progress) -> None:
        self.file = file
        self.progress = progress
        self.read = _read(file)
        self.opset = _checked_opset(self.read, file.name)
        _check_exact(self.read, file.name)
        self.prepared: Prepared = prepare(self.read, file.name)
        self.embedded: Embedded = embedded(self.read, input)
        self.interface: Interface = self.embedded.interface or interface(self.prepared.model, file.name, input)
        self.notes = list(self.prepared.notes)
        if self.interface.channels_last:
            self.notes.append(_CHANNELS_LAST)
        _check_size(self.read, self.interface, file.name, max_memory)

    def run(self) -> Imported:
        graph, found = self._recovered()
        text, network = compiled(graph, f"{self.file.name} (opset {self.opset})")
        tensors = {
            f"{shaped.path}.{name}": tensor
            for shaped, each in zip(network.layers, found, strict=True)
            for name, tensor in each.tensors.items()
        }
        state = _state(network, tensors)
        report = self._report(network)
        module = loaded(network, state, self.file.name)
        try:
            run, reweighed = self._original(tensors)
            program = self.embedded.again(network)
            check(program, module, run, self.interface.batch, reweighed, report, self.progress)
        except FAILURES as error:
            raise ProductError(f"onnxruntime cannot run {self.file.name}: {str(error).splitlines()[0]}") from error
        return passed(Imported(text, network, state, report))

    # --- what is in the file ---

    def _recovered(self) -> tuple[Graph, list[RecoveredLayer]]:
        network = self.embedded.network
        self.notes += self.embedded.notes
        if network is not None:
            tensors = self.embedded.tensors(self.read)
            return standing_alone(network), [
                RecoveredLayer(
                    each.layer, {name: tensors[f"{each.path}.{name}"] for name in _stored(each.path, tensors)}
                )
                for each in network.layers
            ]
        return self._by_graph()

    def _by_graph(self) -> tuple[Graph, list[RecoveredLayer]]:
        model = self.prepared.model
        found, refused = recover(self.chain)
        if refused:
            listed = "\n".join(f"  {each}" for each in refused)
            raise ProductError(f"{self.file.name} cannot be written as a spec:\n{listed}")
        if not found or found[0].layer.flattens:
            found.insert(0, RecoveredLayer(Identity(), {}))
        layers = idiomatic(self.interface.shape, [each.layer for each in found])
        self.notes.append(f"{len(model.graph.node)} nodes are {len(layers)} layers")
        name = legal_name(model.graph.name, self.file.stem)
        return graph_of(name, self.interface.shape, layers), found

    @cached_property
    def chain(self) -> Chain:
        """The graph of the file as a chain."""
        model, ends = self.prepared.model, self.interface
        opsets = {each.domain: each.version for each in model.opset_import}
        constants = _initializers(model)
        chain = read_chain(
            model.graph.node, opsets, constants, ends.input, ends.output, ends.x, channels_last=ends.channels_last
        )
        if 0 not in chain.cuts:
            raise ProductError(f"{self.file.name} cannot be written as a spec: its output does not depend on its input")
        return chain

    # --- the other side of the comparison ---

    def _report(self, network: Network) -> Report:
        return Report(
            file=self.file.name,
            network=network.name,
            notes=[PassNote("note", each) for each in self.notes],
            size=self.file.stat().st_size,
            sha256=sha256_of(self.file),
            opset=self.opset,
            ir_version=self.read.ir_version,
            operators=dict(Counter(onnx_model.operators(self.read))),
        )

    def _original(self, tensors: Mapping[str, Constant]) -> tuple[Run, "Reweighed"]:
        model = self.prepared.model
        if not self.prepared.as_written and model.ByteSize() > MAX_FILE:
            raise ProductError(f"not supported: {self.file.name} has more than 2 GiB of weights once it is in float32")
        given: str | bytes = str(self.file) if self.prepared.as_written else model.SerializeToString()
        reweighed = Reweighed(model, given, tensors, self._fed)
        return self._fed(runner(open_session(given))), reweighed

    def _fed(self, run: Run) -> Run:
        """The file, run on what the network takes."""
        if not self.interface.channels_last:
            return run
        if not self.chain.gives_channels_last:
            return lambda x: run(x.permute(CHANNELS_LAST).contiguous())
        return lambda x: run(x.permute(CHANNELS_LAST).contiguous()).transpose(CHANNELS_FIRST)


def _read(file: Path) -> onnx.ModelProto:
    """A file with the weights that stand beside it."""
    model = read_model(file)
    onnx.external_data_helper.load_external_data_for_model(model, str(file.parent))
    return model


def _checked_opset(model: onnx.ModelProto, name: str) -> int:
    if not model.graph.node:
        raise ProductError(f"{name} is no ONNX file with a graph in it")
    opset = opset_of(model)
    newest = onnx.defs.onnx_opset_version()
    if not OLDEST_OPSET <= opset <= newest:
        raise ProductError(
            f"not supported: {name} is of opset {opset}; the installed onnx can import {OLDEST_OPSET} to {newest}"
        )
    return opset


def _check_exact(model: onnx.ModelProto, name: str) -> None:
    """A file of ours says what it is; what its nodes are would be no help."""
    if any(each.key == "vggc.precision" and each.value == "int8" for each in model.metadata_props):
        raise ProductError(f"not supported: {name} is quantised to int8; import the float32 file that it was made from")


def _check_size(model: onnx.ModelProto, ends: Interface, name: str, max_memory: int) -> None:
    """Before anything is allocated: the weights, and the largest batch that the file is run with."""
    batch = ends.batch or max(batch for _, batch in SEEDS_AND_BATCHES)
    weights = sum(4 * prod(each.dims) for each in model.graph.initializer)
    for what, size in (("the weights", weights), ("a batch of images", 4 * batch * prod(ends.shape))):
        if size > max_memory:
            over = f"{in_bytes(size)}, over the limit of {in_bytes(max_memory)}"
            raise ProductError(f"{name}: {what} would take {over}; raise it with --max-memory")


def _initializers(model: onnx.ModelProto) -> dict[str, Constant]:
    return {each.name: original(each.name, numpy_helper.to_array(each)) for each in model.graph.initializer}


def _stored(path: str, tensors: Mapping[str, Constant]) -> list[str]:
    """The names of a layer's tensors that are in the file."""
    return [name.removeprefix(f"{path}.") for name in tensors if name.rpartition(".")[0] == path]


def _state(network: Network, tensors: Mapping[str, Constant]) -> dict[str, torch.Tensor]:
    """The state dict of a network; a batch norm has seen no batches that anyone knows of."""
    state = {name: torch.from_numpy(np.array(each.array, dtype=np.float32)) for name, each in tensors.items()}
    for layer in network.layers:
        if "num_batches_tracked" in layer.layer.buffers(layer.input):
            state[f"{layer.path}.num_batches_tracked"] = torch.tensor(0)
    return state
