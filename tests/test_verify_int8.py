"""An int8 file that exists is verified: by its checksums, and against the weights that its numbers stand for."""

import re
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import pytest
import torch

import vggc
from tests.networks import SMALL, network
from tests.pictures import noise, save
from vggc.passes import prepare
from vggc.verify.file_origin import embedded_weights
from vggc.verify.int8_tensors import quantized_span
from vggc.verify.model_file import read_model

TELLING: Final = SMALL.replace("linear: {normal: 0.05}", "linear: kaiming_normal")
QUANTIZED: Final = re.compile(r"classifier\.0\.weight.*_quantized")
PASSES: Final = [[], ["fold_batch_norm"], ["fold_batch_norm", "fc_to_conv"]]


def images(count: int) -> list[np.ndarray]:  # type: ignore[type-arg]
    generator = np.random.default_rng(0)
    return [generator.uniform(-2, 2, (1, 3, 16, 16)).astype(np.float32) for _ in range(count)]


def export(folder: Path, *, static: bool, passes: list[str], seed: int = 0) -> Path:
    return vggc.export_onnx(
        network(TELLING),
        folder / "x.onnx",
        precision="int8",
        passes=passes,
        calibration=images(12) if static else (),
        seed=seed,
    ).path


@pytest.mark.parametrize("passes", PASSES, ids=str)
@pytest.mark.parametrize("static", [False, True])
def test_it_is_verified_any_time_later_and_an_altered_weight_is_found(
    static: bool, passes: list[str], tmp_path: Path
) -> None:
    path = export(tmp_path, static=static, passes=passes)
    report = vggc.verify_onnx(path)
    assert report.verdict == "verified"
    assert [each.detail for each in report.checks if each.name == "weights"] == [
        "the file's own, as they were exported by their checksums"
    ]
    model = onnx.load(str(path))
    weight = next(
        each
        for each in model.graph.initializer
        if each.name.startswith("classifier.0.weight") and "quantized" in each.name
    )
    values = onnx.numpy_helper.to_array(weight).copy()
    values.flat[0] = -values.flat[0] - 1
    weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
    onnx.save(model, str(path))
    torch.save(network(TELLING).module(seed=0).state_dict(), tmp_path / "w.pt")
    for weights in (None, tmp_path / "w.pt"):
        with pytest.raises(vggc.VerificationError) as caught:
            vggc.verify_onnx(path, weights=weights)
        assert caught.value.report.verdict == "mismatch"
        assert str(caught.value.report.culprit).startswith("classifier.0 (fc3, ")
        assert weight.name in str(caught.value.report.culprit)


@pytest.mark.parametrize("passes", PASSES, ids=str)
@pytest.mark.parametrize("static", [False, True])
def test_its_numbers_stand_for_the_weights_that_it_was_made_from(
    static: bool, passes: list[str], tmp_path: Path
) -> None:
    path = export(tmp_path, static=static, passes=passes)
    module = embedded_weights(prepare(network(TELLING), passes), read_model(path), path)
    for name, expected in network(TELLING).module(seed=0).state_dict().items():
        actual = module.state_dict()[name]
        if expected.is_floating_point() and "fold_batch_norm" not in passes:
            assert torch.allclose(actual, expected, atol=float(expected.abs().max()) / 100), name
        assert actual.shape == expected.shape


def test_other_weights_are_a_mismatch(tmp_path: Path) -> None:
    path = export(tmp_path, static=False, passes=[])
    for seed, verdict in ((0, "verified"), (1, "mismatch")):
        torch.save(network(TELLING).module(seed=seed).state_dict(), tmp_path / "w.pt")
        try:
            found = vggc.verify_onnx(path, weights=tmp_path / "w.pt").verdict
        except vggc.VerificationError as error:
            found = error.report.verdict
        assert found == verdict


def test_a_static_file_is_compared_within_what_it_takes(tmp_path: Path) -> None:
    """What lies outside of the range that was calibrated is cut off, and right to be."""
    model = onnx.load(str(export(tmp_path, static=True, passes=[])))
    span = quantized_span(model, "input")
    assert span is not None
    assert -2.1 < span[0] < -1.9
    assert 1.9 < span[1] < 2.1
    assert quantized_span(onnx.load(str(export(tmp_path, static=False, passes=[]))), "input") is None


def test_a_fault_in_a_static_file_is_one_on_images_alone(tmp_path: Path) -> None:
    """On random values a difference may come from ranges that are not theirs."""
    path = export(tmp_path, static=True, passes=[])
    model = onnx.load(str(path))
    for node in model.graph.node:
        if node.op_type == "MaxPool":
            node.op_type = "AveragePool"
            for attribute in [each for each in node.attribute if each.name in ("dilations", "storage_order")]:
                node.attribute.remove(attribute)
    onnx.save(model, str(path))
    for i in range(6):
        save(tmp_path / "images" / f"{i}.png", noise(20, 20, 3, seed=i))
    for calibration, verdict in (("", "inconclusive"), (str(tmp_path / "images"), "mismatch")):
        with pytest.raises(vggc.VerificationError) as caught:
            vggc.verify_onnx(path, calibration=calibration)
        assert caught.value.report.verdict == verdict
    with pytest.raises(vggc.ProductError, match="only used for int8 files"):
        vggc.verify_onnx(vggc.export_onnx(network(TELLING), tmp_path / "y.onnx").path, calibration="images")


@pytest.mark.parametrize("norm", ["batch_norm", "layer_norm", "{group_norm: 4}"])
def test_norms_in_int8(norm: str, tmp_path: Path) -> None:
    """A control that changes the output by less than the tolerance is seen, where the error is far smaller."""
    text = (
        f"vggc: 1\nname: x\ninput: [3, 16, 16]\nclasses: 5\ndefaults: {{conv: {{norm: {norm}, bias: false}}}}\n"
        "features: [8, 8, M, 16, 16, M, 16]\nclassifier: [{linear: classes}]\n"
        "init: {conv2d: kaiming_normal, linear: kaiming_normal}\n"
    )
    assert vggc.export_onnx(network(text), tmp_path / "x.onnx", precision="int8").report.verdict == "verified"
