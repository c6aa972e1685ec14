"""`vggc new`: its specs compile for every parent and input, every suggestion works, and nothing is overwritten."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vggc
from tests.networks import SMALL, compile_source
from tests.test_cli import run
from vggc.analysis import lints
from vggc.authoring import starting
from vggc.base.diagnostics import Source, SpecError
from vggc.cli.exits import Exit
from vggc.frontend.schema.json_schema import published_text
from vggc.frontend.text.sources import read_source, stock_names
from vggc.ir.geometry import smallest_input
from vggc.ir.walk import without
from vggc.layers.answers import Shape
from vggc.model import Network

TARGET = Path("mine.yaml")


def begin(parent: str, input: Shape | None = None, classes: int | list[str] | None = None) -> starting.Child:
    new = starting.NewSpec("mine", parent, TARGET, input=input, classes=classes)
    return starting.start(new, read_source(parent))


def compiled(text: str) -> Network:
    return compile_source(Source(str(TARGET), text, path=TARGET))


@pytest.mark.parametrize("parent", stock_names())
@settings(max_examples=settings.default.max_examples // 5)
@given(
    channels=st.sampled_from([1, 3, 4]),
    height=st.integers(1, 260),
    width=st.integers(1, 260),
    classes=st.sampled_from([None, 2, ["cat", "dog"], ["no", "1", "a b"]]),
)
def test_it_compiles_for_every_parent_and_every_input_that_its_features_take_without_a_pool(
    parent: str, channels: int, height: int, width: int, classes: int | list[str] | None
) -> None:
    graph = vggc.compile(parent).graph
    layers = [node for node in graph.nodes if node.section == "features" and not node.layer.kind.startswith("max_pool")]
    least = smallest_input(without(graph.section("features"), {n.path for n in graph.nodes if n not in layers}))
    assert least is not None
    if height < least[0] or width < least[1]:
        with pytest.raises(SpecError, match="E203"):
            begin(parent, (channels, height, width), classes)
        return
    started = begin(parent, (channels, height, width), classes)
    network = compiled(started.text)
    assert network.input == (channels, height, width)
    assert network.params == started.network.params
    if classes is not None:
        assert network.output == (2 if classes == 2 else len(classes),)


@pytest.mark.parametrize("parent", stock_names())
def test_nothing_is_warned_of_where_the_parent_is_not(parent: str) -> None:
    for input in (None, (3, 64, 64), (1, 224, 224)):
        assert lints.check(begin(parent, input).network) == []


def suggestions(text: str) -> list[tuple[str, str]]:
    """Every suggestion, and the text in which it alone is uncommented."""
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("# Suggestions"))
    end = next(i for i, line in enumerate(lines) if i > start and not line)
    found = []
    for i in range(start + 1, end):
        if not lines[i].startswith("#  "):
            more = next((j for j in range(i + 1, end) if not lines[j].startswith("#  ")), end)
            changed = [line.removeprefix("# ") for line in lines[i:more]]
            found.append((lines[i], "\n".join([*lines[:i], *changed, *lines[more:]])))
    return found


@pytest.mark.parametrize("parent", ["vgg16", "vgg16_c", "alexnet", "zfnet512", "vgg16_bn_cifar10", "vgg16_cifar10"])
@pytest.mark.parametrize("input", [None, (3, 96, 64)])
def test_every_suggestion_changes_the_network(parent: str, input: Shape | None) -> None:
    started = begin(parent, input)
    found = suggestions(started.text)
    assert len(found) >= 5
    for line, changed in found:
        layers = [each.layer for each in compiled(changed).layers]
        same = layers == [each.layer for each in started.network.layers]
        assert same == line.startswith("# features:"), line


def test_the_true_figures_hold_when_they_are_expected() -> None:
    text = begin("vgg16", (3, 32, 32), 10).text
    line = next(line for line in text.splitlines() if line.startswith("# expect"))
    assert line == "# expect: {params: 33638218, macs: 332111872, flatten: 512, output: [10]}"
    assert compiled(text.replace(line, line.removeprefix("# "))).flatten == 512


def test_a_pool_that_would_enlarge_gives_way_and_says_why() -> None:
    text = begin("vgg16", (3, 32, 32)).text
    assert "\npool: none\n" in text
    assert "512 x 1 x 1, which is too small a map for the inherited pool, adaptive_avg_pool2d: 7" in text
    assert "\npool: {adaptive_avg_pool2d: {output_size: [7, 2]}}\n" in begin("vgg16", (3, 448, 64)).text
    assert "\npool:" not in begin("vgg16", (3, 448, 448)).text
    assert "\npool:" not in begin("vgg16_cifar10", (3, 32, 32)).text  # it may enlarge


def test_an_input_that_is_too_small_for_all_pools_loses_the_last() -> None:
    """MNIST: 28 -> 14 -> 7 -> 3 -> 1, and no fifth time."""
    started = begin("vgg16", (1, 28, 28), 10)
    assert "\n# A 28x28 input is too small for all inherited pools: without the last pool" in started.text
    assert "\nrewrite: [{remove: max_pool2d, where: {stage: 5}}]\n" in started.text
    assert [each.alias for each in started.network.layers if each.kind == "max_pool2d"] == [
        f"pool{i}" for i in range(1, 5)
    ]
    assert "without the last 2 pools" in begin("vgg16", (1, 12, 28)).text
    assert "rewrite: [{remove: max_pool2d, where: {stage: [4, 5]}}]\n" in begin("vgg16", (1, 12, 28)).text
    assert "\nrewrite:" not in begin("vgg16", (1, 32, 32)).text


def test_pools_of_several_kinds_go_each_by_its_own(folder: Path) -> None:
    pools = "[8, M, 8, M, 8, {avg_pool2d: 2}, 8, M, 16, global_avg_pool2d]"
    (folder / "small.yaml").write_text(SMALL.replace("[8, M, 16, M]", pools).replace("pool: 2\n", "pool: none\n"))
    assert run("new", "mine", "--from", "small.yaml", "--input", "3,3,3") == Exit.FINE
    network = vggc.compile(folder / "mine.yaml")
    assert [each.kind for each in network.layers if each.node.layer.group == "pool"] == [
        "max_pool2d",
        "global_avg_pool2d",
    ]


def test_a_window_that_does_not_fit_is_not_said_to_enlarge(folder: Path) -> None:
    text = SMALL.replace("pool: 2", "pool: {avg_pool2d: 4}")
    (folder / "small.yaml").write_text(text, encoding="utf-8")
    assert run("new", "mine", "--from", "small.yaml", "--input", "3,8,8") == Exit.FINE
    written = (folder / "mine.yaml").read_text(encoding="utf-8")
    assert "which is too small a map for the inherited pool, avg_pool2d: 4.\npool: none\n" in written


def test_what_belongs_to_the_input_follows_it() -> None:
    network = begin("vgg16_cifar10", (1, 32, 96)).network
    preprocess, train = network.header.preprocess, network.header.train
    assert preprocess is not None
    assert train is not None
    assert (preprocess.resize, preprocess.crop) == ((35, 105), (32, 96))
    assert (preprocess.mean, preprocess.std) == ((0.5,), (0.5,))
    assert [(each.kind, each.changed()) for each in train.augment] == [("random_crop", {"size": (32, 96)})]


def test_what_a_parent_expects_is_stated_again(tmp_path: Path) -> None:
    parent = tmp_path / "parent.yaml"
    parent.write_text(SMALL + "expect: {params: 2285, max_macs: 130K, flatten: 64}\n")
    child = starting.start(
        starting.NewSpec("mine", "parent.yaml", tmp_path / "mine.yaml", input=(3, 32, 32)), read_source(parent)
    )
    assert {each.key: each.value for each in child.network.header.expect} == {
        "params": 2285, "max_macs": child.network.macs, "flatten": 64, "macs": child.network.macs, "output": (5,),
    }  # fmt: skip
    same = starting.start(
        starting.NewSpec("mine", "parent.yaml", tmp_path / "mine.yaml", classes=5), read_source(parent)
    )
    assert "# expect:" in same.text


# --- the command -------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_writes_the_spec_and_the_schema(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("new", "mine", "--input", "3,64,64", "--classes", "cat, dog") == Exit.FINE
    out = capsys.readouterr().out.splitlines()
    assert out == [
        "wrote mine.yaml",
        "wrote vggc.schema.json",
        "3 x 64 x 64 -> 2, 39,896,898 params, 1,277,960,192 MACs",
        "next: vggc check mine.yaml",
    ]
    assert (folder / "vggc.schema.json").read_text() == published_text()
    assert run("check", "mine.yaml") == Exit.FINE
    assert capsys.readouterr().err == ""


def test_the_schema_is_the_nearest_one_above(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("new", "a") == run("new", "b", "-o", "deep/er/b.yaml") == Exit.FINE
    first = (folder / "deep/er/b.yaml").read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=../../vggc.schema.json"
    assert [str(each.relative_to(folder)) for each in folder.rglob("*.json")] == ["vggc.schema.json"]
    (folder / "vggc.schema.json").write_text(json.dumps({}))
    capsys.readouterr()
    assert run("new", "c") == Exit.FINE
    assert (
        "vggc.schema.json is from another version of vggc; to update it: vggc schema > vggc.schema.json"
        in capsys.readouterr().out
    )


def test_a_parent_is_named_as_the_child_finds_it(folder: Path) -> None:
    (folder / "specs").mkdir()
    (folder / "specs" / "small.yaml").write_text(SMALL)
    assert run("new", "mine", "--from", "specs/small.yaml", "-o", "variants/mine.yaml") == Exit.FINE
    assert "\nextends: ../specs/small.yaml\n" in (folder / "variants/mine.yaml").read_text()
    assert run("check", "variants/mine.yaml") == Exit.FINE
    assert run("new", "vgg16") == Exit.FINE  # a child of the same name as its stock parent
    assert run("check", "vgg16.yaml") == Exit.FINE


def test_nothing_is_overwritten_unless_forced(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "mine.yaml").write_text("precious")
    assert run("new", "mine") == Exit.FAILED
    assert "mine.yaml exists; --force replaces it" in capsys.readouterr().err
    assert (folder / "mine.yaml").read_text() == "precious"
    assert run("new", "mine", "--force") == Exit.FINE
    assert run("new", "self", "--from", "mine.yaml", "-o", "mine.yaml", "--force") == Exit.USAGE
    assert (
        "mine.yaml would replace the spec mine.yaml, which is read; write elsewhere with -o" in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["specs/mine.yaml"], "vggc new mine -o specs/mine.yaml"),
        (["mine.yaml"], "vggc new mine -o mine.yaml"),
        (["k7", "-o", "k7"], "write -o k7.yaml"),
        (["k8", "-o", "k8.txt"], "write -o k8.yaml"),
        (["k9", "-o", "."], "write -o k9.yaml"),
        (["1st"], "is not a valid name; it must begin with a letter"),
        (["mine\n"], "is not a valid name"),
        (["x" * 101], "is not a valid name"),
        (["mine", "--input", "3,64"], "write channels, height and width, such as 3,64,64"),
        (["mine", "--input", "3,0,64"], "is not an input"),
    ],
)
def test_wrong_usage(arguments: list[str], words: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("new", *arguments) == Exit.USAGE
    assert words in capsys.readouterr().err
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--from", "alexnet", "--input", "3,4,4"], "the smallest input for these layers is"),
        (["--classes", "0"], "`classes`"),
        (["--classes", "-3"], "`classes`"),
        (["--from", "vgg17"], "did you mean the stock spec `vgg19`?"),
        (["--classes", "cat,cat"], "the class `cat` is listed a second time here"),
    ],
)
def test_a_wrong_spec_is_not_written(
    arguments: list[str], words: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("new", "mine", *arguments) == Exit.SPEC
    assert words in capsys.readouterr().err
    assert list(folder.iterdir()) == []
