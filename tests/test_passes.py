"""What an export may change: each pass computes what it promises, reports what it did, and refuses what it cannot do.

The expected outputs are written down here once more, in the plainest torch that says the same.
"""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch.nn import functional

import vggc
from tests.networks import HEADLESS, PLAIN, SMALL, network
from vggc.model import Network
from vggc.passes import PASSES, prepare
from vggc.verify.outputs import relative_l2
from vggc.verify.sessions import newest_opset

GLOBAL = """\
vggc: 1
name: everywhere
input: [3, 24, 24]
classes: 5
features: [8, M, 16, M, 16]
pool: 1
classifier: [{linear: classes}]
init: {conv2d: kaiming_normal}
preprocess: {mean: [0.5, 0.4, 0.3], std: [0.5, 0.4, 0.3]}
"""


def exported(compiled: Network, folder: Path, *passes: str, **options: object) -> onnx.ModelProto:
    """The file of a network with telling weights; it is verified, or this raises."""
    path = folder / "x.onnx"
    torch.save(weights(compiled), folder / "w.pt")
    report = vggc.export_onnx(compiled, path, weights=folder / "w.pt", passes=passes, **options).report  # type: ignore[arg-type]
    assert report.verdict == "verified"
    assert vggc.verify_onnx(path, weights=folder / "w.pt").verdict == "verified"
    return onnx.load(str(path))


def weights(compiled: Network) -> dict[str, torch.Tensor]:
    """Weights under which no batch norm is the identity and every layer shows."""
    from vggc.verify.revealing_weights import revealing_weights

    return revealing_weights(compiled, seed=5)


def module(compiled: Network) -> torch.nn.Sequential:
    made = compiled.module().eval()
    made.load_state_dict(weights(compiled))
    return made


def run(model: onnx.ModelProto, x: torch.Tensor) -> np.ndarray:  # type: ignore[type-arg]
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x.numpy()})[0]


def hold(model: onnx.ModelProto, x: torch.Tensor, expected: torch.Tensor, tolerance: float = 2e-5) -> None:
    actual = run(model, x)
    assert actual.shape == tuple(expected.shape)
    assert relative_l2(actual, expected.detach().numpy()) <= tolerance


def operators(model: onnx.ModelProto) -> list[str]:
    return [each.op_type for each in model.graph.node]


def dims(value: onnx.ValueInfoProto) -> list[str | int]:
    return [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]


# --- dropout ---


def test_dropout_is_never_in_the_file_and_the_note_names_it(tmp_path: Path) -> None:
    assert "Dropout" not in operators(exported(network(SMALL), tmp_path))
    assert [str(note) for note in prepare(network(SMALL)).notes] == ["strip_dropout: left out dropout3"]


# --- batch norm ---


def test_every_batch_norm_behind_a_convolution_is_folded_and_named(tmp_path: Path) -> None:
    compiled = network(SMALL)
    model = exported(compiled, tmp_path, "fold_batch_norm")
    assert "BatchNormalization" not in operators(model)
    x = torch.randn(4, *compiled.input)
    hold(model, x, module(compiled)(x))
    note = prepare(compiled, ["fold_batch_norm"]).notes[-1]
    assert str(note) == "fold_batch_norm: 2 folded\n  batch_norm1_1 into conv1_1\n  batch_norm2_1 into conv2_1"


def test_folded_tensors_have_names_of_their_own(tmp_path: Path) -> None:
    """They are not the tensors of the state dict, so nobody may take them for those."""
    names = {each.name for each in exported(network(SMALL), tmp_path, "fold_batch_norm").graph.initializer}
    assert {"features.0.weight/folded", "features.0.bias/folded"} <= names
    assert "features.0.weight" not in names
    assert not any("running" in name for name in names)


@pytest.mark.parametrize("bias", ["true", "false"])
@pytest.mark.parametrize("norm", ["batch_norm", "{batch_norm: {affine: false, eps: 0.01}}"])
def test_folding_without_a_bias_and_without_a_learned_scale(bias: str, norm: str, tmp_path: Path) -> None:
    text = SMALL.replace("{norm: batch_norm}", f"{{norm: {norm}, bias: {bias}}}")
    text = text.replace(
        "classifier: [12,", "classifier: [{fc: {out_features: 12, norm: batch_norm, bias: " + bias + "}},"
    )
    compiled = network(text)
    model = exported(compiled, tmp_path, "fold_batch_norm")
    assert "BatchNormalization" not in operators(model)
    x = torch.randn(3, *compiled.input)
    hold(model, x, module(compiled)(x))


def test_a_batch_norm_behind_something_else_stays_and_is_named(tmp_path: Path) -> None:
    text = SMALL.replace("[8, M, 16, M]", "[batch_norm, 8, batch_norm, M, 16, M]")
    compiled = network(text)
    assert operators(exported(compiled, tmp_path, "fold_batch_norm")).count("BatchNormalization") == 2
    assert prepare(compiled, ["fold_batch_norm"]).notes[-1].details[2:] == (
        "batch_norm1 stays: it is after the input",
        "batch_norm1_1_2 stays: it is after relu",
    )


def test_two_batch_norms_in_a_row_fold_into_one_convolution(tmp_path: Path) -> None:
    text = SMALL.replace(
        "features: [8, M,", "features: [{conv2d: {out_channels: 8, kernel_size: 3}}, batch_norm, batch_norm, M,"
    )
    compiled = network(text)
    model = exported(compiled, tmp_path, "fold_batch_norm")
    assert "BatchNormalization" not in operators(model)
    x = torch.randn(2, *compiled.input)
    hold(model, x, module(compiled)(x))


def test_a_network_without_batch_norm_says_so() -> None:
    assert str(prepare(network(PLAIN), ["fold_batch_norm"]).notes[-1]) == (
        "fold_batch_norm: the network has no batch_norm"
    )


# --- dense evaluation ---


def windows(compiled: Network, x: torch.Tensor) -> torch.Tensor:
    """SMALL's classifier on every 2x2 window of the map: (batch, classes, rows, columns)."""
    made = module(compiled)
    maps = functional.avg_pool2d(made.features(x), 2)  # 4x4 -> 2x2 at the size of the spec
    rows, columns = maps.shape[2] - 1, maps.shape[3] - 1
    scores = [[made.classifier(maps[:, :, i : i + 2, j : j + 2].flatten(1)) for j in range(columns)]
              for i in range(rows)]  # fmt: skip
    return torch.stack([torch.stack(row, dim=-1) for row in scores], dim=-2)


def test_dense_evaluation_is_the_classifier_at_every_place(tmp_path: Path) -> None:
    compiled = network(SMALL)
    model = exported(compiled, tmp_path, "fc_to_conv")
    assert not {"Gemm", "Flatten"} & set(operators(model))
    assert dims(model.graph.input[0]) == ["batch", 3, "height", "width"]
    assert dims(model.graph.output[0]) == ["batch", 5, "rows", "columns"]
    for size in ((16, 16), (24, 40), (33, 17), (64, 64)):
        x = torch.randn(2, 3, *size)
        hold(model, x, windows(compiled, x))


def test_dense_evaluation_at_the_size_of_the_spec_is_the_network(tmp_path: Path) -> None:
    compiled = network(PLAIN)
    x = torch.randn(3, *compiled.input)
    hold(exported(compiled, tmp_path, "fc_to_conv"), x, module(compiled)(x)[:, :, None, None])


def test_dense_evaluation_is_verified_at_several_sizes(tmp_path: Path) -> None:
    exported(network(SMALL), tmp_path, "fc_to_conv")
    report = json.loads((tmp_path / "x.onnx.json").read_text())
    assert [each["size"] for each in report["comparisons"]] == [[16, 16], [24, 32], [33, 25]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pool: 2": "pool: 3"}, r"avgpool \(adaptive_avg_pool2d\): 4x4 -> 3x3 is no plain pool"),
        (
            {"pool: 2": "pool: {adaptive_avg_pool2d: [2, 3]}"},
            r"avgpool \(adaptive_avg_pool2d\): 4x4 -> 2x3 is no plain pool",
        ),
        ({"[12, ": "[softmax, 12, "}, r"softmax\w* \(softmax\): it is between the flatten and the first"),
        ({"[12, ": "[prelu, 12, "}, r"prelu\w* \(prelu\): it is between the flatten and the first"),
        ({"[12, ": "[layer_norm, 12, "}, r"layer_norm\w+ \(layer_norm\): it is between the flatten and the first"),
        ({"[12, ": "[flatten, 12, flatten, "}, r"flatten\w* \(flatten\): the classifier flattens twice"),
        ({"[12, ": "[12, layer_norm, "}, r"--fc-to-conv: layer_norm\w+ \(layer_norm\) is not the same for an input of"),
        (
            {"features: [8,": "features: [{max_pool2d: {kernel_size: 3, stride: 2, ceil_mode: true}}, 8,"},
            r"--fc-to-conv: pool1 \(max_pool2d\) is not the same for an input of 3x16x16 and one of",
        ),
    ],
)
def test_what_is_not_the_same_everywhere_is_refused(changes: dict[str, str], message: str, tmp_path: Path) -> None:
    text = SMALL
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    with pytest.raises(vggc.ProductError, match=message):
        vggc.export_onnx(network(text), tmp_path / "x.onnx", passes=["fc_to_conv"])
    assert list(tmp_path.iterdir()) == []


def test_a_network_without_linear_layers_has_nothing_to_convert(tmp_path: Path) -> None:
    with pytest.raises(vggc.ProductError, match="no linear layer after a flatten"):
        vggc.export_onnx(network(HEADLESS), tmp_path / "x.onnx", passes=["fc_to_conv"])


# --- open sizes ---


def test_a_network_with_a_global_pool_takes_any_size(tmp_path: Path) -> None:
    compiled = network(GLOBAL)
    model = exported(compiled, tmp_path, "dynamic_hw")
    assert dims(model.graph.input[0]) == ["batch", 3, "height", "width"]
    assert dims(model.graph.output[0]) == ["batch", 5]
    for size in ((24, 24), (4, 4), (57, 90)):
        x = torch.randn(2, 3, *size)
        hold(model, x, module(compiled)(x))


def test_a_global_pool_over_a_single_pixel_is_one_at_other_sizes_too(tmp_path: Path) -> None:
    """At the size of the spec it does nothing, and a lowering that knew only that would be wrong at all others."""
    compiled = network(GLOBAL.replace("[3, 24, 24]", "[3, 4, 4]"))
    x = torch.randn(2, 3, 16, 12)
    hold(exported(compiled, tmp_path, "dynamic_hw"), x, module(compiled)(x))


def test_an_output_that_has_one_size_at_all_sizes_says_so(tmp_path: Path) -> None:
    assert dims(exported(network(GLOBAL), tmp_path, "fc_to_conv").graph.output[0]) == ["batch", 5, 1, 1]
    assert dims(exported(network(GLOBAL, until="avgpool"), tmp_path, "dynamic_hw").graph.output[0]) == [
        "batch", 16, 1, 1
    ]  # fmt: skip


def test_features_alone_take_any_size(tmp_path: Path) -> None:
    compiled = network(SMALL, until="pool1")
    model = exported(compiled, tmp_path, "dynamic_hw")
    assert dims(model.graph.output[0]) == ["batch", 8, "rows", "columns"]
    x = torch.randn(1, 3, 30, 18)
    hold(model, x, module(compiled)(x))


WIDE = "{max_pool2d: {kernel_size: [1, 3], stride: [1, 2], ceil_mode: true}}"


@pytest.mark.parametrize(
    "text",
    [
        SMALL,
        PLAIN,
        HEADLESS,
        HEADLESS.replace("{max_pool2d: {kernel_size: 3, stride: 2, ceil_mode: true}}", WIDE),
        HEADLESS.replace("{max_pool2d: {kernel_size: 3, stride: 2, ceil_mode: true}}", "flatten"),
    ],
    ids=["adaptive pool", "linear", "ceil mode", "ceil mode in the width alone", "flatten"],
)
def test_open_sizes_are_refused_where_the_graph_would_be_wrong(text: str, tmp_path: Path) -> None:
    with pytest.raises(vggc.ProductError, match=r"not supported: --dynamic-hw: .* is not the same for an input of"):
        vggc.export_onnx(network(text), tmp_path / "x.onnx", passes=["dynamic_hw"])
    assert list(tmp_path.iterdir()) == []


# --- softmax ---


def test_softmax_gives_probabilities(tmp_path: Path) -> None:
    compiled = network(SMALL)
    model = exported(compiled, tmp_path, "softmax")
    assert model.graph.output[0].name == "probabilities"
    x = torch.randn(3, *compiled.input)
    hold(model, x, module(compiled)(x).softmax(1))


@pytest.mark.parametrize(
    ("text", "message"),
    [(HEADLESS, "ends in features"), (SMALL.replace("classes}]", "classes}, softmax]"), "ends in softmax already")],
)
def test_softmax_needs_logits(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(vggc.ProductError, match=message):
        vggc.export_onnx(network(text), tmp_path / "x.onnx", passes=["softmax"])


# --- preprocessing ---


def in_pillow(pixels: np.ndarray, resize: int, crop: int, mean: float, std: float) -> torch.Tensor:  # type: ignore[type-arg]
    """One image, uint8 (H, W, C), the way that photographs have always been prepared, and without rounding."""
    from PIL import Image

    images = [Image.fromarray(pixels[..., c].astype(np.float32)) for c in range(pixels.shape[2])]
    planes = [np.asarray(image.resize((resize, resize), Image.Resampling.BILINEAR)) for image in images]
    start = (resize - crop) // 2
    x = np.stack(planes)[:, start : start + crop, start : start + crop]
    return torch.from_numpy((x / 255 - mean) / std).float()


@pytest.mark.parametrize("size", [(16, 16), (20, 20), (9, 31), (75, 40)], ids=str)
def test_an_image_of_any_size_goes_in_as_it_was_decoded(size: tuple[int, int], tmp_path: Path) -> None:
    compiled = network(SMALL)
    model = exported(compiled, tmp_path, "embed_preprocess")
    assert (model.graph.input[0].name, dims(model.graph.input[0])) == ("image", ["batch", "height", "width", 3])
    assert model.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    pixels = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    prepared = in_pillow(pixels, 20, 16, 0.5, 0.2)[None]
    hold(model, torch.from_numpy(pixels)[None], module(compiled)(prepared), tolerance=1e-4)


def test_a_crop_alone_takes_the_centre_of_any_image(tmp_path: Path) -> None:
    compiled = network(SMALL.replace("resize: 20, ", ""))
    model = exported(compiled, tmp_path, "embed_preprocess")
    pixels = torch.randint(0, 256, (2, 21, 18, 3), dtype=torch.uint8)
    centre = pixels[:, 2:18, 1:17].permute(0, 3, 1, 2) / 255
    hold(model, pixels, module(compiled)((centre - 0.5) / 0.2))


def test_preprocessing_without_a_size_keeps_that_of_the_spec(tmp_path: Path) -> None:
    compiled = network(GLOBAL)
    model = exported(compiled, tmp_path, "embed_preprocess")
    assert dims(model.graph.input[0]) == ["batch", 24, 24, 3]
    both = exported(compiled, tmp_path, "embed_preprocess", "dynamic_hw")
    assert dims(both.graph.input[0]) == ["batch", "height", "width", 3]


def test_the_opset_that_preprocessing_needs_is_chosen_unless_another_is_asked_for(tmp_path: Path) -> None:
    assert exported(network(SMALL), tmp_path, "embed_preprocess").opset_import[0].version == 18
    with pytest.raises(vggc.ProductError, match="a resize with antialiasing came with opset 18, and the file has 17"):
        vggc.export_onnx(network(SMALL), tmp_path / "y.onnx", passes=["embed_preprocess"], opset=17)
    assert exported(network(GLOBAL), tmp_path, "embed_preprocess", opset=13).opset_import[0].version == 13


@pytest.mark.parametrize(
    ("text", "passes", "message"),
    [(PLAIN, ["embed_preprocess"], "the spec says no `preprocess`"),
     (SMALL, ["embed_preprocess", "fc_to_conv"], "makes every image 16x16")],
)  # fmt: skip
def test_preprocessing_that_cannot_be_embedded(text: str, passes: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(vggc.ProductError, match=message):
        vggc.export_onnx(network(text), tmp_path / "x.onnx", passes=passes)


# --- together ---


@pytest.mark.parametrize("opset", [13, 17, newest_opset()])
@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_all_that_go_together(opset: int, precision: str, tmp_path: Path) -> None:
    text = GLOBAL.replace(
        "features: [8,", "defaults: {conv: {norm: batch_norm}}\nallow: [needless_bias]\nfeatures: [8,"
    )
    compiled = network(text)
    names = ("fold_batch_norm", "dynamic_hw", "softmax", "embed_preprocess")
    model = exported(compiled, tmp_path, *names, opset=opset, precision=precision)
    metadata = {each.key: each.value for each in model.metadata_props}
    assert json.loads(metadata["vggc.passes"]) == [name for name in PASSES if name in names]
    assert metadata["vggc.precision"] == precision
    pixels = torch.randint(0, 256, (2, 30, 26, 3), dtype=torch.uint8)
    prepared = (pixels.permute(0, 3, 1, 2) / 255 - torch.tensor([0.5, 0.4, 0.3]).view(3, 1, 1)) / torch.tensor(
        [0.5, 0.4, 0.3]
    ).view(3, 1, 1)
    hold(model, pixels, module(compiled)(prepared).softmax(1), tolerance=1e-2 if precision == "float16" else 2e-5)


@pytest.mark.parametrize(
    "passes", [[], ["fold_batch_norm"], ["fc_to_conv"], ["fold_batch_norm", "fc_to_conv"]], ids=str
)
def test_a_file_is_verified_by_its_own_weights_through_the_passes(passes: list[str], tmp_path: Path) -> None:
    vggc.export_onnx(network(SMALL), tmp_path / "x.onnx", passes=passes)
    report = vggc.verify_onnx(tmp_path / "x.onnx")
    assert report.verdict == "verified"
    assert "by their checksums" in next(check.detail for check in report.checks if check.name == "weights")


def test_what_says_that_it_was_made_by_an_unknown_pass_is_refused(tmp_path: Path) -> None:
    path = vggc.export_onnx(network(SMALL), tmp_path / "x.onnx").path
    model = onnx.load(str(path))
    next(each for each in model.metadata_props if each.key == "vggc.passes").value = '["future"]'
    onnx.save(model, str(path))
    with pytest.raises(vggc.ProductError, match="this version of vggc does not know"):
        vggc.verify_onnx(path)


@pytest.mark.parametrize("precision", ["float32", "float16", "int8"])
@pytest.mark.parametrize(
    "passes",
    [[], ["fold_batch_norm"], ["fc_to_conv"], ["embed_preprocess"], ["fold_batch_norm", "fc_to_conv"]],
    ids=str,
)
def test_the_same_bytes_twice_and_from_two_folders(passes: list[str], precision: str, tmp_path: Path) -> None:
    text = SMALL.replace("linear: {normal: 0.05}", "linear: kaiming_normal")
    files = []
    for folder in ("one", "two"):
        path = tmp_path / folder / "x.onnx"
        vggc.export_onnx(network(text), path, passes=passes, precision=precision)  # type: ignore[arg-type]
        files.append(path.read_bytes())
    assert files[0] == files[1]
    assert str(tmp_path).encode() not in files[0]
