"""Weights under which every layer shows: whatever the activations, in every precision; and what no weights can tell."""

from pathlib import Path
from typing import Final

import numpy as np
import pytest
import torch

import vggc
from tests.networks import network
from vggc.verify.outputs import perturbed, relative_l2
from vggc.verify.report import TOLERANCES
from vggc.verify.revealing_weights import balanced, revealing_weights

HEAD: Final = "vggc: 1\nname: x\ninput: [3, 16, 16]\nclasses: 5\n"
ACTIVATIONS: Final = ["relu", "sigmoid", "tanh", "gelu", "hardsigmoid", "softplus", "selu"]


def deep(activation: str, features: str = "[16, 16, M, 16, 16, M, 16, 16]") -> vggc.Network:
    return network(
        f"{HEAD}defaults: {{conv: {{activation: {activation}}}, fc: {{activation: {activation}}}}}\n"
        f"features: {features}\nclassifier: [16, 16, {{linear: classes}}]\n"
    )


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_lets_the_first_layer_show(activation: str) -> None:
    compiled = deep(activation)
    state = balanced(compiled, revealing_weights(compiled), torch.randn(2, *compiled.input))
    module = compiled.module().eval()
    x = torch.randn(3, *compiled.input, generator=torch.Generator().manual_seed(1))
    wrong = {**state, "features.0.weight": perturbed(state["features.0.weight"])}
    right, other = (torch.func.functional_call(module, each, (x,)).detach().numpy() for each in (state, wrong))
    assert relative_l2(other, right) > 0.05


@pytest.mark.parametrize("precision", ["float32", "float16"])
@pytest.mark.parametrize("activation", ["sigmoid", "hardsigmoid", "softplus"])
def test_untrained_networks_that_hardly_depend_on_their_input_are_verified(
    activation: str, precision: str, tmp_path: Path
) -> None:
    report = vggc.export_onnx(deep(activation), tmp_path / "x.onnx", precision=precision).report  # type: ignore[arg-type]
    assert report.verdict == "verified"
    assert [each.weights for each in report.controls][:2] == ["as written", "He"]
    assert (report.controls[-1].weights == "balanced") == (activation != "softplus")


def test_rounding_that_a_network_amplifies_is_no_mismatch(tmp_path: Path) -> None:
    """Norm behind norm: torch itself is off by more than the tolerance from float64."""
    text = f"{HEAD}features: [{{repeat: {{times: 40, layers: [8, layer_norm]}}}}]\nclassifier: none\n"
    report = vggc.export_onnx(network(text.replace("classes: 5\n", "")), tmp_path / "x.onnx").report
    assert report.verdict == "verified"
    beyond = [each for each in report.comparisons if each.relative_l2 > TOLERANCES["float32"].relative_l2]
    assert beyond
    assert all(each.rounding is not None and each.relative_l2 <= 4 * each.rounding for each in beyond)
    assert "torch itself is off by" in str(beyond[0])


def test_the_tolerance_is_widened_up_to_a_limit() -> None:
    usual = TOLERANCES["float32"]
    assert usual.widened(1e-7) == usual
    assert usual.widened(1e-4).relative_l2 == pytest.approx(4e-4)
    assert usual.widened(1.0).relative_l2 == pytest.approx(100 * usual.relative_l2)
    assert TOLERANCES["int8"].widened(1.0) == TOLERANCES["int8"]


def test_values_that_are_not_finite_are_said_to_be_the_network_s_own(tmp_path: Path) -> None:
    text = (
        "vggc: 1\nname: big\ninput: [3, 9, 9]\nclassifier: none\nfeatures: [4, 5]\n"
        "init: {conv2d: {constant: 1.0e+30}, bias: zeros}\n"
    )
    with pytest.raises(vggc.VerificationError) as caught:
        vggc.export_onnx(network(text), tmp_path / "x.onnx")
    assert caught.value.report.verdict == "inconclusive"
    assert caught.value.report.reason.startswith("the network's own output is not finite in torch")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "needed"), [(0.0, 2e-6), (1e-7, 2e-6), (1e-6, 1e-5), (1e-5, 1e-4), (2e-5, 2e-4), (1e-3, 2e-4)]
)
def test_a_control_must_be_ten_times_what_was_measured(error: float, needed: float) -> None:
    assert np.isclose(TOLERANCES["float32"].least_miss(error), needed)
