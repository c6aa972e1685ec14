"""Where commands write: never over what they read, through whatever link, and never two things into one file."""

import os
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

import vggc
from tests.networks import SMALL, network
from tests.test_cli import run
from tests.test_faults import TINY, contents
from vggc.cli.exits import Exit
from vggc.weights.loading import save_weights

CHILD = "vggc: 1\nname: child\nextends: middle.yaml\nwidth: 0.5\n"
MIDDLE = "vggc: 1\nname: middle\nextends: small.yaml\nwidth: 1.0\n"  # the child leaves nothing of it


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A spec with two ancestors, a model in one file and one in two, weights, and a map of keys."""
    monkeypatch.chdir(tmp_path)
    for name, text in (("small", SMALL), ("middle", MIDDLE), ("child", CHILD), ("tiny", TINY)):
        Path(f"{name}.yaml").write_text(text)
    vggc.export_onnx(network(TINY), "tiny.onnx")
    beside = onnx.load("tiny.onnx")
    onnx.save(beside, "two.onnx", save_as_external_data=True, location="two.bin", size_threshold=0)
    save_weights(network(TINY).module(seed=1), Path("tiny.pt"))
    Path("map.yaml").write_text('"*": "*"\n')
    return tmp_path


def assert_refused(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong usage, and every file as it was."""
    before = contents(Path())
    assert run(*arguments) == Exit.USAGE
    out, err = capsys.readouterr()
    assert said in err
    assert out == ""
    assert contents(Path()) == before


def run_with(file: str, name: str) -> Callable[[], None]:
    """A folder that looks like a run's, and a link to a file in it."""

    def prepare() -> None:
        Path("run").mkdir()
        for each in ("spec.yaml", "run.json", "best.safetensors"):
            Path("run", each).write_text("precious")
        Path(name).symlink_to(f"run/{file}")

    return prepare


def link(target: str, name: str) -> Callable[[], None]:
    return lambda: Path(name).symlink_to(target)


def rename(old: str, new: str) -> Callable[[], None]:
    return lambda: os.rename(old, new)


def nothing() -> None:
    pass


@pytest.mark.parametrize(
    ("prepare", "arguments", "said"),
    [
        (rename("tiny.onnx", "tiny.yaml"), "import tiny.yaml -o tiny.yaml", "would replace the model tiny.yaml"),
        (link("tiny.onnx", "s.yaml"), "import tiny.onnx -o s.yaml", "s.yaml would replace the model tiny.onnx"),
        (link("two.bin", "s.yaml"), "import two.onnx -o s.yaml", "s.yaml would replace the model two.bin"),
        (rename("tiny.onnx", "m.pt"), "import m.pt --weights-out m.pt", "write elsewhere with --weights-out"),
        (link("tiny.yaml", "t.svg"), "draw tiny.yaml -o t.svg", "t.svg would replace the spec tiny.yaml"),
        (link("tiny.yaml", "tiny.svg"), "draw tiny.yaml", "tiny.svg would replace the spec tiny.yaml"),
        (rename("tiny.yaml", "s.onnx"), "export s.onnx --onnx -o s.onnx", "would replace the spec s.onnx"),
        (link("tiny.pt", "t.onnx"), "export tiny.yaml --onnx --weights tiny.pt -o t.onnx", "the weights tiny.pt"),
        (
            link("map.yaml", "t.onnx"), "export tiny.yaml --onnx --weights tiny.pt --key-map map.yaml -o t.onnx",
            "t.onnx would replace the map of keys map.yaml, which is read; write elsewhere with -o",
        ),
        (rename("tiny.yaml", "t.onnx.json"), "export t.onnx.json --onnx -o t.onnx", "the spec t.onnx.json"),
        (rename("tiny.yaml", "tiny.txt"), "build tiny.txt -o .", "tiny.txt would replace the spec tiny.txt"),
        (link("tiny.yaml", "s.pt"), "build tiny.yaml --save s.pt", "write elsewhere with --save"),
        (nothing, "new mine --from child.yaml -o middle.yaml --force", "would replace the spec middle.yaml"),
        (
            rename("small.yaml", "small_fit2.yaml"), "fit small_fit2.yaml --max-params 5M -o . --force",
            "small_fit2.yaml would replace the spec small_fit2.yaml",
        ),
        (run_with("run.json", "t.png"), "eval run --png t.png", "would replace the file of the run run/run.json"),
        (link("tiny.onnx", "t.png"), "eval tiny.onnx --png t.png", "t.png would replace the model tiny.onnx"),
        (link("tiny.pt", "t.png"), "eval tiny.pt tiny.yaml --png t.png", "t.png would replace the weights tiny.pt"),
        (link("tiny.yaml", "t.png"), "eval tiny.pt tiny.yaml --png t.png", "t.png would replace the spec tiny.yaml"),
    ],
)  # fmt: skip
def test_nothing_is_written_over_what_is_read(
    prepare: Callable[[], None], arguments: str, said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare()
    assert_refused(arguments.split(), said, capsys)


@pytest.mark.parametrize(
    ("prepare", "arguments", "said"),
    [
        (link("s.pt", "s.yaml"), "import tiny.onnx -o s.yaml --weights-out s.pt", "-o and --weights-out both write"),
        (link("s.yaml", "s.pt"), "import tiny.onnx -o s.yaml --weights-out ./s.pt", "-o and --weights-out both write"),
        (nothing, "build tiny.yaml ./tiny.yaml", "tiny.yaml and ./tiny.yaml both write exports/tiny/tiny.py"),
        (
            link("vggc.schema.json", "s.yaml"),
            "new mine -o s.yaml",
            "-o and the JSON Schema both write vggc.schema.json",
        ),
    ],
)
def test_no_two_things_are_written_into_one_file(
    prepare: Callable[[], None], arguments: str, said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare()
    assert_refused(arguments.split(), said, capsys)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("import tiny.onnx -o .", "a spec ends in .yaml or .yml: -o NAME.yaml"),
        ("eval tiny.onnx --png t.pdf", "the picture is a PNG: --png t.png"),
    ],
)
def test_an_output_has_the_suffix_of_what_it_is(
    arguments: str, said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert_refused(arguments.split(), said, capsys)


@pytest.mark.parametrize("name", ["tiny.onnx", "s.pt", "spec", "s.json"])
def test_a_recovered_spec_has_the_name_of_one(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert_refused(["import", "tiny.onnx", "-o", name], f"a spec ends in .yaml or .yml: -o {Path(name).stem}.", capsys)


def test_what_is_not_read_may_be_replaced(folder: Path) -> None:
    Path("old.yaml").write_text("old")
    assert run("import", "two.onnx", "-o", "old.yaml", "--weights-out", "tiny.pt") == Exit.FINE
    assert Path("old.yaml").read_text().startswith("#")
    assert run("build", "tiny.yaml", "small.yaml") == Exit.FINE
    assert run("build", "tiny.yaml", "small.yaml") == Exit.FINE
    assert run("export", "tiny.yaml", "--onnx", "--weights", "tiny.pt", "-o", "tiny.onnx") == Exit.FINE


def test_a_spec_that_is_wrong_is_reported_and_not_hidden(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("wrong.yaml").write_text(TINY.replace("name", "nam"))
    assert run("compare", "wrong.yaml", "tiny.yaml") == Exit.SPEC
    assert "did you mean `name`?" in capsys.readouterr().err
