"""The Python API: what is promised, typed, and light."""

import doctest
import os
import subprocess
import sys
from pathlib import Path

import pytest

import vggc
from tests.networks import SMALL, network
from vggc.frontend.text.sources import stock_folder, stock_names

FRESH = """
import sys
import vggc.cli
try:
    vggc.cli.main({arguments})
except SystemExit as end:
    assert not end.code, end.code
print(sorted({{"torch", "onnx", "onnxruntime", "torchinfo", "numpy", "rich"}} & set(sys.modules)))
"""


@pytest.mark.parametrize(
    "command",
    [
        ["check", "--"],
        ["shapes"],
        ["expand"],
        ["schema"],
        ["explain", "E203"],
        ["list"],
        ["new", "mine", "--input", "3,64,64"],
        ["diff", "vgg16", "vgg16_bn_cifar10"],
        ["compare", "vgg16", "alexnet"],
        ["fit", "vgg16_bn_cifar10", "--max-params", "5M", "--vary", "width"],
        ["completion", "bash"],
    ],
    ids=lambda command: command[0],
)
def test_the_front_half_leaves_torch_unimported(command: list[str], tmp_path: Path) -> None:
    specs = [str(stock_folder() / f"{name}.yaml") for name in stock_names()]
    arguments = {"check": command + specs, "shapes": [*command, specs[0]], "expand": [*command, specs[0]]}
    code = FRESH.format(arguments=arguments.get(command[0], command))
    environment = {**os.environ, "PYTHONPATH": str(Path(vggc.__file__).parents[1])}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path, env=environment
    )
    assert run.stdout.splitlines()[-1] == "[]"


def test_the_examples_of_the_package() -> None:
    failed, tried = doctest.testmod(vggc)
    assert (failed, tried > 3) == (0, True)


def test_every_promised_name_is_there() -> None:
    assert [name for name in vggc.__all__ if not hasattr(vggc, name)] == []
    with pytest.raises(AttributeError, match="no attribute `compyle`"):
        vggc.compyle  # noqa: B018


def test_compile_takes_paths_names_and_overrides(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(SMALL)
    assert vggc.compile(file).name == "small"
    assert vggc.compile(str(file)).params == network(SMALL).params
    wide = vggc.compile("vgg16", overrides={"classes": 7, "input": [1, 64, 64], "pool": 2})
    assert (wide.input, wide.output, wide.flatten) == ((1, 64, 64), (7,), 2048)


def test_the_last_override_wins_and_dots_reach_inside() -> None:
    compiled = vggc.compile("vgg16_cifar10", overrides={"train.epochs": 3, "train.optimizer.sgd.lr": 0.5})
    assert compiled.header.train is not None
    assert compiled.header.train.epochs == 3
    assert compiled.header.train.optimizer.changed() == {"lr": 0.5, "momentum": 0.9}


def test_errors_hold_every_diagnostic() -> None:
    with pytest.raises(vggc.SpecError) as caught:
        vggc.compile("vgg16", overrides={"clases": 7, "inpt": 1})
    assert [each.code for each in caught.value.diagnostics] == ["E101", "E101"]


def test_layers_say_everything_about_themselves() -> None:
    first = network(SMALL).layers[0]
    assert (first.path, first.alias, first.kind, first.input, first.output) == (
        "features.0", "conv1_1", "conv2d", (3, 16, 16), (8, 16, 16),
    )  # fmt: skip
    assert (first.params, first.macs) == (3 * 9 * 8 + 8, 3 * 9 * 8 * 256)
    assert str(first.node.span) == "test.yaml:6:12"


def test_bytes() -> None:
    compiled = network(SMALL)
    state = compiled.module().state_dict()
    assert compiled.weight_bytes == sum(tensor.numel() * tensor.element_size() for tensor in state.values())
    assert compiled.peak_activation_bytes == 4 * (8 * 16 * 16 * 2)
