"""What no spec can say: every node in the way by name and operator, compared whole; and files that are none."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import vggc
from tests.foreign import model, node, save, weights
from tests.networks import SMALL, network

TENSORS = {"w": weights(3, 3, 3, 3), "v": weights(3, 3, 2, 2), "m": weights(5, 3), "s": np.float32([1, 2, 3])}
CONV = node("Conv", "x w", "c", "conv1", pads=[1, 1, 1, 1])


def refusal(made: onnx.ModelProto, folder: Path) -> str:
    with pytest.raises(vggc.ProductError) as caught:
        vggc.import_onnx(save(made, folder))
    assert not isinstance(caught.value, vggc.VerificationError)
    return str(caught.value)


def listed(*lines: str) -> str:
    return "\n".join(["net.onnx cannot be written as a spec:", *(f"  {line}" for line in lines)])


JOINS = "joins branches, and a spec is one sequence of layers"


def test_every_node_in_the_way_is_named(tmp_path: Path) -> None:
    nodes = [
        *(CONV, node("Add", "c x", "r", "shortcut"), node("LpPool", "r", "t", "norm", kernel_shape=[1, 1])),
        *(node("Relu", "t", "a", "relu"), node("Conv", "a w", "d", "conv2", pads=[1, 1, 1, 1])),
        *(node("Concat", "a d", "e", "dense", axis=1), node("Elu", "e", "f"), node("ThresholdedRelu", "f", "y", "cut")),
    ]
    assert refusal(model(nodes, TENSORS), tmp_path) == listed(
        f"shortcut (Add): {JOINS}",
        "norm (LpPool): no layer of vggc",
        f"dense (Concat): {JOINS}",
        "cut (ThresholdedRelu): no layer of vggc",
    )


def test_a_branch_that_holds_something_else_that_is_unknown(tmp_path: Path) -> None:
    nodes = [
        *(CONV, node("GlobalAveragePool", "c", "p"), node("Conv", "p s3", "q", "squeeze")),
        *(node("HardSigmoid", "q", "g"), node("Einsum", "g", "h", "einsum", equation="abcd->abcd")),
        node("Mul", "c h", "y", "excite"),
    ]
    tensors = {**TENSORS, "s3": weights(3, 3, 1, 1)}
    assert refusal(model(nodes, tensors), tmp_path) == listed(
        "einsum (Einsum): no layer of vggc", f"excite (Mul): {JOINS}"
    )


def test_operators_of_other_domains(tmp_path: Path) -> None:
    fused = helper.make_node("FusedConv", ["c", "w"], ["f"], "fused", domain="com.microsoft")
    nodes = [CONV, fused, node("Relu", "f", "r"), node("Hardmax", "r", "y", "hardmax")]
    assert refusal(model(nodes, TENSORS, domains=["com.microsoft"]), tmp_path) == listed(
        "fused (FusedConv): an operator of the domain `com.microsoft`", "hardmax (Hardmax): no layer of vggc"
    )


def test_what_a_layer_has_and_the_file_says_otherwise(tmp_path: Path) -> None:
    nodes = [
        *(CONV, node("Clip", "c", "d", "clip", min=-1.0, max=1.0), node("HardSigmoid", "d", "e", "gate")),
        *(node("Softmax", "e", "f", "softmax", axis=1), node("Flatten", "f", "g")),
        node("Gemm", "g m n", "y", "head", alpha=0.3, transB=1),
    ]
    made = model(nodes, {**TENSORS, "m": weights(5, 192), "n": weights(5)}, opset=10)
    assert refusal(made, tmp_path) == listed(
        "clip (Clip): no layer of vggc does that: max 1, min -1",
        "gate (HardSigmoid): no layer of vggc does that: alpha 0.2, beta 0.5",
        "softmax (Softmax): before opset 13 it is a softmax over all axes from 1 on",
        "head (Gemm): alpha is 0.3, and folding it into the weights would round them",
    )


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (node("Conv", "c w1", "y", "n"), "its weight is no constant"),
        (node("BatchNormalization", "c s s s s", "y", "n", spatial=0),
         "spatial is 0: it has statistics for every pixel"),
        (node("Pad", "c", "y", "n", pads=[0, 0, -1, -1, 0, 0, -1, -1]), "it crops the map"),
        (node("Upsample", "c", "y", "n", scales=[1.0, 1.0, 1.5, 1.5]),
         "it enlarges [3, 8, 8] to [3, 12, 12], which is not by whole factors of height and width"),
        (node("Cast", "c", "y", "n", to=6), "it casts to another type than float"),
        (node("LRN", "c", "y", "n", size=4), "no layer of vggc does that: alpha 0.0001, beta 0.75, bias 1, size 4"),
        (node("Upsample", "c s", "y", "n"),
         "Node(n) with schema(::Upsample:7) has input size 2 not in range [min=1, max=1]."),
        (node("Transpose", "c", "y", "n", perm=[0, 2, 3, 1]), "no layer of vggc does that: perm [0, 2, 3, 1]"),
        (node("Reshape", "c odd", "y", "n"), "no layer of vggc does that: shape [batch, 6, 4, 8]"),
    ],
)  # fmt: skip
def test_one_node_and_why(made: onnx.NodeProto, why: str, tmp_path: Path) -> None:
    tensors = {**TENSORS, "odd": np.array([0, 6, 4, 8])}
    nodes = [CONV, node("Relu", "c", "w1"), made] if "w1" in made.input else [CONV, made]
    said = refusal(model(nodes, tensors, opset=7, ir_version=3, listed=True), tmp_path)
    assert said.splitlines()[1].removeprefix("  ") == f"n ({made.op_type}): {why}"


def test_control_flow(tmp_path: Path) -> None:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("left", "right")]
    left = helper.make_graph([node("Relu", "c", "left")], "left", [], values[:1])
    right = helper.make_graph([node("Sigmoid", "c", "right")], "right", [], values[1:])
    condition = [node("ReduceMax", "c", "t", keepdims=0), node("Cast", "t", "b", "cast", to=9)]
    nodes = [CONV, *condition, node("If", "b", "y", "choice", then_branch=left, else_branch=right)]
    assert "choice (If): " in refusal(model(nodes, TENSORS), tmp_path)


def test_quantised_operators(tmp_path: Path) -> None:
    tensors = {**TENSORS, "scale": np.float32(0.1), "zero": np.uint8(128)}
    nodes = [CONV, node("QuantizeLinear", "c scale zero", "q", "q"), node("DequantizeLinear", "q scale zero", "y", "d")]
    assert refusal(model(nodes, tensors), tmp_path) == listed(
        "q (QuantizeLinear): no layer of vggc", "d (DequantizeLinear): no layer of vggc"
    )


@pytest.mark.parametrize("open_size", [False, True])
def test_a_quantised_file_of_ours_says_so_itself(open_size: bool, tmp_path: Path) -> None:
    path = tmp_path / "small.onnx"
    vggc.export_onnx(network(SMALL), path, precision="int8")
    if open_size:
        made = onnx.load(str(path))
        for dim in made.graph.input[0].type.tensor_type.shape.dim[2:]:
            dim.dim_param = "size"
        onnx.save(made, str(path))
    with pytest.raises(vggc.ProductError) as caught:
        vggc.import_onnx(path)
    assert str(caught.value) == (
        "not supported: small.onnx is quantised to int8; import the float32 file that it was made from"
    )


# --- interfaces ---


def test_several_inputs_and_outputs(tmp_path: Path) -> None:
    made = model([CONV, node("Relu", "c", "y")], TENSORS)
    made.graph.output.append(helper.make_tensor_value_info("c", TensorProto.FLOAT, None))
    assert refusal(made, tmp_path) == "net.onnx has 2 outputs (y, c); a spec has one"
    made.graph.input.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, [1]))
    assert refusal(made, tmp_path) == "net.onnx has 2 inputs (x, z); a spec has one"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"input": ("N", 3, 8)}, "the input is x[N, 3, 8], and a spec takes images: (batch, channels, height, width)"),
        ({"input": ("N", 3, 8, 8, 8)},
         "the input is x[N, 3, 8, 8, 8], and a spec takes images: (batch, channels, height, width)"),
        ({"type": TensorProto.UINT8}, "the input x is uint8, and a spec takes images of floats"),
    ],
)  # fmt: skip
def test_inputs_that_are_no_images(options: dict[str, tuple[int, ...]], why: str, tmp_path: Path) -> None:
    assert refusal(model([CONV, node("Relu", "c", "y")], TENSORS, **options), tmp_path) == f"net.onnx: {why}"  # type: ignore[arg-type]


def test_an_output_that_does_not_depend_on_the_input(tmp_path: Path) -> None:
    made = model([CONV, node("Relu", "s", "y")], TENSORS)
    assert refusal(made, tmp_path).endswith("its output does not depend on its input")


def test_opsets_before_7(tmp_path: Path) -> None:
    made = model([CONV, node("Relu", "c", "y")], TENSORS, opset=6, ir_version=3, listed=True)
    newest = onnx.defs.onnx_opset_version()
    assert refusal(made, tmp_path) == (
        f"not supported: net.onnx is of opset 6; the installed onnx can import 7 to {newest}"
    )


@pytest.mark.parametrize("content", [b"", b"vggc: 1\n", b"\x08\x08\x12", b"PK\x03\x04" * 50], ids=range(4))
def test_files_that_are_none(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(content)
    with pytest.raises(vggc.ProductError, match=r"x\.onnx is not an ONNX file"):
        vggc.import_onnx(tmp_path / "x.onnx")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_files_that_were_cut_short(share: float, tmp_path: Path) -> None:
    path = save(model([CONV, node("Relu", "c", "y")], TENSORS), tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(vggc.ProductError):
        vggc.import_onnx(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(vggc.ProductError, match="cannot be read: no such file or directory"):
        vggc.import_onnx(tmp_path / "x.onnx")


def test_weights_over_the_limit(tmp_path: Path) -> None:
    path = save(model([CONV, node("Relu", "c", "y")], TENSORS), tmp_path)
    with pytest.raises(vggc.ProductError, match=r"net\.onnx: the weights would take .*, over the limit of 100 B"):
        vggc.import_onnx(path, max_memory=100)
