"""float16 and int8: every kind, the tolerances that are stated, the sizes that are reported, and what is refused."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import vggc
from tests.networks import SMALL, network
from tests.pictures import noise, save
from vggc.data import calibration
from vggc.layers import BUILT_IN, KINDS
from vggc.layers.layer import Layer
from vggc.passes import PASSES, prepare
from vggc.verify.outputs import relative_l2
from vggc.verify.report import TOLERANCES
from vggc.verify.revealing_weights import revealing_weights
from vggc.verify.sessions import newest_opset

TELLING = SMALL.replace("linear: {normal: 0.05}", "linear: kaiming_normal")


def spec_of(cls: type[Layer]) -> str:
    """A kind's example between layers that learn something, so that its errors reach the output."""
    head = "vggc: 1\nname: kind\ninput: [3, 9, 9]\nclasses: 5\ndefaults: {conv: {activation: none}}\n"
    if cls.kind == "linear":
        return f"{head}features: [16]\nclassifier:\n- {cls.example}\n"
    behind = "" if cls.kind == "flatten" else "- conv2d: {out_channels: 3, kernel_size: 1}\n"
    return f"{head}features:\n- 16\n- {cls.example}\n{behind}classifier: none\n"


# --- every kind ---


every_kind = pytest.mark.parametrize("cls", BUILT_IN, ids=list(KINDS))


@every_kind
def test_every_kind_exports_and_verifies_in_every_opset(cls: type[Layer], tmp_path: Path) -> None:
    compiled = network(spec_of(cls))
    for opset in range(13, newest_opset() + 1):
        exported = vggc.export_onnx(compiled, tmp_path / "x.onnx", opset=opset)
        model = onnx.load(str(exported.path))
        assert exported.report.verdict == "verified"
        assert [(each.domain, each.version) for each in model.opset_import] == [("", opset)]
        assert model.ir_version == onnx.helper.find_min_ir_version_for(list(model.opset_import))


@every_kind
def test_every_kind_in_float16(cls: type[Layer], tmp_path: Path) -> None:
    """float32 at both ends, and nothing wider between them than what ONNX insists on."""
    compiled = network(spec_of(cls))
    torch.save(revealing_weights(compiled), tmp_path / "w.pt")
    for opset in (13, 18, newest_opset()):
        path = tmp_path / f"{opset}.onnx"
        report = vggc.export_onnx(compiled, path, weights=tmp_path / "w.pt", opset=opset, precision="float16").report
        assert report.verdict == "verified"
        model = onnx.load(str(path))
        ends = [value.type.tensor_type.elem_type for value in (model.graph.input[0], model.graph.output[0])]
        assert ends == [onnx.TensorProto.FLOAT] * 2
        assert {each.data_type for each in model.graph.initializer} == {onnx.TensorProto.FLOAT16}


# --- float16 ---


def test_float16_is_half_as_large_and_its_error_is_reported(tmp_path: Path) -> None:
    compiled = network(TELLING)
    sizes = {}
    for precision in ("float32", "float16"):
        exported = vggc.export_onnx(compiled, tmp_path / "x.onnx", precision=precision)  # type: ignore[arg-type]
        sizes[precision] = sum(len(each.raw_data) for each in onnx.load(str(exported.path)).graph.initializer)
    assert sizes["float16"] * 2 == sizes["float32"]
    assert exported.report.precision == "float16"
    assert all(1e-5 < each.relative_l2 < TOLERANCES["float16"].relative_l2 for each in exported.report.comparisons)
    assert ", float16" in str(exported.report).splitlines()[0]


def test_a_weight_that_float16_cannot_hold_is_refused(tmp_path: Path) -> None:
    compiled = network(TELLING)
    state = compiled.module().state_dict()
    state["features.0.weight"][0, 0, 0, :2] = 1e6
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(vggc.ProductError, match=r"2 of the 216 values of features\.0\.weight are beyond 65504"):
        vggc.export_onnx(compiled, tmp_path / "x.onnx", weights=tmp_path / "w.pt", precision="float16")
    assert [each.name for each in tmp_path.iterdir()] == ["w.pt"]


def test_activations_that_float16_cannot_hold_are_a_mismatch(tmp_path: Path) -> None:
    """Each weight is small enough, and what they add up to is not."""
    compiled = network(TELLING.replace("{norm: batch_norm}", "{}"))
    state = compiled.module().state_dict()
    for key in state:
        if key.endswith("weight"):
            state[key] *= 100
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(vggc.VerificationError) as caught:
        vggc.export_onnx(compiled, tmp_path / "x.onnx", weights=tmp_path / "w.pt", precision="float16")
    assert caught.value.report.verdict == "mismatch"
    assert caught.value.report.reason.startswith("float16 range: values up to ")
    assert caught.value.report.culprit is not None


# --- int8 ---


def images(count: int, shape: tuple[int, ...] = (1, 3, 16, 16)) -> list[np.ndarray]:  # type: ignore[type-arg]
    generator = np.random.default_rng(0)
    return [generator.standard_normal(shape).astype(np.float32) for _ in range(count)]


def operators(path: Path) -> set[str]:
    return {node.op_type for node in onnx.load(str(path)).graph.node}


def test_static_int8_is_calibrated_and_compared_on_other_images(tmp_path: Path) -> None:
    compiled = network(TELLING)
    exported = vggc.export_onnx(
        compiled, tmp_path / "x.onnx", precision="int8", calibration=images(20), passes=["fold_batch_norm"]
    )
    assert {"QuantizeLinear", "DequantizeLinear"} <= operators(exported.path)
    note = exported.report.notes[-1]
    assert note.summary.startswith("static, calibrated on 15 images, compared on 5 others; ")
    assert [(each.seed, each.batch) for each in exported.report.comparisons] == [(None, 5)]
    assert all(each.relative_l2 < TOLERANCES["int8"].relative_l2 for each in exported.report.comparisons)
    x = images(1, (8, 3, 16, 16))[0]
    actual = onnxruntime.InferenceSession(str(exported.path)).run(None, {"input": x})[0]
    with torch.no_grad():
        expected = compiled.module().eval()(torch.from_numpy(x)).numpy()
    assert relative_l2(actual, expected) < TOLERANCES["int8"].relative_l2


@pytest.mark.parametrize(
    ("count", "summary"),
    [(1, "calibrated on 1 image, compared on the same"), (4, "calibrated on 3 images, compared on 1 other")],
)
def test_few_images(count: int, summary: str, tmp_path: Path) -> None:
    exported = vggc.export_onnx(network(TELLING), tmp_path / "x.onnx", precision="int8", calibration=images(count))
    assert exported.report.notes[-1].summary.startswith(f"static, {summary}; ")


def test_calibration_on_a_folder_and_on_training_images(tmp_path: Path) -> None:
    compiled = network(TELLING)
    for i in range(12):
        save(tmp_path / "images" / str(i % 2) / f"{i}.png", noise(17 + i, 30, 3, seed=i))
    exported = vggc.export_onnx(
        compiled,
        tmp_path / "x.onnx",
        precision="int8",
        calibration=str(tmp_path / "images"),
        passes=["embed_preprocess"],
    )
    assert exported.report.notes[-1].summary.startswith("static, calibrated on 9 images, compared on 3 others")
    grey = network(
        TELLING.replace("[3, 16, 16]", "[1, 16, 16]").replace(
            "mean: [0.5, 0.5, 0.5], std: [0.2, 0.2, 0.2]", "mean: [0.5]"
        )
    )
    exported = vggc.export_onnx(grey, tmp_path / "y.onnx", precision="int8", calibration="digits")
    assert exported.report.notes[-1].summary.startswith("static, calibrated on 192 images, compared on 64 others")


def test_the_images_are_spread_over_the_folder_and_each_is_a_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "MOST_IMAGES", 3)
    for i in range(7):
        save(tmp_path / f"{i}.png", np.full((20, 20, 3), i, np.uint8))
    told: list[tuple[str, int, int]] = []
    program = prepare(network(TELLING), ["embed_preprocess"])
    inputs = calibration.calibration_inputs(program, str(tmp_path), lambda *step: told.append(step))
    assert [int(each.max()) for each in inputs] == [0, 2, 4]
    assert {(each.dtype, each.shape) for each in inputs} == {(np.dtype(np.uint8), (1, 20, 20, 3))}
    assert told == [("reading images", i, 3) for i in range(4)]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("grey", r"grey/0\.png is grey \(1 channel\), and small takes RGB \(3 channels\); convert it first"),
        ("empty", "--calibration empty: there are no images in it"),
        ("nowhere:there", "--calibration nowhere:there: there is no such folder, and no such source of images"),
    ],
)
def test_calibration_that_cannot_be(words: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "grey" / "0.png", noise(20, 20, 1))
    (tmp_path / "empty").mkdir()
    with pytest.raises(vggc.ProductError, match=message):
        vggc.export_onnx(network(TELLING), "x.onnx", precision="int8", calibration=words)
    assert not Path("x.onnx").exists()


def test_calibration_without_int8_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(vggc.ProductError, match="only used for int8"):
        vggc.export_onnx(network(TELLING), tmp_path / "x.onnx", calibration=images(4))


def test_int8_weights_in_a_file_beside_are_refused(tmp_path: Path) -> None:
    with pytest.raises(vggc.ProductError, match="not supported: --external-data with --int8"):
        vggc.export_onnx(network(TELLING), tmp_path / "x.onnx", precision="int8", external_data=True)
    assert list(tmp_path.iterdir()) == []


def test_dense_evaluation_behind_a_global_pool_in_int8(tmp_path: Path) -> None:
    """onnxruntime's quantiser writes the output's shape anew, by what it infers."""
    compiled = network(TELLING.replace("pool: 2", "pool: 1"))
    exported = vggc.export_onnx(compiled, tmp_path / "x.onnx", precision="int8", passes=["fc_to_conv"])
    assert exported.report.verdict == "verified"


def test_dynamic_int8_where_there_are_no_images(tmp_path: Path) -> None:
    exported = vggc.export_onnx(network(TELLING), tmp_path / "x.onnx", precision="int8")
    assert {"DynamicQuantizeLinear", "ConvInteger"} <= operators(exported.path)
    assert exported.report.notes[-1].summary.startswith("dynamic, without calibration images; ")
    assert "2 batch_norm are between the layers" in exported.report.notes[-1].details[0]


def test_an_int8_file_says_what_it_is_and_keeps_its_metadata(tmp_path: Path) -> None:
    path = vggc.export_onnx(network(TELLING), tmp_path / "x.onnx", precision="int8").path
    model = onnx.load(str(path))
    metadata = {each.key: each.value for each in model.metadata_props}
    assert (model.producer_name, metadata["vggc.precision"]) == ("vggc", "int8")
    assert {"vggc.spec", "vggc.classes", "vggc.preprocess"} <= metadata.keys()
    assert json.loads(metadata["vggc.tensors_crc32"]).keys() == {each.name for each in model.graph.initializer}


def test_what_the_passes_add_stays_in_float(tmp_path: Path) -> None:
    pixels = [np.random.default_rng(i).integers(0, 256, (1, 30, 21 + i, 3), dtype=np.uint8) for i in range(8)]
    exported = vggc.export_onnx(
        network(TELLING), tmp_path / "x.onnx", precision="int8", calibration=pixels, passes=["embed_preprocess"]
    )
    graph = onnx.load(str(exported.path)).graph
    assert graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert not any("preprocess" in each for node in graph.node if "Quantize" in node.op_type for each in node.input[:1]
                   if each != "preprocess")  # fmt: skip


def test_every_pass_is_known_to_the_command_line() -> None:
    from vggc.cli.exporting import export

    flags = {option.name for option in export.params}
    assert set(PASSES) <= flags
