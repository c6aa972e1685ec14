"""What the editor is told: hover, completion, definition, hints, outline, fixes."""

import re
import time
from pathlib import Path

import pytest
from lsprotocol import types

from tests import fuzzing
from tests.mutations import Mutator
from tests.networks import SMALL
from vggc import pipeline
from vggc.base.diagnostics import Source
from vggc.base.words import TIMES
from vggc.frontend.text.sources import stock_folder, stock_names
from vggc.layers import KINDS
from vggc.lsp import schema_queries
from vggc.lsp.code_actions import Edit, edits
from vggc.lsp.completion_items import complete
from vggc.lsp.document_symbols import document_symbols
from vggc.lsp.documents import Documents
from vggc.lsp.hover import definition, hover
from vggc.lsp.inlay_hints import inlay_hints
from vggc.lsp.positions import Positions
from vggc.lsp.publish_diagnostics import location_of, lsp_diagnostics
from vggc.lsp.spec_analysis import Analysis

HEAD = "vggc: 1\nname: a\ninput: [3, 16, 16]\nclasses: 4\n"
UNSAVED = stock_folder() / "unsaved.yaml"


def analysed(text: str) -> Analysis:
    documents = Documents()
    documents.put("u", UNSAVED, text)
    found = documents.analysis("u")
    assert found is not None
    return found


def split(text: str) -> tuple[str, int, int]:
    """A text without its bar, and the line and column of that."""
    before, _, after = text.partition("|")
    return before + after, before.count("\n"), len(before) - (before.rfind("\n") + 1)


# --- hover ---


def hovered(text: str) -> str:
    text, line, column = split(text)
    found = hover(analysed(text), line, column)
    return found[1] if found is not None else ""


def rows(said: str) -> list[list[str]]:
    """The cells of the table of shapes."""
    table = re.search(r"```text\n(.*?)```", said, re.DOTALL)
    return [line.split() for line in table[1].splitlines()[2:]] if table is not None else []


def test_hover_over_a_number_says_what_it_is_and_its_shape() -> None:
    said = hovered(HEAD + "features: [8|, M, 16]\nclassifier: [{linear: classes}]\n")
    assert "a unit `conv`" in said
    assert rows(said) == [
        ["conv1_1", "features.0", "conv2d", f"3{TIMES}16{TIMES}16", f"8{TIMES}16{TIMES}16", "224", "55,296", "3"],
        ["relu1_1", "features.1", "relu", f"8{TIMES}16{TIMES}16", f"8{TIMES}16{TIMES}16", "3"],
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("features: [8, M|]", "`M`: max_pool2d with a window and a stride of 2"),
        ("features: [8, max_|pool2d: 2]", "options: `kernel_size` (required), `stride`, `padding` (0)"),
        ("features: [8, {conv: {out_channels: 8, kernel|_size: 3}}]", "`kernel_size`: a whole number or a list of 2"),
        ("features: [8, {conv: {out_channels: 8, padding: sa|me}}]", "`same` keeps the size"),
        ("features: [8]\npool: 2|", "between features and classifier"),
        ("features: [8]\nallow: [needless|_bias]", "`needless_bias`"),
        ("features: [8]\ninit: {conv2d: kaiming_n|ormal}", "He et al., 2015, normal"),
        ("features: [8]\ntrain: {epochs|: 3}", "passes over the training images"),
        ("features: [8]\ndefaults: {conv: {norm: batch|_norm}}", "`batch_norm`: "),
        ("feat|ures: [8, M]", "the convolutional stack"),
    ],
)
def test_hover_says_the_meaning(text: str, said: str) -> None:
    assert said in hovered(f"{HEAD}{text}\n")


def test_hover_knows_every_kind_and_option() -> None:
    for kind, cls in KINDS.items():
        assert f"`{kind}`: {cls.summary()}" in hovered(f"{HEAD}features:\n  - |{cls.example}\n")
        for option in cls.field_names():
            assert f"`{option}`" in hovered(f"{HEAD}features:\n  - {kind}: {{|{option}: 1}}\n")


def test_an_item_of_a_repeat_stands_for_many() -> None:
    said = hovered(HEAD + "features: [{repeat: {times: 3, layers: [8|, M]}}]\nclassifier: none\n")
    assert [row[0] for row in rows(said)] == ["conv1_1", "relu1_1", "conv2_1", "relu2_1", "conv3_1", "relu3_1"]
    said = hovered(HEAD + "features: [{re|peat: {times: 9, layers: [8, relu]}}]\nclassifier: none\n")
    assert "the same layers several times in a row" in said
    assert (rows(said)[0][0], rows(said)[4], rows(said)[-1][1]) == (
        "conv1_1",
        ["...", "19", "more", "..."],
        "features.26",
    )


def test_defaults_stand_for_the_layers_that_they_make() -> None:
    said = hovered(HEAD + "defaults: {conv: {norm: batch|_norm}}\nfeatures: [8, 8]\nclassifier: none\n")
    assert [row[0] for row in rows(said)] == ["batch_norm1_1", "batch_norm1_2"]


def test_an_inserted_layer_stands_where_the_rewrite_puts_it() -> None:
    said = hovered("vggc: 1\nname: a\nextends: vgg11\nrewrite: [{after: max_pool2d, insert: {drop|out2d: 0.1}}]\n")
    assert len(rows(said)) == 5
    assert rows(said)[0][3:5] == [f"64{TIMES}112{TIMES}112"] * 2


def test_shapes_are_there_up_to_the_mistake() -> None:
    text = HEAD + "features: [8|, M, {max_pool2d: 99}, 8]\nclassifier: none\n"
    assert [row[0] for row in rows(hovered(text))] == ["conv1_1", "relu1_1"]
    assert rows(hovered(text.replace("|", "").replace(", 8]", ", 8|]"))) == []


def test_the_name_stands_for_the_whole() -> None:
    assert "40 layers, 138,357,544 params" in hovered(
        (stock_folder() / "vgg16.yaml").read_text().replace("name", "na|me")
    )


# --- completion ---


def offers(text: str, sound: Analysis | None = None) -> dict[str, str]:
    """The labels and what they insert."""
    text, line, column = split(text)
    found = complete(Source("u", text, path=UNSAVED), line, column, sound, Positions(), snippets=True)
    assert [item.sort_text for item in found] == sorted(str(item.sort_text) for item in found)
    return {item.label: edit.new_text for item in found if isinstance(edit := item.text_edit, types.TextEdit)}


def test_top_level_keys_that_are_not_there_yet() -> None:
    found = offers("vggc: 1\nname: a\n|\nfeatures: [8]\n")
    assert found["classifier"] == "classifier: "
    assert not {"vggc", "name", "features"} & found.keys()


def test_every_kind_is_offered_where_layers_stand() -> None:
    for place in ("features: [64, |]", "features:\n  - |", "features:\n  |", "rewrite: [{after: relu, insert: |}]"):
        assert {*KINDS, "conv", "fc", "repeat", "M"} <= offers(HEAD + place).keys(), place


@pytest.mark.parametrize("where", ["features: [{}]", "features:\n  - {}", "classifier: [64, {}]"])
def test_what_is_offered_for_a_kind_is_right_yaml(where: str) -> None:
    """Each is taken up, its holes filled with a 1, and compiled: complaints may be about shapes, not about the text."""
    start = HEAD + ("" if where.startswith("features") else "features: [8]\n")
    for label, insert in offers(start + where.replace("{}", "|")).items():
        text = insert.replace("$0", "1").replace(": }", ": 1}").replace(": ,", ": 1,")
        text = f"{text}1" if text.endswith(": ") else text
        text = text.replace("layers: 1", "layers: [8]")
        codes = {each.code for each in analysed(start + where.replace("{}", text) + "\n").diagnostics}
        assert not codes & {"E004", "E101", "E104", "E105"}, (label, text)


@pytest.mark.parametrize(
    ("place", "wanted"),
    [
        ("extends: |", {"vgg16", "vgg16.yaml"}),
        ("features: [{conv: {padding: |}}]", {"same", "valid"}),
        ("features:\n  - conv:\n      out_channels: 8\n      |", {"kernel_size", "norm", "activation"}),
        ("features: [{max_pool2d: {ceil_mode: |}}]", {"true", "false"}),
        ("features: [{linear: {out_features: |}}]", {"classes"}),
        ("pool: |", {"none", "global_avg_pool2d", "max_pool2d"}),
        ("allow: [|", {"needless_bias", "deep_without_norm"}),
        ("init:\n  conv2d: |", {"kaiming_normal", "zeros"}),
        ("init: {conv2d: {kaiming_normal: {mode: |", {"fan_in", "fan_out"}),
        ("train:\n  optimizer:\n    |", {"sgd", "adamw"}),
        ("train: {schedule: {|", {"step_lr", "one_cycle_lr"}),
        ("rewrite: [{after: |", {"conv2d", "relu"}),
        ("input: |", {"[3, 224, 224]"}),
    ],
)
def test_values_in_their_places(place: str, wanted: set[str]) -> None:
    assert wanted <= offers(f"vggc: 1\nname: a\n{place}").keys()


def test_a_number_in_words_gets_its_quotes() -> None:
    assert offers("train: {precision: |")["32"] == '"32"'
    assert offers('train: {precision: "|"')["32"] == "32"


def test_a_key_that_is_written_over_keeps_its_colon() -> None:
    assert offers("vggc: 1\nfea|tures: [8]\n")["features"] == "features"


def test_options_that_are_needed_come_first() -> None:
    assert next(iter(offers("features: [{max_pool2d: {|}}]"))) == "kernel_size"


def test_expectations_are_offered_as_they_are() -> None:
    sound = analysed(SMALL)
    assert offers(SMALL + "expect: {params: |", sound) == {"2285": "2285"}
    assert offers(SMALL + "expect: {output: |", sound) == {"[5]": "[5]"}


def test_nothing_is_offered_in_a_comment_or_outside_the_language() -> None:
    assert offers("vggc: 1  # |") == {}
    assert offers("no_such_key: {|") == {}


def test_specs_beside_the_text_and_in_folders(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(SMALL)
    (tmp_path / "other.yaml").write_text("a: 1\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "deep.yml").write_text(SMALL)
    source = Source("u", "extends: sub/", path=tmp_path / "new.yaml")
    assert [item.label for item in complete(source, 0, 13, None, Positions())] == ["sub/deep.yml"]
    labels = [item.label for item in complete(source, 0, 9, None, Positions())]
    assert labels == ["base.yaml", *stock_names()]


# --- definition ---


def test_an_alias_leads_to_its_anchor() -> None:
    text, line, column = split(HEAD + "features: &body [8, M]\nclassifier: *bo|dy\n")
    (found,) = definition(analysed(text), line, column)
    assert (found.line, found.column, found.end_column) == (4, 10, 15)


def test_a_key_leads_to_the_one_that_it_overrides() -> None:
    text, line, column = split("vggc: 1\nname: a\nextends: vgg16_bn\nclass|es: 10\n")
    (found,) = definition(analysed(text), line, column)
    assert found.source.path == stock_folder() / "vgg16.yaml"
    assert found.source.lines[found.line].startswith("classes:")


# --- hints ---


def shown(text: str) -> dict[int, str]:
    return inlay_hints(analysed(text), None, 0, 999)


def test_hints_of_a_list_in_one_line() -> None:
    found = shown((stock_folder() / "vgg16.yaml").read_text())
    arrow = " \N{RIGHTWARDS ARROW} "
    assert list(found.values()) == [
        f"{arrow.join(['224', '112', '56', '28', '14', '7'])}, 512{TIMES}7{TIMES}7",
        f"512{TIMES}7{TIMES}7",
        f"{arrow.join(['25088', '4096', '4096', '1000'])}, 123,642,856 params",
    ]


def test_hints_of_a_list_line_by_line() -> None:
    text = HEAD + "features:\n  - 8\n  - M\n  - repeat:\n      times: 2\n      layers:\n        - 4\n        - M\n"
    found = shown(text + "classifier:\n  - 6\n  - linear: classes\n")
    assert found == {
        5: f"8{TIMES}16{TIMES}16",
        6: f"8{TIMES}8{TIMES}8",
        10: f"4{TIMES}8{TIMES}8 to 4{TIMES}4{TIMES}4 (2 times)",
        11: f"4{TIMES}4{TIMES}4 to 4{TIMES}2{TIMES}2 (2 times)",
        12: f"4{TIMES}2{TIMES}2 = 16 features, 130 params",
        13: "6",
        14: "4",
    }


def test_a_child_shows_what_it_has_become() -> None:
    assert shown("vggc: 1\nname: a\nextends: vgg16_bn\n") == {
        2: f"3{TIMES}224{TIMES}224 \N{RIGHTWARDS ARROW} 1000, 138,365,992 params"
    }


def test_a_long_spec_is_answered_fast() -> None:
    """Five thousand items, two layers each: the whole outline in less than the reading took."""
    text = HEAD + "features:\n" + "  - 8\n" * 5000 + "classifier: none\nallow: [deep_without_norm]\n"
    analysis = analysed(text)
    assert len(analysis.layers) == 10_000
    started = time.perf_counter()
    document_symbols(analysis, Positions())
    assert len(inlay_hints(analysis, None, 0, 10_000)) == 5000
    assert "conv1_5000" in hovered(text.replace("  - 8\nclassifier", "  - |8\nclassifier"))
    assert time.perf_counter() - started < 2 + 3 * analysis.seconds


def test_the_heirs_of_an_heir_are_read_again() -> None:
    documents = Documents()
    for name, parent in (("b", "a"), ("c", "b")):
        documents.put(name, UNSAVED.with_name(f"{name}.yaml"), f"vggc: 1\nname: {name}\nextends: {parent}.yaml\n")
    documents.put("a", UNSAVED.with_name("a.yaml"), SMALL)
    read = {name: documents.analysis(name) for name in "abc"}
    assert all(each is not None and each.network is not None for each in read.values())
    assert sorted(documents.put("a", UNSAVED.with_name("a.yaml"), SMALL.replace("8, M", "4, M"))) == ["b", "c"]
    (first, _) = (found.layers[0].output for name in "cb" if (found := documents.analysis(name)) is not None)
    assert first == (4, 16, 16)
    assert documents.close("b") == ["c"]
    assert documents.invalidate(None) == []


def test_the_last_whole_network_is_known_while_the_text_is_wrong() -> None:
    documents = Documents()
    documents.put("u", None, SMALL)
    whole = documents.analysis("u")
    for text in (SMALL.replace("[8,", "[8, ["), SMALL.replace("[8,", "[8, [[")):
        documents.put("u", None, text)
        documents.analysis("u")
        assert documents.get("u").last_valid is whole


def test_hints_above_what_is_being_written_stay() -> None:
    text = HEAD + "features:\n  - 8\n  - M\n  - 16\nclassifier: none\n"
    sound, now = analysed(text), analysed(text.replace("- 16", "- ma"))
    assert list(inlay_hints(now, sound, 0, 99)) == [5, 6]
    assert inlay_hints(now, None, 0, 99) == {}


# --- outline ---


def test_the_outline_has_stages_and_layers() -> None:
    found = document_symbols(analysed(SMALL), Positions())
    assert [each.name for each in found][5:8] == ["features", "pool", "classifier"]
    features = found[5]
    assert features.children is not None
    assert [(each.name, each.detail) for each in features.children] == [
        ("stage 1", f"8{TIMES}8{TIMES}8"),
        ("stage 2", f"16{TIMES}4{TIMES}4"),
    ]
    layers = features.children[0].children or ()
    assert [each.name for each in layers] == ["conv1_1 ... relu1_1", "pool1"]


def nested(symbol: types.DocumentSymbol) -> None:
    """The protocol's rules: the selection inside the range, the children inside as well."""
    whole, chosen = symbol.range, symbol.selection_range
    assert whole.start <= chosen.start <= chosen.end <= whole.end, symbol
    for child in symbol.children or ():
        assert whole.start <= child.range.start <= child.range.end <= whole.end, (symbol, child)
        nested(child)


# --- fixes ---


def applied(text: str, fix: Edit) -> str:
    lines = text.split("\n")
    before = [*lines[: fix.start[0]], lines[fix.start[0]][: fix.start[1]]]
    after = [lines[fix.end[0]][fix.end[1] :], *lines[fix.end[0] + 1 :]]
    return "\n".join(before) + fix.text + "\n".join(after)


def fixed(text: str, title: str) -> str:
    analysis = analysed(text)
    found = {fix.title: fix for each in analysis.diagnostics for fix in edits(analysis, each)}
    return applied(text, found[title])


END = "\nclassifier: [{linear: classes}]\n"


@pytest.mark.parametrize(
    ("wrong", "title", "right"),
    [
        ("features: [8, relo]" + END, "write relu", "features: [8, relu]" + END),
        ("features:\n  - 8\n  - relu:" + END, "write relu", "features:\n  - 8\n  - relu" + END),
        ('features: ["8"]' + END, "write 8", "features: [8]" + END),
        ("features: [8.0]" + END, "write 8", "features: [8]" + END),
        ("features: [8]\nclassifier: [{linear: {out_features: classes, in_features: 3}}]\n", "remove in_features",
         "features: [8]\nclassifier: [{linear: {out_features: classes}}]\n"),
        ("features: [8]\nclassifier: [{linear: {in_features: 3, out_features: classes}}]\n", "remove in_features",
         "features: [8]\nclassifier: [{linear: {out_features: classes}}]\n"),
        ("features: [8]\nclassifier:\n- linear:\n    out_features: classes\n    in_features: 3\nallow: [uneven_pool]\n",
         "remove in_features",
         "features: [8]\nclassifier:\n- linear:\n    out_features: classes\nallow: [uneven_pool]\n"),
        ("features: [8]\nclassifier:\n- linear: {out_features: classes,\n    in_features: 3}\n", "remove in_features",
         "features: [8]\nclassifier:\n- linear: {out_features: classes}\n"),
        ("features:\n- conv:\n    in_channels: 9\n    out_channels: 8" + END, "remove in_channels",
         "features:\n- conv:\n    out_channels: 8" + END),
        ("features: [8]\nexpect: {params: 3, max_params: 1M}" + END, "expect params 8420",
         "features: [8]\nexpect: {params: 8420, max_params: 1M}" + END),
        ("features: [8]\nexpect: {output: [3]}" + END, "expect output [4]",
         "features: [8]\nexpect: {output: [4]}" + END),
        ("features: [8]\npool: 2\nclassifier: none\n", "remove pool", "features: [8]\nclassifier: none\n"),
        ("features: [8]\nclassifier:\n- linear:\n    out_features: classes\n    in_features: 9", "remove in_features",
         "features: [8]\nclassifier:\n- linear:\n    out_features: classes"),
    ],
)  # fmt: skip
def test_a_fix_gives_the_text_that_was_meant(wrong: str, title: str, right: str) -> None:
    assert fixed(HEAD + wrong, title) == HEAD + right
    assert analysed(HEAD + right).diagnostics == []


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("vgg61", "vgg16"),
        ('"vgg61"', "vgg16"),
        ("VGG16", "vgg16"),
        ("vgg16.yml", "vgg16"),
        ("othre.yaml", "other.yaml"),
    ],
)
def test_a_mistyped_parent_can_be_written_right(wrong: str, right: str, tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text(SMALL)
    documents, text = Documents(), "vggc: 1\nname: child\nextends: {} # a parent\nallow: [needless_bias]\n"
    documents.put("u", tmp_path / "child.yaml", text.format(wrong))
    analysis = documents.analysis("u")
    assert analysis is not None
    (found,) = (fix for each in analysis.diagnostics for fix in edits(analysis, each))
    assert found.title == f"write {right}"
    assert applied(text.format(wrong), found) == text.format(right)
    documents.put("u", tmp_path / "child.yaml", text.format(right))
    analysis = documents.analysis("u")
    assert analysis is not None
    assert [each for each in analysis.diagnostics if each.severity == "error"] == []


INSTEAD = re.compile(r'did you mean .*`(.*)`\?|write (\[\S+\]|"\S+")(?: in quotes)?')


def test_every_word_that_a_message_offers_can_be_put_in_its_place() -> None:
    offered = set()
    for file in sorted((Path(__file__).parent / "cases/invalid").glob("*.yaml")):
        documents = Documents()
        documents.put("u", file, file.read_bytes().decode(errors="replace"))
        analysis = documents.analysis("u")
        for each in analysis.diagnostics if analysis is not None else ():
            inherited = each.span is None or each.span.source is not analysis.source
            words = [found[1] or found[2] for note in each.notes if (found := INSTEAD.fullmatch(note.text))]
            texts = {fix.text for fix in edits(analysis, each)}
            assert inherited or texts >= set(words), (file.name, each.message)
            offered |= set(words)
    assert {"vgg16", "max_pool2d", "[64]", '"true"'} <= offered


@pytest.mark.parametrize("end", ["", "...\n", "# the end\n... # of the document\n"])
@pytest.mark.parametrize("allow", ["", "allow: [uneven_pool]\n", "allow:\n  - uneven_pool\n"])
def test_a_warning_can_be_allowed(allow: str, end: str) -> None:
    text = (
        HEAD
        + f"{allow}defaults: {{conv: {{norm: batch_norm}}}}\nfeatures: [8]\nclassifier: [{{linear: classes}}]\n{end}"
    )
    assert [each.code for each in analysed(text).diagnostics] == ["W404"]
    assert analysed(fixed(text, "allow needless_bias in this spec")).diagnostics == []


def test_an_allowed_warning_keeps_those_that_the_parent_allows(tmp_path: Path) -> None:
    (tmp_path / "parent.yaml").write_text(SMALL.replace("needless_bias", "uneven_pool"))
    documents = Documents()
    documents.put("u", tmp_path / "child.yaml", "vggc: 1\nname: child\nextends: parent.yaml\nfeatures: [8, 8]\n")
    analysis = documents.analysis("u")
    assert analysis is not None
    (fix,) = (fix for each in analysis.diagnostics for fix in edits(analysis, each))
    assert fix.text == "\nallow: [uneven_pool, needless_bias]"


# --- all of it ---


@pytest.mark.parametrize("name", stock_names())
def test_it_says_what_the_command_line_says(name: str) -> None:
    text = (stock_folder() / f"{name}.yaml").read_text()
    analysis, network = analysed(text), pipeline.compile(name)
    assert analysis.network is not None
    assert (analysis.network.params, analysis.network.macs) == (network.params, network.macs)
    assert [layer.output for layer in analysis.layers] == [layer.output for layer in network.layers]
    for symbol in document_symbols(analysis, Positions()):
        nested(symbol)


@pytest.mark.parametrize("seed", range(4))
def test_broken_texts_are_answered(seed: int) -> None:
    """Mutated specs, every other cut off somewhere: nothing may fail, and every range must lie in the text."""
    mutator, documents, positions = Mutator(seed, fuzzing.corpus()), Documents(), Positions()
    for number in range(300):
        text = mutator.tree() if number % 3 == 0 else mutator.text()
        text = text[: mutator.place(text)] if number % 2 else text
        documents.put("u", UNSAVED, text if "vggc:" in text else f"vggc: 1\n{text}")
        analysis = documents.analysis("u")
        if analysis is None:
            continue
        sound, lines = documents.get("u").last_valid, analysis.source.lines
        for found in lsp_diagnostics(analysis, "u", positions):
            assert found.range.start <= found.range.end
            assert found.range.end.line < len(lines)
        for symbol in document_symbols(analysis, positions):
            nested(symbol)
        for each in analysis.diagnostics:
            for fix in edits(analysis, each):
                assert (0, 0) <= fix.start <= fix.end <= (len(lines) - 1, len(lines[-1]))
        assert all(0 <= line < len(lines) for line in inlay_hints(analysis, sound, 0, 10**9))
        for _ in range(6):
            line = mutator.random.randrange(len(lines))
            column = mutator.random.randrange(len(lines[line]) + 1)
            hover(analysis, line, column)
            complete(analysis.source, line, column, sound, positions)
            for span in definition(analysis, line, column):
                location_of(span, analysis, "u", positions)


def test_the_vocabulary_describes_every_key() -> None:
    for leaf in schema_queries.at(()):
        for name, schema in leaf["properties"].items():
            assert schema_queries.description(schema), name
            assert schema_queries.type_of(schema), name
