"""`vggc draw`: every format holds the network, whole and escaped, and is the same each time."""

import io
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path
from typing import Final

import pytest

from tests import networks
from tests.regenerate_cases import DRAWINGS, drawings
from vggc import compile
from vggc.base.errors import ProductError
from vggc.cli import main
from vggc.drawing import draw, graphviz_dot, mermaid_diagram, outline, svg_layers
from vggc.drawing.draw import Style, Theme, render
from vggc.drawing.svg_theme import COLOURS, text_length, text_on
from vggc.model import Network

SVG: Final = "{http://www.w3.org/2000/svg}"
TEXTS: Final = (".svg", ".html", ".mmd", ".dot")
NASTY: Final = 'a<b>&"c"\'d\'"]\\`#--</script>'


def small() -> Network:
    return networks.network(networks.SMALL)


def nasty() -> Network:
    """A network whose name no spec could have, and a program could give."""
    found = small()
    header = replace(found.header, name=NASTY)
    return Network(replace(found.graph, header=header), found.layers)


def deep(layers: str, times: int) -> Network:
    text = (
        f"vggc: 1\nname: deep\ninput: [3, 64, 64]\nfeatures: [8, {{repeat: {{times: {times}, layers: [{layers}]}}}}]\n"
    )
    return networks.network(text + "classifier: none\n")


# --- the same each time ---


@pytest.mark.parametrize("file", drawings(), ids=lambda file: file.name)
def test_drawings_are_the_committed_ones(file: Path) -> None:
    assert file.read_bytes() == drawings()[file]


def test_no_drawing_is_left_over() -> None:
    assert set(DRAWINGS.iterdir()) == {file for file in drawings() if file.parent == DRAWINGS}


def test_the_page_about_drawing_shows_what_is_drawn() -> None:
    page = (DRAWINGS.parents[1] / "docs" / "drawing.md").read_text(encoding="utf-8")
    block = re.search(r"^```mermaid\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert block is not None
    assert block[1] == mermaid_diagram.emit(compile("vgg11"))
    for picture in re.findall(r"\]\(([^):]+\.svg)\)", page):
        assert (DRAWINGS.parents[1] / "docs" / picture).is_file(), picture


# --- layer by layer ---


def texts(svg: str) -> list[tuple[float, float, float, float, str]]:
    """The boxes of all texts: left, top, right, bottom, and what they say."""
    found = []
    for each in ElementTree.fromstring(svg).iter(f"{SVG}text"):
        size, text = float(each.attrib["font-size"]), each.text or ""
        width = text_length(text, size, "font-weight" in each.attrib)
        x, baseline = float(each.attrib["x"]), float(each.attrib["y"])
        left = x - width if each.attrib.get("text-anchor") == "end" else x
        found.append((left, baseline - 0.8 * size, left + width, baseline + 0.2 * size, text))
    return found


WIDE: Final = """\
vggc: 1
name: a_network_with_a_name_that_is_much_longer_than_any_line_of_a_picture_could_ever_be_on_a_phone
input: [3, 640, 480]
features:
  - conv2d: {out_channels: 1024, kernel_size: [11, 7], stride: [1, 2], padding: [5, 3], dilation: 1, groups: 1,
             bias: false, padding_mode: reflect, in_channels: 3}
  - local_response_norm: {size: 5, alpha: 1e-3, beta: 0.5, k: 2}
  - leaky_relu: {negative_slope: 0.123456789, inplace: true}
  - adaptive_avg_pool2d: [123, 45]
classifier: none
"""


@pytest.mark.parametrize(
    "network", [*(compile(n) for n in ("alexnet", "vgg11_lrn", "vgg19_bn")), networks.network(WIDE)]
)
def test_no_text_covers_another_or_leaves_the_paper(network: Network) -> None:
    boxes = texts(svg_layers.emit(network))
    for left, _, right, _, text in boxes:
        assert 0 <= left < right <= svg_layers.WIDTH, text
    for one, other in combinations(boxes, 2):
        assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1], (one, other)


def test_every_layer_has_its_line() -> None:
    network = compile("vgg16_bn")
    shown = " ".join(text for *_, text in texts(svg_layers.emit(network)))
    for unit in outline.units(network):
        assert f"{unit.base.alias} {outline.by(unit.output)} " in shown
        for layer in unit.layers:
            assert outline.described(layer.layer) in shown
    assert shown.count("1,792") == 0  # the params of a card are those of its convolution and of its norm
    assert "1,920" in shown
    assert "123,642,856 params" in shown


def test_options_that_do_not_fit_are_on_a_line_of_their_own() -> None:
    shown = " ".join(text for *_, text in texts(svg_layers.emit(networks.network(WIDE))))
    assert outline.described(networks.network(WIDE).layers[0].layer) in shown


def test_repeats_are_drawn_once() -> None:
    network = deep("{conv: {out_channels: 8, norm: batch_norm}}, {conv: {out_channels: 16}}, {conv: 8}", 900)
    svg = svg_layers.emit(network)
    shown = [text for *_, text in texts(svg)]
    assert len(shown) < 40
    assert "×900" in shown  # noqa: RUF001
    assert f"{network.params:,} params" in shown
    drawn = outline.runs(outline.units(network))
    assert [(len(run.units), run.times) for run in drawn] == [(1, 1), (3, 900)]
    assert [layer for run in drawn for layer in run.layers] == list(network.layers)


def normed(features: str) -> Network:
    """A network of units of conv, norm and activation."""
    return networks.network(
        f"vggc: 1\nname: normed\ninput: [3, 64, 64]\nclasses: 10\ndefaults: {{conv: {{norm: batch_norm}}}}\n"
        f"features: [{features}, M]\nclassifier: [{{linear: classes}}]\n"
    )


MERGED: Final = "{repeat: {times: 130, layers: [16]}}, M, {repeat: {times: 1500, layers: [32]}}"
ROUNDS: Final = "{repeat: {times: 50, layers: [16, 32, {conv2d: {out_channels: 16, kernel_size: 1}}]}}"


def test_the_count_of_what_is_drawn_once_is_never_cut() -> None:
    svg = svg_layers.emit(normed(MERGED))
    shown = [text for *_, text in texts(svg)]
    names = [text for text in shown if text.startswith("conv") and "_" in text.split()[0]]
    assert names == ["conv1_1 … ×130", "conv2_1 … ×1,500"]  # noqa: RUF001
    for one, other in combinations(texts(svg), 2):
        assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1], (one, other)


def card_params(svg: str) -> list[int]:
    """The figures in the corners of the cards, and that of the layers that are left out."""
    small = str(svg_layers.SMALL)
    corners = [
        each.text or ""
        for each in ElementTree.fromstring(svg).iter(f"{SVG}text")
        if "text-anchor" in each.attrib and (each.attrib["font-size"] == small or each.attrib["class"] == "vggc-pale")
    ]
    return [int(text.replace(",", "")) for text in corners]


UNLIKE: Final = ", ".join(str(8 + 8 * (i % 31) + i % 7) for i in range(1200))


@pytest.mark.parametrize(
    "network",
    [
        *(compile(name) for name in ("vgg19_bn", "alexnet")),
        *(networks.network(text) for text in networks.ALL.values()),
        *(normed(features) for features in (MERGED, ROUNDS)),
        deep("8, {conv: 16}, batch_norm", 90),
        deep(UNLIKE, 1),
    ],
    ids=lambda network: f"{network.name}-{len(network.layers)}",
)
def test_the_cards_add_up_to_the_network(network: Network) -> None:
    assert sum(card_params(svg_layers.emit(network))) == network.params


def test_a_card_of_a_repeat_has_the_params_of_all_its_rounds() -> None:
    first = 3 * 9 * 16 + 16 + 32 + 49 * (16 * 9 * 16 + 16 + 32)  # a conv of 3x3, its bias, its norm
    second, third = 50 * (16 * 9 * 32 + 32 + 64), 50 * (32 * 16 + 16)
    assert card_params(svg_layers.emit(normed(ROUNDS))) == [first, second, third, 16 * 32 * 32 * 10 + 10]


def test_what_never_repeats_is_left_out_in_the_middle() -> None:
    layers = ", ".join(str(8 + 8 * (i % 31) + i % 7) for i in range(4000))
    network = deep(layers, 1)
    svg = svg_layers.emit(network)
    assert svg.count("<title>") <= svg_layers.MOST_CARDS + 1
    assert re.search(r"… [\d,]+ layers …", svg)
    for emit in (mermaid_diagram.emit, graphviz_dot.emit):
        assert len(emit(network).splitlines()) < 90
        assert "layers …" in emit(network)


# --- themes ---


@pytest.mark.parametrize("style", ["paper", "layers"])
@pytest.mark.parametrize(("theme", "background"), [("light", "#fff"), ("dark", "#0d1117"), ("auto", "#fff")])
def test_themes(style: Style, theme: Theme, background: str) -> None:
    for suffix in (".svg", ".html"):
        text = render(small(), suffix, style, theme).decode()
        assert ("prefers-color-scheme" in text) == (theme == "auto")
        assert f'<rect class="vggc-paper" fill="{background}"' in text


def test_text_on_colours_is_readable() -> None:
    """At least the 4.5 that WCAG asks for."""

    def luminance(colour: str) -> float:
        channels = [each / 255 for each in bytes.fromhex(colour[1:])]
        linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for colour in COLOURS.values():
        light, dark = sorted((luminance(colour), luminance(text_on(colour))), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, colour


# --- escaping ---


@pytest.mark.parametrize("style", ["paper", "layers"])
def test_names_are_escaped_in_svg(style: Style) -> None:
    root = ElementTree.fromstring(render(nasty(), ".svg", style))
    assert any(NASTY in (each.text or "") for each in root.iter(f"{SVG}text"))
    assert root.find(f"{SVG}script") is None


def test_names_are_escaped_in_html() -> None:
    page = parsed(render(nasty(), ".html").decode())
    assert page.texts["title"][:2] == [NASTY, NASTY]  # the page's, and the picture's
    assert page.texts["h1"] == [NASTY]
    assert page.tags.count("script") == 1


def test_names_are_escaped_in_mermaid() -> None:
    assert mermaid_diagram.escaped(NASTY) == "a#60;b#62;#38;#34;c#34;'d'#34;]#92;#96;#35;--#60;/script#62;"
    assert 'title: "a<b>&\\"c\\"' in mermaid_diagram.emit(nasty())


def test_names_are_escaped_in_dot() -> None:
    assert graphviz_dot.quoted('a"b\\c\nd') == '"a\\"b\\\\c\\nd"'
    head = graphviz_dot.emit(nasty()).splitlines()[0]
    assert re.fullmatch(r'digraph "(?:[^"\\]|\\.)*" \{', head)


# --- graphs ---

LINE: Final = re.compile(
    r"---|title: \".*\"|config:|  flowchart:|    \w+: .*|flowchart TD|  input\(\[\"[^\"]*\"\]\):::input"
    r"|  subgraph \w+|    subgraph n\d+\[\"[^\"]*\"\]|  +end|  +n\w+\[\"[^\"]*\"\]:::\w+"
    r"|  input( --> n\w+)+|  classDef \w+ fill:#\w{6},stroke:#\w{6},color:#\w{6}"
)


@pytest.mark.parametrize("network", [small(), compile("vgg19_bn"), deep("8, {conv: 16}", 200)], ids=str)
def test_mermaid_has_a_box_for_each_stop_on_the_way(network: Network) -> None:
    text = mermaid_diagram.emit(network)
    lines = text.splitlines()
    assert [line for line in lines if not LINE.fullmatch(line)] == []
    way = next(line for line in lines if "-->" in line).split(" --> ")[1:]
    boxes = re.findall(r"^ +(n\w+)\[\"[^\"]*\"\]:::(\w+)", text, re.MULTILINE)
    assert [name for name, _ in boxes] == way
    assert {group for _, group in boxes} <= set(re.findall(r"classDef (\w+)", text))
    assert text.count("subgraph") == len(re.findall(r"^ +end$", text, re.MULTILINE))


def test_mermaid_of_vgg16_is_readable() -> None:
    text = mermaid_diagram.emit(compile("vgg16"))
    assert 'n4["conv3_1 … conv3_3<br>3 × conv2d 256, kernel_size 3, padding same + relu<br>256×56×56"]' in text  # noqa: RUF001
    assert len(re.findall(r"^ +n\d+\[", text, re.MULTILINE)) == 14


@pytest.mark.parametrize("network", [small(), nasty(), compile("vgg19_bn"), deep("8, {conv: 16}", 200)], ids=str)
def test_graphviz_draws_it(network: Network) -> None:
    text = graphviz_dot.emit(network)
    assert text.count("{") == text.count("}")
    if shutil.which("dot") is None:
        pytest.skip("Graphviz is not installed")
    drawn = subprocess.run(["dot", "-Tsvg"], input=text.encode(), capture_output=True, check=True)
    assert drawn.stderr == b""
    root = ElementTree.fromstring(drawn.stdout)
    nodes = [each for each in root.iter(f"{SVG}g") if each.attrib.get("class") == "node"]
    runs = outline.runs(outline.units(network))
    assert len(nodes) == 1 + sum(len(run.units) for run in runs)


# --- pages ---


class Page(HTMLParser):
    """The tags of a page, what stands in them, and what they refer to."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.texts: dict[str, list[str]] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.setdefault(self.tags[-1] if self.tags else "", []).append(data)


def parsed(text: str) -> Page:
    page = Page()
    page.feed(text)
    page.close()
    return page


@pytest.mark.parametrize("style", ["paper", "layers"])
@pytest.mark.parametrize("name", ["vgg16_bn", "alexnet"])
def test_a_page_needs_nothing_but_itself(style: Style, name: str) -> None:
    text = render(compile(name), ".html", style).decode()
    page = parsed(text)
    names = {attribute for attribute, _ in page.attributes}
    assert not names & {"src", "href", "srcset", "data", "action"}
    assert "url(" not in text
    assert "@import" not in text
    assert ("http-equiv", "Content-Security-Policy") in page.attributes
    assert ("name", "viewport") in page.attributes


@pytest.mark.parametrize("style", ["paper", "layers"])
def test_the_blocks_of_a_page_stand_for_all_layers_in_order(style: Style) -> None:
    network = compile("vgg19_bn")
    page = parsed(render(network, ".html", style).decode())
    spans = [tuple(map(int, value.split())) for name, value in page.attributes if name == "data-layers"]
    assert [start for start, _ in spans] == [0, *(end for _, end in spans[:-1])]
    assert spans[-1][1] == len(network.layers)
    assert page.tags.count("tr") == 1 + len(network.layers)


def test_the_cards_of_a_repeat_stand_for_all_its_rounds() -> None:
    network = normed(ROUNDS)
    page = parsed(render(network, ".html", "layers").decode())
    spans = [list(map(int, value.split())) for name, value in page.attributes if name == "data-layers"]
    stood_for = [[each for a, b in zip(ends[::2], ends[1::2], strict=True) for each in range(a, b)] for ends in spans]
    assert [len(each) for each in stood_for] == [150, 150, 50, 1, 1, 1]
    assert sorted(each for layers in stood_for for each in layers) == list(range(len(network.layers)))
    assert [network.layers[each].layer for each in stood_for[2]] == [network.layers[6].layer] * 50


DRIVE: Final = """
<script>
addEventListener('load', () => {
  const said = [];
  const press = key => document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));
  const shown = () => [...details.querySelectorAll('tr')].slice(1).map(row => row.cells[0].textContent).join(' ');
  blocks[0].focus(); said.push(shown());
  press('ArrowRight'); said.push(shown());
  press('End'); said.push(shown());
  said.push(document.activeElement.getAttribute('aria-label'));
  said.push(document.querySelectorAll('.vggc-block[tabindex="0"]').length);
  said.push([...document.querySelectorAll('#layers tr.chosen')].length);
  press('Escape'); said.push(details.textContent.startsWith('Point at a block'));
  blocks[1].dispatchEvent(new PointerEvent('pointerenter')); said.push(shown());
  said.push(document.documentElement.scrollWidth <= innerWidth);
  document.body.replaceChildren(document.createTextNode('said:' + JSON.stringify(said)));
});
</script>
"""


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
@pytest.mark.parametrize("style", ["paper", "layers"])
def test_a_page_answers_to_keys_and_pointer(style: Style, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    page = render(small(), ".html", style).decode()
    file.write_text(page.replace("</body>", f"{DRIVE}</body>"))
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
    more = ["--no-first-run", f"--user-data-dir={tmp_path / 'profile'}", "--window-size=500,800", "--dump-dom"]
    done = subprocess.run(["chromium", *options, *more, file.as_uri()], capture_output=True, text=True, timeout=120)
    said = re.search(r"said:(\[.*\])", done.stdout)
    assert said is not None, done.stdout[-2000:] + done.stderr[-2000:]
    assert said[1].startswith('["conv1_1 batch_norm1_1 relu1_1","pool1","fc4",'), said[1]
    assert said[1].endswith(',1,1,true,"pool1",true]'), said[1]


# --- converted ---


@pytest.mark.parametrize(("theme", "corner"), [("auto", (255, 255, 255)), ("dark", (13, 17, 23))])
@pytest.mark.parametrize("style", ["paper", "layers"])
def test_a_png_is_the_picture(style: Style, theme: Theme, corner: tuple[int, int, int]) -> None:
    pytest.importorskip("vl_convert")
    from PIL import Image

    network = compile("vgg11")
    with Image.open(io.BytesIO(render(network, ".png", style, theme))) as image:
        width = float(ElementTree.fromstring(render(network, ".svg", style)).attrib["width"])
        assert image.width == round(draw.SCALE * width)
        pixels = image.convert("RGB")
        assert pixels.getpixel((0, 0)) == corner
        colours = {colour for _, colour in pixels.getcolors(2**24) or ()}
        assert tuple(bytes.fromhex(COLOURS["conv"][1:])) in colours


def test_a_pdf_has_the_size_of_the_picture() -> None:
    pytest.importorskip("vl_convert")
    found = render(small(), ".pdf", "layers")
    assert found.startswith(b"%PDF-")
    assert re.search(rb"/MediaBox\s*\[\s*0 0 420 ", found)


def test_without_the_converter_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vggc.drawing.draw.find_spec", lambda _: None)
    with pytest.raises(ProductError, match=r"pip install 'vggc\[draw\]'"):
        draw.draw(small(), tmp_path / "a.png")
    draw.draw(small(), tmp_path / "a.svg")
    assert [path.name for path in tmp_path.iterdir()] == ["a.svg"]


# --- the command ---


def run(*arguments: str) -> int:
    try:
        main(arguments)
    except SystemExit as end:
        assert isinstance(end.code, int)
        return end.code
    return 0


def test_the_command_names_the_file_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("draw", "vgg11", "--set", "classes=10") == 0
    assert run("draw", "vgg11", "--until", "relu3_2", "--style", "layers") == 0
    assert capsys.readouterr().out == "wrote vgg11.svg\nwrote vgg11_relu3_2.svg\n"
    assert ">10<" in Path("vgg11.svg").read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("-o", "a.jpg"), 2, "a.jpg: a network is drawn as .svg, .png, .pdf, .html, .mmd, .dot"),
        (("-o", "a"), 2, "a network is drawn as"),
        (("-o", "a.dot", "--style", "layers"), 2, "--style and --theme are for .svg, .png, .pdf, .html"),
        (("-o", "a.mmd", "--theme", "dark"), 2, "--style and --theme are for"),
        (("-o", "a.svg", "--set", "classes=0"), 1, "`classes` must be at least 1"),
    ],
)
def test_wrong_wishes(
    arguments: tuple[str, ...], code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert run("draw", "vgg11", *arguments) == code
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_drawing_never_imports_torch() -> None:
    code = "import sys, vggc; from vggc.drawing.draw.draw import render\n"
    code += f"for suffix in {TEXTS}: render(vggc.compile('vgg11'), suffix)\n"
    code += "print({'torch', 'onnx', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
