"""Where the cursor stands: against the parser where the text is YAML, and in texts that no parser takes."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types

from tests.fuzzing import corpus
from vggc.base.diagnostics import Source, Span, SpecError
from vggc.frontend.text.document import Items, Leaf, Table, Value
from vggc.frontend.text.parser import parse
from vggc.lsp.cursor import Cursor, cursor_at
from vggc.lsp.positions import Positions


def cursor(text: str) -> Cursor | None:
    """The place of the bar in a text."""
    before, _, after = text.partition("|")
    line, column = before.count("\n"), len(before) - (before.rfind("\n") + 1)
    return cursor_at((before + after).split("\n"), line, column)


@pytest.mark.parametrize(
    ("text", "path", "slot", "word"),
    [
        ("|", (), "key", ""),
        ("fea|", (), "key", "fea"),
        ("name: |", ("name",), "value", ""),
        ("name: a|b", ("name",), "value", "ab"),
        ("features: [64, |", ("features", 1), "either", ""),
        ("features: [64, {conv: |", ("features", 1, "conv"), "value", ""),
        ("features: [64, {conv: {pad|", ("features", 1, "conv"), "key", "pad"),
        ("features: [64, {conv: {padding: sa|", ("features", 1, "conv", "padding"), "value", "sa"),
        ("features: [64, conv: |", ("features", 1, "conv"), "value", ""),
        ("features: [64,\n  M, |", ("features", 2), "either", ""),
        ("features: [64,\n  M,\nclassifier: [|", ("classifier", 0), "either", ""),
        ("features:\n  - 64\n  - |", ("features", 1), "either", ""),
        ("features:\n- 64\n- |", ("features", 1), "either", ""),
        ("features:\n- 64\n|", (), "key", ""),
        ("features:\n  - conv|: 64", ("features", 0), "key", "conv"),
        ("features:\n  - conv: |", ("features", 0, "conv"), "value", ""),
        ("features:\n  - conv:\n      |", ("features", 0, "conv"), "either", ""),
        ("features:\n  - conv:\n      stride: 2\n      |", ("features", 0, "conv"), "key", ""),
        ("features:\n  - conv:\n      stride: 2\n  - |", ("features", 1), "either", ""),
        ("features:\n- repeat:\n    times: 2\n    layers: [|", ("features", 0, "repeat", "layers", 0), "either", ""),
        ("features:\n  - repeat:\n      layers:\n        - |", ("features", 0, "repeat", "layers", 0), "either", ""),
        ("features:\n  |", ("features",), "either", ""),
        ("init:\n  conv2d: |", ("init", "conv2d"), "value", ""),
        ("init:\n  conv2d:\n    |", ("init", "conv2d"), "either", ""),
        ("init:\n  conv2d: zeros\n  |", ("init",), "key", ""),
        ("train:\n  augment:\n    - random_crop: 3\n  |", ("train",), "key", ""),
        ("train: {optimizer: {sgd: {lr: 1}}, |", ("train",), "key", ""),
        ("classes: ['a, b', |", ("classes", 1), "either", ""),
        ("classes: [\"a: {b\", |", ("classes", 1), "either", ""),
        ('train: {precision: "|"}', ("train", "precision"), "value", ""),
        ("features: &f [64, |", ("features", 1), "either", ""),
        ("defaults: &d\n  conv: {|", ("defaults", "conv"), "key", ""),
        ("# features: [\ninput: [3, |", ("input", 1), "either", ""),
        ("input: [3, # channels\n  |", ("input", 1), "either", ""),
        ("---\nvggc: |", ("vggc",), "value", ""),
        ("]]}\n- }\nname: |", ("name",), "value", ""),
    ],
)  # fmt: skip
def test_the_place(text: str, path: tuple[str | int, ...], slot: str, word: str) -> None:
    found = cursor(text)
    assert found is not None
    assert (found.path, found.slot, found.word) == (path, slot, word)


@pytest.mark.parametrize("text", ["# fea|", "name: a # b|", "features: [64, # |"])
def test_a_comment_is_no_place(text: str) -> None:
    assert cursor(text) is None


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("vggc: 1\n|\nname: a", {"vggc", "name"}),
        ("train: {epochs: 1, |, seed: 3}", {"epochs", "seed"}),
        ("train:\n  epochs: 1\n  |\n  seed: 3\nname: a", {"epochs", "seed"}),
        ("features:\n  - conv: {stride: 1, |}\n  - conv: {bias: true}", {"stride"}),
    ],
)
def test_the_keys_that_are_there_already(text: str, keys: set[str]) -> None:
    found = cursor(text)
    assert found is not None
    assert found.keys == keys


def test_a_place_behind_a_very_long_word_is_found_at_once() -> None:
    started = time.perf_counter()
    found = cursor(f"name: {'a' * 200_000} b|")
    assert found is not None
    assert found.word == "b"
    assert time.perf_counter() - started < 5


def test_a_hash_in_a_word_begins_no_comment() -> None:
    found = cursor("classes: [a#b, '# c', |")
    assert found is not None
    assert found.path == ("classes", 2)


def leaves(value: Value, path: tuple[str | int, ...] = ()) -> list[tuple[tuple[str | int, ...], Leaf]]:
    """Every scalar of a tree with the path that leads to it."""
    if isinstance(value, Leaf):
        return [(path, value)]
    inner = (
        [(name, entry.value) for name, entry in value.entries.items()]
        if isinstance(value, Table)
        else list(enumerate(value.items))
        if isinstance(value, Items)
        else []
    )
    return [found for step, each in inner for found in leaves(each, (*path, step))]


def whole(text: str) -> Table | None:
    try:
        return parse(Source("", text)).valid_table()
    except SpecError:
        return None


@pytest.mark.parametrize("text", [text for text in corpus() if whole(text) is not None and "*" not in text])
def test_it_agrees_with_the_parser(text: str) -> None:
    tree = whole(text)
    assert tree is not None
    for path, leaf in leaves(tree):
        line, column = leaf.span.line, leaf.span.column
        if leaf.value is None or leaf.span.end_line != line or text.split("\n")[line][column] in "\"'|>&!":
            continue
        found = cursor_at(text.split("\n"), line, column)
        assert found is not None, (path, leaf.span)
        assert found.path == path, leaf.span
        assert found.slot in ("value", "either"), leaf.span


@given(st.text(alphabet="ab:-[]{},#'\"&* \n\té😀", max_size=80), st.data())
def test_it_never_fails(text: str, data: st.DataObject) -> None:
    lines = text.split("\n")
    line = data.draw(st.integers(0, len(lines) - 1))
    column = data.draw(st.integers(0, len(lines[line])))
    found = cursor_at(lines, line, column)
    assert found is None or lines[line][found.start : found.end] == found.word


# --- positions ---


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
@given(text=st.text(alphabet="ab é漢😀\U0010ffff", max_size=20), data=st.data())
def test_positions_go_there_and_back(encoding: str, text: str, data: st.DataObject) -> None:
    column = data.draw(st.integers(0, len(text)))
    positions = Positions(encoding)
    position = positions.position([text], 0, column)
    size = {"utf-8": 1, "utf-16": 2, "utf-32": 4}[encoding]
    codec = encoding if encoding == "utf-8" else f"{encoding}-le"
    assert position.character == len(text[:column].encode(codec)) // size
    assert positions.place([text], position) == (0, column)


def test_a_stretch_of_several_lines_is_shown_at_the_first_without_its_comment() -> None:
    span = Span(Source("x", "name: [a,  # why\n  b]\n"), 0, 6, 1, 4)
    assert Positions().range(span) == types.Range(types.Position(0, 6), types.Position(0, 9))


def test_a_position_beyond_the_text_is_moved_into_it() -> None:
    positions = Positions()
    assert positions.place(["ab", "é😀"], types.Position(7, 99)) == (1, 2)
    assert positions.place(["ab"], types.Position(0, 99)) == (0, 2)
    assert positions.position(["ab"], 5, 9) == types.Position(0, 2)
