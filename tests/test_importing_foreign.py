"""Files of other exporters, each with one thing that vggc itself does not write; onnxruntime is the judge of each."""

from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import vggc
from tests.foreign import model, node, positive, save, weights
from vggc.backends.text.yaml_spec import braced
from vggc.importing.result import Imported

pytestmark = pytest.mark.usefixtures("one_thread")

CONV = node("Conv", "x w b", "c", pads=[1, 1, 1, 1])
TENSORS = {"w": weights(4, 3, 3, 3), "b": weights(4, seed=1)}


def imported(made: onnx.ModelProto, folder: Path) -> Imported:
    return vggc.import_onnx(save(made, folder))


def features(result: Imported) -> str:
    """The features as one flow list."""
    lines = result.text.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("features:"))
    if lines[start] != "features:":
        return lines[start].removeprefix("features: ")
    items = takewhile(lambda line: line.startswith("  - "), lines[start + 1 :])
    return f"[{', '.join(braced(item.removeprefix('  - ')) for item in items)}]"


def head(result: Imported) -> list[str]:
    """The lines from the features on."""
    lines = result.text.splitlines()
    return lines[next(i for i, line in enumerate(lines) if line.startswith("features:")) :]


def behind_conv(
    folder: Path, nodes: Sequence[onnx.NodeProto], tensors: dict[str, Any] | None = None, **options: Any
) -> Imported:
    """What comes of nodes from `c` to `y` behind a convolution with 4 channels."""
    return imported(model([CONV, *nodes], {**TENSORS, **(tensors or {})}, **options), folder)


# --- activations ---


@pytest.mark.parametrize(
    ("nodes", "kind"),
    [
        ([node("Clip", "c", "y", min=0.0, max=6.0)], "relu6"),
        ([node("Relu", "c", "r"), node("Clip", "r", "y", max=6.0)], "relu6"),
        ([node("Clip", "c", "y", min=0.0)], "relu"),
        ([node("LeakyRelu", "c", "y")], "leaky_relu"),
        ([node("LeakyRelu", "c", "y", alpha=0.2)], "{leaky_relu: 0.2}"),
        ([node("Elu", "c", "y", alpha=0.5)], "{elu: 0.5}"),
        ([node("Sigmoid", "c", "s"), node("Mul", "s c", "y")], "silu"),
        ([node("HardSigmoid", "c", "s", alpha=1 / 6), node("Mul", "c s", "y")], "hardswish"),
        ([node("Softplus", "c", "s"), node("Tanh", "s", "t"), node("Mul", "t c", "y")], "mish"),
    ],
)
def test_activations_of_opset_10(nodes: list[onnx.NodeProto], kind: str, tmp_path: Path) -> None:
    result = behind_conv(tmp_path, nodes, opset=10, ir_version=5)
    assert features(result) == ("[4]" if kind == "relu" else f"[{{conv: {{out_channels: 4, activation: {kind}}}}}]")


@pytest.mark.parametrize(
    ("nodes", "tensors", "kind"),
    [
        ([node("Clip", "c zero six", "y")], {"zero": np.float32(0), "six": np.float32(6)}, "relu6"),
        ([node("Max", "c zero", "y")], {"zero": np.float32(0)}, "relu"),
        ([node("Relu", "c", "r"), node("Min", "r six", "y")], {"six": np.float32(6)}, "relu6"),
        (
            [
                *(node("Add", "c three", "a"), node("Clip", "a zero six", "g")),
                *(node("Mul", "c g", "m"), node("Div", "m six", "y")),
            ],
            {"zero": np.float32(0), "three": np.float32(3), "six": np.float32(6)},
            "hardswish",
        ),
        (
            [
                *(node("Add", "three c", "a"), node("Clip", "a zero six", "g")),
                *(node("Div", "g six", "s"), node("Mul", "s c", "y")),
            ],
            {"zero": np.float32(0), "three": np.float32(3), "six": np.float32(6)},
            "hardswish",
        ),
        (
            [
                *(node("Div", "c root", "a"), node("Erf", "a", "e"), node("Add", "one e", "s")),
                *(node("Mul", "c half", "h"), node("Mul", "h s", "y")),
            ],
            {"root": np.float32(2**0.5), "one": np.float32(1), "half": np.float32(0.5)},
            "gelu",
        ),
        ([node("PRelu", "c slope", "y")], {"slope": positive(4, 1, 1)}, "{prelu: 4}"),
        ([node("PRelu", "c slope", "y")], {"slope": positive(1)}, "prelu"),
    ],
)  # fmt: skip
def test_activations_of_opset_13(
    nodes: list[onnx.NodeProto], tensors: dict[str, Any], kind: str, tmp_path: Path
) -> None:
    result = behind_conv(tmp_path, nodes, tensors)
    assert features(result) == ("[4]" if kind == "relu" else f"[{{conv: {{out_channels: 4, activation: {kind}}}}}]")


# --- convolutions, borders, pools ---


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"auto_pad": "SAME_UPPER"}, "[{conv2d: {out_channels: 4, kernel_size: 3, padding: same}}]"),
        ({"auto_pad": "VALID"}, "[{conv2d: {out_channels: 4, kernel_size: 3}}]"),
        ({"auto_pad": "SAME_UPPER", "strides": [2, 2]},
         "[{zero_pad2d: [0, 1, 0, 1]}, {conv2d: {out_channels: 4, kernel_size: 3, stride: 2}}]"),
        ({"auto_pad": "SAME_LOWER", "strides": [2, 2]},
         "[{conv2d: {out_channels: 4, kernel_size: 3, stride: 2, padding: 1}}]"),
        ({"pads": [0, 2, 0, 2]}, "[{conv2d: {out_channels: 4, kernel_size: 3, padding: [0, 2]}}]"),
        ({"pads": [1, 0, 2, 0]}, "[{zero_pad2d: [0, 0, 1, 2]}, {conv2d: {out_channels: 4, kernel_size: 3}}]"),
        ({"dilations": [2, 2], "pads": [2, 2, 2, 2]},
         "[{conv2d: {out_channels: 4, kernel_size: 3, padding: same, dilation: 2}}]"),
    ],
)  # fmt: skip
def test_padding_of_a_convolution(attributes: dict[str, Any], said: str, tmp_path: Path) -> None:
    result = imported(model([node("Conv", "x w b", "y", **attributes)], TENSORS), tmp_path)
    assert features(result) == said


def test_a_bias_that_is_added_behind(tmp_path: Path) -> None:
    nodes = [node("Conv", "x w", "c", auto_pad="SAME_UPPER"), node("Add", "c added", "a"), node("Relu", "a", "y")]
    result = imported(model(nodes, {"w": TENSORS["w"], "added": weights(1, 4, 1, 1)}), tmp_path)
    assert features(result) == "[4]"
    assert result.state["features.0.bias"].shape == (4,)


@pytest.mark.parametrize("opset", [9, 13, 18])
def test_a_border_before_a_convolution(opset: int, tmp_path: Path) -> None:
    pads = [0, 0, 1, 1, 0, 0, 1, 1]
    pad = node("Pad", "x", "p", pads=pads, value=0.0) if opset < 11 else node("Pad", "x pads", "p")
    tensors = TENSORS if opset < 11 else {**TENSORS, "pads": np.array(pads)}
    result = imported(model([pad, node("Conv", "p w b", "c"), node("Relu", "c", "y")], tensors, opset=opset), tmp_path)
    assert features(result) == "[4]"


def test_a_border_given_by_axes(tmp_path: Path) -> None:
    nodes = [node("Pad", "x pads - axes", "p"), node("Conv", "p w b", "y")]
    tensors = {**TENSORS, "pads": np.array([1, 2, 1, 2]), "axes": np.array([-2, 3])}
    result = imported(model(nodes, tensors, opset=18, ir_version=8), tmp_path)
    assert features(result) == "[{conv2d: {out_channels: 4, kernel_size: 3, padding: [1, 2]}}]"


def test_a_border_before_a_pool_is_its_own_only_where_it_holds_the_same(tmp_path: Path) -> None:
    """Zeros are no minus infinity; and a mean over zeros is one that counts its padding."""
    pads = np.array([0, 0, 1, 1, 0, 0, 1, 1])
    size = {"kernel_shape": [3, 3], "strides": [2, 2]}
    zeros = behind_conv(tmp_path, [node("Pad", "c pads", "p"), node("MaxPool", "p", "y", **size)], {"pads": pads})
    least = behind_conv(
        tmp_path, [node("Pad", "c pads inf", "p"), node("MaxPool", "p", "y", **size)],
        {"pads": pads, "inf": np.float32(-np.inf)},
    )  # fmt: skip
    mean = behind_conv(tmp_path, [node("Pad", "c pads", "p"), node("AveragePool", "p", "y", **size)], {"pads": pads})
    conv = "{conv2d: {out_channels: 4, kernel_size: 3, padding: same}}"
    assert features(zeros) == f"[{conv}, {{zero_pad2d: 1}}, {{max_pool2d: {{kernel_size: 3, stride: 2}}}}]"
    assert features(least) == f"[{conv}, {{max_pool2d: {{kernel_size: 3, stride: 2, padding: 1}}}}]"
    assert features(mean) == f"[{conv}, {{avg_pool2d: {{kernel_size: 3, stride: 2, padding: 1}}}}]"


@pytest.mark.parametrize(
    ("op", "attributes", "said"),
    [
        ("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2]}, "M"),
        ("MaxPool", {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1},
         "{max_pool2d: {kernel_size: 3, stride: 2, ceil_mode: true}}"),
        ("MaxPool", {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
         "{max_pool2d: {kernel_size: 3, stride: 2, ceil_mode: true}}"),
        ("AveragePool", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1], "count_include_pad": 1},
         "{avg_pool2d: {kernel_size: 3, stride: 2, padding: 1}}"),
        ("AveragePool", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]},
         "{avg_pool2d: {kernel_size: 3, stride: 2, padding: 1, count_include_pad: false}}"),
        ("AveragePool", {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
         "{avg_pool2d: {kernel_size: 3, stride: 2, ceil_mode: true}}"),
        ("LRN", {"size": 5, "alpha": 0.001, "bias": 2.0},
         "{local_response_norm: {size: 5, alpha: 0.001, k: 2}}"),
        ("GlobalAveragePool", {}, "global_avg_pool2d"),
        ("ReduceMean", {"axes": [2, 3]}, "global_avg_pool2d"),
        ("ReduceMean", {"axes": [-1, -2]}, "global_avg_pool2d"),
        ("GlobalMaxPool", {}, "global_max_pool2d"),
        ("ReduceMax", {"axes": [2, 3]}, "global_max_pool2d"),
        ("DepthToSpace", {"blocksize": 2, "mode": "CRD"}, "{pixel_shuffle: 2}"),
    ],
)  # fmt: skip
def test_pools_and_their_like(op: str, attributes: dict[str, Any], said: str, tmp_path: Path) -> None:
    result = behind_conv(tmp_path, [node(op, "c", "y", **attributes)], opset=12)
    assert features(result) == f"[{{conv2d: {{out_channels: 4, kernel_size: 3, padding: same}}}}, {said}]"


@pytest.mark.parametrize(
    ("made", "opset", "said"),
    [
        (node("Upsample", "c", "y", mode="nearest", scales=[1.0, 1.0, 2.0, 2.0]), 7, "{upsample: 2}"),
        (node("Upsample", "c scales", "y", mode="nearest"), 9, "{upsample: 2}"),
        (node("Resize", "c scales", "y", mode="nearest"), 10, "{upsample: 2}"),
        (node("Resize", "c roi scales", "y", mode="linear"), 11, "{upsample: {scale_factor: 2, mode: bilinear}}"),
        (node("Resize", "c - - sizes", "y", mode="nearest", nearest_mode="floor",
              coordinate_transformation_mode="asymmetric"),
         13, "{upsample: 2}"),
    ],
)  # fmt: skip
def test_enlargements_of_every_age(made: onnx.NodeProto, opset: int, said: str, tmp_path: Path) -> None:
    tensors = {
        "scales": np.array([1, 1, 2, 2], np.float32), "roi": np.zeros(0, np.float32), "sizes": np.array([1, 4, 16, 16]),
    }  # fmt: skip
    used = {name: value for name, value in tensors.items() if name in made.input}
    result = behind_conv(tmp_path, [made], used, opset=opset, input=(1, 3, 8, 8))
    assert features(result) == f"[{{conv2d: {{out_channels: 4, kernel_size: 3, padding: same}}}}, {said}]"


# --- norms ---


STATISTICS = {"s": positive(4), "t": weights(4, seed=2), "m": weights(4, seed=3), "v": positive(4)}


@pytest.mark.parametrize("opset", [7, 8, 9, 13, 15])
def test_batch_norm_of_every_age(opset: int, tmp_path: Path) -> None:
    more = {"spatial": 1} if opset < 9 else {}
    norm = node("BatchNormalization", "c s t m v", "n", epsilon=1e-3, momentum=0.99, **more)
    result = behind_conv(tmp_path, [norm, node("Relu", "n", "y")], STATISTICS, opset=opset, ir_version=3, listed=True)
    assert features(result) == "[{conv: {out_channels: 4, norm: {batch_norm: {eps: 0.001, momentum: 0.01}}}}]"
    assert [each.weights for each in result.report.controls] == ["own"]


@pytest.mark.parametrize("ir_version", [3, 8])
def test_a_fresh_norm_is_run_with_other_weights(ir_version: int, tmp_path: Path) -> None:
    """Before IR version 4 initializers are inputs as well; and MatMul has its weight the other way round."""
    fresh = {"s": np.ones(4), "t": np.zeros(4), "m": np.zeros(4), "v": np.ones(4)}
    nodes = [
        *(CONV, node("BatchNormalization", "c s t m v", "n"), node("Flatten", "n", "f")),
        *(node("MatMul", "f head", "p"), node("Add", "p bias", "y")),
    ]
    tensors = {name: value.astype(np.float32) for name, value in fresh.items()}
    tensors |= {**TENSORS, "head": weights(256, 5), "bias": weights(5)}
    result = imported(model(nodes, tensors, opset=9, ir_version=ir_version, listed=ir_version < 4), tmp_path)
    assert [(each.weights, each.seen) for each in result.report.controls] == [("own", True), ("He", True)]
    assert len(result.report.comparisons) == 5


def test_an_initializer_with_two_uses_is_not_given_other_weights(tmp_path: Path) -> None:
    """As an exporter leaves it that merges equal tensors: the scale of the norm is a factor elsewhere as well."""
    values = {"s": [1] * 4, "t": [0] * 4, "m": [0] * 4, "v": [1] * 4}
    nodes = [
        *(node("BatchNormalization", "c s t m v", "n"), node("GlobalAveragePool", "n", "p")),
        *(node("Flatten", "p", "f"), node("Mul", "f s", "y")),
    ]
    result = behind_conv(tmp_path, nodes, {name: np.float32(value) for name, value in values.items()})
    assert head(result)[-2:] == ["pool: global_avg_pool2d", "classifier: [batch_norm]"]
    assert [each.weights for each in result.report.controls] == ["own", "He"]


def test_scales_and_shifts_by_channel_are_a_norm_that_stands_still(tmp_path: Path) -> None:
    tensors = {"s": positive(1, 4, 1, 1), "t": weights(4, 1, 1, seed=2)}
    result = behind_conv(tmp_path, [node("Mul", "c s", "a"), node("Add", "a t", "r"), node("Relu", "r", "y")], tensors)
    assert features(result) == "[{conv: {out_channels: 4, norm: batch_norm}}]"


def test_a_mean_and_a_scale_at_the_input(tmp_path: Path) -> None:
    tensors = {**TENSORS, "mean": np.full((1, 3, 1, 1), 0.45, np.float32), "std": np.float32(0.22)}
    nodes = [node("Sub", "x mean", "a"), node("Div", "a std", "n"), node("Conv", "n w b", "y")]
    result = imported(model(nodes, tensors), tmp_path)
    assert features(result) == "[batch_norm, {conv2d: {out_channels: 4, kernel_size: 3}}]"
    assert np.allclose(result.state["features.0.running_mean"], 0.45)


@pytest.mark.parametrize("opset", [18, 21])
def test_group_norm_by_its_own_operator(opset: int, tmp_path: Path) -> None:
    norm = node("GroupNormalization", "c s t", "y", num_groups=2, epsilon=1e-5)
    tensors = {"s": positive(2 if opset == 18 else 4), "t": weights(2 if opset == 18 else 4)}
    result = behind_conv(tmp_path, [norm], tensors, opset=opset, ir_version=10)
    assert features(result) == "[{conv2d: {out_channels: 4, kernel_size: 3, padding: same}}, {group_norm: 2}]"


def test_layer_norm_over_the_features(tmp_path: Path) -> None:
    nodes = [CONV, node("Flatten", "c", "f"), node("LayerNormalization", "f s t", "y", axis=-1)]
    tensors = {**TENSORS, "s": positive(256), "t": weights(256)}
    result = imported(model(nodes, tensors, opset=17, ir_version=8), tmp_path)
    assert head(result)[1] == "classifier: [layer_norm]"


# --- heads ---


FLAT = {"m": weights(5, 256), "n": weights(5, seed=4)}


@pytest.mark.parametrize(
    ("nodes", "tensors"),
    [
        ([node("Flatten", "c", "f")], {}),
        ([node("Reshape", "c shape", "f")], {"shape": np.array([0, -1])}),
        ([node("Reshape", "c shape", "f")], {"shape": np.array([-1, 256])}),
        (
            [
                *(node("Shape", "c", "s"), node("Gather", "s zero", "n0"), node("Unsqueeze", "n0", "n1", axes=[0])),
                *(node("Concat", "n1 minus", "shape", axis=0), node("Reshape", "c shape", "f")),
            ],
            {"zero": np.array(0), "minus": np.array([-1])},
        ),
        (
            [
                *(node("Shape", "c", "s"), node("Slice", "s zero one", "n1")),
                *(node("Concat", "n1 rest", "shape", axis=0), node("Reshape", "c shape", "f")),
            ],
            {"zero": np.array([0]), "one": np.array([1]), "rest": np.array([256])},
        ),
    ],
)
@pytest.mark.parametrize("batch", ["N", 1, 4])
def test_flattens(nodes: list[onnx.NodeProto], tensors: dict[str, Any], batch: int | str, tmp_path: Path) -> None:
    gemm = node("Gemm", "f m n", "y", transB=1)
    made = model([CONV, *nodes, gemm], {**TENSORS, **FLAT, **tensors}, opset=11, ir_version=6, input=(batch, 3, 8, 8))
    result = imported(made, tmp_path)
    assert head(result)[1] == "classifier: [{linear: classes}]"
    wanted = [1, 2, 3] if batch == "N" else [batch] * 3
    assert [each.batch for each in result.report.comparisons][:3] == wanted


@pytest.mark.parametrize(
    ("nodes", "tensors"),
    [
        ([node("Gemm", "f m n", "y", transB=1)], FLAT),
        ([node("Gemm", "f m n", "y")], {**FLAT, "m": weights(256, 5)}),
        ([node("Gemm", "f m n", "y", transB=1, alpha=0.5, beta=2.0)], FLAT),
        ([node("Gemm", "f m n", "y", transB=1)], {**FLAT, "n": np.float32([0.5])}),
        ([node("MatMul", "f m", "p"), node("Add", "p n", "y")], {**FLAT, "m": weights(256, 5)}),
        ([node("MatMul", "f m", "p"), node("Add", "n p", "y")], {"m": weights(256, 5), "n": weights(1, 5)}),
        ([node("Transpose", "m", "t", perm=[1, 0]), node("MatMul", "f t", "p"), node("Add", "p n", "y")], FLAT),
        ([node("Identity", "m", "i"), node("Cast", "i", "t", to=1), node("Gemm", "f t n", "y", transB=1)], FLAT),
        ([node("Constant", "", "m", value=numpy_helper.from_array(FLAT["m"])), node("Gemm", "f m n", "y", transB=1)],
         {"n": FLAT["n"]}),
    ],
)  # fmt: skip
def test_linear_layers(nodes: list[onnx.NodeProto], tensors: dict[str, Any], tmp_path: Path) -> None:
    result = imported(model([CONV, node("Flatten", "c", "f"), *nodes], {**TENSORS, **tensors}), tmp_path)
    assert head(result)[1] == "classifier: [{linear: classes}]"
    assert result.state["classifier.0.weight"].shape == (5, 256)


def test_a_mean_that_loses_its_axes_is_a_pool_and_a_flatten(tmp_path: Path) -> None:
    nodes = [CONV, node("ReduceMean", "c", "f", axes=[2, 3], keepdims=0), node("Gemm", "f m", "y", transB=1)]
    result = imported(model(nodes, {**TENSORS, "m": weights(5, 4)}), tmp_path)
    assert head(result)[1:] == [
        "pool: global_avg_pool2d",
        "classifier: [{linear: {out_features: classes, bias: false}}]",
    ]


def test_a_squeeze_behind_a_global_pool_is_a_flatten(tmp_path: Path) -> None:
    nodes = [CONV, node("GlobalAveragePool", "c", "p"), node("Squeeze", "p", "f", axes=[2, 3])]
    result = imported(model([*nodes, node("Softmax", "f", "y")], TENSORS, opset=11), tmp_path)
    assert head(result)[1:] == ["pool: global_avg_pool2d", "classifier: [softmax]"]


def test_the_old_softmax_of_an_image_of_one_pixel(tmp_path: Path) -> None:
    nodes = [CONV, node("GlobalAveragePool", "c", "p"), node("Softmax", "p", "y", axis=1)]
    assert features(imported(model(nodes, TENSORS, opset=11), tmp_path)).endswith("global_avg_pool2d, softmax]")


@pytest.mark.parametrize("opset", [7, 10, 12, 13])
def test_dropout_with_its_ratio_and_mask(opset: int, tmp_path: Path) -> None:
    gone = node("Dropout", "r", "d mask", ratio=0.3) if opset < 12 else node("Dropout", "r ratio", "d mask")
    nodes = [CONV, node("Flatten", "c", "f"), node("Gemm", "f m n", "g", transB=1), node("Relu", "g", "r"), gone]
    tensors = {**TENSORS, **FLAT, **({} if opset < 12 else {"ratio": np.float32(0.3)})}
    result = imported(model([*nodes, node("Identity", "d", "y")], tensors, opset=opset), tmp_path)
    assert head(result)[1] == "classifier: [{fc: {out_features: classes, dropout: 0.3}}]"


def test_nodes_that_do_nothing(tmp_path: Path) -> None:
    nodes = [
        *(node("Identity", "x", "i"), node("Sum", "i", "s"), node("Cast", "s", "t", to=1), node("Conv", "t w b", "c")),
        *(node("Transpose", "c", "u", perm=[0, 1, 2, 3]), node("Reshape", "u shape", "y")),
    ]
    result = imported(model(nodes, {**TENSORS, "shape": np.array([0, 0, 0, 0])}), tmp_path)
    assert features(result) == "[{conv2d: {out_channels: 4, kernel_size: 3}}]"


def test_what_the_output_does_not_depend_on_is_left_out(tmp_path: Path) -> None:
    nodes = [CONV, node("ConvTranspose", "c w", "unused"), node("Relu", "c", "y")]
    assert features(imported(model(nodes, TENSORS), tmp_path)) == "[4]"


def test_weights_that_are_made_by_nodes(tmp_path: Path) -> None:
    """They are no initializers, so that only their own values can be compared."""
    filled = node("ConstantOfShape", "shape", "w", value=numpy_helper.from_array(np.float32([0.2])))
    result = imported(model([filled, node("Conv", "x w", "y")], {"shape": np.array([4, 3, 3, 3])}), tmp_path)
    assert features(result) == "[{conv2d: {out_channels: 4, kernel_size: 3, bias: false}}]"
    assert [each.weights for each in result.report.controls] == ["own"]


def test_a_branch_that_is_known_is_taken(tmp_path: Path) -> None:
    """As torch writes local_response_norm."""
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("left", "right")]
    left = helper.make_graph([node("Relu", "c", "left")], "left", [], values[:1])
    right = helper.make_graph([node("Sigmoid", "c", "right")], "right", [], values[1:])
    nodes = [CONV, node("If", "truth", "y", then_branch=left, else_branch=right)]
    assert features(imported(model(nodes, {**TENSORS, "truth": np.array(True)}), tmp_path)) == "[4]"


# --- types and sizes ---


@pytest.mark.parametrize(
    ("type", "words"),
    [
        (np.float16, "float16 in the file: weights are widened to float32"),
        (np.float64, "float64 in the file: weights are rounded to float32"),
    ],
)
def test_other_floats(type: Any, words: str, tmp_path: Path) -> None:
    tensors = {name: value.astype(type) for name, value in TENSORS.items()}
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(type))
    result = imported(model([CONV, node("Relu", "c", "y")], tensors, type=kind), tmp_path)
    assert features(result) == "[4]"
    assert result.report.notes[0].summary.startswith(words)
    assert result.state["features.0.weight"].numpy().tolist() == tensors["w"].astype(np.float32).tolist()


def test_an_open_size_is_asked_for(tmp_path: Path) -> None:
    nodes = [CONV, node("Relu", "c", "r"), node("GlobalAveragePool", "r", "p"), node("Flatten", "p", "y")]
    path = save(model(nodes, TENSORS, input=("N", 3, "h", "w")), tmp_path)
    message = r"the input is x\[N, 3, h, w\], so its size is open; say one, for example --input 3,224,224"
    with pytest.raises(vggc.ProductError, match=message):
        vggc.import_onnx(path)
    with pytest.raises(vggc.ProductError, match=r"x\[N, 3, h, w\], and 1,8,8 does not fit"):
        vggc.import_onnx(path, input=(1, 8, 8))
    assert "input: [3, 6, 10]" in vggc.import_onnx(path, input=(3, 6, 10)).text


def test_weights_outside_the_folder_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    path = save(model([CONV, node("Relu", "c", "y")], TENSORS), tmp_path / "inside")
    (tmp_path / "secret.bin").write_bytes(b"\0" * 4096)
    made = onnx.load(str(path))
    onnx.external_data_helper.set_external_data(made.graph.initializer[0], "../secret.bin")
    made.graph.initializer[0].ClearField("raw_data")
    made.graph.initializer[0].data_location = TensorProto.EXTERNAL
    path.write_bytes(made.SerializeToString())
    with pytest.raises(vggc.ProductError, match="outside its own folder"):
        vggc.import_onnx(path)


def test_weights_beside_the_file_are_read(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    made = model([CONV, node("Relu", "c", "y")], TENSORS)
    onnx.save(made, str(path), save_as_external_data=True, location="net.data", size_threshold=0)
    assert features(vggc.import_onnx(path)) == "[4]"


def test_a_constant_beyond_all_sizes_is_not_made(tmp_path: Path) -> None:
    huge = node("ConstantOfShape", "shape", "w", "huge")
    made = model([huge, node("Conv", "x w", "y")], {"shape": np.array([2**20, 2**20, 3, 3])})
    with pytest.raises(vggc.ProductError, match=r"huge \(ConstantOfShape\)"):
        imported(made, tmp_path)


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"strides": [2, 2]}, "{avg_pool2d: 2}"),
        ({}, "{avg_pool2d: {kernel_size: 2, stride: 1}}"),
    ],
)
def test_a_mean_over_a_window_of_two(attributes: dict[str, Any], said: str, tmp_path: Path) -> None:
    result = behind_conv(tmp_path, [node("AveragePool", "c", "y", kernel_shape=[2, 2], **attributes)])
    assert features(result) == f"[{{conv2d: {{out_channels: 4, kernel_size: 3, padding: same}}}}, {said}]"
