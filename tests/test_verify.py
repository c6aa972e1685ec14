"""Verification: planted faults are found and named, and what cannot be told is called inconclusive."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn
from torch.nn import functional

import vggc
from tests.networks import PLAIN, SMALL, network
from vggc.base.errors import VerificationError
from vggc.verify.model_file import data_files, is_external, read_model, same_bits, values
from vggc.verify.outputs import compare, perturbed, relative_l2
from vggc.verify.report import FLOAT32
from vggc.verify.revealing_weights import revealing_weights
from vggc.weights.loading import save_weights

RELATIVE_L2 = FLOAT32.relative_l2

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
    assert culprit.before is not None
    assert culprit.relative_l2 is not None
    assert 0 < culprit.before <= RELATIVE_L2 < culprit.relative_l2  # rounding, and not where it began


def test_a_wrong_pad_is_named_by_its_layer_though_a_norm_was_folded_into_it(tmp_path: Path) -> None:
    vggc.export_onnx(network(SMALL), tmp_path / "x.onnx", passes=["fold_batch_norm"])

    def change(model: onnx.ModelProto) -> None:
        attribute(model, "features.4", "pads").ints[:] = [0, 0, 2, 2]

    culprit = mismatch(altered(tmp_path / "x.onnx", change)).report.culprit
    assert culprit is not None
    assert (culprit.path, culprit.kind) == ("features.4", "conv2d")
    assert culprit.before is not None
    assert culprit.before < RELATIVE_L2 < (culprit.relative_l2 or 0)


def test_another_epsilon_is_named(file: Path) -> None:
    """Fresh statistics hide it (1 / sqrt(1 + 1e-3) is hardly not 1); the run with random statistics does not."""

    def change(model: onnx.ModelProto) -> None:
        attribute(model, "features.5", "epsilon").f = 0.01

    culprit = mismatch(altered(file, change)).report.culprit
    assert culprit is not None
    assert culprit.alias == "batch_norm2_1"
    assert culprit.difference == "epsilon is 0.01 instead of 1e-05"


def test_swapped_running_statistics_are_named_though_fresh(file: Path) -> None:
    def change(model: onnx.ModelProto) -> None:
        inputs = node(model, "features.1").input
        inputs[1], inputs[4] = inputs[4], inputs[1]

    report = mismatch(altered(file, change)).report
    assert report.reason.startswith("nodes: features.1: inputs features.0, features.1.running_var, features.1.bias")
    assert report.culprit is not None
    assert report.culprit.alias == "batch_norm1_1"


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


SQUARE = SMALL.replace("classifier: [12,", "classifier: [64,")  # the map is flattened to 64 values


@pytest.mark.parametrize("text", [SMALL, SQUARE], ids=["impossible", "possible"])
def test_a_wrong_transpose_is_named(text: str, tmp_path: Path) -> None:
    """With a square weight nothing but the values is wrong; with any other one the file does not even load."""
    file = vggc.export_onnx(network(text), tmp_path / "x.onnx").path

    def change(model: onnx.ModelProto) -> None:
        attribute(model, "classifier.0", "transB").i = 0

    altered(file, change)
    with pytest.raises(VerificationError) as caught:
        vggc.verify_onnx(file, network(text))
    culprit = caught.value.report.culprit
    assert caught.value.report.verdict == "mismatch"
    assert culprit is not None
    assert (culprit.alias, culprit.place) == ("fc3", "test.yaml:8:14")
    assert culprit.difference == "transB is 0 instead of 1"
    assert (culprit.relative_l2 is None) == (text == SMALL)


def change_a_weight(model: onnx.ModelProto) -> None:
    weight = next(each for each in model.graph.initializer if each.name.startswith("features.4.weight"))
    values = onnx.numpy_helper.to_array(weight).copy()
    values[0, 0, 0, 0] += 1
    weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))


def test_a_changed_weight_is_named_when_the_weights_are_known(file: Path, tmp_path: Path) -> None:
    save_weights(network(SMALL).module(), tmp_path / "w.safetensors")
    report = mismatch(altered(file, change_a_weight), weights=tmp_path / "w.safetensors").report
    assert report.reason == "weights: features.4.weight differs from the reference's"
    assert report.culprit is not None
    assert (report.culprit.alias, report.culprit.place) == ("conv2_1", "test.yaml:6:18")
    assert report.culprit.before is not None
    assert report.culprit.before <= RELATIVE_L2


@pytest.mark.parametrize("passes", [[], ["fold_batch_norm"], ["fc_to_conv"]], ids=str)
@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_a_changed_weight_is_named_by_its_checksum_alone(passes: list[str], precision: str, tmp_path: Path) -> None:
    """The weights that were exported are not at hand; what was written with them tells."""
    path = tmp_path / "x.onnx"
    vggc.export_onnx(network(SMALL), path, passes=passes, precision=precision)  # type: ignore[arg-type]
    altered(path, change_a_weight)
    with pytest.raises(VerificationError) as caught:
        vggc.verify_onnx(path)
    report = caught.value.report
    assert (report.verdict, report.reason.partition(" is not what was exported")[1]) == (
        "mismatch", " is not what was exported",
    )  # fmt: skip
    assert report.culprit is not None
    assert (report.culprit.alias, report.culprit.kind) == ("conv2_1", "conv2d")


FAULTS: dict[str, tuple[str, Callable[[onnx.ModelProto], None]]] = {
    "a wrong pad": ("conv2_1", lambda model: attribute(model, "features.4", "pads").ints.__setitem__(0, 0)),
    "a wrong stride": ("pool1", lambda model: attribute(model, "features.3", "strides").ints.__setitem__(0, 1)),
    "a removed relu": ("relu1_1", lambda model: setattr(node(model, "features.2"), "op_type", "Identity")),
    "another activation": ("relu2_1", lambda model: setattr(node(model, "features.6"), "op_type", "Tanh")),
    "a wrong bias": ("fc4", lambda model: node(model, "classifier.3").input.__delitem__(2)),
}


@pytest.mark.parametrize("precision", ["float32", "float16"])
@pytest.mark.parametrize("fault", FAULTS)
def test_planted_faults_are_named(fault: str, precision: str, tmp_path: Path) -> None:
    alias, change = FAULTS[fault]
    text = SMALL.replace("bias: zeros", "bias: {normal: 0.1}")
    path = tmp_path / "x.onnx"
    vggc.export_onnx(network(text), path, precision=precision)  # type: ignore[arg-type]
    altered(path, change)
    with pytest.raises(VerificationError) as caught:
        vggc.verify_onnx(path)
    culprit = caught.value.report.culprit
    assert caught.value.report.verdict == "mismatch"
    assert culprit is not None
    assert culprit.alias == alias
    assert culprit.difference


def test_the_intermediate_values_are_not_all_held(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for a single map, the search asks onnxruntime for one map after the other, and stops at the fault."""
    from vggc.verify import bisection

    asked: list[list[str]] = []
    original = bisection._run_until
    monkeypatch.setattr(bisection, "MAX_BYTES", 1)
    monkeypatch.setattr(
        bisection, "_run_until", lambda structure, names, *rest: asked.append(names) or original(
            structure, names, *rest)
    )  # fmt: skip

    def change(model: onnx.ModelProto) -> None:
        attribute(model, "features.4", "pads").ints[:] = [0, 0, 2, 2]

    assert mismatch(altered(file, change)).report.culprit is not None
    assert asked == [["features.0"], ["features.1"], ["features.2"], ["features.3"], ["features.4"]]


def test_what_onnxruntime_does_not_run_is_a_failure_and_no_mismatch(tmp_path: Path) -> None:
    """Nobody can say whether the outputs agree where there are none."""
    value = onnx.helper.make_tensor_value_info
    kernel = onnx.numpy_helper.from_array(np.zeros((5, 3, 16, 16)), "kernel")
    nodes = [
        onnx.helper.make_node("Cast", ["input"], ["double"], to=onnx.TensorProto.DOUBLE),
        onnx.helper.make_node("Conv", ["double", "kernel"], ["map"]),
        onnx.helper.make_node("Cast", ["map"], ["single"], to=onnx.TensorProto.FLOAT),
        onnx.helper.make_node("Flatten", ["single"], ["logits"]),
    ]
    ends = [value("input", 1, ["batch", 3, 16, 16])], [value("logits", 1, ["batch", 5])]
    graph = onnx.helper.make_graph(nodes, "g", *ends, initializer=[kernel])
    imports = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=imports, ir_version=8), tmp_path / "x.onnx")
    save_weights(network(SMALL).module(), tmp_path / "w.pt")
    with pytest.raises(vggc.ProductError, match=r"onnxruntime does not run x\.onnx: .*NOT_IMPLEMENTED.*Conv") as caught:
        vggc.verify_onnx(tmp_path / "x.onnx", network(SMALL), weights=tmp_path / "w.pt")
    assert not isinstance(caught.value, VerificationError)


@pytest.mark.filterwarnings(
    "ignore:You are using the legacy TorchScript-based ONNX export", "ignore:The feature will be"
)
def test_a_file_of_another_maker_is_held_against_the_outputs(tmp_path: Path) -> None:
    """Other names, other operators, an opset of its own: what counts is what it computes."""
    compiled = network(SMALL)
    module = compiled.module().eval()
    save_weights(module, tmp_path / "w.pt")
    torch.onnx.export(
        module, (torch.randn(2, 3, 16, 16),), str(tmp_path / "x.onnx"), dynamo=False, input_names=["x"],
        output_names=["y"], dynamic_axes={"x": {0: "n"}, "y": {0: "n"}}, opset_version=14,
    )  # fmt: skip
    report = vggc.verify_onnx(tmp_path / "x.onnx", compiled, weights=tmp_path / "w.pt")
    assert report.verdict == "verified"
    save_weights(compiled.module(seed=8), tmp_path / "other.pt")
    with pytest.raises(VerificationError) as caught:
        vggc.verify_onnx(tmp_path / "x.onnx", compiled, weights=tmp_path / "other.pt")
    assert caught.value.report.verdict == "mismatch"
    assert caught.value.report.culprit is None  # its values have names of its own


def test_a_file_of_another_maker_may_keep_constants_beside_its_weights(tmp_path: Path) -> None:
    compiled = network(PLAIN)
    vggc.export_onnx(compiled, tmp_path / "x.onnx")
    model = onnx.load(str(tmp_path / "x.onnx"))
    flatten = next(node for node in model.graph.node if node.op_type == "Flatten")
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([0, -1]), "val_8"))
    flatten.CopyFrom(onnx.helper.make_node("Reshape", [flatten.input[0], "val_8"], [*flatten.output]))
    del model.metadata_props[:]
    onnx.save(model, str(tmp_path / "x.onnx"))
    assert vggc.verify_onnx(tmp_path / "x.onnx", compiled).verdict == "verified"
    model.graph.initializer[0].name = "renamed"
    model.graph.node[0].input[1] = "renamed"
    onnx.save(model, str(tmp_path / "x.onnx"))
    with pytest.raises(
        vggc.ProductError, match=r"features\.0\.weight\nname those that the file was made from with --w"
    ):
        vggc.verify_onnx(tmp_path / "x.onnx", compiled)


def test_torchs_own_exporter_as_a_second_opinion(tmp_path: Path) -> None:
    compiled = network(SMALL)
    exported = vggc.export_onnx(compiled, tmp_path / "x.onnx", exporter="torch")
    assert (exported.report.verdict, exported.report.opset) == ("verified", 20)
    content = exported.path.read_bytes()
    assert b"site-packages" not in content
    assert str(Path(__file__).parents[1]).encode() not in content
    torch.save(compiled.module().state_dict(), tmp_path / "w.pt")
    assert vggc.verify_onnx(exported.path, weights=tmp_path / "w.pt").verdict == "verified"
    with pytest.raises(vggc.ProductError, match="was asked for opset 13, and wrote 18; ask for 18"):
        vggc.export_onnx(compiled, tmp_path / "y.onnx", exporter="torch", opset=13)
    with pytest.raises(vggc.ProductError, match="not supported: --exporter torch with passes"):
        vggc.export_onnx(compiled, tmp_path / "y.onnx", exporter="torch", passes=["softmax"])
    assert not (tmp_path / "y.onnx").exists()


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


def test_an_infinite_error_is_null_in_json(file: Path) -> None:
    report = vggc.verify_onnx(file)
    report.controls[0] = replace(report.controls[0], relative_l2=float("inf"))

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    assert json.loads(report.to_json(), parse_constant=refuse)["controls"][0]["relative_l2"] is None


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
    assert report["tolerance"]["relative_l2"] == RELATIVE_L2
    assert report["versions"]["vggc"] == vggc.__version__
    assert report["operators"]["Conv"] == 2


@pytest.mark.parametrize("content", [b"", b"\x00" * 64, b"not onnx at all", b"\x08\x08"])
def test_a_file_that_is_no_model(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "x.onnx"
    file.write_bytes(content)
    with pytest.raises(vggc.ProductError, match=r"x\.onnx"):
        vggc.verify_onnx(file)


def test_a_mapped_model_leaves_large_tensors_in_the_file(file: Path) -> None:
    whole, mapped = read_model(file), read_model(file, mapped=True)
    inside, outside = ({each.name: each for each in model.graph.initializer} for model in (whole, mapped))
    assert list(inside) == list(outside)
    assert 0 < sum(is_external(tensor) for tensor in outside.values()) < len(outside)
    assert all(same_bits(values(inside[name], file), values(outside[name], file)) for name in inside)
    assert data_files(file, mapped) == []
    for model in (whole, mapped):
        del model.graph.initializer[:]
    assert whole == mapped


@pytest.mark.parametrize("weights", ["w.pt", None])
def test_a_byte_of_a_large_tensor_is_found(weights: str | None, file: Path, tmp_path: Path) -> None:
    torch.save(network(SMALL).module().state_dict(), tmp_path / "w.pt")
    tensor = next(each for each in read_model(file, mapped=True).graph.initializer if is_external(each))
    entries = {each.key: each.value for each in tensor.external_data}
    content = bytearray(file.read_bytes())
    content[int(entries["offset"]) + int(entries["length"]) // 2] ^= 1
    file.write_bytes(content)
    options = {"weights": tmp_path / weights} if weights is not None else {}
    assert mismatch(file, **options).report.reason.startswith(f"weights: {tensor.name} ")


def test_a_large_tensor_with_too_few_bytes_is_found(file: Path) -> None:
    def change(model: onnx.ModelProto) -> None:
        weight = next(each for each in model.graph.initializer if each.name == "features.4.weight")
        weight.raw_data = weight.raw_data[:-4]

    with pytest.raises(vggc.ProductError, match=r"x\.onnx is damaged: features\.4\.weight: "):
        vggc.verify_onnx(altered(file, change))


def test_weights_that_float16_cannot_hold_are_not_those_of_a_float16_file(tmp_path: Path) -> None:
    vggc.export_onnx(network(SMALL), tmp_path / "x.onnx", precision="float16")
    state = network(SMALL).module().state_dict()
    state["features.0.weight"][0] = 1e30
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(vggc.ProductError, match=r"not supported: .* of features\.0\.weight are beyond 65504"):
        vggc.verify_onnx(tmp_path / "x.onnx", weights=tmp_path / "w.pt")


def test_a_truncated_file(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(vggc.ProductError, match="is not an ONNX file"):
        vggc.verify_onnx(file)


def test_a_file_of_another_network(file: Path, tmp_path: Path) -> None:
    def found(old: str, new: str) -> str:
        assert old in SMALL
        with pytest.raises(VerificationError) as caught:
            vggc.verify_onnx(file, network(SMALL.replace(old, new)))
        assert caught.value.report.verdict == "mismatch"
        return str(caught.value.report.culprit)

    assert found("[8, M, 16, M]", "[8, M, 8, M]") == (
        "features.4 (conv2_1, conv2d) at test.yaml:6:18: features.4.weight is [16, 8, 3, 3] instead of [8, 8, 3, 3]"
    )
    assert found("M, 16, M", "M, {conv: {out_channels: 16, kernel_size: 5}}, M") == (
        "features.4 (conv2_1, conv2d) at test.yaml:6:19: kernel_shape is [3, 3] instead of [5, 5]"
    )
    assert found("[12, ", "[12, prelu, ") == ("classifier.3 (prelu3, prelu) at test.yaml:8:18: Gemm instead of PRelu")


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


@pytest.mark.parametrize("hides", [nn.InstanceNorm2d(4), nn.GroupNorm(1, 4), nn.Identity()], ids=str)
def test_no_norm_undoes_what_a_control_perturbs(hides: nn.Module) -> None:
    weight, x = torch.randn(4, 3, 3, 3), torch.randn(2, 3, 8, 8)
    right, wrong = (hides(functional.conv2d(x, each)).detach().numpy() for each in (weight, perturbed(weight)))
    assert relative_l2(wrong, right) > 0.3


def test_revealing_weights_differ_from_channel_to_channel_and_from_initial_ones() -> None:
    for name, tensor in revealing_weights(network(SMALL)).items():
        if name.endswith("num_batches_tracked"):
            continue
        assert tensor.std() > 0.05, name
        assert not name.endswith("running_var") or tensor.min() > 0


def test_a_winner_that_changes_is_no_agreement_unless_it_is_a_tie() -> None:
    expected = np.array([[1.0, 0.5, 0.0]], np.float32)
    assert compare("w", 0, np.array([[0.5, 1.0, 0.0]], np.float32), expected).argmax_agreement == 0
    tie = np.array([[1.0, 1.0 - 1e-6, 0.0]], np.float32)
    assert compare("w", 0, tie[:, [1, 0, 2]], tie).argmax_agreement == 1
