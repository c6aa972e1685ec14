"""The file itself: what onnx says of it, and whether it holds what was lowered."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import torch

from vggc.backends.onnx import onnx_model, onnx_writer
from vggc.backends.onnx.onnx_model import Lowered
from vggc.verify.model_file import same_bits, values
from vggc.verify.report import Check


def opset_of(model: onnx.ModelProto) -> int:
    """The version of ONNX's own operators that a model imports."""
    return max((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), default=0)


_QUANTISING: Final = ("QuantizeLinear", "DynamicQuantizeLinear")


@dataclass(frozen=True)
class Structure:
    """A file that was read again, beside what it ought to be; `state` is the reference's state dict."""

    path: Path
    model: onnx.ModelProto
    lowered: Lowered
    state: Mapping[str, torch.Tensor]

    def checks(self, opset: int | None, own_weights: bool) -> Iterator[Check]:
        """Everything that must hold of the file before it is run; `opset` is the one that was asked for."""
        yield self._full_check()
        yield self._opset(opset)
        yield self._interface(signature)
        least = onnx.helper.find_min_ir_version_for(list(self.model.opset_import))
        yield Check("IR version", self.model.ir_version == least, f"{self.model.ir_version}, the opset needs {least}")
        yield self._operators()
        yield self._nodes()
        yield self._shapes()
        yield self._own_weights() if own_weights else self._weights()

    def loose_checks(self, opset: int | None) -> Iterator[Check]:
        """What must hold of any file that computes what the network does, whoever made it."""
        yield self._full_check()
        yield self._opset(opset)
        yield self._interface(_nameless)
        if onnx_writer.checksums(self.model) is not None:
            yield self._unaltered()

    def _opset(self, asked: int | None) -> Check:
        found = opset_of(self.model)
        return Check("opset", asked in (None, found), str(found) if asked in (None, found) else f"{found}, not {asked}")

    def _full_check(self) -> Check:
        try:
            onnx.checker.check_model(str(self.path), full_check=True)
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, ValueError) as error:
            return Check("onnx checker", False, str(error).splitlines()[0])
        return Check("onnx checker", True, "full check passed")

    def _operators(self) -> Check:
        expected = Counter(onnx_model.operators(self.lowered.model))
        found = Counter(onnx_model.operators(self.model))
        differing = ", ".join(
            f"{found[op]} {op} instead of {expected[op]}"
            for op in sorted(found | expected)
            if found[op] != expected[op]
        )
        return Check("operators", found == expected, differing or f"{sum(found.values())} nodes, as lowered")

    def _nodes(self) -> Check:
        """Inputs, outputs and attributes of every node."""
        differing = node_differences(self.lowered.model, self.model)
        first = next((f"{name}: {what}" for name, what in differing.items()), "")
        return Check("nodes", not differing, first or "inputs and attributes as lowered")

    def _interface(self, describe: Callable[[onnx.ModelProto], str]) -> Check:
        expected, found = describe(self.lowered.model), describe(self.model)
        detail = signature(self.model) if found == expected else f"{found} instead of {expected}"
        return Check("inputs and outputs", found == expected, detail)

    def _shapes(self) -> Check:
        """Strict shape inference by onnx, of the file without what it says of its own shapes, at the spec's size."""
        steps = self.lowered.program.steps
        own = self.lowered.boundaries
        wanted = {own[step.value]: list(step.layer.output) for step in steps if step.value in own}
        wanted.pop(self.lowered.program.input.name, None)
        try:
            inferred = _inferred_shapes(self.model, self.lowered)
        except (onnx.shape_inference.InferenceError, ValueError) as error:
            return Check("shapes", False, str(error).splitlines()[0])
        wrong = [
            f"{name}: onnx infers {inferred.get(name)}, the analysis says {shape}"
            for name, shape in wanted.items()
            if inferred.get(name) != shape
        ]
        return Check("shapes", not wrong, wrong[0] if wrong else f"{len(wanted)} equal those of strict inference")

    def _weights(self) -> Check:
        """Every initializer, bit by bit."""
        found = {each.name: each for each in self.model.graph.initializer}
        expected = [tensor.name for tensor in self.lowered.tensors]
        if sorted(found) != sorted(expected):
            return Check("weights", False, f"other tensors: {', '.join(sorted(found.keys() ^ set(expected))[:5])}")
        for name in expected:
            wanted = self.lowered.values(name, lambda key: self.state[key].numpy())
            if not same_bits(values(found[name], self.path), wanted):
                return Check("weights", False, f"{name} differs from the reference's")
        return Check("weights", True, f"{len(expected)} tensors equal the reference's, bit by bit")

    def _own_weights(self) -> Check:
        """The file's own, held against the checksums that were written with them."""
        if other := tensor_differences(self.lowered, self.model):
            return Check("weights", False, next(iter(other.values())))
        return self._unaltered()

    def _unaltered(self) -> Check:
        altered = altered_tensors(self.model, self.path)
        if altered is None:
            return Check("weights", True, "the file's own, compared with nothing; name others with --weights")
        if altered:
            return Check("weights", False, f"{altered[0]} is not what was exported: its checksum differs")
        return Check("weights", True, "the file's own, as they were exported by their checksums")


def tensor_differences(lowered: Lowered, model: onnx.ModelProto) -> dict[str, str]:
    """What differs at every initializer that was lowered and is not in the file, or has another shape there."""
    found = {each.name: tuple(each.dims) for each in model.graph.initializer}
    return {
        each.name: f"{each.name} is {list(found[each.name])} instead of {list(each.shape)}"
        if each.name in found
        else f"{each.name} is missing"
        for each in lowered.tensors
        if found.get(each.name) != each.shape
    }


def altered_tensors(model: onnx.ModelProto, path: Path) -> list[str] | None:
    """The initializers that are not what vggc wrote, by their checksums; None where the file has no checksums."""
    sums = onnx_writer.checksums(model)
    if sums is None:
        return None
    return [
        each.name
        for each in model.graph.initializer
        if onnx_writer.checksum(onnx_writer.raw(values(each, path))) != sums.get(each.name)
    ]


def node_differences(expected: onnx.ModelProto, found: onnx.ModelProto) -> dict[str, str]:
    """What differs at every node of that name, in words: its operator, inputs, outputs or attributes."""
    others = {node.name: node for node in found.graph.node}
    if any(node.op_type in _QUANTISING for node in found.graph.node):
        return {}  # whose nodes are other ones, though their values have the same names
    differing = {}
    for node in expected.graph.node:
        other = others.get(node.name)
        difference = "it is missing" if other is None else _difference(node, other)
        if difference:
            differing[node.name] = difference
    return differing


def _difference(expected: onnx.NodeProto, found: onnx.NodeProto) -> str:
    if found.op_type != expected.op_type:
        return f"{found.op_type} instead of {expected.op_type}"
    for what, one, other in (("inputs", expected.input, found.input), ("outputs", expected.output, found.output)):
        if list(one) != list(other):
            return f"{what} {', '.join(other)} instead of {', '.join(one)}"
    wanted, actual = ({each.name: each for each in node.attribute} for node in (expected, found))
    for name in sorted(wanted.keys() | actual.keys()):
        if wanted.get(name) != actual.get(name):
            return f"{name} is {_value(actual.get(name))} instead of {_value(wanted.get(name))}"
    return ""


def _value(attribute: onnx.AttributeProto | None) -> str:
    if attribute is None:
        return "missing"
    try:
        value = onnx.helper.get_attribute_value(attribute)
    except ValueError:
        return "damaged"
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, float):
        return str(np.float32(value))  # as short as float32 allows: 0.01 rather than 0.00999999978
    if isinstance(value, int | list):
        return str(value)
    return "another tensor" if isinstance(value, onnx.TensorProto) else "damaged"


def signature(model: onnx.ModelProto) -> str:
    """Inputs and outputs with their shapes: `input[batch, 3, 224, 224] -> logits[batch, 1000]`."""
    outputs = ", ".join(_described(value.name, value, "") for value in model.graph.output)
    return f"{', '.join(_described(value.name, value, '') for value in inputs(model))} -> {outputs}"


def _nameless(model: onnx.ModelProto) -> str:
    """The same with one word for everything that is a name."""
    outputs = ", ".join(_described("output", value, "any") for value in model.graph.output)
    return f"{', '.join(_described('input', value, 'any') for value in inputs(model))} -> {outputs}"


def inputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """What a model takes; its weights are among the inputs of old files."""
    initializers = {each.name for each in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in initializers]


def _described(name: str, value: onnx.ValueInfoProto, symbol: str) -> str:
    shape = value.type.tensor_type.shape.dim
    dims = [str(dim.dim_value) if dim.HasField("dim_value") else symbol or dim.dim_param or "?" for dim in shape]
    element = onnx.TensorProto.DataType.Name(value.type.tensor_type.elem_type).lower()
    return f"{name}[{', '.join(dims)}]{'' if element == 'float' else f' {element}'}"


def _inferred_shapes(model: onnx.ModelProto, lowered: Lowered) -> dict[str, list[int]]:
    """The shapes behind the batch axis as onnx infers them, without the weights' data and the file's own claims."""
    bare = _without_weights(model, lowered)
    inferred = onnx.shape_inference.infer_shapes(bare, check_type=True, strict_mode=True, data_prop=True)
    values = [*inferred.graph.value_info, *inferred.graph.output]
    return {value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim][1:] for value in values}


def _without_weights(model: onnx.ModelProto, lowered: Lowered) -> onnx.ModelProto:
    """The same nodes, with the initializers as inputs of their shape, and open sizes closed at those of the spec."""
    graph = model.graph
    port = lowered.program.input
    _, height, width = lowered.program.network.input
    sizes = {"height": height, "width": width}
    dims = [sizes.get(dim, dim) if isinstance(dim, str) else dim for dim in port.dims]
    taken = [onnx.helper.make_tensor_value_info(port.name, onnx_model.ELEMENTS[port.dtype], dims)]
    taken += [
        onnx.helper.make_tensor_value_info(each.name, each.data_type, list(each.dims)) for each in graph.initializer
    ]
    outputs = [onnx.helper.make_tensor_value_info(each.name, onnx.TensorProto.FLOAT, None) for each in graph.output]
    bare = onnx.helper.make_graph(graph.node, graph.name, taken, outputs)
    return onnx.helper.make_model(bare, opset_imports=model.opset_import, ir_version=model.ir_version)
