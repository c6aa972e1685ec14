"""The short form: it means exactly what the canonical form says, and reads as a person would write it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vggc
from tests.networks import network
from tests.strategies import layers
from tests.test_random_networks import specs
from vggc.backends.text import yaml_spec
from vggc.base.diagnostics import Source
from vggc.importing.writing.idiom import emit, with_repeats
from vggc.importing.writing.sections import graph_of, idiomatic, legal_name
from vggc.ir.graph import Graph
from vggc.layers import KINDS
from vggc.layers.adaptive_pool import AdaptiveAvgPool2d
from vggc.layers.conv import Conv2d
from vggc.layers.dropout import Dropout
from vggc.layers.global_pool import GlobalAvgPool2d
from vggc.layers.layer import Layer
from vggc.layers.linear import Linear
from vggc.layers.pool import AvgPool2d, MaxPool2d
from vggc.layers.rectifiers import ReLU
from vggc.layers.reshape import Flatten
from vggc.pipeline import read_graph

CASES = sorted(Path(__file__).parent.glob("cases/valid/*.yaml"))
STOCK = sorted((Path(__file__).parents[1] / "specs").glob("*.yaml"))
NEIGHBOURS = ("conv2d", "linear", "batch_norm", "group_norm", "relu", "elu", "leaky_relu", "dropout", "dropout2d")


def graph(path: Path) -> Graph:
    return read_graph(Source(str(path), path.read_text(encoding="utf-8"), path=path))


def expanded(text: str) -> str:
    return yaml_spec.emit(read_graph(Source("test.yaml", text)))


@given(specs())
def test_random_networks_keep_their_meaning(text: str) -> None:
    compiled = network(text).graph
    assert expanded(emit(compiled)) == yaml_spec.emit(compiled)


def any_layers(*kinds: str) -> st.SearchStrategy[list[Layer]]:
    return st.lists(st.sampled_from(kinds).flatmap(lambda kind: layers(KINDS[kind])), min_size=1, max_size=12)


@given(any_layers(*NEIGHBOURS) | any_layers(*KINDS), st.integers(1, 3))
def test_whatever_stands_in_a_row_keeps_its_meaning(drawn: list[Layer], times: int) -> None:
    """Layers need not fit one another for a text to say them; so every neighbourhood is tried."""
    compiled = graph_of("row", (4, 8, 8), [ReLU(), *drawn * times])
    assert expanded(emit(compiled)) == yaml_spec.emit(compiled)


@pytest.mark.parametrize("path", CASES + STOCK, ids=lambda path: path.stem)
def test_every_spec_that_we_have_keeps_its_meaning(path: Path) -> None:
    result = graph(path)
    assert expanded(emit(result)) == yaml_spec.emit(result)


# --- whole texts ---


VGG16 = """\
vggc: 1
name: vgg16
input: [3, 224, 224]
classes: 1000
features: [64, 64, M, 128, 128, M, 256, 256, 256, M, 512, 512, 512, M, 512, 512, 512, M]
pool: 7
classifier: [4096, 4096, {linear: classes}]
init: {conv2d: {kaiming_normal: {mode: fan_out, nonlinearity: relu}}, linear: {normal: {std: 0.01}}, bias: zeros}
"""


def stock(name: str) -> str:
    return emit(graph(next(path for path in STOCK if path.stem == name)))


def test_vgg16_is_as_short_as_it_was() -> None:
    assert stock("vgg16") == VGG16


def test_a_norm_that_all_convolutions_have_is_a_default() -> None:
    lines = stock("vgg16_bn").splitlines()
    assert lines[4:6] == ["defaults: {conv: {norm: batch_norm}}", *VGG16.splitlines()[4:5]]


def test_alexnet() -> None:
    assert (
        stock("alexnet")
        == """\
vggc: 1
name: alexnet
input: [3, 224, 224]
classes: 1000
features:
  - conv: {out_channels: 64, kernel_size: 11, stride: 4, padding: 2}
  - max_pool2d: {kernel_size: 3, stride: 2}
  - conv: {out_channels: 192, kernel_size: 5}
  - max_pool2d: {kernel_size: 3, stride: 2}
  - 384
  - 256
  - 256
  - max_pool2d: {kernel_size: 3, stride: 2}
pool: 6
classifier: [dropout, 4096, {fc: {out_features: 4096, dropout: none}}, {linear: classes}]
"""
    )


def test_a_long_stack_is_a_repeat() -> None:
    stack = [Conv2d(out_channels=32, kernel_size=3, padding="same"), ReLU()] * 12
    text = emit(graph_of("deep", (3, 8, 8), [*stack, MaxPool2d(kernel_size=2, stride=2)]))
    assert text.splitlines()[3] == "features: [{repeat: {times: 12, layers: [32]}}, M]"


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        (["512", "512", "512", "M"] * 2, ["512", "512", "512", "M"] * 2),
        (["64"] * 5, ["64"] * 5),
        (["a: 1234567890", "b: 1234567890"] * 3, ["repeat: {times: 3, layers: [{a: 1234567890}, {b: 1234567890}]}"]),
        (["x", *["item: 1234567890"] * 9, "y"], ["x", "repeat: {times: 9, layers: [{item: 1234567890}]}", "y"]),
    ],
)  # fmt: skip
def test_repeats_only_where_they_are_clearly_shorter(items: list[str], expected: list[str]) -> None:
    assert with_repeats(items) == expected


# --- sections and words ---


def lines(*given: Layer) -> list[str]:
    """The layers of a spec on an input of 8x8."""
    text = emit(graph_of("net", (4, 8, 8), idiomatic((4, 8, 8), given)))
    return text.splitlines()[3:]


def test_a_mean_before_a_flatten_is_the_pool() -> None:
    assert lines(ReLU(), AvgPool2d(kernel_size=4), Flatten(), Linear(out_features=3)) == [
        "classes: 3",
        "features: [relu]",
        "pool: 2",
        "classifier: [{linear: classes}]",
    ]


def test_a_mean_elsewhere_is_an_ordinary_one() -> None:
    assert lines(AvgPool2d(kernel_size=4), ReLU()) == ["features: [{avg_pool2d: 4}, relu]", "classifier: none"]


def test_a_global_pool_before_a_flatten() -> None:
    assert lines(ReLU(), GlobalAvgPool2d(), Flatten()) == [
        "features: [relu]",
        "pool: global_avg_pool2d",
        "classifier: [flatten]",
    ]


def test_a_pool_alone_is_a_feature() -> None:
    assert lines(AdaptiveAvgPool2d(output_size=1), Flatten(), Dropout(p=0.2)) == [
        "features: [{adaptive_avg_pool2d: 1}]",
        "classifier: [{dropout: 0.2}]",
    ]


def test_padding_that_keeps_the_size_is_same() -> None:
    assert lines(Conv2d(out_channels=4, kernel_size=5, padding=2)) == [
        "features: [{conv2d: {out_channels: 4, kernel_size: 5, padding: same}}]",
        "classifier: none",
    ]


def test_a_small_kernel_is_plain_alone_and_short_in_a_unit() -> None:
    convolution = Conv2d(out_channels=4, kernel_size=1)
    assert lines(convolution)[0] == "features: [{conv2d: {out_channels: 4, kernel_size: 1}}]"
    assert lines(convolution, ReLU())[0] == "features: [{conv: {out_channels: 4, kernel_size: 1}}]"


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        (("vgg16", "x"), "vgg16"),
        (("main_graph", "my model (1)"), "my_model_1"),
        (("", "16layers"), "net_16layers"),
        (("\u7f51", "\u7edc"), "imported"),
        (("a" * 300,), "a" * 100),
    ],
)
def test_names_are_made_legal(wanted: tuple[str, ...], name: str) -> None:
    assert legal_name(*wanted) == name


# --- the classes behind which something stands ---


@pytest.mark.parametrize(
    "classifier",
    [
        *("[{linear: classes}]", "[{linear: classes}, softmax]", "[{linear: classes}, log_softmax]"),
        *("[16, {linear: classes}, {dropout: 0.3}]", "[{linear: classes}, sigmoid, {dropout: 0.3}]"),
        *("[{fc: classes}]", "[{linear: 3}, {linear: classes}, {dropout: 0.3}, softmax]", "[3, {linear: classes}]"),
        *(
            "[flatten, {linear: {out_features: classes, bias: false}}, softmax]",
            "[{conv2d: {out_channels: classes, kernel_size: 1}}, global_avg_pool2d, flatten]",
        ),
    ],
)
def test_the_layer_that_counts_the_classes_says_so(classifier: str) -> None:
    text = f"vggc: 1\nname: net\ninput: [3, 8, 8]\nclasses: 3\nfeatures: [4, M]\nclassifier: {classifier}\n"
    assert emit(network(text).graph).splitlines()[-1] == f"classifier: {classifier}"


def test_an_imported_spec_goes_on_with_other_classes(tmp_path: Path) -> None:
    text = (
        "vggc: 1\nname: net\ninput: [3, 8, 8]\nclasses: 3\nfeatures: [4, M]\nclassifier: [{linear: classes}, softmax]\n"
    )
    vggc.export_onnx(network(text), tmp_path / "net.onnx")
    result = vggc.import_onnx(tmp_path / "net.onnx")
    assert result.text.endswith(text.partition("name")[2].partition("features")[2])
    assert network(result.text.replace("classes: 3", "classes: 7")).output == (7,)
