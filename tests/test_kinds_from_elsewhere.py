"""A kind of layer that another package brings: the class of docs/language.md, installed, and used everywhere."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

DOCS = Path(__file__).parents[1] / "docs/language.md"
HEAD = "vggc: 1\nname: x\ninput: [3, 8, 8]\nclasses: 2\nclassifier: [{linear: classes}]\n"

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def softsign() -> str:
    """The source of the kind that the docs show."""
    text = DOCS.read_text(encoding="utf-8")
    found = re.search(r"```python\n(.*?)```", text[text.index("## Kinds of your own") :], re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Python, where the package with the kind is installed."""
    info = tmp_path / "site/softsign-1.0.dist-info"
    info.mkdir(parents=True)
    (tmp_path / "site/softsign.py").write_text(softsign(), encoding="utf-8")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: softsign\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[vggc.layers]\nsoftsign = softsign:Softsign\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), *sys.path])}

    def started(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    return started


@pytest.mark.parametrize(
    "features",
    [
        "[4, softsign, M]",
        "[{conv: {out_channels: 4, activation: softsign}}]",
        "[4]\ndefaults: {conv: {activation: softsign}}",
    ],
)
def test_it_is_compiled_exported_and_found_again(run: Run, tmp_path: Path, features: str) -> None:
    (tmp_path / "x.yaml").write_text(f"{HEAD}features: {features}\n")
    exported = run("-m", "vggc", "export", "x.yaml", "--onnx", "-o", "x.onnx")
    assert (exported.returncode, exported.stderr) == (0, "")
    assert "verified: the outputs agree" in exported.stdout
    built = run("-m", "vggc", "build", "x.yaml")
    assert built.returncode == 0
    assert "nn.Softsign()" in (tmp_path / "exports/x/x.py").read_text()
    assert run("-m", "vggc", "import", "x.onnx", "-o", "again.yaml").returncode == 0
    expanded = [run("-m", "vggc", "expand", name).stdout for name in ("x.yaml", "again.yaml")]
    assert expanded[0] == expanded[1]


def test_it_is_recognised_in_a_file_without_a_spec_and_among_modules(run: Run, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(f"{HEAD}features: [4, softsign, M]\n")
    assert run("-m", "vggc", "export", "x.yaml", "--onnx", "-o", "x.onnx").returncode == 0
    model = onnx.load(tmp_path / "x.onnx")
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "x.onnx")
    imported = run("-m", "vggc", "import", "x.onnx")
    assert (imported.returncode, imported.stdout.splitlines()[-2]) == (0, "features: [4, softsign, M]")
    (tmp_path / "nets.py").write_text(
        "from torch.nn import Conv2d, ReLU, Sequential, Softsign\n"
        "net = Sequential(Conv2d(3, 4, 3, padding=1), ReLU(), Softsign())\n"
    )
    imported = run("-m", "vggc", "import", "--torch", "nets:net", "--input", "3,8,8")
    assert (imported.returncode, imported.stdout.splitlines()[-2]) == (0, "features: [4, softsign]"), imported.stderr


def test_it_can_be_rewritten(run: Run, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(f"{HEAD}features: [4, softsign]\nrewrite: [{{replace: softsign, with: tanh}}]\n")
    expanded = run("-m", "vggc", "expand", "x.yaml")
    assert (expanded.returncode, expanded.stderr) == (0, "")
    assert "softsign" not in expanded.stdout


@pytest.mark.parametrize(
    "features",
    [
        "[4, softsgin]",
        "[4, {softsgin: {}}]",
        "[{conv: {out_channels: 4, activation: softsgin}}]",
        "[4, softsign]\nrewrite: [{remove: softsgin}]",
    ],
)
def test_its_name_is_suggested(run: Run, tmp_path: Path, features: str) -> None:
    (tmp_path / "x.yaml").write_text(f"{HEAD}features: {features}\n")
    checked = run("-m", "vggc", "check", "x.yaml")
    assert checked.returncode == 1
    assert "did you mean `softsign`?" in checked.stderr + checked.stdout


def test_it_is_no_kind_of_another_group(run: Run, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(f"{HEAD}features: [{{conv: {{out_channels: 4, norm: softsign}}}}]\n")
    checked = run("-m", "vggc", "check", "x.yaml")
    assert checked.returncode == 1
    assert "there is no kind of norm `softsign`" in checked.stdout + checked.stderr
    assert "`softsign` is an activation" in checked.stdout + checked.stderr


def test_editors_offer_it(run: Run) -> None:
    """As an item, as the activation of a unit, and nowhere else."""
    program = """
from vggc.base.diagnostics import Source
from vggc.lsp.completion_items import complete
from vggc.lsp.positions import Positions
from lsprotocol.types import PositionEncodingKind
for text in ("features: [", "features: [{conv: {activation: ", "features: [{conv: {norm: "):
    found = complete(Source("x", text), 0, len(text), None, Positions(PositionEncodingKind.Utf16))
    print("softsign" in [each.label for each in found])
"""
    offered = run("-c", program)
    assert (offered.stdout, offered.stderr) == ("True\nTrue\nFalse\n", "")


def test_it_is_in_the_schema(run: Run) -> None:
    assert '"softsign"' in run("-m", "vggc", "schema").stdout


def contract(run: Run) -> "subprocess.CompletedProcess[str]":
    """As docs/language.md says: in a checkout, where the package is installed."""
    root = Path(__file__).parents[1]
    options = ["-q", "-p", "no:cacheprovider", "--rootdir", str(root), "-c", str(root / "pyproject.toml")]
    return run("-m", "pytest", *options, str(root / "tests/test_layers.py"), "-k", "softsign")


def test_the_contract_of_the_kinds_holds_it_too(run: Run, tmp_path: Path) -> None:
    held = contract(run)
    assert (held.returncode, held.stdout.count("passed"), held.stdout.count("failed")) == (0, 1, 0), held.stdout
    wrong = softsign().replace('OnnxNode("Softsign")', 'OnnxNode("Tanh")')
    (tmp_path / "site/softsign.py").write_text(wrong, encoding="utf-8")
    held = contract(run)
    assert held.returncode == 1
    assert "test_onnx_is_what_torch_computes" in held.stdout
