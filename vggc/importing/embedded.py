"""The spec that vggc wrote into a file of its own: believed only where the file's graph is what it lowers to."""

from collections.abc import Iterator
from dataclasses import replace

import onnx

from vggc.backends import onnx_model
from vggc.diagnostics import Source, SpecError
from vggc.frontend.spec import Spec
from vggc.ir import Graph, Network
from vggc.layers.base import LoweringError
from vggc.pipeline import compile_source
from vggc.verify.structure import opset_of


def embedded(model: onnx.ModelProto) -> tuple[Network | None, str]:
    """The network that a file says it is, if its graph is that network's; and what there is to say about it."""
    metadata = {each.key: each.value for each in model.metadata_props}
    if "vggc.spec" not in metadata:
        return None, ""
    try:
        network = compile_source(Source("spec in the file", metadata["vggc.spec"]), until=metadata.get("vggc.until"))
        lowered = onnx_model.lower(network, opset_of(model))
    except (SpecError, LoweringError) as error:
        return None, f"the spec in the file is not used: {str(error).splitlines()[0]}"
    difference = next(_differences(model, lowered), None)
    if difference is not None:
        return None, f"the spec in the file is not used, because the graph is another: {difference}"
    return network, "the spec in the file is its own: it lowers to the same nodes, names and shapes"


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
    spec: Spec = replace(graph.spec, name=network.stem, classes=None, expect=())
    return Graph(spec, graph.nodes, None)
