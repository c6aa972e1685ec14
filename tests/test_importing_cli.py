"""`vggc import`: what is printed and written, and that a mismatch leaves nothing behind."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

import vggc
from tests.foreign import model, node, save, weights
from tests.networks import SMALL, network
from tests.test_cli import run
from vggc.cli.exits import Exit
from vggc.importing import onnx_import
from vggc.importing.reading.embedded_spec import Embedded
from vggc.importing.reading.graph_values import FoldedConstant
from vggc.weights.state_dict_files import read_state

MODELS = """\
from torch import nn

print("code was run")
instance = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 3))


def function():
    return instance


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(1, 2, 3), nn.ReLU())


number = 3


def broken():
    raise ValueError("broken on purpose")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder with a file of ours and a module with models."""
    vggc.export_onnx(network(SMALL), tmp_path / "small.onnx", seed=3)
    (tmp_path / "small.onnx.json").unlink()
    (tmp_path / "own_models.py").write_text(MODELS)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("own_models", None)


TEXT = """\
# yaml-language-server: $schema=vggc.schema.json
# Imported from small.onnx (opset 17).
vggc: 1
name: small
input: [3, 16, 16]
classes: [ant, bee, cow, dog, eel]
defaults: {conv: {norm: batch_norm}}
features: [8, M, 16, M]
pool: 2
classifier: [12, {linear: classes}]
init: {conv2d: {kaiming_normal: {mode: fan_out, nonlinearity: relu}}, linear: {normal: {std: 0.05}}, bias: zeros}
allow: [needless_bias]
preprocess: {resize: 20, crop: 16, mean: [0.5, 0.5, 0.5], std: [0.2, 0.2, 0.2]}
"""


def test_the_spec_goes_to_stdout_and_all_else_to_stderr(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("import", "small.onnx") == Exit.FINE
    out, err = capsys.readouterr()
    assert out == TEXT
    assert err.splitlines()[0].startswith("small.onnx: 13.03 KiB, opset 17")
    assert "verified: the outputs agree, and a perturbed layer is seen" in err
    assert err.splitlines()[-1] == ("the weights were not kept; add --weights-out FILE.safetensors to keep them")
    assert sorted(os.listdir()) == ["own_models.py", "small.onnx"]


def test_a_dash_is_stdout(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("import", "small.onnx", "-o", "-") == Exit.FINE
    out, err = capsys.readouterr()
    assert out == TEXT
    assert "verified" in err
    assert sorted(os.listdir()) == ["own_models.py", "small.onnx"]


@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
def test_spec_and_weights_are_written(suffix: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("import", "small.onnx", "-o", "new/small.yaml", "--weights-out", f"w.{suffix}") == Exit.FINE
    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines()[-2:] == ["wrote new/small.yaml", f"wrote w.{suffix}"]
    assert Path("new/small.yaml").read_text() == TEXT
    state = network(SMALL).module(seed=3).state_dict()
    kept = read_state(Path(f"w.{suffix}"))
    assert kept.keys() == state.keys()
    assert all(torch.equal(kept[key], state[key]) for key in state)


def test_a_spec_that_cannot_be_written_leaves_no_weights(folder: Path) -> None:
    Path("small.yaml").mkdir()
    assert run("import", "small.onnx", "-o", "small.yaml", "--weights-out", "w.pt") == Exit.FAILED
    assert sorted(os.listdir()) == ["own_models.py", "small.onnx", "small.yaml"]


def test_what_was_imported_can_be_checked_and_exported(folder: Path) -> None:
    assert run("import", "small.onnx", "-o", "again.yaml", "--weights-out", "w.safetensors") == Exit.FINE
    assert run("check", "again.yaml") == Exit.FINE
    assert run("export", "again.yaml", "--onnx", "--weights", "w.safetensors", "-o", "again.onnx") == Exit.FINE
    assert Path("again.onnx").read_bytes() == Path("small.onnx").read_bytes()


def altered(tensor: FoldedConstant) -> FoldedConstant:
    return FoldedConstant(np.asarray(tensor.array * np.float32(1.01), dtype=np.float32), tensor.origin)


def test_a_recovered_weight_that_is_wrong_is_a_mismatch(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    original = onnx_import._state

    def wrong(network, tensors):  # type: ignore[no-untyped-def]
        return original(network, {**tensors, "features.4.weight": altered(tensors["features.4.weight"])})

    monkeypatch.setattr(onnx_import, "_state", wrong)
    assert run("import", "small.onnx", "-o", "small.yaml", "--weights-out", "w.pt") == Exit.MISMATCH
    out, err = capsys.readouterr()
    assert "mismatch: with its own weights the outputs differ by" in out
    assert err.startswith("error: small.onnx: mismatch: ")
    assert sorted(os.listdir()) == ["own_models.py", "small.onnx"]


def test_a_mismatch_leaves_what_was_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("small.yaml").write_text("mine")
    monkeypatch.setattr(onnx_import, "idiomatic", lambda _, layers: layers)
    monkeypatch.setattr(onnx_import, "embedded", lambda *_: Embedded(None))
    recovered = onnx_import.recover

    def without_relus(chain):  # type: ignore[no-untyped-def]
        result, refused = recovered(chain)
        return [each for each in result if each.layer.kind != "relu"], refused

    monkeypatch.setattr(onnx_import, "recover", without_relus)
    assert run("import", "small.onnx", "-o", "small.yaml") == Exit.MISMATCH
    assert Path("small.yaml").read_text() == "mine"


def test_what_cannot_be_told_is_inconclusive(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A softmax over one class gives 1 whatever happens before it."""
    nodes = [node("Flatten", "x", "f"), node("Gemm", "f m", "g", transB=1), node("Softmax", "g", "y")]
    save(model(nodes, {"m": weights(1, 192)}), folder, "deaf.onnx")
    assert run("import", "deaf.onnx", "-o", "deaf.yaml") == Exit.INCONCLUSIVE
    out = capsys.readouterr().out
    assert "inconclusive: the outputs agree, but perturbing classifier.0 changes them only by 0.0e+00" in out
    assert [line.split(", ")[1] for line in out.splitlines() if "control" in line] == [
        "own weights",
        "He weights",
        "balanced weights",
    ]
    assert not Path("deaf.yaml").exists()


def test_a_refusal_writes_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(model([node("ThresholdedRelu", "x", "y", "strange")]), folder, "cut.onnx")
    assert run("import", "cut.onnx", "-o", "cut.yaml") == Exit.FAILED
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "error: cut.onnx cannot be written as a spec:\n  strange (ThresholdedRelu): no layer of vggc\n"
    assert not Path("cut.yaml").exists()


@pytest.mark.parametrize("attribute", ["instance", "function"])
def test_a_torch_model(attribute: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("import", "--torch", f"own_models:{attribute}", "--input", "1,8,8", "--weights-out", "w.pt") == Exit.FINE
    out, err = capsys.readouterr()
    assert out == (
        "# yaml-language-server: $schema=vggc.schema.json\n"
        f"# Imported from own_models:{attribute}.\n"
        f"vggc: 1\nname: {attribute}\ninput: [1, 8, 8]\nclasses: 3\n"
        "features: [{conv: {out_channels: 2, padding: 0}}]\nclassifier: [{linear: classes}]\n"
    )
    assert err.splitlines()[:2] == ["running the code of own_models", "code was run"]
    assert list(read_state(Path("w.pt"))) == [
        "features.0.weight", "features.0.bias", "classifier.0.weight", "classifier.0.bias",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("own_models:nothing", "AttributeError: module 'own_models' has no attribute 'nothing'"),
        ("no_such_module:x", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("own_models:broken", "ValueError: broken on purpose"),
    ],
)
def test_torch_models_that_cannot_be_made(
    name: str, why: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("import", "--torch", name, "--input", "1,8,8") == Exit.FAILED
    assert capsys.readouterr().err.splitlines()[-1] == f"error: {name} cannot be built: {why}"


def test_an_attribute_that_is_no_model(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("import", "--torch", "own_models:number", "--input", "1,8,8") == Exit.FAILED
    assert capsys.readouterr().err.splitlines()[-1] == "error: own_models:number is int, and no torch.nn.Module"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "name an ONNX file, or a torch model with --torch MODULE:ATTRIBUTE"),
        (("a.onnx", "--torch", "m:a"), "name an ONNX file, or a torch model with --torch MODULE:ATTRIBUTE"),
        (("--torch", "m:a"), "a torch model is named as --torch module:attribute --input 3,224,224"),
        (("--torch", "m", "--input", "3,8,8"), "a torch model is named as --torch module:attribute --input 3,224,224"),
        (("a.onnx", "--input", "3,8"), "'3,8' is no size of an image; write for example 3,224,224"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], said: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("import", *arguments) == Exit.USAGE
    assert said in capsys.readouterr().err


def test_weights_of_another_suffix_are_refused_before_anything_is_done(folder: Path) -> None:
    assert run("import", "nothing.onnx", "--weights-out", "w.txt") == Exit.FAILED


def test_nothing_of_a_file_comes_into_the_comment(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "a\nvggc: 2\nb.onnx"
    Path("small.onnx").rename(name)
    assert run("import", name) == Exit.FINE
    assert capsys.readouterr().out.splitlines()[1] == "# Imported from a?vggc: 2?b.onnx (opset 17)."


def test_check_does_not_import_the_way_back() -> None:
    code = "import sys; from vggc import cli; cli.cli.get_command(None, 'import'); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_file_is_left_as_it_is(folder: Path) -> None:
    before = Path("small.onnx").read_bytes()
    assert run("import", "small.onnx", "-o", "small.yaml") == Exit.FINE
    assert Path("small.onnx").read_bytes() == before
    assert onnx.load("small.onnx").graph.name == "small"
