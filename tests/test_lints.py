"""Warnings: each fires where it should, is silent where it should be, and can be switched off by name or code."""

import pytest

import vggc
from tests.networks import network
from vggc.analysis import lints
from vggc.base.codes import CODES
from vggc.frontend.text.sources import stock_names

HEAD = "vggc: 1\nname: net\ninput: [3, 64, 64]\nclasses: 10\n"
DEEP = HEAD + "features: [{repeat: {times: 10, layers: [8]}}, M]\nclassifier: [{linear: classes}]\n"

FIRES = {
    "deep_without_norm": DEEP,
    "dropout_before_norm": HEAD + "features: [8, dropout2d, batch_norm]\nclassifier: none\n",
    "dropout_before_pool": HEAD + "features: [8, {dropout2d: 0.1}, M]\nclassifier: none\n",
    "needless_bias": HEAD + "features: [{conv: {out_channels: 8, norm: batch_norm}}]\nclassifier: none\n",
    "uneven_pool": HEAD + "features: [8]\npool: 7\nclassifier: [{linear: classes}]\n",
    "softmax_last": HEAD + "features: [8]\nclassifier: [{linear: classes}, softmax]\n",
    "activation_last": HEAD + "features: [8]\nclassifier: [128, 10]\n",
}

SILENT = {
    "deep_without_norm": [
        DEEP.replace("layers: [8]", "layers: [{conv: {out_channels: 8, norm: batch_norm, bias: false}}]"),
        DEEP + "init: {conv2d: {kaiming_normal: {nonlinearity: relu}}}\n",
        DEEP + "init: {conv2d: orthogonal}\n",
        DEEP.replace("times: 10", "times: 9"),
        DEEP + "defaults: {conv: {activation: selu}}\n",
    ],
    "dropout_before_norm": [HEAD + "features: [8, batch_norm, dropout2d]\nclassifier: none\n"],
    "dropout_before_pool": [HEAD + "features: [8, M, {dropout2d: 0.1}]\nclassifier: none\n"],
    "needless_bias": [
        HEAD + f"features: [{{conv: {{out_channels: 8, norm: batch_norm, bias: {bias}}}}}]\nclassifier: none\n"
        for bias in ("false", "true")
    ],
    "uneven_pool": [HEAD + "features: [8]\npool: 8\nclassifier: [{linear: classes}]\n"],
    "activation_last": [HEAD + "features: [8]\nclassifier: [128, {linear: classes}]\n"],
    "softmax_last": [HEAD + "features: [softmax, 8]\nclassifier: [softmax, {linear: classes}]\n"],
}


def names(text: str, *allowed: str) -> list[str | None]:
    return [CODES[each.code].name for each in lints.check(network(text), allowed)]


def test_every_warning_is_tested() -> None:
    assert set(FIRES) == set(SILENT) == {CODES[code].name for code in lints.LINTS}


@pytest.mark.parametrize("name", FIRES)
def test_it_fires_and_is_switched_off(name: str) -> None:
    text = FIRES[name]
    code = next(code for code, each in CODES.items() if each.name == name)
    assert names(text) == [name]
    assert names(text + f"allow: [{name}]\n") == []
    assert names(text, name) == names(text, code) == []
    others = [each for each in FIRES if each != name]
    assert names(text, *others) == [name]


@pytest.mark.parametrize(("name", "text"), [(name, text) for name in SILENT for text in SILENT[name]])
def test_it_is_silent(name: str, text: str) -> None:
    assert name not in names(text)


def test_a_warning_points_at_the_layer_and_says_what_to_do() -> None:
    (found,) = lints.check(network(FIRES["dropout_before_pool"]))
    assert str(found.span) == "test.yaml:5:16"
    assert [note.label for note in found.notes] == ["help", "note"]
    assert found.severity == "warning"


@pytest.mark.parametrize("name", stock_names())
def test_stock_specs_have_nothing_to_warn_of(name: str) -> None:
    assert lints.check(vggc.compile(name)) == []
