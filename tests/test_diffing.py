"""`vggc diff`: what is found to differ, and the three ways in which it is shown."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

import vggc
from tests.networks import SMALL, network
from tests.test_cli import run
from vggc.authoring import diff_json, diff_markdown, diff_text
from vggc.authoring.diffing import Difference
from vggc.cli.exits import Exit
from vggc.frontend.text.sources import stock_names


def difference(before: str, after: str) -> Difference:
    return Difference(network(before), network(after))


def states(found: Difference) -> list[tuple[str, str]]:
    return [(pair.state, pair.alias) for pair in found.layers if pair.state != "same"]


@pytest.mark.parametrize("name", stock_names())
def test_nothing_differs_from_itself(name: str) -> None:
    found = Difference(vggc.compile(name), vggc.compile(name))
    assert found.equal
    assert "no difference" in diff_text.emit(found)


def test_how_a_spec_is_written_makes_no_difference() -> None:
    long = SMALL.replace(
        "features: [8, M, 16, M]", "features: [{conv: 8}, {max_pool2d: 2}, {repeat: {times: 1, layers: [16, M]}}]"
    )
    long = long.replace("linear: classes", "linear: {out_features: 5, in_features: 12}")
    assert difference(SMALL, long).layers[2].options == {}
    assert states(difference(SMALL, long)) == [("changed", "pool1")]  # M has a stride of its own
    assert difference(SMALL, SMALL.replace("name: small", "name: other")).equal


def test_a_default_is_shown_beside_what_differs_from_it() -> None:
    """Adam's learning rate is 0.001 unless it says otherwise; the other side says 0.1."""
    train = "train: {epochs: 3, batch_size: 8, optimizer: {%s}}\n"
    sgd, adam = train % "sgd: {lr: 0.1, momentum: 0.9}", train % "adam: {lr: 1e-3}"
    (change,) = difference(SMALL + sgd, SMALL + adam).keys
    assert change == ("train.optimizer", "{sgd: {lr: 0.1, momentum: 0.9}}", "{adam: {lr: 0.001}}")
    (change,) = difference(SMALL + sgd, SMALL + sgd.replace("epochs: 3", "epochs: 3, label_smoothing: 0.1")).keys
    assert change == ("train.label_smoothing", "0.0", "0.1")


def test_an_inserted_layer_is_one_inserted_layer() -> None:
    found = difference(SMALL, SMALL.replace("[8, M, 16, M]", "[8, M, 16, dropout2d, M]"))
    assert states(found) == [("inserted", "dropout2d2_1")]
    assert len(found.layers) == len(network(SMALL).layers) + 1


def test_a_changed_option_is_a_change_and_the_shapes_behind_it_are_none() -> None:
    found = difference(SMALL, SMALL.replace("features: [8,", "features: [4,"))
    assert states(found) == [("changed", "conv1_1")]
    assert found.layers[0].options == {"out_channels": (8, 4)}
    assert [pair.alias for pair in found.layers if pair.reshaped] == [
        "conv1_1",
        "batch_norm1_1",
        "relu1_1",
        "pool1",
        "conv2_1",
    ]


def test_another_kind_of_the_same_group_is_a_change() -> None:
    found = difference(SMALL, SMALL.replace("norm: batch_norm", "norm: {group_norm: 2}"))
    assert [(pair.state, pair.kind) for pair in found.layers if pair.state != "same"] == [
        ("changed", "batch_norm -> group_norm")
    ] * 2


def test_two_ways_to_reshape_are_no_change_of_one_into_the_other() -> None:
    head = "vggc: 1\nname: a\ninput: [16, 8, 8]\nclassifier: none\n"
    found = difference(f"{head}features: [8, {{upsample: 2}}]\n", f"{head}features: [8, {{pixel_shuffle: 2}}]\n")
    assert [state for state, _ in states(found)] == ["removed", "inserted"]


def test_vgg19_is_vgg16_with_three_convolutions_more() -> None:
    found = Difference(vggc.compile("vgg16"), vggc.compile("vgg19"))
    assert states(found) == [("inserted", f"{kind}{stage}_4") for stage in (3, 4, 5) for kind in ("conv", "relu")]
    assert found.groups() == {"conv2d inserted": 3, "relu inserted": 3}


def test_keys_besides_the_layers() -> None:
    after = (
        SMALL.replace("resize: 20", "resize: 32").replace("[ant, bee, cow, dog, eel]", "5") + "expect: {params: 2285}\n"
    )
    after = after.replace("linear: {normal: 0.05}, ", "").replace("allow: [needless_bias]\n", "")
    after += "train: {epochs: 3, batch_size: 8, optimizer: {sgd: 0.1}}\n"
    assert {each.key: (each.before, each.after) for each in difference(SMALL, after).keys} == {
        "classes": ("[ant, bee, cow, dog, eel]", "5"),
        "init.linear": ("{normal: {std: 0.05}}", None),
        "expect.params": (None, "2285"),
        "preprocess.resize": ("20", "32"),
        "train.epochs": (None, "3"),
        "train.batch_size": (None, "8"),
        "train.optimizer": (None, "{sgd: {lr: 0.1}}"),
        "allow": ("[needless_bias]", None),
    }


AFTER = (
    SMALL.replace("[8, M, 16, M]", "[8, M, 16, 16, M]")
    .replace("[3, 16, 16]", "[3, 32, 32]")
    .replace("resize: 20, crop: 16", "crop: 32")
    .replace("[12,", "[{fc: {out_features: 12, activation: silu}},")
)
GOLDEN = Path(__file__).parent / "cases" / "authoring"


@pytest.mark.parametrize(("suffix", "emit"), [("txt", diff_text.emit), ("md", diff_markdown.emit)])
def test_the_whole_answer(suffix: str, emit: Callable[[Difference], str]) -> None:
    """Looked at by a person when it was made: figures, keys, one layer inserted, shapes that differ from there on."""
    assert click.unstyle(emit(difference(SMALL, AFTER))) == (GOLDEN / f"diff.{suffix}").read_text(encoding="utf-8")


def test_the_text_has_colours() -> None:
    text = diff_text.emit(difference(SMALL, AFTER))
    assert "\x1b[32m  + conv2_2" in text
    assert {"\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[0m"} <= set(re.findall("\x1b[^m]*m", text))


def test_markdown_takes_no_markup_from_a_spec() -> None:
    after = SMALL.replace("ant", "'a|b`<img src=x>`'")
    shown = diff_markdown.emit(difference(SMALL, after))
    row = next(line for line in shown.splitlines() if "img" in line)
    assert row == '| `classes` | `[ant, bee, cow, dog, eel]` | ``["a\\|b`<img src=x>`", bee, cow, dog, eel]`` |'


def test_json_says_everything() -> None:
    found = json.loads(diff_json.emit(difference(SMALL, AFTER)))
    assert (found["before"], found["equal"]) == ({"name": "small", "file": "test.yaml"}, False)
    assert found["figures"]["depth"] == {"before": 4, "after": 5}
    assert found["keys"][1] == {"key": "preprocess.resize", "before": "20", "after": None}
    assert [each["state"] for each in found["layers"]].count("inserted") == 3
    conv = next(each for each in found["layers"] if each["state"] == "inserted")
    assert (conv["before"], conv["options"]) == (None, {})
    assert conv["after"] == {
        "path": "features.7", "alias": "conv2_2", "kind": "conv2d", "in": [16, 16, 16], "out": [16, 16, 16],
        "params": 2320, "macs": 589824,
    }  # fmt: skip


# --- the command -------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "small.yaml").write_text(SMALL)
    (tmp_path / "specs" / "child.yaml").write_text("vggc: 1\nname: child\nextends: small.yaml\nwidth: 2\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_equal_or_different_is_no_failure_unless_asked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("diff", "specs/small.yaml", "specs/child.yaml") == Exit.FINE
    assert run("diff", "specs/small.yaml", "specs/child.yaml", "--exit-code") == 1
    assert run("diff", "specs/small.yaml", "specs/small.yaml", "--exit-code") == Exit.FINE
    assert "\x1b" not in capsys.readouterr().out


def test_set_is_for_both_and_set_b_for_the_second(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("diff", "specs/small.yaml", "--set-b", "width=2", "--set", "input=[3,32,32]", "--set",
               "preprocess.crop=32", "--set", "preprocess.resize=40") == Exit.FINE  # fmt: skip
    out = capsys.readouterr().out
    assert out.startswith("--- small: 3 x 32 x 32 -> 5  (specs/small.yaml)\n+++ small: 3 x 32 x 32")
    assert "~ conv1_1  conv2d  out_channels: 8 -> 16" in out


@pytest.mark.parametrize("arguments", [("vgg16",), ("-", "-"), ("vgg16", "vgg19", "--format", "yaml")])
def test_wrong_usage(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("diff", *arguments) == Exit.USAGE


def test_a_dash_is_standard_input_beside_the_other_spec(folder: Path) -> None:
    """As with `git show HEAD:specs/child.yaml | vggc diff - specs/child.yaml`: its parent lies in specs/."""
    was = (folder / "specs" / "child.yaml").read_text().replace("width: 2", "width: 1")
    command = [sys.executable, "-m", "vggc", "diff", "-", "specs/child.yaml"]
    done = subprocess.run(command, input=was, capture_output=True, text=True, check=True)
    assert "--- child: 3 x 16 x 16 -> 5  (<stdin>)\n" in done.stdout
    assert "~ conv1_1" in done.stdout
    done = subprocess.run(command, input=was.replace("width", "widht"), capture_output=True, text=True, check=False)
    assert done.returncode == Exit.SPEC
    assert "<stdin>:4:1" in done.stderr
    assert "did you mean `width`?" in done.stderr
