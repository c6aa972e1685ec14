"""`vggc compare`: the figures of the table, its order and formats; and the picture, in which nothing overlaps."""

import csv
import json
import xml.etree.ElementTree as ET
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vggc
from tests.networks import ALL, HEADLESS, PLAIN, SMALL, network
from tests.test_cli import run
from vggc.authoring import compare_csv, compare_json, compare_markdown, compare_plot, compare_text, comparing
from vggc.authoring.comparing import COLUMNS, Row, compare_networks
from vggc.authoring.network_figures import FIGURES
from vggc.backends.text.network_json import data
from vggc.cli.exits import Exit
from vggc.drawing.axes import PlotAxis, amount
from vggc.drawing.scatter import HEIGHT, WIDTH, DataPoint, lay_out, overlap
from vggc.frontend.text.sources import stock_names
from vggc.model import Network

GOLDEN = Path(__file__).parent / "cases" / "authoring"
SVG = "{http://www.w3.org/2000/svg}"


def stock() -> list[Network]:
    return [vggc.compile(name) for name in stock_names()]


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


# --- the picture -------------------------------------------------------------------------------------------------


def test_no_label_of_the_stock_specs_covers_anything() -> None:
    scatter = lay_out([DataPoint(network.name, network.params, network.macs) for network in stock()])
    assert scatter.unlabelled == 0
    assert sorted(line for label in scatter.labels for line in label.lines) == stock_names()
    for one, other in combinations(scatter.labels, 2):
        assert not overlap(one.box, other.box)
        assert not one.crosses(other.box)
        assert not other.crosses(one.box)
    for label in scatter.labels:
        assert label.box.left >= 0
        assert label.box.right <= WIDTH
        assert label.box.bottom <= HEIGHT
        assert not any(
            label.box.left < point.x < label.box.right and label.box.top < point.y < label.box.bottom
            for point in scatter.points
        )


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=40))
def test_labels_never_overlap_however_the_points_lie(sizes: list[tuple[int, int]]) -> None:
    scatter = lay_out([DataPoint(f"network_{i}", 10 * a * a, a * b) for i, (a, b) in enumerate(sizes)])
    assert len(scatter.points) == len(sizes)
    assert not any(overlap(one.box, other.box) for one, other in combinations(scatter.labels, 2))
    assert scatter.unlabelled + sum(len(label.lines) for label in scatter.labels) <= len(sizes)


def test_the_picture_is_svg_that_escapes_and_follows_the_mode() -> None:
    row = Row('a<b>&"c', network(SMALL), ())
    text = compare_plot.emit(comparing.ComparisonTable((), (row,)))
    root = ET.fromstring(text)
    assert 'a<b>&"c' in [text.text for text in root.iter(f"{SVG}text")]
    assert "prefers-color-scheme:dark" in text
    assert "<script" not in text
    tooltip = root.find(f"{SVG}circle/{SVG}title")
    assert tooltip is not None
    assert tooltip.text == 'a<b>&"c: 2,285 params, 129,852 MACs'


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=9))
def test_every_value_has_its_place_on_an_axis(values: list[int]) -> None:
    axis = PlotAxis.over(values)
    assert all(0 <= axis.place(value) <= 1 for value in values)
    assert axis.logarithmic == (min(values) > 0 and max(values) >= 4 * min(values))
    marks = axis.marks()
    assert marks == sorted(marks)
    assert all(-1e-9 <= axis.place(mark) <= 1 + 1e-9 for mark in marks)
    assert len(marks) >= 2


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (950, "950"), (1000, "1K"), (1_500_000, "1.5M"), (2e9, "2G"), (10**13, "10T")]
)
def test_amounts(value: float, text: str) -> None:
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
    assert run("compare", ".", "--columns", "params", "--plot", "out/plot.svg") == Exit.SPEC
    out, err = capsys.readouterr()
    assert out == "name      params\n--------  ------\nheadless     112\nsmall      2,285\n"
    assert "wrote out/plot.svg" in err
    assert "did you mean `classes`?" in err
    assert ET.parse(folder / "out" / "plot.svg").getroot().tag == f"{SVG}svg"


def test_nothing_is_drawn_of_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("compare", "nowhere.yaml", "--plot", "plot.svg") == Exit.SPEC
    assert capsys.readouterr().out == ""
    assert not (folder / "plot.svg").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--columns", "parms"], "did you mean `params`?"),
        (["--sort", "size"], "there is no column 'size'"),
        (["--plot", "x.png"], "--plot x.svg"),
    ],
)
def test_wrong_usage(arguments: list[str], words: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("compare", "small.yaml", *arguments) == Exit.USAGE
    assert words in capsys.readouterr().err


def test_the_columns_are_figures() -> None:
    assert set(COLUMNS) <= set(FIGURES)
