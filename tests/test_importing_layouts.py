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
from vggc.importing.result import Imported

pytestmark = pytest.mark.usefixtures("one_thread")

LAST, FIRST = [0, 2, 3, 1], [0, 3, 1, 2]
CONV = node("Conv", "x w b", "c", auto_pad="SAME_UPPER")
TENSORS = {"w": weights(4, 3, 3, 3), "b": weights(4, seed=1), "m": weights(64, 5, seed=2), "n": weights(5, seed=3)}
FLAT = {**TENSORS, "flat": np.array([-1, 64])}


def imported(nodes: Sequence[onnx.NodeProto], tensors: dict[str, Any], folder: Path, **options: Any) -> Imported:
    return vggc.import_onnx(save(model(nodes, tensors, **options), folder))


def spec(found: Imported) -> list[str]:
    """The lines from the input on."""
    lines = found.text.splitlines()
    return lines[next(i for i, line in enumerate(lines) if line.startswith("input:")) :]


def outputs(found: Imported, folder: Path, *, last: bool = False) -> tuple[Any, Any]:
    """What the recovered network and the file give for one batch of images."""
    x = torch.randn(2, *found.network.input, generator=torch.manual_seed(7))
    module = found.network.module()
    module.load_state_dict(found.state)
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
        *(node("MatMul", "g m" if between else "f m", "d"), node("Add", "d n", "a"), node("Softmax", "a", "y", axis=-1)),
    ]
    found = imported(nodes, FLAT, tmp_path)
    assert spec(found)[-1] == "classifier: [{linear: classes}, softmax]"
    ours, theirs = outputs(found, tmp_path)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_what_works_on_channels_last_maps(tmp_path: Path) -> None:
    """As tf2onnx leaves it where it could not move a Transpose: bias, activation and mean behind it."""
    nodes = [
        *(node("Conv", "x w", "c", auto_pad="SAME_UPPER"), node("Transpose", "c", "t", perm=LAST)),
        *(node("Add", "t b", "a"), node("Sigmoid", "a", "s"), node("Mul", "a s", "u"), node("PRelu", "u slope", "v")),
        *(node("ReduceMean", "v", "p", axes=[1, 2], keepdims=0), node("MatMul", "p k", "y")),
    ]
    found = imported(nodes, {**TENSORS, "k": weights(4, 5), "slope": positive(4)}, tmp_path)
    assert spec(found)[1:] == [
        "classes: 5",
        "features: [{conv: {out_channels: 4, activation: silu}}, {prelu: 4}]",
        "pool: global_avg_pool2d",
        "classifier: [{linear: {out_features: classes, bias: false}}]",
    ]
    ours, theirs = outputs(found, tmp_path)
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
    found = imported(nodes, {**TENSORS, "k": weights(4, 5)}, tmp_path)
    assert spec(found)[-2:] == ["pool: global_avg_pool2d", "classifier: [{linear: classes}]"]


@pytest.mark.parametrize("opset", [11, 13])
@pytest.mark.parametrize("axes", [(3, 2), (2, 2), (-1, -1)])
def test_two_squeezes_behind_a_global_pool(axes: tuple[int, int], opset: int, tmp_path: Path) -> None:
    squeezes = [
        node("Squeeze", f"{one}{' ' + str(i) if opset > 11 else ''}", other, **({"axes": [axis]} if opset == 11 else {}))
        for i, (one, other, axis) in enumerate(zip("ps", "sf", axes, strict=True))
    ]
    indices = {} if opset == 11 else {str(i): np.array([axis]) for i, axis in enumerate(axes)}
    nodes = [CONV, node("GlobalAveragePool", "c", "p"), *squeezes, node("Gemm", "f k n", "y")]
    found = imported(nodes, {**TENSORS, **indices, "k": weights(4, 5)}, tmp_path, opset=opset)
    assert spec(found)[-2:] == ["pool: global_avg_pool2d", "classifier: [{linear: classes}]"]


def test_a_softmax_between_two_transposes(tmp_path: Path) -> None:
    """As torch writes it before opset 13."""
    swap = [0, 3, 2, 1]
    nodes = [
        *(CONV, node("Transpose", "c", "t", perm=swap), node("Softmax", "t", "s", axis=3)),
        node("Transpose", "s", "y", perm=swap),
    ]
    found = imported(nodes, TENSORS, tmp_path, opset=9)
    assert spec(found)[-2:] == ["features: [{conv: {out_channels: 4, activation: softmax}}]", "classifier: none"]


def head_as_convolutions(folder: Path, *, pooled: bool) -> Imported:
    features = 4 if pooled else 256
    nodes = [
        *(CONV, *([node("GlobalAveragePool", "c", "p")] if pooled else []), node("Flatten", "p" if pooled else "c", "f")),
        *(node("Reshape", "f pixel", "x1"), node("Conv", "x1 k", "h"), node("BatchNormalization", "h s s s v", "g")),
        *(node("Relu", "g", "r"), node("Conv", "r l n", "o"), node("Flatten", "o", "y")),
    ]
    tensors = {
        **TENSORS,
        **{"pixel": np.array([-1, features, 1, 1]), "k": weights(6, features, 1, 1), "l": weights(5, 6, 1, 1)},
        **{"s": weights(6), "v": positive(6)},
    }
    return imported(nodes, tensors, folder)


def test_a_flat_vector_seen_as_a_map_of_one_pixel(tmp_path: Path) -> None:
    found = head_as_convolutions(tmp_path, pooled=False)
    assert spec(found)[-1] == "classifier: [{linear: {out_features: 6, bias: false}}, batch_norm, relu, {linear: classes}]"
    ours, theirs = outputs(found, tmp_path)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_a_flatten_that_is_undone(tmp_path: Path) -> None:
    found = head_as_convolutions(tmp_path, pooled=True)
    assert "flatten" not in found.text
    ours, theirs = outputs(found, tmp_path)
    np.testing.assert_allclose(ours, theirs.reshape(ours.shape), rtol=1e-4, atol=1e-6)
