"""Verification: planted faults are found and named, and what cannot be told is called inconclusive."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

import vggc
from tests.networks import SMALL, network
from vggc.errors import VerificationError
from vggc.verify.outputs import compare, relative_l2
from vggc.verify.report import RELATIVE_L2

DEFAULT_INIT = """\
vggc: 1
name: quiet
input: [3, 32, 32]
classes: 10
features: [64, 64, M, 128, 128, M, 256, 256, 256, M]
classifier: [{linear: classes}]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return vggc.export_onnx(network(SMALL), tmp_path / "x.onnx").path


def altered(file: Path, change: Callable[[onnx.ModelProto], None]) -> Path:
    model = onnx.load(str(file))
    change(model)
    onnx.save(model, str(file))
    return file


def node(model: onnx.ModelProto, name: str) -> onnx.NodeProto:
    return next(each for each in model.graph.node if each.name == name)


def attribute(model: onnx.ModelProto, name: str, key: str) -> onnx.AttributeProto:
    return next(each for each in node(model, name).attribute if each.name == key)


def mismatch(file: Path, **options: Path) -> vggc.VerificationError:
    with pytest.raises(VerificationError) as caught:
        vggc.verify_onnx(file, network(SMALL), **options)
    assert caught.value.report.verdict == "mismatch"
    return caught.value


def test_a_file_of_ours_is_verified_by_its_own_spec(file: Path) -> None:
    report = vggc.verify_onnx(file)
    assert report.verdict == "verified"
    assert all(check.passed for check in report.checks)
    assert [each.batch for each in report.comparisons] == [1, 2, 3, 1, 2]
    assert all(each.relative_l2 < RELATIVE_L2 for each in report.comparisons)
    assert all(control.seen for control in report.controls)


def test_a_wrong_pad_is_named(file: Path) -> None:
    def change(model: onnx.ModelProto) -> None:
        attribute(model, "features.4", "pads").ints[:] = [0, 0, 2, 2]

    culprit = mismatch(altered(file, change)).report.culprit
    assert culprit is not None
    assert (culprit.path, culprit.alias, culprit.place) == ("features.4", "conv2_1", "test.yaml:6:18")
    assert culprit.before <= RELATIVE_L2 < culprit.relative_l2


def test_another_epsilon_is_named(file: Path) -> None:
    """Fresh statistics hide it (1 / sqrt(1 + 1e-3) is hardly not 1); the run with random statistics does not."""

    def change(model: onnx.ModelProto) -> None:
        attribute(model, "features.5", "epsilon").f = 0.01

    culprit = mismatch(altered(file, change)).report.culprit
    assert culprit is not None
    assert culprit.alias == "batch_norm2_1"


def test_swapped_running_statistics_are_seen_though_fresh(file: Path) -> None:
    def change(model: onnx.ModelProto) -> None:
        inputs = node(model, "features.1").input
        inputs[1], inputs[4] = inputs[4], inputs[1]

    report = mismatch(altered(file, change)).report
    assert "He" in report.reason


def test_a_swapped_pool_is_named(file: Path) -> None:
    def change(model: onnx.ModelProto) -> None:
        pool = node(model, "features.3")
        pool.op_type = "AveragePool"
        for each in [each for each in pool.attribute if each.name == "dilations"]:
            pool.attribute.remove(each)

    error = mismatch(altered(file, change))
    assert "2 AveragePool instead of 1" in error.report.reason
    assert error.report.culprit is not None
    assert error.report.culprit.alias == "pool1"


def test_a_wrong_transpose_is_found(file: Path) -> None:
    def change(model: onnx.ModelProto) -> None:
        attribute(model, "classifier.0", "transB").i = 0

    assert mismatch(altered(file, change)).report.reason.startswith(("onnx checker", "shapes"))


def test_a_changed_weight_is_found_when_the_weights_are_known(file: Path, tmp_path: Path) -> None:
    from vggc.weights import save_weights

    save_weights(network(SMALL).module(), tmp_path / "w.safetensors")

    def change(model: onnx.ModelProto) -> None:
        weight = next(each for each in model.graph.initializer if each.name == "features.4.weight")
        values = onnx.numpy_helper.to_array(weight).copy()
        values[0, 0, 0, 0] += 1
        weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))

    report = mismatch(altered(file, change), weights=tmp_path / "w.safetensors").report
    assert report.reason == "weights: features.4.weight differs from the module's"
    assert report.culprit is not None
    assert report.culprit.alias == "conv2_1"


def test_the_first_difference_is_found_in_a_model_whose_weights_are_in_a_file_beside(tmp_path: Path) -> None:
    path = vggc.export_onnx(network(SMALL), tmp_path / "x.onnx", external_data=True).path
    model = onnx.load(str(path), load_external_data=False)
    attribute(model, "features.1", "epsilon").f = 0.5
    path.write_bytes(model.SerializeToString())
    culprit = mismatch(path).report.culprit
    assert culprit is not None
    assert culprit.path == "features.1"


def test_a_frozen_batch_is_found(file: Path) -> None:
    def change(model: onnx.ModelProto) -> None:
        model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1

    assert mismatch(altered(file, change)).report.reason.startswith("inputs and outputs")


def test_another_ir_version_is_found(file: Path) -> None:
    def change(model: onnx.ModelProto) -> None:
        model.ir_version = 10

    assert mismatch(altered(file, change)).report.reason == "IR version: 10, the opset needs 8"


def test_torchs_default_init_hides_errors_and_he_weights_show_them(tmp_path: Path) -> None:
    """The first control may pass unseen; the second, with He weights, must not."""
    report = vggc.export_onnx(network(DEFAULT_INIT), tmp_path / "x.onnx").report
    assert report.verdict == "verified"
    assert report.controls[-1].seen


def test_a_network_that_hides_its_errors_is_inconclusive(tmp_path: Path) -> None:
    """A softmax over one channel is 1 whatever stands before it."""
    text = "vggc: 1\nname: deaf\ninput: [3, 8, 8]\nfeatures: [1, softmax]\nclassifier: none\n"
    with pytest.raises(VerificationError) as caught:
        vggc.export_onnx(network(text), tmp_path / "x.onnx")
    assert caught.value.report.verdict == "inconclusive"
    assert "an error might stay unseen" in caught.value.report.reason
    assert list(tmp_path.iterdir()) == []


def test_the_report_is_json_with_what_it_rests_on(file: Path) -> None:
    report = json.loads(file.with_name("x.onnx.json").read_text())
    assert report["verdict"] == "verified"
    assert report["tolerances"]["relative_l2"] == RELATIVE_L2
    assert report["versions"]["vggc"] == vggc.__version__
    assert report["operators"]["Conv"] == 2


@pytest.mark.parametrize("content", [b"", b"\x00" * 64, b"not onnx at all", b"\x08\x08"])
def test_a_file_that_is_no_model(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "x.onnx"
    file.write_bytes(content)
    with pytest.raises(vggc.ProductError, match=r"x\.onnx"):
        vggc.verify_onnx(file)


def test_a_truncated_file(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(vggc.ProductError, match="is no ONNX file"):
        vggc.verify_onnx(file)


def test_a_file_of_another_network(file: Path, tmp_path: Path) -> None:
    other = network(SMALL.replace("[8, M, 16, M]", "[8, M, 8, M]"))
    with pytest.raises(vggc.ProductError, match="the weights are not those of small"):
        vggc.verify_onnx(file, other)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(vggc.ProductError, match="no such file"):
        vggc.verify_onnx(tmp_path / "x.onnx")


def test_relative_l2_counts_what_is_not_finite_as_infinite() -> None:
    one = np.ones((1, 3), np.float32)
    assert relative_l2(one, one) == 0
    assert relative_l2(one * np.nan, one) == float("inf")
    assert relative_l2(one, one * 0) == float("inf")
    assert relative_l2(one * 0, one * 0) == 0
    assert relative_l2(one * 1.5, one) == pytest.approx(0.5)


def test_a_winner_that_changes_is_no_agreement_unless_it_is_a_tie() -> None:
    expected = np.array([[1.0, 0.5, 0.0]], np.float32)
    assert not compare("w", 0, 1, np.array([[0.5, 1.0, 0.0]], np.float32), expected).argmax_agrees
    tie = np.array([[1.0, 1.0 - 1e-6, 0.0]], np.float32)
    assert compare("w", 0, 1, tie[:, [1, 0, 2]], tie).argmax_agrees
