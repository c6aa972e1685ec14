"""`vggc draw`: every format holds the network, whole and escaped, and is the same each time."""

import io
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

import pytest

from tests import networks
from tests.regenerate_cases import DRAWINGS, drawings
from vggc import compile
from vggc.base.errors import ProductError
from vggc.cli import main
from vggc.drawing import draw, graphviz_dot, mermaid_diagram
from vggc.drawing.draw import FORMATS
from vggc.drawing.flowchart import FlowFrame, flowchart
from vggc.drawing.layer_units import in_words, repeats, units
from vggc.drawing.svg_theme import COLOURS, Theme, text_on
from vggc.ir.network import ShapedLayer
from vggc.model import Network

SVG: Final = "{http://www.w3.org/2000/svg}"
TEXTS: Final = tuple(suffix for suffix, format in FORMATS.items() if format.needs is None)
NASTY: Final = 'a<b>&"c"\'d\'"]\\`#--</script>'


def small() -> Network:
    return networks.network(networks.SMALL)


def nasty() -> Network:
    """A network whose name no spec could have, and a program could give."""
    network = small()
    header = replace(network.header, name=NASTY)
    return Network(replace(network.graph, header=header), network.layers)


def render(network: Network, suffix: str, theme: Theme = "auto") -> str:
    return draw.render(network, Path(f"picture{suffix}"), theme).decode()


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


def test_what_never_repeats_is_left_out_in_the_middle() -> None:
    layers = ", ".join(str(8 + 8 * (i % 31) + i % 7) for i in range(4000))
    network = deep(layers, 1)
    for emit in (mermaid_diagram.emit, graphviz_dot.emit):
        assert len(emit(network).splitlines()) < 90
        assert "layers …" in emit(network)


# --- themes ---


@pytest.mark.parametrize(("theme", "background"), [("light", "#fff"), ("dark", "#0d1117"), ("auto", "#fff")])
def test_themes_of_a_picture(theme: Theme, background: str) -> None:
    text = render(small(), ".svg", theme)
    assert ("prefers-color-scheme" in text) == (theme == "auto")
    assert f'<rect class="vggc-paper" fill="{background}"' in text


@pytest.mark.parametrize(("theme", "scheme"), [("light", "light"), ("dark", "dark"), ("auto", "light dark")])
def test_themes_of_a_page(theme: Theme, scheme: str) -> None:
    text = render(small(), ".html", theme)
    assert f":root{{color-scheme:{scheme}}}" in text
    assert "prefers-color-scheme" not in text, "the picture takes the colours of the page"


def test_text_on_colours_is_readable() -> None:
    """At least the 4.5 that WCAG asks for."""

    def luminance(colour: str) -> float:
        channels = [channel / 255 for channel in bytes.fromhex(colour[1:])]
        linear = [channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4 for channel in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for colour in COLOURS.values():
        light, dark = sorted((luminance(colour), luminance(text_on(colour))), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, colour


# --- escaping ---


def test_names_are_escaped_in_svg() -> None:
    root = ElementTree.fromstring(render(nasty(), ".svg"))
    assert any(NASTY in (text.text or "") for text in root.iter(f"{SVG}text"))
    assert root.find(f"{SVG}script") is None


def test_names_are_escaped_in_html() -> None:
    page = parsed(render(nasty(), ".html"))
    assert page.texts["title"][:2] == [NASTY, NASTY]  # the page's, and the picture's
    assert page.texts["h1"] == [NASTY]
    assert "script" not in page.tags


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
    done = subprocess.run(["dot", "-Tsvg"], input=text.encode(), capture_output=True, check=True)
    assert done.stderr == b""
    root = ElementTree.fromstring(done.stdout)
    nodes = [group for group in root.iter(f"{SVG}g") if group.attrib.get("class") == "node"]
    assert len(nodes) == 1 + sum(repeat.period for repeat in repeats(units(network)))


def shortcut(blocks: int) -> Network:
    """A network in whose every block of two convolutions the first one's value is taken again after the second."""
    layers = ", ".join(["{conv: 8}, {conv: 8}, {max_pool2d: {kernel_size: 3, stride: 1, padding: 1}}"] * blocks)
    network = deep(layers, 1)
    changed: list[ShapedLayer] = []
    for layer in network.layers:
        node = layer.node
        if layer.kind == "max_pool2d":
            node = replace(node, inputs=(*node.inputs, network.layers[len(changed) - 3].value))
        changed.append(ShapedLayer(node, layer.shapes, layer.output))
    graph = replace(network.graph, nodes=tuple(layer.node for layer in changed))
    return Network(graph, tuple(changed))


def test_arrows_follow_the_values() -> None:
    chart = flowchart(shortcut(1))
    assert chart.paths == (("input", "n0", "n1", "n2", "n3"), ("n1", "n3"))
    assert "  n1 --> n3\n" in mermaid_diagram.emit(shortcut(1))
    assert "  n1 -> n3;\n" in graphviz_dot.emit(shortcut(1))


def test_blocks_with_the_same_shortcuts_are_a_repeat() -> None:
    network = shortcut(5)
    frame = flowchart(network).content[1]
    assert isinstance(frame, FlowFrame)
    *_, repeat = frame.content
    assert isinstance(repeat, FlowFrame)
    assert repeat.title == "5 ×"  # noqa: RUF001
    assert flowchart(network).paths == (("input", "n0", "n1_0", "n1_1", "n1_2"), ("n1_0", "n1_2"))


def test_a_value_that_is_taken_twice_ends_its_unit() -> None:
    network = deep("{conv: 8}", 2)
    first, relu = network.layers[:2]
    last = replace(network.layers[-1].node, inputs=(first.value,))
    changed = Network(network.graph, (*network.layers[:-1], ShapedLayer(last, relu.shapes, relu.output)))
    assert [[layer.kind for layer in unit.layers] for unit in units(changed)][:2] == [["conv2d"], ["relu"]]


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


@pytest.mark.parametrize("name", ["vgg16_bn", "alexnet"])
def test_a_page_needs_nothing_but_itself(name: str) -> None:
    text = render(compile(name), ".html")
    page = parsed(text)
    names = {attribute for attribute, _ in page.attributes}
    assert not names & {"src", "srcset", "data", "action"}
    assert all(value.startswith("#") for attribute, value in page.attributes if attribute == "href")
    assert "url(" not in text
    assert "@import" not in text
    assert ("http-equiv", "Content-Security-Policy") in page.attributes
    assert ("name", "viewport") in page.attributes


@pytest.mark.parametrize("network", [compile("vgg19_bn"), deep("8, {conv: 16}", 200)], ids=str)
def test_every_block_of_a_page_is_a_link_to_its_layers(network: Network) -> None:
    text = render(network, ".html")
    links = re.findall(r'<a href="#(block\d+)"', text)
    bodies = dict(re.findall(r'<tbody id="(block\d+)"[^>]*>(.*?)</tbody>', text, re.DOTALL))
    assert list(bodies) == links
    paths = [path for body in bodies.values() for path in re.findall(r"<tr><td>(.*?)</td>", body)]
    assert paths == [layer.path for layer in network.layers]


def test_a_page_says_the_options_of_every_layer() -> None:
    network = compile("alexnet")
    rows = re.findall(r"<tr><td>(.*?)</td><td>.*?</td><td>(.*?)</td>", render(network, ".html"))
    assert rows == [(layer.path, in_words(layer.layer)) for layer in network.layers]


LOOKS: Final = """
<script>
addEventListener('load', () => {
  const links = [...document.querySelectorAll('a')];
  const marked = () => [...document.querySelectorAll('tbody:target tr')].map(row => row.cells[1].textContent).join(' ');
  links[0].focus();
  const answers = [links.length, document.activeElement === links[0], marked()];
  addEventListener('hashchange', () => {
    answers.push(marked(), document.documentElement.scrollWidth <= innerWidth);
    document.body.replaceChildren(document.createTextNode('answers:' + JSON.stringify(answers)));
  });
  links[0].dispatchEvent(new MouseEvent('click', {bubbles: true}));
});
</script>
"""


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_a_page_marks_the_layers_of_a_block(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    page = render(small(), ".html").replace("default-src 'none'", "script-src 'unsafe-inline'")
    file.write_text(page.replace("</body>", f"{LOOKS}</body>"))
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
    more = ["--no-first-run", f"--user-data-dir={tmp_path / 'profile'}", "--window-size=500,800", "--dump-dom"]
    done = subprocess.run(["chromium", *options, *more, file.as_uri()], capture_output=True, text=True, timeout=120)
    answers = re.search(r"answers:(\[.*\])", done.stdout)
    assert answers is not None, done.stdout[-2000:] + done.stderr[-2000:]
    assert answers[1] == '[8,true,"","conv1_1 batch_norm1_1 relu1_1",true]'


# --- converted ---


@pytest.mark.parametrize(("theme", "corner"), [("auto", (255, 255, 255)), ("dark", (13, 17, 23))])
def test_a_png_is_the_picture(theme: Theme, corner: tuple[int, int, int]) -> None:
    pytest.importorskip("vl_convert")
    from PIL import Image

    network = compile("vgg11")
    with Image.open(io.BytesIO(draw.render(network, Path("x.png"), theme))) as image:
        width = float(ElementTree.fromstring(render(network, ".svg")).attrib["width"])
        assert image.width == round(draw.SCALE * width)
        pixels = image.convert("RGB")
        assert pixels.getpixel((0, 0)) == corner
        colours = {colour for _, colour in pixels.getcolors(2**24) or ()}
        assert tuple(bytes.fromhex(COLOURS["conv"][1:])) in colours


def test_a_pdf_has_the_size_of_the_picture() -> None:
    pytest.importorskip("vl_convert")
    content = draw.render(small(), Path("x.pdf"))
    assert content.startswith(b"%PDF-")
    size = re.search(rb"/MediaBox\s*\[\s*0 0 ([\d.]+) ", content)
    assert size is not None
    width = float(ElementTree.fromstring(render(small(), ".svg")).attrib["width"])
    assert float(size[1]) == pytest.approx(width, abs=1)


def test_without_the_converter_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
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
    assert run("draw", "vgg11", "--until", "relu3_2") == 0
    assert capsys.readouterr().out == "wrote vgg11.svg\nwrote vgg11_relu3_2.svg\n"
    assert ">10<" in Path("vgg11.svg").read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("-o", "a.jpg"), 2, "a.jpg: a network is drawn as .svg, .png, .pdf, .html, .mmd, .dot"),
        (("-o", "a"), 2, "a network is drawn as"),
        (("-o", "a.svg", "--style", "layers"), 2, "No such option"),
        (("-o", "a.mmd", "--theme", "dark"), 2, "a.mmd: --theme is for .svg, .png, .pdf, .html"),
        (("-o", "a.svg", "--set", "classes=0"), 1, "`classes` must be at least 1"),
    ],
)
def test_wrong_usage(
    arguments: tuple[str, ...], code: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert run("draw", "vgg11", *arguments) == code
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_drawing_never_imports_torch() -> None:
    code = "import sys, vggc; from pathlib import Path; from vggc.drawing.draw import render\n"
    code += f"for suffix in {TEXTS}: render(vggc.compile('vgg11'), Path(f'x{{suffix}}'))\n"
    code += "print({'torch', 'onnx', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
