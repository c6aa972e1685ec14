"""The HTML of a network: well formed, self-contained, complete, and deaf to markup in a spec."""

import json
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Final

import pytest

import vggc
from tests.networks import ALL, SMALL, network
from vggc.backends.text import text_summary
from vggc.cli import main
from vggc.drawing import notebook_html, svg_diagram
from vggc.frontend.text.sources import stock_names
from vggc.model import Network

SVG = "{http://www.w3.org/2000/svg}"


def parsed(compiled: Network) -> ET.Element:
    """Stricter than a browser: the text is XML as well."""
    return ET.fromstring(notebook_html.emit(compiled))


def texts(root: ET.Element, tag: str) -> list[str]:
    return ["".join(element.itertext()) for element in root.iter(tag)]


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
    assert network(SMALL)._repr_html_() == notebook_html.emit(network(SMALL))


@pytest.mark.parametrize("name", ["vgg16", "vgg16_bn_cifar10"])
def test_the_table_alone_is_what_the_command_line_prints(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["shapes", name])
    printed = capsys.readouterr().out
    table = vggc.compile(name).table
    print(table)
    assert capsys.readouterr().out == printed
    assert f"{table!r}\n" == printed


def test_the_table_alone_has_no_picture_in_a_notebook() -> None:
    compiled = network(SMALL)
    alone, whole = ET.fromstring(compiled.table._repr_html_()), parsed(compiled)
    assert not list(alone.iter(f"{SVG}svg"))
    assert [ET.tostring(table) for table in alone.iter("table")] == [
        ET.tostring(table) for table in whole.iter("table")
    ]
    assert alone.attrib == whole.attrib
    assert texts(alone, "style") == texts(whole, "style")


def test_it_is_self_contained_and_runs_nothing() -> None:
    text = notebook_html.emit(vggc.compile("vgg16"))
    root = ET.fromstring(text)
    attributes = [key for element in root.iter() for key in element.attrib]
    assert not {"script", "link", "img", "iframe"} & {element.tag for element in root.iter()}
    assert not [key for key in attributes if key.startswith("on") or key in ("href", "src")]
    assert "@import" not in text
    assert "url(" not in text
    styles = [element.text or "" for tag in ("style", f"{SVG}style") for element in root.iter(tag)]
    rules = re.findall(r"([^{}]+)\{[^{}]*\}", "".join(styles))
    selectors = [selector.strip() for rule in rules for selector in rule.split(",")]
    assert len(styles) == 2
    assert len(selectors) > 8
    assert all(selector.startswith((".vggc-network ", ".vggc-page ")) for selector in selectors), (
        "a style holds everywhere"
    )


PAGES: Final = {
    "dark": ("html{color-scheme:dark} body{background:#111;color:#fff}", (17, 17, 17)),
    "light": ("html{color-scheme:light} body{background:#fff;color:rgba(0,0,0,.87)}", (255, 255, 255)),
    "solarized": ("body{background:#fdf6e3;color:#657b83}", (253, 246, 227)),
    "none": ("html{color-scheme:light dark}", None),
}
LOOKED_AT: Final = """
<script>
addEventListener('load', () => {
  const looks = (selector, what) => [...new Set([...document.querySelectorAll('.vggc-network ' + selector)]
    .map(element => getComputedStyle(element)[what]))];
  const colours = {
    page: getComputedStyle(document.body).color, ink: looks('.vggc-ink', 'fill'), cell: looks('td', 'color'),
    pale: looks('text.vggc-pale', 'fill'), arrow: looks('.vggc-arrow', 'stroke'),
    dark: matchMedia('(prefers-color-scheme: dark)').matches,
  };
  document.body.replaceChildren(document.createTextNode('colours:' + JSON.stringify(colours)));
});
</script>
"""


def browsed(page: str, folder: Path, *options: str) -> str:
    """What chromium prints of a page."""
    file = folder / "page.html"
    file.write_text(page)
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    more = ["--disable-sync", "--no-first-run", f"--user-data-dir={folder / 'profile'}", "--window-size=1100,700"]
    done = subprocess.run([*command, *more, *options, file.as_uri()], capture_output=True, text=True, timeout=120)
    return done.stdout


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
@pytest.mark.parametrize("system", ["light", "dark"])
@pytest.mark.parametrize("page", PAGES)
def test_it_takes_the_colours_of_the_page(page: str, system: str, tmp_path: Path) -> None:
    """Of the page, and not of the system: the table and every text of the picture."""
    from PIL import Image

    style, ground = PAGES[page]
    text = f"<!doctype html><style>{style}</style><body>{network(SMALL)._repr_html_()}"
    preferred = f"--blink-settings=preferredColorScheme={0 if system == 'dark' else 1}"
    another = svg_diagram.emit(network(SMALL))  # a picture with its own colours, whose style holds for the whole page
    printed = re.search(r"colours:(\{.*\})", browsed(f"{text}{another}{LOOKED_AT}", tmp_path, preferred, "--dump-dom"))
    assert printed is not None
    colours = json.loads(printed[1])
    assert colours["dark"] == (system == "dark")
    assert colours["ink"] == colours["cell"] == [colours["page"]]
    assert len(colours["pale"]) == 1
    assert colours["pale"] == colours["arrow"] != colours["ink"]
    if ground is not None:
        shot = tmp_path / "shot.png"
        browsed(text, tmp_path, preferred, f"--screenshot={shot}")
        with Image.open(shot) as image:
            assert image.convert("RGB").getpixel((12, 12)) == ground, "the paper is the page's"


def test_two_on_a_page_share_no_id() -> None:
    root = ET.fromstring(f"<div>{2 * notebook_html.emit(network(SMALL))}</div>")
    ids = [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
    assert len(ids) == len(set(ids))
    references = " ".join(element.attrib.get("aria-labelledby", "") for element in root.iter()).split()
    assert set(references) <= set(ids)
    for picture in root.iter(f"{SVG}svg"):
        assert [element.tag for element in picture][:2] == [f"{SVG}title", f"{SVG}desc"]
        assert picture[0].text == "small"


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
    assert len(notebook_html.emit(deep)) < 200_000


def test_it_needs_no_torch() -> None:
    code = "import sys, vggc; network = vggc.compile('vgg16'); network._repr_html_(); network.table._repr_html_();"
    code += "str(network.table); print({'torch', 'onnx', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
