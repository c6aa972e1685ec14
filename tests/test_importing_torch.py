"""torch as the author: files by both of its exporters, and models imported as they are."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import vggc
from tests.strategies import fitted
from vggc.backends.torch import torch_module
from vggc.importing.recognition.torch_modules import read_modules
from vggc.layers import KINDS

pytestmark = pytest.mark.usefixtures("one_thread")


class VGG(nn.Module):
    """As torchvision has it, and small."""

    def __init__(self, norm: bool = False, pool: int = 2) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for width in (8, 8, 0, 16, 16, 0):
            if width:
                layers.append(nn.Conv2d(channels, width, 3, padding=1))
                layers += [nn.BatchNorm2d(width)] * norm
                layers.append(nn.ReLU(inplace=True))
                channels = width
            else:
                layers.append(nn.MaxPool2d(2, 2))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(pool)
        self.classifier = nn.Sequential(
            *(nn.Linear(16 * pool * pool, 32), nn.ReLU(True), nn.Dropout(), nn.Linear(32, 32), nn.ReLU(True)),
            *(nn.Dropout(), nn.Linear(32, 10)),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.avgpool(self.features(x))
        output: torch.Tensor = self.classifier(torch.flatten(x, 1))
        return output


@contextmanager
def quiet() -> Iterator[None]:
    """torch's exporters warn of their own age and log what they do."""
    logging.disable(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    logging.disable(logging.NOTSET)


def exported(model: nn.Module, folder: Path, **options: Any) -> Path:
    path = folder / "vgg.onnx"
    x = torch.randn(options.pop("batch", 1), 3, 16, 16)
    with quiet():
        torch.onnx.export(model, (x,), str(path), verbose=False, **options)
    return path


PLAIN = """\
vggc: 1
name: vgg
input: [3, 16, 16]
classes: 10
defaults: {fc: {dropout: none}}
features: [8, 8, M, 16, 16, M]
pool: 2
classifier: [32, 32, {linear: classes}]
"""
NORMED = PLAIN.replace("{fc:", "{conv: {norm: batch_norm}, fc:")
IN_TRAINING = NORMED.replace(", fc: {dropout: none}", "")

# Each with the batch sizes at which the file was compared.
EXPORTS: list[tuple[str, bool, dict[str, Any], str, list[int]]] = [
    ("legacy", False, {"dynamo": False, "opset_version": 13}, PLAIN, [1, 1, 1]),
    ("folded", True, {"dynamo": False, "opset_version": 17}, PLAIN, [1, 1, 1]),
    ("not folded", True, {"dynamo": False, "opset_version": 9, "do_constant_folding": False, "batch": 5},
     NORMED, [5, 5, 5]),
    ("open", False, {"dynamo": False, "opset_version": 12, "input_names": ["x"], "dynamic_axes": {"x": {0: "n"}}},
     PLAIN, [1, 2, 3]),
    ("training", True, {"dynamo": False, "opset_version": 17, "training": torch.onnx.TrainingMode.TRAINING,
                        "do_constant_folding": False}, IN_TRAINING, [1, 1, 1]),
    ("dynamo", False, {"dynamo": True, "opset_version": 18}, PLAIN, [1, 1, 1]),
    ("dynamo, as it is", True, {"dynamo": True, "opset_version": 20, "optimize": False, "batch": 2}, NORMED, [2] * 3),
    ("dynamo, open", True, {"dynamo": True, "dynamic_shapes": ({0: torch.export.Dim("n")},), "batch": 2},
     PLAIN, [1, 2, 3]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("norm", "options", "text", "batches"), [each[1:] for each in EXPORTS], ids=[e[0] for e in EXPORTS]
)
def test_files_of_torchs_exporters(
    norm: bool, options: dict[str, Any], text: str, batches: list[int], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    model = VGG(norm)
    imported = vggc.import_onnx(exported(model if "training" in options else model.eval(), tmp_path, **options))
    assert imported.text.partition("vggc: 1")[2] == text.partition("vggc: 1")[2]
    assert [each.batch for each in imported.report.comparisons][:3] == batches
    module = imported.network.module()
    module.load_state_dict(dict(imported.state))
    x = torch.randn(2, 3, 16, 16)
    torch.testing.assert_close(module.eval()(x), model.eval()(x))


ACTIVATIONS = (
    nn.GELU(),
    nn.GELU("tanh"),
    nn.SiLU(),
    nn.Mish(),
    nn.Hardswish(),
    nn.Softplus(2.0),
    nn.ReLU6(),
    nn.PReLU(4),
)
NORMS = (nn.GroupNorm(2, 4), nn.InstanceNorm2d(4), nn.LayerNorm((4, 16, 16)), nn.LocalResponseNorm(4, k=2.0))


@pytest.mark.parametrize("dynamo", [False, True])
def test_what_torch_spells_in_its_own_way(dynamo: bool, tmp_path: Path) -> None:
    torch.manual_seed(0)
    stack = nn.Sequential(
        *(
            nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"),
            *ACTIVATIONS,
            *NORMS,
            nn.Conv2d(4, 4, 2, padding="same"),
        ),
        *(nn.PixelShuffle(2), nn.Upsample(scale_factor=2, mode="bilinear"), nn.AvgPool2d(3, 2, 1, ceil_mode=True)),
    )
    with torch.no_grad():
        for parameter in stack.parameters():
            parameter.add_(0.1)
    path = exported(stack.eval(), tmp_path, dynamo=dynamo, opset_version=18)
    text = vggc.import_onnx(path).text
    assert (
        text.partition("features:\n")[2]
        == """\
  - conv: {out_channels: 4, padding_mode: reflect, activation: gelu}
  - gelu: tanh
  - silu
  - mish
  - hardswish
  - softplus: 2
  - relu6
  - prelu: 4
  - group_norm: 2
  - instance_norm
  - layer_norm
  - local_response_norm: {size: 4, k: 2}
  - conv2d: {out_channels: 4, kernel_size: 2, padding: same}
  - pixel_shuffle: 2
  - upsample: {scale_factor: 2, mode: bilinear}
  - avg_pool2d: {kernel_size: 3, stride: 2, padding: 1, ceil_mode: true}
classifier: none
"""
    )


# --- models ---


def test_a_model_of_torchvisions_shape() -> None:
    torch.manual_seed(0)
    model = VGG(norm=True, pool=4)
    imported = vggc.import_torch(model, (3, 16, 16))
    assert (
        imported.text
        == f"# yaml-language-server: $schema=vggc.schema.json\n# Imported from VGG.\n{IN_TRAINING}".replace(
            "pool: 2", "pool: 4"
        )
    )
    assert imported.state.keys() == model.state_dict().keys()
    assert all(torch.equal(imported.state[key], tensor) for key, tensor in model.state_dict().items())
    assert model.training
    assert imported.report.verdict == "verified"
    assert [each.weights for each in imported.report.controls] == ["own", "He"]
    assert all(each.relative_l2 == 0 for each in imported.report.comparisons)


def test_nested_stacks_are_one() -> None:
    torch.manual_seed(0)
    block = nn.Sequential(nn.Conv2d(3, 3, 3, padding="same"), nn.Identity(), nn.ReLU())
    model = nn.Sequential(block, nn.Sequential(nn.Sequential(block)), nn.Flatten(), nn.Linear(192, 4))
    text = vggc.import_torch(model, (3, 8, 8)).text
    stack = ["  - conv2d: {out_channels: 3, kernel_size: 3, padding: same}", "  - identity", "  - relu"]
    assert text.splitlines()[5:] == ["classes: 4", "features:", *stack, *stack, "classifier: [{linear: classes}]"]


@pytest.mark.parametrize("kind", KINDS)
@given(st.data())
def test_every_class_comes_back(kind: str, data: st.DataObject) -> None:
    layer, x = data.draw(fitted(KINDS[kind]))
    module = torch_module.construct(layer.torch(x)).eval()
    result, refused = read_modules(module, x)
    assert refused == []
    assert [each.layer.shape(x) for each in result] == [layer.shape(x)]
    again = torch_module.construct(result[0].layer.torch(x)).eval()
    again.load_state_dict(module.state_dict())
    images = torch.randn(2, *x)
    with torch.no_grad(), torch_module.without_hints():
        torch.testing.assert_close(again(images), module(images), equal_nan=True)


def test_a_softmax_over_the_channels_of_a_map() -> None:
    """It is among the modules of torch that take nothing but images."""
    result = vggc.import_torch(nn.Sequential(nn.Conv2d(3, 4, 1), nn.Softmax2d()), (3, 8, 8))
    assert result.text.splitlines()[-2:] == [
        "features: [{conv: {out_channels: 4, kernel_size: 1, activation: softmax}}]", "classifier: none"
    ]  # fmt: skip
    with pytest.raises(vggc.ProductError, match=r"Softmax2d\): its input is no image"):
        vggc.import_torch(nn.Sequential(nn.Flatten(), nn.Softmax2d()), (3, 8, 8))


def test_a_mean_over_a_window_of_two_is_in_its_short_form() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.AvgPool2d(2, 2), nn.MaxPool2d(2, 2), nn.AvgPool2d(2, 1))
    pools = "{avg_pool2d: 2}, M, {avg_pool2d: {kernel_size: 2, stride: 1}}"
    assert vggc.import_torch(model, (3, 8, 8)).text.splitlines()[-2] == (
        f"features: [{{conv2d: {{out_channels: 4, kernel_size: 1}}}}, {pools}]"
    )


SHORTCUTS = {
    "squeezes": (lambda x: x.mean((2, 3), keepdim=True).squeeze(-1).squeeze(-1), "pool: global_avg_pool2d"),
    "means": (lambda x: x.mean(3).mean(2), "pool: global_avg_pool2d"),
    "kept means": (lambda x: x.mean(3, keepdim=True).mean(2, keepdim=True).flatten(1), "pool: global_avg_pool2d"),
    "channels last": (
        lambda x: x.permute(0, 2, 3, 1).flatten(1),
        "features: [{conv2d: {out_channels: 4, kernel_size: 3}}]",
    ),
}


@pytest.mark.parametrize("options", [{"dynamo": False, "opset_version": 9}, {"dynamo": True}], ids=["traced", "dynamo"])
@pytest.mark.parametrize("way", SHORTCUTS)
def test_what_models_write_between_map_and_head(way: str, options: dict[str, Any], tmp_path: Path) -> None:
    shortcut, said = SHORTCUTS[way]

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)
            self.head = nn.Linear(4 if "pool" in said else 4 * 14 * 14, 5)

        def forward(self, x: torch.Tensor) -> Any:
            return self.head(shortcut(self.conv(x)))

    result = vggc.import_onnx(exported(Model().eval(), tmp_path, **options))
    assert result.text.splitlines()[-2:] == [said, "classifier: [{linear: classes}]"]


def test_a_softmax_over_channels_of_the_traced_exporter(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Softmax(1)).eval()
    result = vggc.import_onnx(exported(model, tmp_path, dynamo=False, opset_version=9))
    assert "activation: softmax" in result.text


def test_an_uneven_pool_of_the_newer_exporter_names_the_way_out(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(5)).eval()
    with pytest.raises(vggc.ProductError, match=r"\(GatherND\): .*import the torch model itself with --torch"):
        vggc.import_onnx(exported(model, tmp_path, dynamo=True))
    assert "adaptive_avg_pool2d: 5" in vggc.import_torch(model, (3, 16, 16)).text


def test_every_module_in_the_way_is_named() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1))
            self.body = nn.ReLU()

    model = nn.Sequential(
        *(nn.Conv2d(3, 4, 3), nn.Hardshrink(), Own(), nn.MaxPool2d(2, return_indices=True)),
        *(nn.BatchNorm2d(4, track_running_stats=False), nn.Softmax(dim=3), nn.Hardtanh()),
    )
    with pytest.raises(vggc.ProductError) as caught:
        vggc.import_torch(model, (3, 8, 8))
    own = f"{Own.__module__}.{Own.__qualname__}"
    assert str(caught.value) == "\n".join([
        "Sequential cannot be written as a spec:",
        "  1 (torch.nn.modules.activation.Hardshrink): no layer of vggc",
        f"  2 ({own}): no layer of vggc",
        "  3 (torch.nn.modules.pooling.MaxPool2d): return_indices is set",
        "  4 (torch.nn.modules.batchnorm.BatchNorm2d): "
        "track_running_stats is off: it takes its statistics from the batch",
        "  5 (torch.nn.modules.activation.Softmax): it is over axis 3, not over the channels",
        "  6 (torch.nn.modules.activation.Hardtanh): no layer of vggc",
    ])  # fmt: skip


def test_modules_with_something_between_them() -> None:
    """A pool that stands in `forward` alone: the linear layer does not fit what the modules give."""
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Linear(8, 4))
    with pytest.raises(vggc.ProductError) as caught:
        vggc.import_torch(model, (3, 16, 16))
    assert str(caught.value).splitlines()[1:] == [
        "  1 (torch.nn.modules.linear.Linear): it takes 8 features, and its input has 2048; "
        "if `forward` does more than run the modules in order, "
        "export the model with torch.onnx.export and import the file"
    ]


class Doubling(VGG):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * super().forward(x)


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.conv(x)


@pytest.mark.parametrize("model", [Doubling, Residual])
def test_a_forward_that_does_more_is_a_mismatch(model: type[nn.Module]) -> None:
    with pytest.raises(vggc.VerificationError) as caught:
        vggc.import_torch(model(), (3, 16, 16))
    assert caught.value.report.verdict == "mismatch"
    assert "if `forward` does more than run the modules in order, export the model" in caught.value.report.reason


def test_a_model_that_fails_and_one_without_weights() -> None:
    class Failing(VGG):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise KeyError("nope")

    with pytest.raises(vggc.ProductError, match="Failing fails on an input of 1 x 3 x 16 x 16: 'nope'"):
        vggc.import_torch(Failing(), (3, 16, 16))
    with torch.device("meta"):
        hollow = VGG()
    with pytest.raises(vggc.ProductError, match="VGG is on the meta device, and has no weights"):
        vggc.import_torch(hollow, (3, 16, 16))


def test_a_model_that_gives_several_outputs() -> None:
    class Several(VGG):
        def forward(self, x: torch.Tensor) -> Any:
            return {"logits": super().forward(x)}

    with pytest.raises(vggc.ProductError, match="returns dict, and a spec has one output"):
        vggc.import_torch(Several(), (3, 16, 16))
