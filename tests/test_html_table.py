"""The HTML of a network: well formed, self-contained, complete, and deaf to markup in a spec."""

import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

import vggc
from tests.networks import ALL, SMALL, network
from vggc.backends import html_table, text_summary
from vggc.frontend.sources import stock_names
from vggc.ir import Network

SVG = "{http://www.w3.org/2000/svg}"


def parsed(compiled: Network) -> ET.Element:
    """Stricter than a browser: the text is XML as well."""
    return ET.fromstring(html_table.emit(compiled))


def texts(root: ET.Element, tag: str) -> list[str]:
    return ["".join(each.itertext()) for each in root.iter(tag)]


@pytest.mark.parametrize("name", [*ALL, *stock_names()])
def test_it_says_what_the_text_says(name: str) -> None:
    compiled = network(ALL[name]) if name in ALL else vggc.compile(name)
    root = parsed(compiled)
    layers, totals = root.iter("table")
    rows = [["".join(cell.itertext()) for cell in row] for row in layers.iter("tr")]
    assert [tuple(row) for row in rows] == text_summary.rows(compiled)
    assert [tuple(cell.text for cell in row) for row in totals.iter("tr")] == list(text_summary.totals(compiled))
    assert len(list(root.iter(f"{SVG}svg"))) == 1


def test_a_notebook_asks_for_it() -> None:
    assert network(SMALL)._repr_html_() == html_table.emit(network(SMALL))


def test_it_is_self_contained_and_runs_nothing() -> None:
    text = html_table.emit(vggc.compile("vgg16"))
    root = ET.fromstring(text)
    attributes = [key for each in root.iter() for key in each.attrib]
    assert not {"script", "link", "img", "iframe"} & {each.tag for each in root.iter()}
    assert not [key for key in attributes if key.startswith("on") or key in ("href", "src")]
    assert "@import" not in text
    assert "url(" not in text
    style = "".join(each.text or "" for each in root.iter("style"))
    rules = [line for line in style.splitlines() if "{" in line]
    assert all(line.startswith(".vggc-network ") for line in rules), "a style holds for the whole notebook"


def test_it_takes_the_colours_of_the_page() -> None:
    style = html_table.STYLE
    assert "color:inherit" in style
    assert "#" not in style


def test_markup_in_a_spec_is_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """No name of a spec may hold it today; a kind or a formula of another package might."""
    wicked = "<script>alert(1)</script>&\"'"
    monkeypatch.setattr(text_summary, "seen", lambda _: wicked)
    monkeypatch.setattr(text_summary, "_smallest", lambda _: wicked)
    root = parsed(network(SMALL))
    assert texts(root, "td").count(wicked) == len(network(SMALL).layers) + 1
    assert not list(root.iter("script"))


def test_of_a_very_deep_network_the_middle_is_left_out() -> None:
    deep = network(
        "vggc: 1\nname: deep\ninput: [3, 8, 8]\nfeatures: [{repeat: {times: 2000, layers: [4]}}]\nclassifier: none\n"
    )
    root = parsed(deep)
    paths = [row[0].text for row in root.iter("tr")]
    assert "3,800 more layers" in paths
    assert (
        paths[1], paths[100], paths[102], paths[201],
    ) == ("features.0", "features.99", "features.3900", "features.3999")  # fmt: skip
    assert len(html_table.emit(deep)) < 200_000


def test_it_needs_no_torch() -> None:
    code = "import sys, vggc; vggc.compile('vgg16')._repr_html_(); print({'torch', 'onnx', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
