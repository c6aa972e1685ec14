"""`rewrite`: what it changes, what it leaves, and that positions survive it."""

from pathlib import Path

import pytest

import vggc
from tests.networks import network
from vggc.base.diagnostics import SpecError

PARENT = """\
vggc: 1
name: parent
input: [3, 32, 32]
classes: 10
features: [8, M, 16, 16, M]
classifier: [12, {linear: classes}]
"""


def kinds(rewrite: str) -> list[str]:
    compiled = network(f"{PARENT}rewrite: {rewrite}\n")
    return [layer.kind for layer in compiled.layers]


PLAIN = ["conv2d", "relu", "max_pool2d", "conv2d", "relu", "conv2d", "relu", "max_pool2d",
         "flatten", "linear", "relu", "dropout", "linear"]  # fmt: skip


def test_insert_after_and_before() -> None:
    after = kinds("[{after: max_pool2d, insert: {dropout2d: 0.1}}]")
    assert [i for i, kind in enumerate(after) if kind == "dropout2d"] == [3, 9]
    before = kinds("[{before: max_pool2d, insert: [batch_norm, identity]}]")
    assert before[2:5] == ["batch_norm", "identity", "max_pool2d"]


def test_replace_and_remove() -> None:
    assert kinds("[{replace: relu, with: silu}]") == ["silu" if kind == "relu" else kind for kind in PLAIN]
    assert kinds("[{remove: dropout}]") == [kind for kind in PLAIN if kind != "dropout"]


def test_a_replacement_may_be_a_unit() -> None:
    assert kinds("[{replace: max_pool2d, with: {conv: {out_channels: 8, stride: 2, padding: 1}}}]")[2:4] == [
        "conv2d",
        "relu",
    ]


@pytest.mark.parametrize(
    ("where", "changed"),
    [("{stage: 1}", [1]), ("{stage: 2}", [4, 6]), ("{stage: [1, classifier]}", [1, 10]), ("{stage: classifier}", [10])],
)
def test_where_restricts_to_stages(where: str, changed: list[int]) -> None:
    found = kinds(f"[{{replace: relu, with: silu, where: {where}}}]")
    assert [i for i, kind in enumerate(found) if kind == "silu"] == changed


def test_where_restricts_to_options() -> None:
    found = kinds("[{after: conv2d, insert: batch_norm, where: {out_channels: 16}}]")
    assert [i for i, kind in enumerate(found) if kind == "batch_norm"] == [4, 7]


def test_several_are_carried_out_in_order() -> None:
    assert "gelu" in kinds("[{replace: relu, with: silu}, {replace: silu, with: gelu}]")


def test_the_rewrites_of_ancestors_come_first(tmp_path: Path) -> None:
    (tmp_path / "parent.yaml").write_text(PARENT + "rewrite: [{replace: relu, with: silu}]\n")
    child = tmp_path / "child.yaml"
    child.write_text("vggc: 1\nname: child\nextends: parent.yaml\nrewrite: [{replace: silu, with: gelu}]\n")
    assert {layer.kind for layer in vggc.compile(child).layers} & {"relu", "silu", "gelu"} == {"gelu"}


def test_an_inherited_rewrite_may_find_nothing_in_the_heir(tmp_path: Path) -> None:
    (tmp_path / "parent.yaml").write_text(PARENT + "rewrite: [{after: max_pool2d, insert: identity}]\n")
    child = tmp_path / "child.yaml"
    child.write_text("vggc: 1\nname: child\nextends: parent.yaml\nfeatures: [8]\n")
    assert "identity" not in [layer.kind for layer in vggc.compile(child).layers]


@pytest.mark.parametrize(
    ("rewrite", "code", "place"),
    [
        ("[{remove: batch_norm}]", "E109", "7:20"),
        ("[{replace: relu, with: silu, where: {stage: 3}}]", "E109", "7:21"),
        ("[{replace: relu}]", "E104", "7:12"),
        ("[{insert: relu}]", "E105", "7:11"),
        ("[{after: relu, remove: relu, insert: relu}]", "E105", "7:11"),
        ("[{remove: relu, with: silu}]", "E107", "7:26"),
        ("[{remove: relo}]", "E101", "7:20"),
        ("[{remove: relu, where: {stride: 1}}]", "E101", "7:34"),
        ("[{remove: relu, where: {stige: 1}}]", "E101", "7:34"),
        ("[]", "E103", "7:10"),
    ],
)
def test_errors(rewrite: str, code: str, place: str) -> None:
    with pytest.raises(SpecError) as caught:
        network(f"{PARENT}rewrite: {rewrite}\n")
    (found,) = caught.value.diagnostics
    assert (found.code, str(found.span)) == (code, f"test.yaml:{place}")


def test_an_error_in_a_rewritten_layer_names_both_lines(tmp_path: Path) -> None:
    (tmp_path / "parent.yaml").write_text(PARENT)
    child = tmp_path / "child.yaml"
    child.write_text(
        "vggc: 1\nname: child\nextends: parent.yaml\nrewrite:\n  - {after: max_pool2d, insert: {max_pool2d: 20}}\n"
    )
    with pytest.raises(SpecError) as caught:
        vggc.compile(child)
    found = caught.value.diagnostics[0]
    assert found.code == "E203"
    assert found.span is not None
    assert (found.span.line, found.span.column) == (4, 33)
    assert any("a rewrite put it at" in note.text and "parent.yaml:5:15" in note.text for note in found.notes)


def test_expand_shows_the_result() -> None:
    from vggc.backends.text import yaml_spec

    text = yaml_spec.emit(network(PARENT + "rewrite: [{remove: dropout}]\n").graph)
    assert "rewrite" not in text
    assert "dropout" not in text


def test_rewrites_that_leave_nothing() -> None:
    with pytest.raises(SpecError, match=r"E109.*leave no layer in `features`"):
        network(PARENT.replace("[8, M, 16, 16, M]", "[relu]") + "rewrite: [{remove: relu, where: {stage: 1}}]\n")


def test_rewrites_that_multiply_end_at_the_limit() -> None:
    many = ", ".join(["relu"] * 10)
    with pytest.raises(SpecError, match=r"E009"):
        network(f"{PARENT}rewrite:\n" + f"  - {{replace: relu, with: [{many}]}}\n" * 30)
