"""The file itself: what onnx says of it, and whether it holds what was lowered."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx
from torch import nn

from vggc.backends import onnx_model
from vggc.backends.onnx_model import Lowered
from vggc.ir import Network
from vggc.verify.reading import same_bits, values
from vggc.verify.report import Check


def opset_of(model: onnx.ModelProto) -> int:
    """The version of ONNX's own operators that a model imports."""
    return max((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), default=0)


@dataclass(frozen=True)
class Structure:
    """A file that was read again, beside what it ought to be."""

    network: Network
    module: nn.Sequential
    path: Path
    model: onnx.ModelProto
    lowered: Lowered

    def checks(self, opset: int | None, own_weights: bool) -> Iterator[Check]:
        """Everything that must hold of the file before it is run; `opset` is the one that was asked for."""
        yield self._full_check()
        found = opset_of(self.model)
        yield Check("opset", opset in (None, found), str(found) if opset in (None, found) else f"{found}, not {opset}")
        least = onnx.helper.find_min_ir_version_for(list(self.model.opset_import))
        yield Check("IR version", self.model.ir_version == least, f"{self.model.ir_version}, the opset needs {least}")
        yield self._operators()
        yield self._interface()
        yield self._shapes()
        if own_weights:
            yield Check("weights", True, "the file's own, compared with nothing; name others with --weights")
        else:
            yield self._weights()

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

    def _interface(self) -> Check:
        expected = _signature(self.lowered.model)
        found = _signature(self.model)
        detail = found if found == expected else f"{found} instead of {expected}"
        return Check("inputs and outputs", found == expected, detail)

    def _shapes(self) -> Check:
        """Strict shape inference by onnx, of the file without what it says of its own shapes."""
        wanted = {self.lowered.boundaries[layer.path]: layer.output for layer in self.network.layers}
        try:
            inferred = _inferred_shapes(self.model)
        except (onnx.shape_inference.InferenceError, ValueError) as error:
            return Check("shapes", False, str(error).splitlines()[0])
        wrong = [
            f"{name}: onnx infers {inferred.get(name)}, the analysis says {list(shape)}"
            for name, shape in wanted.items()
            if name != onnx_model.INPUT and inferred.get(name) != list(shape)
        ]
        return Check("shapes", not wrong, wrong[0] if wrong else f"{len(wanted)} equal those of strict inference")

    def _weights(self) -> Check:
        """Every initializer, bit by bit."""
        state = self.module.state_dict()
        found = {each.name: each for each in self.model.graph.initializer}
        expected = [tensor.name for tensor in self.lowered.tensors]
        if sorted(found) != sorted(expected):
            return Check("weights", False, f"other tensors: {', '.join(sorted(found.keys() ^ set(expected))[:5])}")
        for name in expected:
            if not same_bits(values(found[name], self.path), state[name].numpy()):
                return Check("weights", False, f"{name} differs from the module's")
        return Check("weights", True, f"{len(expected)} tensors equal the module's, bit by bit")


def _signature(model: onnx.ModelProto) -> str:
    """Inputs and outputs with their shapes: `input[batch, 3, 224, 224] -> logits[batch, 1000]`."""
    initializers = {each.name for each in model.graph.initializer}
    inputs = [_described(value) for value in model.graph.input if value.name not in initializers]
    return f"{', '.join(inputs)} -> {', '.join(_described(value) for value in model.graph.output)}"


def _described(value: onnx.ValueInfoProto) -> str:
    dims = [dim.dim_param or str(dim.dim_value) for dim in value.type.tensor_type.shape.dim]
    return f"{value.name}[{', '.join(dims)}]"


def _inferred_shapes(model: onnx.ModelProto) -> dict[str, list[int]]:
    """The shapes behind the batch axis as onnx infers them, without the weights' data and the file's own claims."""
    bare = onnx.ModelProto()
    bare.CopyFrom(_without_weights(model))
    inferred = onnx.shape_inference.infer_shapes(bare, check_type=True, strict_mode=True, data_prop=True)
    values = [*inferred.graph.value_info, *inferred.graph.output]
    return {value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim][1:] for value in values}


def _without_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same nodes, with the initializers as inputs of their shape."""
    graph = model.graph
    inputs = list(graph.input) + [
        onnx.helper.make_tensor_value_info(each.name, each.data_type, list(each.dims)) for each in graph.initializer
    ]
    outputs = [onnx.helper.make_tensor_value_info(each.name, onnx.TensorProto.FLOAT, None) for each in graph.output]
    bare = onnx.helper.make_graph(graph.node, graph.name, inputs, outputs)
    return onnx.helper.make_model(bare, opset_imports=model.opset_import, ir_version=model.ir_version)
