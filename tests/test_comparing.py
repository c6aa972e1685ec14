"""`vggc compare`: the figures of the table, its order and formats."""

import csv
import json
from pathlib import Path

import pytest

import vggc
from tests.networks import ALL, HEADLESS, PLAIN, SMALL, network
from tests.test_cli import run
from vggc.authoring import compare_csv, compare_json, compare_markdown, compare_text
from vggc.authoring.comparing import COLUMNS, compare_networks
from vggc.authoring.network_figures import FIGURES
from vggc.backends.text.network_json import data
from vggc.base.words import amount
from vggc.cli.exits import Exit

GOLDEN = Path(__file__).parent / "cases" / "authoring"


@pytest.mark.parametrize("name", [*ALL, "vgg16", "vgg16_bn", "alexnet"])
def test_figures_are_those_of_shapes_json(name: str) -> None:
    compiled = network(ALL[name]) if name in ALL else vggc.compile(name)
    known = json.loads(json.dumps(data(compiled)))
    known["flatten"] = known["flatten"] and known["flatten"]["size"]
    known["layers"] = len(known["layers"])
    for key in set(FIGURES) - {"depth"}:
        assert json.loads(json.dumps(FIGURES[key].of(compiled))) == known[key], key


def test_depth_is_the_number_in_the_names_of_vgg() -> None:
    for depth in (11, 13, 16, 19):
        assert FIGURES["depth"].of(vggc.compile(f"vgg{depth}")) == depth


def test_the_whole_table() -> None:
    networks = [network(text) for text in (SMALL, PLAIN, HEADLESS)]
    assert compare_text.emit(compare_networks(networks, sort="macs")) == (GOLDEN / "compare.txt").read_text()
    assert compare_markdown.emit(compare_networks(networks, ["params", "flatten"])) == (
        "| name | params | flatten |\n|---|---:|---:|\n"
        "| `small` | 2,285 | 64 |\n| `plain` | 1,460 | 180 |\n| `headless` | 112 | none |\n"
    )


def test_rows_are_sorted_and_those_without_a_value_stand_last() -> None:
    networks = [network(text) for text in (SMALL, HEADLESS, PLAIN)]

    def names(sort: str | None, reverse: bool = False) -> list[str]:
        return [row.name for row in compare_networks(networks, ["params"], sort, reverse).rows]

    assert names(None) == ["small", "headless", "plain"]
    assert names(None, reverse=True) == ["plain", "headless", "small"]
    assert names("name") == ["headless", "plain", "small"]
    assert names("flatten") == ["small", "plain", "headless"]
    assert names("flatten", reverse=True) == ["plain", "small", "headless"]


def test_equal_names_are_told_apart_by_their_files() -> None:
    assert [row.name for row in compare_networks([network(SMALL), network(SMALL)]).rows] == ["small (test.yaml)"] * 2


def test_a_network_keeps_its_file_when_its_name_is_set(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("compare", "small.yaml", "plain.yaml", "--set", "name=same", "--columns", "depth") == Exit.FINE
    assert {line.split("  ")[0] for line in capsys.readouterr().out.splitlines()[2:]} == {
        "same (small.yaml)",
        "same (plain.yaml)",
    }


def test_for_programs() -> None:
    comparison = compare_networks([network(SMALL), network(HEADLESS)], ["params", "flatten", "min_input"])
    rows = list(csv.DictReader(compare_csv.emit(comparison).splitlines()))
    assert rows[0] == {"name": "small", "params": "2285", "flatten": "64", "min_input": "8x8"}
    assert rows[1]["flatten"] == ""
    assert json.loads(compare_json.emit(comparison))[0] == {
        "name": "small", "params": 2285, "flatten": 64, "min_input": [8, 8],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (950, "950"), (1000, "1K"), (1_500_000, "1.5M"), (2 * 10**9, "2G"), (10**13, "10T")]
)
def test_amounts(value: int, text: str) -> None:
    assert amount(value) == text


# --- the command -------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in ALL.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_folder_with_a_wrong_spec_shows_the_others(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "plain.yaml").write_text(PLAIN.replace("classes", "clases", 1))
    assert run("compare", ".", "--columns", "params") == Exit.SPEC
    out, err = capsys.readouterr()
    assert out == "name      params\n--------  ------\nheadless     112\nsmall      2,285\n"
    assert "did you mean `classes`?" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--columns", "parms"], "did you mean `params`?"),
        (["--sort", "size"], "there is no column 'size'"),
    ],
)
def test_wrong_usage(arguments: list[str], words: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("compare", "small.yaml", *arguments) == Exit.USAGE
    assert words in capsys.readouterr().err


def test_the_columns_are_figures() -> None:
    assert set(COLUMNS) <= set(FIGURES)
