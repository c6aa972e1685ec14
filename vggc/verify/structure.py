"""The file itself: what onnx's checker says of it, and whether it holds what was lowered."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import onnx

from vggc.backends.onnx import onnx_model, onnx_writer
from vggc.backends.onnx.onnx_model import Lowered
from vggc.verify.claim import Claim, Strictness
from vggc.verify.model_file import opset_of, same_bits, values
from vggc.verify.report import Check
from vggc.verify.sessions import State

_QUANTIZERS: Final = ("QuantizeLinear", "DynamicQuantizeLinear")


@dataclass(frozen=True)
class Structure:
    """A file that was read, beside what it ought to hold."""

    path: Path
    model: onnx.ModelProto
    lowered: Lowered

    def checks(self, claim: Claim, state: State) -> Iterator[Check]:
        """Everything that must hold of the file before it is run.

        Args:
            claim: how strictly it is checked.
            state: the weights that it ought to hold.
        """
        if claim.strictness is Strictness.OUTPUTS_ONLY:
            return self._lenient_checks()
        return self._strict_checks(state if claim.strictness is Strictness.STRICT else None)

    def _strict_checks(self, state: State | None) -> Iterator[Check]:
        yield _full_check(without_initializers(self.model))  # these are checked one by one below, and may be large
        yield self._opset()
        yield self._interface(signature)
        least = onnx.helper.find_min_ir_version_for(list(self.model.opset_import))
        yield Check("IR version", self.model.ir_version == least, f"{self.model.ir_version}, the opset needs {least}")
        yield self._operators()
        yield self._nodes()
        yield self._shapes()
        yield self._own_weights() if state is None else self._weights(state)

    def _lenient_checks(self) -> Iterator[Check]:
        """What must hold of any file that computes what the network does, whichever exporter wrote it."""
        yield _full_check(str(self.path))
        yield self._opset()
        yield self._interface(_nameless_signature)
        if onnx_writer.checksums(self.model) is not None:
            yield self._unaltered()

    def _opset(self) -> Check:
        actual, expected = opset_of(self.model), opset_of(self.lowered.model)
        detail = str(actual) if actual == expected else f"{actual}, not {expected}"
        return Check("opset", actual == expected, detail)

    def _operators(self) -> Check:
        expected, actual = (Counter(onnx_model.operators(model)) for model in (self.lowered.model, self.model))
        differing = ", ".join(
            f"{actual[op]} {op} instead of {expected[op]}"
            for op in sorted(actual | expected)
            if actual[op] != expected[op]
        )
        return Check("operators", actual == expected, differing or f"{sum(actual.values())} nodes, as lowered")

    def _nodes(self) -> Check:
        """Inputs, outputs and attributes of every node."""
        differences = [f"{name}: {difference}" for name, difference in self.node_differences().items()]
        return Check("nodes", not differences, differences[0] if differences else "inputs and attributes as lowered")

    def _interface(self, describe: Callable[[onnx.ModelProto], str]) -> Check:
        expected, actual = describe(self.lowered.model), describe(self.model)
        detail = signature(self.model) if actual == expected else f"{actual} instead of {expected}"
        return Check("inputs and outputs", actual == expected, detail)

    def _shapes(self) -> Check:
        """Strict shape inference by onnx, without the shapes that the file itself states, at the spec's size."""
        names = self.lowered.boundaries
        steps = [step for step in self.lowered.program.steps if step.value in names]
        expected = {names[step.value]: list(step.layer.output) for step in steps}
        expected.pop(self.lowered.program.input.name, None)
        try:
            inferred = inferred_shapes(self.model, self.lowered)
        except (onnx.shape_inference.InferenceError, ValueError) as error:
            return Check("shapes", False, str(error).splitlines()[0])
        for name, shape in expected.items():
            if inferred.get(name) != shape:
                return Check("shapes", False, f"{name}: onnx infers {inferred.get(name)}, the analysis says {shape}")
        return Check("shapes", True, f"{len(expected)} equal those of strict inference")

    def _weights(self, state: State) -> Check:
        """Every initializer, bit by bit."""
        initializers = {tensor.name: tensor for tensor in self.model.graph.initializer}
        expected = [tensor.name for tensor in self.lowered.tensors]
        if sorted(initializers) != sorted(expected):
            names = sorted(initializers.keys() ^ set(expected))
            return Check("weights", False, f"other tensors: {', '.join(names[:5])}")
        for name in expected:
            reference = self.lowered.values(name, lambda key: state[key].numpy())
            if not same_bits(values(initializers[name], self.path), reference):
                return Check("weights", False, f"{name} differs from the reference's")
        return Check("weights", True, f"{len(expected)} tensors equal the reference's, bit by bit")

    def _own_weights(self) -> Check:
        """The file's own, compared with the checksums that were written with them."""
        if differences := self.tensor_differences():
            return Check("weights", False, next(iter(differences.values())))
        return self._unaltered()

    def _unaltered(self) -> Check:
        altered = self.altered_tensors()
        if altered is None:
            return Check("weights", True, "the file's own, compared with nothing; name others with --weights")
        if altered:
            return Check("weights", False, f"{altered[0]} is not what was exported: its checksum differs")
        return Check("weights", True, "the file's own, as they were exported by their checksums")

    def tensor_differences(self) -> dict[str, str]:
        """What differs at every initializer that is missing in the file, or has another shape there."""
        shapes = {tensor.name: tuple(tensor.dims) for tensor in self.model.graph.initializer}
        return {
            tensor.name: f"{tensor.name} is {list(shapes[tensor.name])} instead of {list(tensor.shape)}"
            if tensor.name in shapes
            else f"{tensor.name} is missing"
            for tensor in self.lowered.tensors
            if shapes.get(tensor.name) != tensor.shape
        }

    def altered_tensors(self) -> list[str] | None:
        """The initializers whose checksums are not those that vggc wrote; None where the file has no checksums."""
        sums = onnx_writer.checksums(self.model)
        if sums is None:
            return None
        return [
            tensor.name
            for tensor in self.model.graph.initializer
            if onnx_writer.checksum(onnx_writer.raw(values(tensor, self.path))) != sums.get(tensor.name)
        ]

    def node_differences(self) -> dict[str, str]:
        """What differs at every node by its name: its operator, inputs, outputs or attributes; of no int8 file."""
        actual = {node.name: node for node in self.model.graph.node}
        if any(node.op_type in _QUANTIZERS for node in self.model.graph.node):
            return {}  # its nodes are others, though its values have the same names
        differences = {
            node.name: _difference(node, actual[node.name]) if node.name in actual else "it is missing"
            for node in self.lowered.model.graph.node
        }
        return {name: difference for name, difference in differences.items() if difference}


def _full_check(model: onnx.ModelProto | str) -> Check:
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, ValueError) as error:
        return Check("onnx checker", False, str(error).splitlines()[0])
    return Check("onnx checker", True, "full check passed")


def _difference(expected: onnx.NodeProto, actual: onnx.NodeProto) -> str:
    if actual.op_type != expected.op_type:
        return f"{actual.op_type} instead of {expected.op_type}"
    for what in ("input", "output"):
        names, other = ([*getattr(node, what)] for node in (expected, actual))
        if names != other:
            return f"{what}s {', '.join(other)} instead of {', '.join(names)}"
    before, after = ({attribute.name: attribute for attribute in node.attribute} for node in (expected, actual))
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            return f"{name} is {_value(after.get(name))} instead of {_value(before.get(name))}"
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
    sides = ([_described(value.name, value) for value in side] for side in (inputs(model), model.graph.output))
    return " -> ".join(", ".join(side) for side in sides)


def _nameless_signature(model: onnx.ModelProto) -> str:
    """The same with `input`, `output` and `any` in place of names."""
    sides = (("input", inputs(model)), ("output", model.graph.output))
    return " -> ".join(", ".join(_described(name, value, "any") for value in side) for name, side in sides)


def inputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """What a model takes; in old files, weights are among its inputs too."""
    initializers = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in initializers]


def _described(name: str, value: onnx.ValueInfoProto, symbol: str = "") -> str:
    shape = value.type.tensor_type.shape.dim
    dims = [str(dim.dim_value) if dim.HasField("dim_value") else symbol or dim.dim_param or "?" for dim in shape]
    element = onnx.TensorProto.DataType.Name(value.type.tensor_type.elem_type).lower()
    return f"{name}[{', '.join(dims)}]{'' if element == 'float' else f' {element}'}"


def without_initializers(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose initializers are inputs of their type and shape; the model's large tensors are external data."""
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    bare.graph.input.extend(_weights_as_inputs(model))
    del bare.graph.initializer[:]
    return bare


def _weights_as_inputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    make = onnx.helper.make_tensor_value_info
    return [make(tensor.name, tensor.data_type, list(tensor.dims)) for tensor in model.graph.initializer]


def inferred_shapes(model: onnx.ModelProto, lowered: Lowered) -> dict[str, list[int]]:
    """The shapes of all values without the batch axis, as onnx infers them from the nodes and the inputs.

    Open sizes of the input are those of the spec; the shapes that the file itself states are left out.
    """
    port = lowered.program.input
    _, height, width = lowered.program.network.input
    sizes = {"height": height, "width": width}
    dims = [sizes.get(dim, dim) if isinstance(dim, str) else dim for dim in port.dims]
    make = onnx.helper.make_tensor_value_info
    taken = [make(port.name, onnx_model.ELEMENTS[port.dtype], dims), *_weights_as_inputs(model)]
    outputs = [make(value.name, onnx.TensorProto.FLOAT, None) for value in model.graph.output]
    graph = onnx.helper.make_graph(model.graph.node, model.graph.name, taken, outputs)
    bare = onnx.helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    inferred = onnx.shape_inference.infer_shapes(bare, check_type=True, strict_mode=True, data_prop=True)
    values = [*inferred.graph.value_info, *inferred.graph.output]
    return {value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim][1:] for value in values}
