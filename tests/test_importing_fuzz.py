"""Damaged files: each is imported, or refused with a message or by the verification; none is an internal error."""

import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

import vggc
from tests.networks import SMALL, network
from vggc.backends.onnx import onnx_model, onnx_writer
from vggc.layers import all_kinds
from vggc.verify.revealing_weights import revealing_weights

pytestmark = pytest.mark.usefixtures("one_thread")

EVERY_KIND: Final = Path(__file__).parent / "cases/valid/every_kind.yaml"
OPERATORS: Final = (
    *sorted({operator for kind in all_kinds().values() for operator in kind.onnx_operators}),
    "Cast",
    "Constant",
    "ConstantOfShape",
    "Expand",
    "If",
    "LSTM",
    "Loop",
    "Range",
    "Split",
    "Where",
)
NUMBERS: Final = (0, 1, -1, 3, 2**31, -(2**63))


def base(text: str, opset: int) -> bytes:
    compiled = network(text)
    lowered = onnx_model.lower(compiled, opset)
    del lowered.model.metadata_props[:]
    state = {name: tensor.contiguous() for name, tensor in revealing_weights(compiled).items()}
    with tempfile.TemporaryDirectory() as folder:
        onnx_writer.write(lowered, lambda name: state[name].numpy(), Path(folder) / "x.onnx")
        return (Path(folder) / "x.onnx").read_bytes()


BASES: Final = {"small": base(SMALL, 13), "every kind": base(EVERY_KIND.read_text(), 17)}

Change = Callable[[onnx.ModelProto, random.Random], None]


def another_operator(model: onnx.ModelProto, choice: random.Random) -> None:
    choice.choice(model.graph.node).op_type = choice.choice(OPERATORS)


def another_input(model: onnx.ModelProto, choice: random.Random) -> None:
    node = choice.choice([each for each in model.graph.node if each.input])
    names = [*(each.output[0] for each in model.graph.node), *(each.name for each in model.graph.initializer), "", "?"]
    node.input[choice.randrange(len(node.input))] = choice.choice(names)


def one_input_less(model: onnx.ModelProto, choice: random.Random) -> None:
    node = choice.choice([each for each in model.graph.node if each.input])
    del node.input[choice.randrange(len(node.input))]


def another_attribute(model: onnx.ModelProto, choice: random.Random) -> None:
    attribute = choice.choice([each for node in model.graph.node for each in node.attribute])
    if attribute.ints:
        attribute.ints[choice.randrange(len(attribute.ints))] = choice.choice(NUMBERS)
    else:
        attribute.i, attribute.f, attribute.s = choice.choice(NUMBERS), choice.choice([0, -1, float("nan")]), b"\xff"


def one_attribute_less(model: onnx.ModelProto, choice: random.Random) -> None:
    node = choice.choice([each for each in model.graph.node if each.attribute])
    del node.attribute[choice.randrange(len(node.attribute))]


def another_opset(model: onnx.ModelProto, choice: random.Random) -> None:
    model.opset_import[0].version = choice.choice([0, 7, 9, 11, 13, 18, 99])


def one_node_less(model: onnx.ModelProto, choice: random.Random) -> None:
    model.graph.node.remove(choice.choice(model.graph.node))


def another_shape(model: onnx.ModelProto, choice: random.Random) -> None:
    choice.choice(model.graph.initializer).dims[0] = choice.choice([0, 1, 2, 100])


def another_type(model: onnx.ModelProto, choice: random.Random) -> None:
    choice.choice(model.graph.initializer).data_type = choice.choice([1, 6, 7, 9, 10, 11, 16, 17])


def another_output(model: onnx.ModelProto, choice: random.Random) -> None:
    node = choice.choice(model.graph.node)
    node.output[0] = choice.choice(["", "logits", "features.0"])


def another_input_shape(model: onnx.ModelProto, choice: random.Random) -> None:
    choice.choice(model.graph.input[0].type.tensor_type.shape.dim).dim_value = choice.choice([0, 1, 5, -3, 2**40])


CHANGES: Final[tuple[Change, ...]] = (
    another_operator, another_input, one_input_less, another_attribute, one_attribute_less, another_opset,
    one_node_less, another_shape, another_type, another_output, another_input_shape,
)  # fmt: skip


@given(
    st.sampled_from(sorted(BASES)), st.lists(st.sampled_from(CHANGES), min_size=1, max_size=3), st.integers(0, 10**6)
)
def test_a_file_with_something_wrong_in_it(name: str, changes: list[Change], seed: int) -> None:
    model = onnx.ModelProto.FromString(BASES[name])
    choice = random.Random(seed)
    for change in changes:
        change(model, choice)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.onnx"
        path.write_bytes(model.SerializeToString())
        try:
            imported = vggc.import_onnx(path)
        except vggc.ProductError as error:
            assert str(error)
        else:
            assert imported.report.verdict == "verified"


@given(
    st.sampled_from(sorted(BASES)),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_a_file_with_wrong_bytes(name: str, places: list[tuple[int, int]]) -> None:
    changed = bytearray(BASES[name])
    for place, byte in places:
        changed[place % len(changed)] = byte
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.onnx"
        path.write_bytes(bytes(changed))
        try:
            vggc.import_onnx(path)
        except vggc.ProductError as error:
            assert str(error)
