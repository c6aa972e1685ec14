"""The picture: every size is in it, nothing covers a text, and it is the same wherever it is drawn."""

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from dataclasses import replace
from itertools import combinations, pairwise
from typing import Final, TypeVar

import pytest

from tests.networks import compile_source
from vggc import compile
from vggc.base.diagnostics import Source
from vggc.base.words import TIMES
from vggc.drawing.svg_blocks import MAX_BLOCKS, Block, BlockScale, blocks
from vggc.drawing.svg_diagram import emit
from vggc.drawing.svg_layout import LEGEND, ROW, Diagram, Stage, lay_out
from vggc.drawing.svg_marks import FONT, Arrow, Box, Label, Solid, Swatch, text_width
from vggc.model import Network

M = TypeVar("M")

SVG: Final = "{http://www.w3.org/2000/svg}"
VGG19: Final = "64, 64, M, 128, 128, M, 256, 256, 256, 256, M, 512, 512, 512, 512, M, 512, 512, 512, 512, M"

SPECS: Final = {
    "vgg19_bn": f"""
input: [3, 224, 224]
classes: 1000
defaults: {{conv: {{norm: batch_norm}}}}
features: [{VGG19}]
pool: 7
classifier: [4096, 4096, {{linear: classes}}]
""",
    "alexnet": """
input: [3, 224, 224]
classes: 1000
features:
  - conv: {out_channels: 64, kernel_size: 11, stride: 4, padding: 2}
  - max_pool2d: {kernel_size: 3, stride: 2}
  - conv: {out_channels: 192, kernel_size: 5, padding: 2}
  - max_pool2d: {kernel_size: 3, stride: 2}
  - 384
  - 256
  - max_pool2d: {kernel_size: 3, stride: 2}
classifier: [{dropout: 0.5}, {linear: 4096}, relu, {dropout: 0.5}, {linear: 4096}, relu, {linear: classes}]
""",
    "tiny": """
input: [1, 28, 28]
features: [8]
classifier: none
""",
    "point": """
input: [1, 1, 1]
features: [relu]
classifier: none
""",
    "small": """
input: [3, 32, 32]
classes: 10
features: [64, M, 128, M, 256, 256, M, 512, M, 512, M]
classifier: [{linear: classes}]
""",
    "spectrogram": """
input: [1, 32, 512]
classes: 35
features: [16, 16, M, 32, {max_pool2d: {kernel_size: [1, 4]}}, 64, M, 1024, global_avg_pool2d]
classifier: [{linear: classes}]
""",
    "column": """
input: [1, 2048, 16]
features: [16, M, 32, {max_pool2d: {kernel_size: [16, 1]}}, 64]
classifier: none
""",
    "perceptron": """
input: [1, 28, 28]
classes: 10
features: [flatten, {linear: 300000}, relu]
classifier: [{linear: 3}, softmax, softmax, {linear: classes}]
""",
    "zoo": """
input: [3, 64, 64]
classes: 10
features:
  - relu
  - 64
  - local_response_norm: {size: 5}
  - M
  - dropout2d: 0.1
  - zero_pad2d: 1
  - 128
  - identity
  - upsample: 2
  - conv: {out_channels: 256, activation: silu, norm: batch_norm, dropout: 0.2}
  - pixel_shuffle: 2
  - conv2d: {out_channels: 4000, kernel_size: 1}
  - batch_norm
  - batch_norm
pool: 1
classifier: [{linear: 16}, {linear: 16}, {linear: classes}, softmax]
""",
    "motley": """
input: [3, 8, 8]
features: [{conv: {out_channels: 8, norm: batch_norm, dropout: 0.2}}, M, identity]
classifier: none
""",
    "repeated": """
input: [3, 64, 64]
classes: 100
features: [32, M, {repeat: {times: 60, layers: [64]}}, M, {repeat: {times: 40, layers: [128]}}, M]
classifier: [512, {linear: classes}]
""",
    "alternating": """
input: [3, 64, 64]
classes: 100
features: [32, M, {repeat: {times: 100, layers: [64, 96]}}, M, 128]
classifier: [512, {linear: classes}]
""",
    "vectors": """
input: [3, 8, 8]
classes: 100
features: [8]
classifier: [{repeat: {times: 40, layers: [{linear: 100000}, {linear: 7}]}}, {linear: classes}]
""",
    "long": f"""
input: [3, 64, 64]
features: [{", ".join(f"{10 * i + 1}, {{max_pool2d: {{kernel_size: 2, stride: 1}}}}" for i in range(29))}]
classifier: none
""",
}


def network(name: str) -> Network:
    if name not in SPECS:
        return compile(name)
    return compile_source(Source(f"{name}.yaml", f"vggc: 1\nname: {name}{SPECS[name]}"))


every_network = pytest.mark.parametrize("name", ["vgg16", *SPECS])


def parsed(name: str) -> ElementTree.Element:
    return ElementTree.fromstring(emit(network(name)))


def texts(name: str) -> Counter[str]:
    return Counter(element.text or "" for element in parsed(name).iter(f"{SVG}text"))


def marks(diagram: Diagram, kind: type[M]) -> list[M]:
    return [mark for mark in diagram.marks if isinstance(mark, kind)]


# --- what it says ---


@every_network
def test_it_is_a_scalable_svg_with_a_title_and_a_description(name: str) -> None:
    root = parsed(name)
    assert root.tag == f"{SVG}svg"
    left, top, width, height = (root.attrib["viewBox"]).split()
    assert (left, top, width, height) == ("0", "0", root.attrib["width"], root.attrib["height"])
    assert "max-width:100%" in root.attrib["style"]
    title, description = root[0], root[1]
    assert (title.tag, title.text) == (f"{SVG}title", name)
    assert description.tag == f"{SVG}desc"
    assert description.text
    assert root.attrib["aria-labelledby"] == f"{title.attrib['id']} {description.attrib['id']}"


@every_network
def test_the_header_has_the_name_and_the_counts(name: str) -> None:
    net = network(name)
    assert {name, f"{net.params:,} parameters · {net.macs:,} MACs"} <= texts(name).keys()


@pytest.mark.parametrize("name", ["vgg16", *sorted(SPECS.keys() - {"repeated", "alternating", "vectors"})])
def test_every_layer_is_named_and_sized(name: str) -> None:
    net, counts = network(name), texts(name)
    images = [shape for shape in (net.input, *(layer.output for layer in net.layers)) if len(shape) == 3]
    assert {f"{height}{TIMES}{width}" for _, height, width in images} <= counts.keys()
    bodies = [layer for layer in net.layers if layer.layer.group in ("conv", "pool", "linear", "shape")]
    assert {layer.alias for layer in bodies} <= counts.keys()
    sizes = Counter(str(layer.output[0]) for layer in bodies)
    assert {size: counts[size] for size in sizes if counts[size] < sizes[size]} == {}


def test_vgg16_says_what_the_paper_says() -> None:
    counts = texts("vgg16")
    sizes = {"3": 1, "64": 3, "128": 3, "256": 4, "512": 9, "25088": 1, "4096": 2, "1000": 1, "classes": 1}
    maps = {f"{extent}{TIMES}{extent}": 1 for extent in (224, 112, 56, 28, 14, 7)}
    assert {text: counts[text] for text in sizes | maps} == sizes | maps
    names = {"input", "conv1_1", "conv5_3", "pool1", "pool5", "avgpool", "flatten", "fc6", "fc7", "fc8"}
    assert names <= counts.keys()
    assert not {"relu1_1", "dropout6"} & counts.keys()


def test_only_the_last_vector_can_be_the_classes() -> None:
    assert texts("tiny")["classes"] == 0
    assert [block.caption for block in blocks(network("small"))][-2:] == ["", "classes"]


@every_network
def test_the_legend_explains_the_colours_that_occur_and_no_others(name: str) -> None:
    groups = [swatch.group for swatch in marks(lay_out(network(name)), Swatch)]
    occurring = {group for block in blocks(network(name)) for group in block.groups}
    assert sorted(groups) == sorted(occurring - {"input"})
    assert {LEGEND[group] for group in groups} <= texts(name).keys()


# --- blocks ---


def summaries(name: str) -> list[tuple[str, tuple[str, ...], tuple[int, ...]]]:
    return [(block.name, block.groups, block.shape) for block in blocks(network(name))]


def test_what_follows_a_layer_becomes_its_band() -> None:
    parts = summaries("vgg19_bn")
    assert len(parts) == 1 + 16 + 5 + 1 + 1 + 3
    assert parts[1] == ("conv1_1", ("conv", "norm", "activation"), (64, 224, 224))
    assert parts[-2:] == [("fc7", ("linear", "activation", "dropout"), (4096,)), ("fc8", ("linear",), (1000,))]


def test_a_second_band_of_a_colour_and_one_on_the_input_are_blocks_of_their_own() -> None:
    parts = summaries("zoo")
    assert parts[:3] == [
        ("input", ("input",), (3, 64, 64)),
        ("relu1", ("activation",), (3, 64, 64)),
        ("conv1_1", ("conv", "activation", "norm"), (64, 64, 64)),
    ]
    assert [groups for _, groups, _ in parts].count(("norm",)) == 1


def test_equal_neighbours_are_merged_when_there_are_too_many() -> None:
    by_name = {block.name: block for block in blocks(network("repeated"))}
    merged = by_name["conv2_1 … conv2_60"]
    assert (merged.times, merged.layers) == (60, 120)
    assert {f"{TIMES}60", f"{TIMES}40"} <= texts("repeated").keys()
    assert by_name["conv1_1"].times == 1


def test_the_middle_is_left_out_when_merging_does_not_help() -> None:
    parts = blocks(network("alternating"))
    assert len(parts) == 1 + MAX_BLOCKS
    (ellipsis,) = (block for block in parts if block.is_ellipsis)
    assert f"{ellipsis.layers} layers" in texts("alternating")
    assert ellipsis.layers > 2


@every_network
def test_every_layer_stands_in_exactly_one_block(name: str) -> None:
    net = network(name)
    assert sum(block.layers for block in blocks(net)[1:]) == len(net.layers)


def test_networks_of_sixty_blocks_are_drawn_in_full() -> None:
    assert all(block.times == 1 and not block.is_ellipsis for block in blocks(network("long")))


# --- sizes and places ---


def test_the_scales_are_monotone_and_keep_the_smallest_readable() -> None:
    scale = BlockScale(extent=224, channels=512, features=25088)
    maps = [scale.size(Block(("x",), ("conv",), (c, e, e), "")) for c, e in ((3, 7), (64, 28), (128, 56), (512, 224))]
    assert all(a.body < b.body and a.height < b.height and a.dx < b.dx for a, b in pairwise(maps))
    assert maps[0].height > 20
    assert maps[0].body >= 4
    bars = [scale.size(Block(("x",), ("linear",), (features,), "")) for features in (10, 1000, 4096, 25088)]
    assert all(a.height < b.height for a, b in pairwise(bars))
    assert bars[0].height > 20


def test_height_and_width_of_a_map_are_told_apart() -> None:
    flat, tall = (marks(lay_out(network(name)), Solid)[0].size for name in ("spectrogram", "column"))
    assert flat.dx > flat.height / 2
    assert tall.dx < tall.height / 10


def overlap(one: Box, other: Box) -> bool:
    across = min(one.right, other.right) - max(one.left, other.left)
    along = min(one.bottom, other.bottom) - max(one.top, other.top)
    return across > 0.01 and along > 0.01


def test_overlap_tells() -> None:
    box = Box(0, 0, 10, 10)
    assert overlap(box, Box(9, 9, 20, 20))
    assert overlap(box, Box(2, -5, 3, 20))
    assert not overlap(box, Box(10, 0, 20, 10))
    assert not overlap(box, Box(2, 11, 3, 20))


@every_network
def test_nothing_covers_a_text(name: str) -> None:
    diagram = lay_out(network(name))
    labels = marks(diagram, Label)
    assert [(a.text, b.text) for a, b in combinations(labels, 2) if overlap(a.box, b.box)] == []
    solids = marks(diagram, Solid)
    assert [(a.text, b.block.name) for a in labels for b in solids if overlap(a.box, b.box)] == []
    heads = [Box(arrow.start, arrow.y - 4, arrow.end, arrow.y + 4) for arrow in marks(diagram, Arrow)]
    assert [(a.text, head) for a in labels for head in heads if overlap(a.box, head)] == []
    swatches = [Box(swatch.x, swatch.y, swatch.x + 12, swatch.y + 12) for swatch in marks(diagram, Swatch)]
    assert [(a.text, box) for a in labels for box in swatches if overlap(a.box, box)] == []


@every_network
def test_everything_is_inside(name: str) -> None:
    diagram = lay_out(network(name))
    boxes = [label.box for label in marks(diagram, Label)] + [solid.box for solid in marks(diagram, Solid)]
    assert min(min(box.left, box.top) for box in boxes) >= 0
    assert max(box.right for box in boxes) <= diagram.width
    assert max(box.bottom for box in boxes) <= diagram.height


@every_network
def test_blocks_stand_in_the_order_of_the_data(name: str) -> None:
    solids = marks(lay_out(network(name)), Solid)
    assert [solid.block for solid in solids] == list(blocks(network(name)))
    for before, after in pairwise(solids):
        same_row = after.x > before.x
        assert after.x >= before.x + before.size.width if same_row else after.y > before.y


@every_network
def test_arrows_lead_from_map_to_map(name: str) -> None:
    arrows = marks(lay_out(network(name)), Arrow)
    assert all(arrow.end - arrow.start > 8 for arrow in arrows)
    kinds = [block.caption or block for block in blocks(network(name))]
    changes = sum(before != after for before, after in pairwise(kinds))
    assert len(arrows) >= changes


def test_a_long_figure_is_broken_into_rows_that_a_page_can_hold() -> None:
    widths = {name: lay_out(network(name)).width for name in ("vgg16", "vgg19_bn", "long", "alternating", "vectors")}
    assert {name: width for name, width in widths.items() if width > 1.1 * ROW} == {}
    rows = {name: len({round(arrow.y) for arrow in marks(lay_out(network(name)), Arrow)}) for name in widths}
    assert (rows["vgg16"], rows["vgg19_bn"]) == (1, 1)
    assert rows["long"] > 1


def test_an_arrow_leads_out_of_a_row_and_into_the_next() -> None:
    diagram = lay_out(network("long"))
    arrows, solids = marks(diagram, Arrow), marks(diagram, Solid)
    rows = sorted({arrow.y for arrow in arrows})
    for row in rows:
        beside = [arrow for arrow in arrows if arrow.y == row]
        standing = [solid for solid in solids if solid.box.top < row < solid.box.bottom]
        first, last = min(solid.x for solid in standing), max(solid.box.right for solid in standing)
        assert (min(arrow.start for arrow in beside) < first) == (row != rows[0])
        assert (max(arrow.end for arrow in beside) > last) == (row != rows[-1])


def test_a_caption_that_is_wider_than_its_block_stays_over_it() -> None:
    block = Block(("pool1",), ("pool",), (4, 1, 100), f"1{TIMES}100")
    stage = Stage((block,), (BlockScale(100, 64, 1024).size(block),))
    caption = next(stage.marks(0, 0))
    assert isinstance(caption, Label)
    assert caption.box.left >= 0
    assert caption.box.right <= stage.width + 0.01


def test_a_text_is_wider_than_its_font_makes_it() -> None:
    # DejaVu Sans, the widest of the usual ones: digits 0.636 em and m 0.974 em, in bold 0.696 and 1.042.
    assert text_width("512", "name") >= 3 * 0.636 * FONT["name"]
    assert text_width("512", "size") >= 3 * 0.696 * FONT["size"]
    assert text_width("m", "summary") >= 0.974 * FONT["summary"]


# --- the text of the file ---


@every_network
def test_the_same_network_is_the_same_text(name: str) -> None:
    assert emit(network(name)) == emit(network(name))


def run(code: str, **environment: str) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, env=os.environ | environment, check=True, capture_output=True, text=True, encoding="utf-8"
    ).stdout


def test_the_text_does_not_depend_on_the_process() -> None:
    code = "import sys; from vggc.pipeline import compile; from vggc.drawing.svg_diagram import emit\n"
    code += "sys.stdout.reconfigure(encoding='utf-8'); print(emit(compile('vgg16')), end='')"
    first, second = (run(code, PYTHONHASHSEED=seed) for seed in ("1", "2"))
    assert first == second == emit(network("vgg16"))


def test_neither_torch_nor_onnx_is_imported() -> None:
    code = "import sys; import vggc.drawing.svg_diagram\n"
    assert run(code + "print(sorted({'torch', 'onnx', 'onnxruntime', 'numpy'} & sys.modules.keys()))") == "[]\n"


@every_network
def test_it_needs_nothing_but_itself_and_knows_dark_mode(name: str) -> None:
    text = emit(network(name))
    assert text.count("http") == 1  # the namespace
    assert not any(word in text for word in ("<script", "href", "@import", "url("))
    assert "@media (prefers-color-scheme:dark)" in text
    assert text.endswith("</svg>\n")


def test_a_hostile_name_stays_a_text() -> None:
    net = network("tiny")
    name = "</title><script>\"'&"
    hostile = replace(net, graph=replace(net.graph, header=replace(net.header, name=name)))
    root = ElementTree.fromstring(emit(hostile))
    assert root[0].text == name
    assert name in [element.text for element in root.iter(f"{SVG}text")]
    assert next(root.iter(f"{SVG}script"), None) is None


def test_a_long_name_is_cut_in_the_title_line_only() -> None:
    net = network("tiny")
    name = "x" * 300
    long = replace(net, graph=replace(net.graph, header=replace(net.header, name=name)))
    root = ElementTree.fromstring(emit(long))
    assert root[0].text == name
    assert name not in [element.text for element in root.iter(f"{SVG}text")]
    assert lay_out(long).width < 700
