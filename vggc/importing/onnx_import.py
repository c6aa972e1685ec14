"""`vggc import MODEL.onnx`: `import_onnx` shows the whole way from a file to a verified spec."""

import os
from collections import Counter
from collections.abc import Callable, Mapping
from math import prod
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from vggc.analysis.shapes import MAX_MEMORY
from vggc.backends.onnx import onnx_model
from vggc.base.errors import ProductError
from vggc.base.progress import Progress, silent
from vggc.base.words import in_bytes
from vggc.importing.checking import OnnxOriginal, check
from vggc.importing.normal_form.chain import read_chain
from vggc.importing.reading.embedded_spec import embedded
from vggc.importing.reading.graph_values import FoldedConstant, original
from vggc.importing.reading.interface import CHANNELS_FIRST, CHANNELS_LAST, OLDEST_OPSET, Interface, interface
from vggc.importing.reading.preparing import prepare
from vggc.importing.recognition.recovery import recover
from vggc.importing.result import Imported, compiled, loaded, passed
from vggc.importing.writing.sections import graph_of, idiomatic, legal_name
from vggc.ir.graph import Graph
from vggc.ir.network import Network
from vggc.ir.program import PassNote
from vggc.layers.answers import Shape
from vggc.layers.reshape import Identity
from vggc.verify.model_file import opset_of, read_model, sha256_of
from vggc.verify.reference import SEEDS_AND_BATCHES
from vggc.verify.report import Report
from vggc.verify.sessions import FAILURES, Run

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
        ProductError: the file cannot be read, or has nodes that no spec can express; all of them are named.
        VerificationError: the recovered network computes something else, or that cannot be decided.
    """
    file = Path(path)
    model = _read(file)
    prepared = prepare(model, file.name)
    own = embedded(model, input)
    ends = own.interface or interface(prepared.model, file.name, input)
    _check_size(model, ends, file.name, max_memory)
    recovered = _by_graph(prepared.model, ends, file) if own.graph is None else _Recovered(own.graph, own.tensors)
    text, network = compiled(recovered.graph, f"{file.name} (opset {opset_of(model)})")
    tensors = recovered.by_key(network)
    state = _state(network, tensors)
    module = loaded(network, state, file.name)
    notes = (*prepared.notes, *((_CHANNELS_LAST,) * ends.channels_last), *own.notes, *recovered.notes)
    report = _report(file, model, network, notes)
    try:
        source = OnnxOriginal(file, prepared, tensors, _adapter(ends, recovered))
        check(own.passed(network), module, source, ends.batch, report, progress)
    except FAILURES as error:
        raise ProductError(f"onnxruntime cannot run {file.name}: {str(error).splitlines()[0]}") from error
    return passed(Imported(text, network, state, report))


class _Recovered(NamedTuple):
    """The graph of a spec, and for each of its layers the tensors by torch's names.

    `gives_channels_last` is whether the file gives its output with the channels last.
    """

    graph: Graph
    tensors: list[Mapping[str, FoldedConstant]]
    notes: tuple[str, ...] = ()
    gives_channels_last: bool = False

    def by_key(self, network: Network) -> dict[str, FoldedConstant]:
        """The tensors by the keys of the network that the graph was compiled to."""
        return {
            f"{layer.path}.{name}": tensor
            for layer, tensors in zip(network.layers, self.tensors, strict=True)
            for name, tensor in tensors.items()
        }


# --- what is in the file ---


def _read(file: Path) -> onnx.ModelProto:
    """A file with the weights that are stored beside it."""
    model = read_model(file)
    onnx.external_data_helper.load_external_data_for_model(model, str(file.parent))
    if not model.graph.node:
        raise ProductError(f"{file.name} is no ONNX file with a graph in it")
    opset, newest = opset_of(model), onnx.defs.onnx_opset_version()
    if not OLDEST_OPSET <= opset <= newest:
        raise ProductError(
            f"not supported: {file.name} is of opset {opset}; the installed onnx can import {OLDEST_OPSET} to {newest}"
        )
    if any(entry.key == "vggc.precision" and entry.value == "int8" for entry in model.metadata_props):
        raise ProductError(
            f"not supported: {file.name} is quantised to int8; import the float32 file that it was made from"
        )
    return model


def _check_size(model: onnx.ModelProto, ends: Interface, name: str, max_memory: int) -> None:
    """Before anything is allocated: the weights, and the largest batch that the file is run with."""
    batch = ends.batch or max(batch for _, batch in SEEDS_AND_BATCHES)
    weights = sum(4 * prod(tensor.dims) for tensor in model.graph.initializer)
    for what, size in (("the weights", weights), ("a batch of images", 4 * batch * prod(ends.shape))):
        if size > max_memory:
            over = f"{in_bytes(size)}, over the limit of {in_bytes(max_memory)}"
            raise ProductError(f"{name}: {what} would take {over}; raise it with --max-memory")


def _by_graph(model: onnx.ModelProto, ends: Interface, file: Path) -> _Recovered:
    """What the nodes of a file are, whoever wrote it."""
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    constants = {
        tensor.name: original(tensor.name, numpy_helper.to_array(tensor)) for tensor in model.graph.initializer
    }
    chain = read_chain(
        model.graph.node, opsets, constants, ends.input, ends.output, ends.x, channels_last=ends.channels_last
    )
    if 0 not in chain.cuts:
        raise ProductError(f"{file.name} cannot be written as a spec: its output does not depend on its input")
    recovered, refused = recover(chain)
    if refused:
        listed = "\n".join(f"  {refusal}" for refusal in refused)
        raise ProductError(f"{file.name} cannot be written as a spec:\n{listed}")
    layers, tensors = [layer.layer for layer in recovered], [layer.tensors for layer in recovered]
    if not layers or layers[0].flattens:
        layers.insert(0, Identity())
        tensors.insert(0, {})
    graph = graph_of(legal_name(model.graph.name, file.stem), ends.shape, idiomatic(ends.shape, layers))
    note = f"{len(model.graph.node)} nodes are {len(layers)} layers"
    return _Recovered(graph, tensors, (note,), chain.gives_channels_last)


def _state(network: Network, tensors: Mapping[str, FoldedConstant]) -> dict[str, torch.Tensor]:
    """The state dict of a network; nothing tells how many batches a batch norm has seen."""
    state = {key: torch.from_numpy(np.array(tensor.array, dtype=np.float32)) for key, tensor in tensors.items()}
    for layer in network.layers:
        if "num_batches_tracked" in layer.layer.buffers(layer.input):
            state[f"{layer.path}.num_batches_tracked"] = torch.tensor(0)
    return state


# --- the comparison ---


def _report(file: Path, model: onnx.ModelProto, network: Network, notes: tuple[str, ...]) -> Report:
    return Report(
        file=file.name,
        network=network.name,
        notes=[PassNote("note", note) for note in notes],
        size=file.stat().st_size,
        sha256=sha256_of(file),
        opset=opset_of(model),
        ir_version=model.ir_version,
        operators=dict(Counter(onnx_model.operators(model))),
    )


def _adapter(ends: Interface, recovered: _Recovered) -> Callable[[Run], Run]:
    """What brings a run of the file to what the network takes and gives: channels first."""
    if not ends.channels_last:
        return lambda run: run
    if not recovered.gives_channels_last:
        return lambda run: lambda x: run(x.permute(CHANNELS_LAST).contiguous())
    return lambda run: lambda x: run(x.permute(CHANNELS_LAST).contiguous()).transpose(CHANNELS_FIRST)
