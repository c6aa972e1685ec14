"""The nodes of a graph -> steps: what does not depend on the input is computed, every other node gets its shapes.

Exporters compute shapes with nodes (Shape, Gather, Concat) and compute weights with nodes (Constant, Transpose, Cast).
With the input's shape known, all of that is a constant. Only the operators of `FOLDED` are ever computed, by onnx's
reference implementation, and only up to a size.
"""

from collections.abc import Iterable, Mapping
from math import prod
from typing import Final

import numpy as np
import onnx
from onnx import TensorProto, TypeProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from vggc.importing.reading.graph_values import Array, FoldedConstant, FoldedNode
from vggc.importing.reading.preparing import attributes_of
from vggc.layers.answers import Shape

FOLDED: Final = frozenset((
    "Add", "And", "Cast", "Ceil", "Concat", "Constant", "ConstantOfShape", "Div", "Equal", "Expand", "Flatten", "Floor",
    "Gather", "Greater", "Identity", "Less", "Max", "Min", "Mul", "Neg", "Not", "Or", "Pow", "Range", "Reciprocal",
    "ReduceProd", "Reshape", "Slice", "Sqrt", "Squeeze", "Sub", "Transpose", "Unsqueeze", "Where",
))  # fmt: skip
MAX_FOLDED: Final = 2**29  # numbers in a computed constant; a linear layer of VGG's has a fifth of it
_MAX_SHOWN: Final = 1024  # numbers up to which shape inference sees a constant's values
# What onnx's reference implementation raises for a node that is not sound: whatever Python and numpy raise.
_NUMPY_ERRORS: Final = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
_CHECKER_ERRORS: Final = (onnx.checker.ValidationError, UnicodeDecodeError)
_SAME_SHAPE: Final = ("GroupNormalization",)  # onnx itself cannot infer it
_SEEN_THROUGH: Final = ("Identity", "Cast", "Reshape", "Squeeze", "Unsqueeze", "Flatten")  # and Transpose


def fold(
    nodes: Iterable[onnx.NodeProto],
    opsets: Mapping[str, int],
    constants: Mapping[str, FoldedConstant],
    shapes: Mapping[str, Shape],
) -> list[FoldedNode]:
    """The steps of a graph, in order.

    Args:
        nodes: in an order in which they can run.
        opsets: the version of each domain.
        constants: the initializers by name.
        shapes: of the inputs, with the batch axis, by name.
    """
    folding = _Folding(opsets, constants, shapes)
    for position, node in enumerate(nodes):
        folding.add(node, node.name or f"node {position}")
    return folding.steps


class _Folding:
    def __init__(
        self, opsets: Mapping[str, int], constants: Mapping[str, FoldedConstant], shapes: Mapping[str, Shape]
    ) -> None:
        self.opsets = {**opsets, "": opsets.get("", opsets.get("ai.onnx", 0))}
        self.context = onnx.checker.C.CheckerContext()
        self.context.ir_version = onnx.IR_VERSION
        self.context.opset_imports = {"": self.opsets[""]}
        self.constants = dict(constants)
        self.types: dict[str, TypeProto] = {
            name: helper.make_tensor_type_proto(TensorProto.FLOAT, shape) for name, shape in shapes.items()
        }
        self.steps: list[FoldedNode] = []

    def add(self, node: onnx.NodeProto, label: str) -> None:
        """One node: a constant, the taken branch of an If, or a step."""
        if not node.output:
            return  # nothing can depend on it
        flaw = self._flaw(node)
        operands = [self.constants.get(name) for name in node.input if name]
        known = [operand for operand in operands if operand is not None]
        if flaw or node.domain not in ("", "ai.onnx"):
            self._step(node, label, flaw)
        elif node.op_type == "Shape" and (shape := _static_shape(self.types.get(node.input[0]))) is not None:
            attributes = attributes_of(node)
            extents = shape[attributes.get("start", 0) : attributes.get("end")]
            self.constants[node.output[0]] = FoldedConstant(np.array(extents, dtype=np.int64))
        elif node.op_type == "If" and operands[0] is not None:
            self._take_branch(node, label, bool(operands[0].array.any()))
        elif node.op_type in FOLDED and len(known) == len(operands):
            try:
                self.constants[node.output[0]] = self._computed(node, known)
            except _NUMPY_ERRORS as error:
                self._step(node, label, f"it cannot be computed: {error}")
        else:
            self._step(node, label)

    def _take_branch(self, node: onnx.NodeProto, label: str, condition: bool) -> None:
        """An If whose condition is known is one of its branches."""
        name = "then_branch" if condition else "else_branch"
        branch = next(attribute.g for attribute in node.attribute if attribute.name == name)
        for tensor in branch.initializer:
            self.constants[tensor.name] = FoldedConstant(numpy_helper.to_array(tensor))
        for inner in branch.node:
            self.add(inner, label)
        for output, value in zip(node.output, branch.output, strict=True):
            self.add(helper.make_node("Identity", [value.name], [output]), label)

    def _flaw(self, node: onnx.NodeProto) -> str:
        """What is wrong with a node by its operator's own schema; nothing where there is none."""
        if not node.output[0]:
            return "its first output is left out"
        if node.domain not in ("", "ai.onnx") or not onnx.defs.has(node.op_type, self.opsets[""]):
            return ""
        has_graph = any(attribute.type in (attribute.GRAPH, attribute.GRAPHS) for attribute in node.attribute)
        # onnx's checker takes no deprecated node, however sound; runtimes still do.
        if has_graph or onnx.defs.get_schema(node.op_type, self.opsets[""]).deprecated:
            return ""
        try:
            onnx.checker.check_node(node, self.context)
        except _CHECKER_ERRORS as error:
            return str(error).splitlines()[0]
        return ""

    # --- constants ---

    def _computed(self, node: onnx.NodeProto, operands: list[FoldedConstant]) -> FoldedConstant:
        if not self._is_small(node):
            raise ValueError(f"it has more than {MAX_FOLDED:,} numbers")
        if node.op_type == "Transpose":
            order = attributes_of(node).get("perm", tuple(range(operands[0].array.ndim))[::-1])
            return operands[0].transposed(order)
        names = filter(None, node.input)
        result = self._evaluated(node, {name: operand.array for name, operand in zip(names, operands, strict=True)})
        if node.op_type in _SEEN_THROUGH and result.dtype == operands[0].array.dtype:
            return operands[0].reshaped(tuple(result.shape))
        return FoldedConstant(result)

    def _is_small(self, node: onnx.NodeProto) -> bool:
        if node.op_type == "Range":
            start, limit, step = (float(self.constants[name].array.reshape(())) for name in node.input)
            return step != 0 and (limit - start) / step <= MAX_FOLDED
        if node.op_type in ("ConstantOfShape", "Expand"):
            return prod(int(extent) for extent in self.constants[node.input[-1]].array.ravel()) <= MAX_FOLDED
        return True

    def _evaluated(self, node: onnx.NodeProto, inputs: Mapping[str, Array]) -> Array:
        values = [helper.make_empty_tensor_value_info(name) for name in inputs]
        outputs = [helper.make_empty_tensor_value_info(node.output[0])]
        graph = helper.make_graph([node], "constant", values, outputs)
        imports = [helper.make_opsetid("", self.opsets[""])]
        evaluator = ReferenceEvaluator(helper.make_model(graph, opset_imports=imports))
        with np.errstate(all="ignore"):
            results = evaluator.run(None, dict(inputs))
        assert isinstance(results, list)
        return np.asarray(results[0])

    # --- steps ---

    def _step(self, node: onnx.NodeProto, label: str, flaw: str = "") -> None:
        try:
            inferred = self._inferred(node)
        except _CHECKER_ERRORS as error:
            inferred, flaw = {}, str(error).splitlines()[0]
        self.types |= {name: inferred[name] for name in node.output if name in inferred and name}
        self.steps.append(
            FoldedNode(
                label=label,
                op=node.op_type,
                domain="" if node.domain == "ai.onnx" else node.domain,
                opset=self.opsets.get(node.domain, 0),
                inputs=tuple(self.constants.get(name, name) for name in node.input),
                attributes=attributes_of(node),
                outputs=tuple(node.output),
                shapes=tuple(_static_shape(inferred.get(name)) for name in node.output),
                flaw=flaw,
            )
        )

    def _inferred(self, node: onnx.NodeProto) -> Mapping[str, TypeProto]:
        """The types of the outputs by onnx's own inference; none where it does not know."""
        types: dict[str, TypeProto] = {}
        data: dict[str, TensorProto] = {}
        for name in filter(None, node.input):
            if name in self.constants:
                array = self.constants[name].array
                types[name] = helper.make_tensor_type_proto(helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
                if array.size <= _MAX_SHOWN:
                    data[name] = numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)
            elif name in self.types:
                types[name] = self.types[name]
            else:
                return {}
        if node.op_type in _SAME_SHAPE and node.input and node.input[0] in types:
            return {node.output[0]: types[node.input[0]]}
        try:
            schema = onnx.defs.get_schema(node.op_type, self.opsets.get(node.domain, 0), node.domain)
            imports = [helper.make_opsetid(domain, version) for domain, version in self.opsets.items()]
            inferred: Mapping[str, TypeProto] = onnx.shape_inference.infer_node_outputs(
                schema, node, types, data, opset_imports=imports
            )
        except (onnx.defs.SchemaError, onnx.shape_inference.InferenceError):
            return {}
        return inferred


def _static_shape(type: TypeProto | None) -> Shape | None:
    if type is None or not type.tensor_type.HasField("shape"):
        return None
    dims = type.tensor_type.shape.dim
    if not all(dim.HasField("dim_value") and dim.dim_value > 0 for dim in dims):
        return None
    return tuple(dim.dim_value for dim in dims)
