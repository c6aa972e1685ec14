"""Files with the channels last, squeezes and views; onnxruntime is the judge of each, on the file's own layout."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import vggc
from tests.foreign import model, node, positive, save, weights
from vggc.importing.normal_form.arrangements import in_order
from vggc.importing.reading.graph_values import original
from vggc.importing.result import Imported

pytestmark = pytest.mark.usefixtures("one_thread")

LAST, FIRST = [0, 2, 3, 1], [0, 3, 1, 2]
CONV = node("Conv", "x w b", "c", auto_pad="SAME_UPPER")
TENSORS = {"w": weights(4, 3, 3, 3), "b": weights(4, seed=1), "m": weights(64, 5, seed=2), "n": weights(5, seed=3)}
FLAT = {**TENSORS, "flat": np.array([-1, 64])}


def imported(nodes: Sequence[onnx.NodeProto], tensors: dict[str, Any], folder: Path, **options: Any) -> Imported:
    return vggc.import_onnx(save(model(nodes, tensors, **options), folder))


def spec(result: Imported) -> list[str]:
    """The lines from the input on."""
    lines = result.text.splitlines()
    return lines[next(i for i, line in enumerate(lines) if line.startswith("input:")) :]


def outputs(result: Imported, folder: Path, *, last: bool = False) -> tuple[Any, Any]:
    """What the recovered network and the file give for one batch of images."""
    x = torch.randn(2, *result.network.input, generator=torch.manual_seed(7))
    module = result.network.module()
    module.load_state_dict(result.state)
    session = onnxruntime.InferenceSession(str(folder / "net.onnx"), providers=["CPUExecutionProvider"])
    theirs = session.run(None, {"x": np.ascontiguousarray(x.permute(LAST) if last else x)})[0]
    return module.eval()(x).detach().numpy(), theirs


# --- the channels flattened last ---


@pytest.mark.parametrize("between", ["", "Relu", "Dropout"])
def test_a_map_that_is_flattened_with_the_channels_last(between: str, tmp_path: Path) -> None:
    nodes = [
        *(CONV, node("Relu", "c", "r"), node("MaxPool", "r", "p", kernel_shape=[2, 2], strides=[2, 2])),
        *(node("Transpose", "p", "t", perm=LAST), node("Reshape", "t flat", "f")),
        *([node(between, "f", "g")] if between else []),
        *(
            node("MatMul", "g m" if between else "f m", "d"),
            node("Add", "d n", "a"),
            node("Softmax", "a", "y", axis=-1),
        ),
    ]
    result = imported(nodes, FLAT, tmp_path)
    assert spec(result)[-1] == "classifier: [{linear: classes}, softmax]"
    ours, theirs = outputs(result, tmp_path)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_what_works_on_channels_last_maps(tmp_path: Path) -> None:
    """As tf2onnx leaves it where it could not move a Transpose: bias, activation and mean behind it."""
    nodes = [
        *(node("Conv", "x w", "c", auto_pad="SAME_UPPER"), node("Transpose", "c", "t", perm=LAST)),
        *(node("Add", "t b", "a"), node("Sigmoid", "a", "s"), node("Mul", "a s", "u"), node("PRelu", "u slope", "v")),
        *(node("ReduceMean", "v", "p", axes=[1, 2], keepdims=0), node("MatMul", "p k", "y")),
    ]
    result = imported(nodes, {**TENSORS, "k": weights(4, 5), "slope": positive(4)}, tmp_path)
    assert spec(result)[1:] == [
        "classes: 5",
        "features: [{conv: {out_channels: 4, activation: silu}}, {prelu: 4}]",
        "pool: global_avg_pool2d",
        "classifier: [{linear: {out_features: classes, bias: false}}]",
    ]
    ours, theirs = outputs(result, tmp_path)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_an_order_that_no_linear_layer_takes_up(tmp_path: Path) -> None:
    nodes = [CONV, node("Transpose", "c", "t", "nhwc", perm=LAST), node("Flatten", "t", "y")]
    with pytest.raises(vggc.ProductError, match=r"nhwc \(Transpose\): no layer of vggc does that: perm \[0, 2, 3, 1\]"):
        imported(nodes, TENSORS, tmp_path)


# --- axes that come and go ---


@pytest.mark.parametrize("keep", [0, 1])
@pytest.mark.parametrize("axes", [(3, 2), (2, 3), (-1, -2)])
def test_a_mean_over_one_axis_and_then_the_other(keep: int, axes: tuple[int, int], tmp_path: Path) -> None:
    first, second = axes
    if not keep and second == 3:
        second = 2  # there are only three axes left
    if not keep and second == -2:
        second = -1
    nodes = [
        *(CONV, node("ReduceMean", "c", "q", axes=[first], keepdims=keep)),
        *(node("ReduceMean", "q", "p", axes=[second], keepdims=keep), node("Flatten", "p", "f")),
        node("Gemm", "f k n", "y"),
    ]
    result = imported(nodes, {**TENSORS, "k": weights(4, 5)}, tmp_path)
    assert spec(result)[-2:] == ["pool: global_avg_pool2d", "classifier: [{linear: classes}]"]


@pytest.mark.parametrize("opset", [11, 13])
@pytest.mark.parametrize("axes", [(3, 2), (2, 2), (-1, -1)])
def test_two_squeezes_behind_a_global_pool(axes: tuple[int, int], opset: int, tmp_path: Path) -> None:
    squeezes = [
        node(
            "Squeeze", f"{one}{' ' + str(i) if opset > 11 else ''}", other, **({"axes": [axis]} if opset == 11 else {})
        )
        for i, (one, other, axis) in enumerate(zip("ps", "sf", axes, strict=True))
    ]
    indices = {} if opset == 11 else {str(i): np.array([axis]) for i, axis in enumerate(axes)}
    nodes = [CONV, node("GlobalAveragePool", "c", "p"), *squeezes, node("Gemm", "f k n", "y")]
    result = imported(nodes, {**TENSORS, **indices, "k": weights(4, 5)}, tmp_path, opset=opset)
    assert spec(result)[-2:] == ["pool: global_avg_pool2d", "classifier: [{linear: classes}]"]


def test_a_softmax_between_two_transposes(tmp_path: Path) -> None:
    """As torch writes it before opset 13."""
    swap = [0, 3, 2, 1]
    nodes = [
        *(CONV, node("Transpose", "c", "t", perm=swap), node("Softmax", "t", "s", axis=3)),
        node("Transpose", "s", "y", perm=swap),
    ]
    result = imported(nodes, TENSORS, tmp_path, opset=9)
    assert spec(result)[-2:] == ["features: [{conv: {out_channels: 4, activation: softmax}}]", "classifier: none"]


def head_as_convolutions(folder: Path, *, pooled: bool) -> Imported:
    features = 4 if pooled else 256
    nodes = [
        *(
            CONV,
            *([node("GlobalAveragePool", "c", "p")] if pooled else []),
            node("Flatten", "p" if pooled else "c", "f"),
        ),
        *(node("Reshape", "f pixel", "x1"), node("Conv", "x1 k", "h"), node("BatchNormalization", "h s s s v", "g")),
        *(node("Relu", "g", "r"), node("Conv", "r l n", "o"), node("Flatten", "o", "y")),
    ]
    tensors = {
        "pixel": np.array([-1, features, 1, 1]),
        "k": weights(6, features, 1, 1),
        "l": weights(5, 6, 1, 1),
        "s": weights(6),
        "v": positive(6),
    }
    return imported(nodes, TENSORS | tensors, folder)


def test_a_flat_vector_seen_as_a_map_of_one_pixel(tmp_path: Path) -> None:
    result = head_as_convolutions(tmp_path, pooled=False)
    assert spec(result)[-1] == (
        "classifier: [{fc: {out_features: 6, bias: false, norm: batch_norm, dropout: none}}, {linear: classes}]"
    )
    ours, theirs = outputs(result, tmp_path)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_a_flatten_that_is_undone(tmp_path: Path) -> None:
    result = head_as_convolutions(tmp_path, pooled=True)
    assert spec(result)[2:] == [
        "  - conv2d: {out_channels: 4, kernel_size: 3, padding: same}",
        "  - global_avg_pool2d",
        "  - conv: {out_channels: 6, kernel_size: 1, bias: false, norm: batch_norm}",
        "  - conv2d: {out_channels: 5, kernel_size: 1}",
        "classifier: [flatten]",
    ]
    ours, theirs = outputs(result, tmp_path)
    np.testing.assert_allclose(ours, theirs.reshape(ours.shape), rtol=1e-4, atol=1e-6)


# --- an input with the channels last ---


def from_channels_last(*behind: onnx.NodeProto, before: Sequence[onnx.NodeProto] = ()) -> list[onnx.NodeProto]:
    """A convolution of an input with the channels last, from `c` on."""
    moved = before[-1].output[0] if before else "x"
    return [
        *before,
        node("Transpose", moved, "i", perm=FIRST),
        node("Conv", "i w b", "c", auto_pad="SAME_UPPER"),
        *behind,
    ]


@pytest.mark.parametrize("batch", ["N", 1, 3])
def test_an_input_with_the_channels_last(batch: int | str, tmp_path: Path) -> None:
    nodes = from_channels_last(
        *(node("Relu", "c", "r"), node("MaxPool", "r", "p", kernel_shape=[2, 2], strides=[2, 2])),
        *(node("Transpose", "p", "t", perm=LAST), node("Reshape", "t flat", "f"), node("Gemm", "f m n", "y")),
    )
    tensors = {**TENSORS, "m": weights(96, 5), "flat": np.array([-1, 96])}
    result = imported(nodes, tensors, tmp_path, input=(batch, 8, 12, 3))
    assert spec(result) == [
        *("input: [3, 8, 12]", "classes: 5", "features: [4, M]", "classifier: [{linear: classes}]"),
    ]
    assert "(batch, height, width, channels)" in result.report.notes[0].summary
    if batch == "N":
        ours, theirs = outputs(result, tmp_path, last=True)
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_its_size_is_said_as_everywhere(tmp_path: Path) -> None:
    nodes = from_channels_last(
        node("GlobalAveragePool", "c", "p"), node("Squeeze", "p axes", "f"), node("Relu", "f", "y")
    )
    tensors = {**TENSORS, "axes": np.array([2, 3])}
    path = save(model(nodes, tensors, input=("N", "h", "w", 3)), tmp_path)
    with pytest.raises(
        vggc.ProductError,
        match=r"x\[N, h, w, 3\] with the channels last, which --input has first, so its size is open; say",
    ):
        vggc.import_onnx(path)
    with pytest.raises(vggc.ProductError, match=r"x\[N, h, w, 3\] with .* first, and 1,8,8 does not fit"):
        vggc.import_onnx(path, input=(1, 8, 8))
    assert "input: [3, 6, 10]" in vggc.import_onnx(path, input=(3, 6, 10)).text


def test_arithmetic_before_the_channels_are_first(tmp_path: Path) -> None:
    """Keras keeps its Rescaling and Normalization layers in the file."""
    before = [node("Mul", "x scale", "a"), node("Sub", "a mean", "b1")]
    nodes = from_channels_last(node("Relu", "c", "y"), before=before)
    tensors = {**TENSORS, "scale": np.float32(1 / 64), "mean": np.float32([0.1, 0.2, 0.3])}
    result = imported(nodes, tensors, tmp_path, input=("N", 8, 8, 3))
    assert spec(result)[1] == "features: [batch_norm, 4]"


def test_one_channel_that_is_only_reshaped(tmp_path: Path) -> None:
    """What tf2onnx makes of a Transpose of one channel."""
    nodes = [node("Reshape", "x first", "i"), node("Conv", "i w", "c"), node("Relu", "c", "y")]
    tensors = {"first": np.array([-1, 1, 8, 6]), "w": weights(4, 1, 3, 3)}
    result = imported(nodes, tensors, tmp_path, input=("N", 8, 6, 1))
    assert spec(result)[0] == "input: [1, 8, 6]"


def test_a_wrong_network_is_noticed_in_either_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows of a linear layer as they stand in the file are those of another network."""
    monkeypatch.setattr("vggc.importing.normal_form.arrangements.Arrangement.weight", lambda _, values: values)
    nodes = from_channels_last(
        node("Transpose", "c", "t", perm=LAST), node("Flatten", "t", "f"), node("Gemm", "f m n", "y")
    )
    with pytest.raises(vggc.VerificationError):
        imported(nodes, {**TENSORS, "m": weights(256, 5)}, tmp_path, input=("N", 8, 8, 3))


def test_a_map_that_is_given_with_the_channels_last(tmp_path: Path) -> None:
    """Where both ends have them last, both have them first in the network; the softmax is over the channels."""
    nodes = from_channels_last(node("Transpose", "c", "t", perm=LAST), node("Softmax", "t", "y", axis=-1))
    result = imported(nodes, TENSORS, tmp_path, input=("N", 8, 6, 3))
    assert spec(result)[1:] == ["features: [{conv: {out_channels: 4, activation: softmax}}]", "classifier: none"]
    ours, theirs = outputs(result, tmp_path, last=True)
    np.testing.assert_allclose(ours.transpose(LAST), theirs, rtol=1e-4, atol=1e-6)


def test_other_weights_are_given_to_the_file_as_it_has_them(tmp_path: Path) -> None:
    """A fresh batch norm hides errors, so that both run with other weights: those of the head in the file's order."""
    nodes = from_channels_last(
        *(node("BatchNormalization", "c one zero zero one", "g"), node("Transpose", "g", "t", perm=LAST)),
        *(node("Flatten", "t", "f"), node("Gemm", "f m n", "y")),
    )
    fresh = {"one": np.ones(4, np.float32), "zero": np.zeros(4, np.float32)}
    result = imported(nodes, {**TENSORS, **fresh, "m": weights(192, 5)}, tmp_path, input=("N", 6, 8, 3))
    assert "He" in [each.weights for each in result.report.controls]


def test_the_order_of_a_weight_is_undone() -> None:
    how = in_order((7, 2, 3, 4), (0, 2, 3, 1)).viewed((7, 24))
    assert how is not None
    before = original("w", weights(5, 24))
    after = how.weight(before)
    rows = before.array.reshape(5, 3, 4, 2)
    assert np.array_equal(after.array.reshape(5, 2, 3, 4), rows.transpose(0, 3, 1, 2))
    assert after.origin is not None
    assert np.array_equal(after.origin.back(after.array), before.array)


@pytest.mark.parametrize(
    "behind",
    [
        [node("BatchNormalization", "f s s s s", "y")],
        [node("Softmax", "f", "y", axis=-1)],
        [node("Relu", "f", "r"), node("LayerNormalization", "r s s", "y", axis=-1)],
    ],
    ids=["norm", "softmax", "layer norm"],
)
def test_what_does_not_take_an_order_up_leaves_it_in_the_way(behind: list[onnx.NodeProto], tmp_path: Path) -> None:
    nodes = [CONV, node("Transpose", "c", "t", "nhwc", perm=LAST), node("Flatten", "t", "f"), *behind]
    with pytest.raises(vggc.ProductError, match=r"nhwc \(Transpose\)"):
        imported(nodes, {**TENSORS, "s": positive(256)}, tmp_path, opset=17, ir_version=8)
