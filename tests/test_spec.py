"""Document -> spec -> shapes: limits at, below and above their values, one cause in one error, and what to blame."""

import time
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.networks import compile_source
from vggc.base.diagnostics import Diagnostic, Source, SpecError
from vggc.frontend.schema.definitions import MAX_ITEMS, MAX_REPEAT, MAX_WIDTH
from vggc.frontend.spec.unroll import MAX_LAYERS
from vggc.layers.layer import Layer
from vggc.layers.option_types import MAX_DIMENSION
from vggc.model import Network

HEAD: Final = "vggc: 1\nname: test\n"


def compiled(body: str, input: str = "[3, 64, 64]", **limits: int) -> Network:
    return compile_source(Source("test", f"{HEAD}input: {input}\n{body}\n"), **limits)  # type: ignore[arg-type]


def errors(body: str, input: str = "[3, 64, 64]", **limits: int) -> list[Diagnostic]:
    try:
        compiled(body, input, **limits)
    except SpecError as error:
        return error.diagnostics
    return []


def codes(body: str, input: str = "[3, 64, 64]", **limits: int) -> list[str]:
    return [each.code for each in errors(body, input, **limits)]


def blamed(error: Diagnostic) -> str:
    """The characters that the carets stand under."""
    assert error.span is not None
    return error.span.source.lines[error.span.line][error.span.column : error.span.end_column]


def layers(body: str) -> list[Layer]:
    return [each.layer for each in compiled(body).layers]


# --- limits ------------------------------------------------------------------------------------------------------

around = pytest.mark.parametrize("more", [-1, 0, 1])


THIN: Final = "{max_pool2d: 1}"  # a layer that changes nothing and has a name of its own


def repeated(times: int, *items: str) -> str:
    return f"{{repeat: {{times: {times}, layers: [{', '.join(items)}]}}}}"


@around
def test_limit_of_items(more: int) -> None:
    found = codes(f"features: [{f'{THIN}, ' * (MAX_ITEMS + more)}]")
    assert found == (["E009"] if more > 0 else [])


@around
def test_limit_of_layers(more: int) -> None:
    found = codes(f"features: [{THIN}, {repeated(MAX_LAYERS - 2, repeated(1, THIN))}, {repeated(2 + more, THIN)}]")
    assert found == (["E009"] if more >= 0 else [])


def test_limit_of_layers_exactly() -> None:
    assert len(compiled(f"features: [{repeated(MAX_LAYERS, THIN)}]").layers) == MAX_LAYERS


def test_limit_of_layers_is_that_of_all_lists() -> None:
    half = repeated(MAX_LAYERS // 2, THIN)
    # The flatten between them is one more.
    assert codes(f"features: [{half}]\nclassifier: [{repeated(MAX_LAYERS // 2, 'relu')}]") == ["E009"]


@pytest.mark.parametrize("depth", [2, 3, 19])
def test_nested_repeats_are_refused_at_once(depth: int) -> None:
    items = "8"
    for _ in range(depth):
        items = repeated(MAX_REPEAT, items)
    began = time.process_time()
    assert codes(f"features: [{items}]") == ["E009"]
    assert time.process_time() - began < 1


@around
def test_limit_of_repeats(more: int) -> None:
    found = codes(f"features: [{repeated(MAX_REPEAT + more, THIN)}]")
    assert found == (["E103"] if more > 0 else [])


@around
@pytest.mark.parametrize("layer", ["{linear: %d}", "{max_pool2d: {kernel_size: 1, stride: %d}}", "{zero_pad2d: %d}"])
def test_limit_of_numbers(more: int, layer: str) -> None:
    flattened = "flatten, " if "linear" in layer else ""
    found = codes(f"features: [{flattened}{layer % (MAX_DIMENSION + more)}]", max_memory=2**63)
    assert ("E103" in found) == (more > 0)


@around
def test_limit_of_dimensions(more: int) -> None:
    # 2^31 - 1 is prime: an edge of 1 is padded to the limit, and one beyond it.
    left, right = MAX_DIMENSION // 2, MAX_DIMENSION - MAX_DIMENSION // 2 - 1 + more
    found = codes(f"features: [{{zero_pad2d: [{left}, {right}, 0, 0]}}]", "[1, 1, 1]")
    assert found == (["E206"] if more > 0 else [])


@around
def test_limit_of_dimensions_behind_a_flatten(more: int) -> None:
    # 46341^2 > 2^31 - 1 > 46340^2.
    found = codes("features: [flatten]", f"[1, 46340, {46341 + more}]")
    assert found == (["E206"] if 46340 * (46341 + more) > MAX_DIMENSION else [])


@around
def test_limit_of_memory(more: int) -> None:
    weights = 4 * (3 * 8 * 9 + 8)
    assert codes("features: [8]", max_memory=weights - more) == (["E206"] if more > 0 else [])


@pytest.mark.parametrize("layer", ["{conv2d: {out_channels: 1000000000, kernel_size: 3}}", "{linear: 1000000000}"])
def test_nothing_is_allocated_for_what_is_too_large(layer: str) -> None:
    began = time.process_time()
    assert codes(f"features: [8]\nclassifier: [flatten, {layer}]" if "linear" in layer else f"features: [{layer}]") == [
        "E206"
    ]
    assert time.process_time() - began < 1


@around
def test_limit_of_width(more: int) -> None:
    assert codes(f"width: {MAX_WIDTH + more}\nfeatures: [1]") == (["E103"] if more > 0 else [])


@around
def test_limit_of_the_name(more: int) -> None:
    text = f"vggc: 1\nname: {'x' * (100 + more)}\ninput: [1, 1, 1]\nfeatures: [relu]\n"
    try:
        assert len(compile_source(Source("test", text)).name) == 100 + more <= 100
    except SpecError as error:
        assert more > 0
        assert [each.code for each in error.diagnostics] == ["E103"]


@pytest.mark.parametrize("layer", ["max_pool2d: 5", "upsample: 2147483647", "zero_pad2d: 2147483647"])
def test_sizes_that_have_no_bound_are_no_trouble(layer: str) -> None:
    began = time.process_time()
    (error,) = errors(f"features: [{{repeat: {{times: 1000, layers: [{{{layer}}}]}}}}]")
    assert error.code in ("E203", "E206")
    assert len(str(error)) < 200
    assert time.process_time() - began < 1


# --- one cause, one error ----------------------------------------------------------------------------------------

ONCE: Final = {
    "a repeat": ("features: [{repeat: {times: 50, layers: [{prelu: 7}]}}]", ["E205"]),
    "pools in a repeat": ("features: [{repeat: {times: 50, layers: [M]}}]", ["E203"]),
    "pools one by one": (f"features: [{'M, ' * 50}]", ["E203"]),
    "pools, and what a map of one value cannot take": (f"features: [{'M, ' * 9} instance_norm]", ["E203"]),
    "pools behind an adaptive one": ("features: [{adaptive_avg_pool2d: 4}, M, M, M, M, M]", ["E203"]),
    "pools on both sides of an adaptive one": (
        f"features: [{'M, ' * 8} {{adaptive_avg_pool2d: {{output_size: 4, allow_enlarge: true}}}}, {'M, ' * 5}]",
        ["E203", "E203"],
    ),
    "a size that the failed map gives": (
        f"features: [8, {'M, ' * 9}]\nclassifier: [{{linear: {{out_features: 5, in_features: 7}}}}]", ["E203"],
    ),
    "a size that no map gives": (
        f"features: [8, {'M, ' * 9}]\nclassifier: [4, {{linear: {{out_features: 5, in_features: 7}}}}]",
        ["E203", "E202"],
    ),
    "images behind a flatten": ("features: [flatten, 8, M, 8, M]", ["E201"]),
    "images behind two flattens": ("features: [flatten, 8, {linear: 8}, M, M]", ["E201", "E201"]),
    "defaults": ("defaults: {conv: {groups: 5}}\nfeatures: [8, 16, 32]", ["E106"]),
    "defaults for followers": ("defaults: {conv: {norm: {group_norm: 3}}}\nfeatures: [8, 16, 32]", ["E205"]),
    "classes": ("features: [8]\nclassifier: [{linear: classes}, {linear: classes}]", ["E108"]),
    "an anchor": ("features: [&a {conv2d: {out_channels: 0, kernel_size: 1}}, *a, *a]", ["E103"]),
    "a misspelt option": ("features: [{conv2d: {out_channels: 8, kernal_size: 3}}]", ["E101"]),
    "a missing option beside a misspelt one": ("features: [{conv2d: {out_chanels: 8}}]", ["E104", "E101"]),
    "several kinds": ("features: [{conv2d: {out_channels: 0}, relu: 5, M: 3}]", ["E105"]),
    "a tag": ("features: [!x {conv: 8}, !x {y: 8}, !x 8.0]", ["E006", "E006", "E006"]),
    "a number that is none": ("features: [{dropout: .nan}]", ["E008"]),
}  # fmt: skip


@pytest.mark.parametrize("cause", ONCE)
def test_one_cause_is_one_error(cause: str) -> None:
    body, expected = ONCE[cause]
    assert codes(body) == expected


INDEPENDENT: Final = """\
features:
  - conv2d: {out_channels: 8, kernel_size: 3, groups: 2}
  - prelu: 7
  - conv2d: {out_channels: 8, kernel_size: 99}
  - group_norm: 3
classifier:
  - conv2d: {out_channels: 8, kernel_size: 1}
"""


def test_independent_mistakes_are_found_in_one_go() -> None:
    assert codes(INDEPENDENT) == ["E205", "E205", "E203", "E205", "E201"]


# --- the place to blame ------------------------------------------------------------------------------------------

# What is wrong, the characters under the carets, and what the notes say.
BLAMED: Final = [
    ("features: [{conv: {out_channels: 8, norm: {group_norm: 3}}}]", "3", []),
    ("features: [{conv: {out_channels: 8, norm: instance_norm}}]\ninput: [1, 1, 1]", "instance_norm", []),
    ("features: [M, {conv: {out_channels: 8, stride: 2}}]", "2", ["`padding: same` is what a unit has"]),
    ("features: [{conv: {out_channels: 9, groups: 2}}]", "2", []),
    ("defaults: {conv: {groups: 2}}\nfeatures: [9]", "2", ["in the unit at test:5:12"]),
    ("defaults: {conv: {norm: {group_norm: 3}}}\nfeatures: [8]", "3", ["in the unit at test:5:12"]),
    ("defaults: {conv: {stride: 2}}\nfeatures: [8]", "2", ["`padding: same` is what", "in the unit at test:5:12"]),
    ("defaults: {conv: {in_channels: 3}}\nfeatures: [8, 16]", "3", ["in the unit at test:5:15"]),
    ("features: [{repeat: {times: 3, layers: [{prelu: 8}, {conv2d: {out_channels: 8, kernel_size: 1}}]}}]", "8",
     ["this is prelu1, repetition 1 of 3"]),
    ("features: [{repeat: {times: 9, layers: [relu, M]}}]", "M",
     ["trace: ", "help: ", "this is pool7, repetition 7 of 9"]),
    ("features: [relu]\nrewrite: [{after: relu, insert: {group_norm: 2}}]", "2", ["a rewrite put it at test:4:12"]),
    ("features: [flatten, {zero_pad2d: 1}]", "zero_pad2d: 1", ["the `flatten` is at test:4:12"]),
    ("features: [relu]\nclassifier: [M]", "M", ["a `flatten` is inserted before the classifier"]),
]  # fmt: skip


@pytest.mark.parametrize(("body", "words", "notes"), BLAMED)
def test_the_place_to_blame(body: str, words: str, notes: list[str]) -> None:
    size = "[3, 64, 64]"
    if "input:" in body:
        body, _, size = body.partition("\ninput: ")
    (error,) = errors(body, size)
    assert blamed(error) == words
    said = [f"{note.label}: {note.text}" for note in error.notes]
    assert all(any(note in each for each in said) for note in notes), said
    assert ("in the unit" in str(said)) == any("in the unit" in note for note in notes)


def test_in_features_with_their_arithmetic() -> None:
    head = "classifier: [dropout, relu, {linear: {out_features: 10, in_features: 2048}}]"
    (error,) = errors(f"features: [{repeated(4, '512', 'M')}]\n{head}", "[1, 28, 28]")
    assert error.message == "linear: you wrote in_features 2048; a 28x28 input gives 512 x 1 x 1 = 512"
    assert (error.code, blamed(error)) == ("E202", "2048")


# --- short forms -------------------------------------------------------------------------------------------------


def kinds(body: str) -> str:
    return " ".join(layer.kind for layer in layers(body))


UNITS: Final = {
    "features: [8]": "conv2d relu",
    "features: [{conv: 8}]": "conv2d relu",
    "features: [{conv: {out_channels: 8, norm: batch_norm, dropout: 0.1}}]": "conv2d batch_norm relu dropout2d",
    "features: [{conv: {out_channels: 8, activation: none}}]": "conv2d",
    "features: [{conv: {out_channels: 8, dropout: 0}}]": "conv2d relu",
    "features: [{conv: {out_channels: 8, dropout: {dropout: 0.1}}}]": "conv2d relu dropout",
    "features: [relu]\nclassifier: [8]": "relu flatten linear relu dropout",
    "features: [relu]\nclassifier: [{fc: {out_features: 8, dropout: none}}]": "relu flatten linear relu",
    "features: [relu]\nclassifier: [flatten, {conv2d: 8}]\n": "",
    "features: [relu]\npool: 2\nclassifier: [relu]": "relu adaptive_avg_pool2d flatten relu",
    "features: [relu]\npool: none\nclassifier: [relu]": "relu flatten relu",
    "features: [relu]\nclassifier: [relu, flatten]": "relu relu flatten",
    f"features: [{repeated(2, 'M', repeated(2, 'relu'))}]": "max_pool2d relu relu max_pool2d relu relu",
    "defaults: {conv: {norm: batch_norm, activation: none}, fc: {dropout: none}}\nfeatures: [8]\nclassifier: [8]":
        "conv2d batch_norm flatten linear relu",
}  # fmt: skip


@pytest.mark.parametrize("body", UNITS)
def test_what_short_forms_stand_for(body: str) -> None:
    if UNITS[body]:
        assert kinds(body) == UNITS[body]
    else:
        assert codes(body) == ["E102"]


@given(channels=st.integers(1, 5000), width=st.floats(0.01, 10), divisor=st.integers(1, 64))
def test_scaled_channels(channels: int, width: float, divisor: int) -> None:
    scale = f"width: {width}\ndivisor: {divisor}\n"
    found = compiled(f"{scale}features: [{channels}]\nclassifier: [{channels}, {{linear: {channels}}}]", "[1, 1, 1]")
    scaled, unit, alone = (each.output[0] for each in found.layers if each.layer.group in ("conv", "linear"))
    assert (unit, alone) == (scaled, channels)
    if width != 1:
        assert scaled % divisor == 0
        assert 0.9 * channels * width <= scaled <= max(divisor, channels * width + divisor)


def test_a_width_of_one_changes_nothing() -> None:
    assert layers("width: 1\ndivisor: 7\nfeatures: [9]") == layers("features: [9]")


def test_classes_are_not_scaled() -> None:
    body = "width: 0.5\nclasses: 10\nfeatures: [{conv: classes}]\nclassifier: [{fc: classes}, {linear: classes}]"
    assert [each.output[0] for each in compiled(body).layers if each.params] == [10, 10, 10]
