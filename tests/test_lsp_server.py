"""`vggc lsp` as an editor meets it: a process, spoken to over stdio."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.language_client import Client, Json
from tests.networks import SMALL
from vggc.base.words import typeset
from vggc.cli import main
from vggc.frontend.text.sources import stock_folder

WHOLE = {"start": {"line": 0, "character": 0}, "end": {"line": 999, "character": 0}}


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """One server for all tests; each opens files of its own."""
    capabilities = {
        "workspace": {"didChangeWatchedFiles": {"dynamicRegistration": True}, "inlayHint": {"refreshSupport": True}},
        "textDocument": {"completion": {"completionItem": {"snippetSupport": True}}},
    }
    with Client(tmp_path_factory.mktemp("specs"), capabilities) as client:
        yield client


def span(found: Json) -> tuple[int, int, int, int]:
    start, end = found["range"]["start"], found["range"]["end"]
    return start["line"], start["character"], end["line"], end["character"]


def test_it_says_what_it_can(editor: Client) -> None:
    capabilities = editor.initialized["capabilities"]
    assert capabilities["textDocumentSync"]["openClose"]
    for name in ("hover", "definition", "documentSymbol", "inlayHint", "codeAction", "completion"):
        assert capabilities[f"{name}Provider"]
    assert editor.initialized["serverInfo"]["name"] == "vggc"


def test_diagnostics_follow_the_typing(editor: Client) -> None:
    editor.open("typed.yaml", SMALL)
    assert editor.diagnostics("typed.yaml") == []
    editor.change("typed.yaml", SMALL.replace("8, M", "8, maxpool").replace("classes:", "clases:"))
    first, second = editor.diagnostics("typed.yaml")
    assert (first["code"], first["severity"], first["source"]) == ("E101", 1, "vggc")
    assert span(first) == (3, 0, 3, 6)
    assert first["message"] == "there is no key of a spec `clases`\nhelp: did you mean `classes`?"
    assert span(second) == (5, 14, 5, 21)
    editor.change("typed.yaml", SMALL)
    assert editor.diagnostics("typed.yaml") == []


def test_a_warning_is_a_warning(editor: Client) -> None:
    editor.open("warned.yaml", SMALL.replace("allow: [needless_bias]", ""))
    (found,) = editor.diagnostics("warned.yaml")
    assert (found["code"], found["severity"]) == ("W404", 2)


def test_what_has_no_effect_is_marked_so(editor: Client) -> None:
    text = SMALL.replace("classifier: [12, {linear: classes}]", "classifier: none")
    editor.open("faded.yaml", text)
    faded = [each for each in editor.diagnostics("faded.yaml") if each["code"] == "E107"]
    assert [each["tags"] for each in faded] == [[1]]


def test_a_shape_error_has_its_trace(editor: Client) -> None:
    editor.open("deep.yaml", SMALL.replace("[8, M, 16, M]", "[8, M, M, M, M, M]"))
    (found,) = editor.diagnostics("deep.yaml")
    assert found["code"] == "E203"
    assert span(found) == (5, 26, 5, 27)
    assert "trace: 16x16 -> 8x8 (pool1)" in found["message"]
    assert "help: the smallest input for these layers is 64x64" in found["message"]


def test_what_does_not_fit_in_a_stock_spec_stands_at_the_input(editor: Client) -> None:
    editor.open("kid.yaml", "vggc: 1\nname: kid\nextends: vgg16\ninput: [3, 28, 28]\npool: none\n")
    (found,) = editor.diagnostics("kid.yaml")
    assert span(found) == (3, 7, 3, 18)
    assert found["message"].startswith("stock vgg16:7:87: max_pool2d: a 2x2 window does not fit")
    (place,) = found["relatedInformation"]
    assert place["location"]["uri"].endswith("/specs/vgg16.yaml")
    assert span(place["location"]) == (6, 86, 6, 87)


def test_a_parent_counts_as_it_stands_in_its_buffer(editor: Client) -> None:
    editor.open("child.yaml", "vggc: 1\nname: child\nextends: parent.yaml\nclasses: 3\n")
    (missing,) = editor.diagnostics("child.yaml")
    assert missing["code"] == "E001"
    editor.open("parent.yaml", SMALL)
    assert editor.diagnostics("parent.yaml") == []
    assert editor.diagnostics("child.yaml") == []
    editor.change("parent.yaml", SMALL.replace("8, M", "8, maxpool"))
    assert len(editor.diagnostics("parent.yaml")) == 1
    (inherited,) = editor.diagnostics("child.yaml")
    assert span(inherited) == (2, 9, 2, 20)
    assert inherited["message"].startswith("parent.yaml:6:15: there is no kind of layer `maxpool`")
    (place,) = inherited["relatedInformation"]
    assert place["location"]["uri"] == editor.uri("parent.yaml")
    assert span(place["location"]) == (5, 14, 5, 21)
    (place,) = editor.at("definition", "child.yaml", 2, 12)
    assert (place["uri"], span(place)) == (editor.uri("parent.yaml"), (5, 14, 5, 21))
    editor.close("parent.yaml")
    assert editor.diagnostics("child.yaml")[0]["code"] == "E001"


def test_a_parent_on_the_disk_that_changes(editor: Client) -> None:
    parent = editor.folder / "saved.yaml"
    parent.write_text(SMALL)
    editor.open("heir.yaml", "vggc: 1\nname: heir\nextends: saved.yaml\nclasses: 3\n")
    assert editor.diagnostics("heir.yaml") == []
    parent.write_text(SMALL.replace("features", "featurs"))
    editor.tell("workspace/didChangeWatchedFiles", {"changes": [{"uri": parent.as_uri(), "type": 2}]})
    assert {each["code"] for each in editor.diagnostics("heir.yaml")} == {"E101"}
    editor.asked("workspace/inlayHint/refresh")
    watched = editor.asked("client/registerCapability")
    assert watched["params"]["registrations"][0]["method"] == "workspace/didChangeWatchedFiles"


def test_notes_lead_to_other_places(editor: Client) -> None:
    editor.open("twice.yaml", SMALL + "name: again\n")
    (found,) = editor.diagnostics("twice.yaml")
    assert found["code"] == "E005"
    (first,) = found["relatedInformation"]
    assert span(first["location"]) == (1, 0, 1, 4)


def test_other_files_are_left_alone(editor: Client) -> None:
    editor.open("workflow.yaml", "on: push\njobs: {a: [}\n")
    editor.open("fence.yaml", "vggc: [\n")
    assert editor.diagnostics("fence.yaml")[0]["code"] == "E004"
    assert editor.silent("workflow.yaml")
    assert editor.at("hover", "workflow.yaml", 0, 1) is None
    assert editor.at("completion", "workflow.yaml", 1, 2) == []
    assert editor.of("inlayHint", "workflow.yaml", range=WHOLE) == []


def test_the_modeline_makes_a_spec_too(editor: Client) -> None:
    editor.open("modeline.yaml", "# yaml-language-server: $schema=../vggc.schema.json\nname: a\n")
    assert {each["code"] for each in editor.diagnostics("modeline.yaml")} == {"E104"}


def test_a_byte_order_mark_is_no_obstacle(editor: Client) -> None:
    editor.open("marked.yaml", "\ufeffvggc: 1\nname: a\n")
    assert {each["code"] for each in editor.diagnostics("marked.yaml")} == {"E104"}


def test_an_empty_text_can_become_a_spec(editor: Client) -> None:
    editor.open("untitled:Untitled-1", "")
    assert [item["label"] for item in editor.at("completion", "untitled:Untitled-1", 0, 0)] == ["vggc: 1"]
    editor.change("untitled:Untitled-1", "vg")
    assert [item["label"] for item in editor.at("completion", "untitled:Untitled-1", 0, 2)] == ["vggc: 1"]
    editor.change("untitled:Untitled-1", "vggc: 1\nname: new\nextends: vgg16\n")
    assert editor.diagnostics("untitled:Untitled-1") == []
    editor.close("untitled:Untitled-1")
    assert editor.diagnostics("untitled:Untitled-1") == []


# Behind the emoji, a column in code points is one less than in UTF-16.
EMOJI = SMALL.replace("[ant, bee,", "['🐜🐜 ant', beee, bee,").replace(", dog, eel]", ", eel]  # 🦊")


def test_positions_are_in_utf_16(editor: Client) -> None:
    line = EMOJI.split("\n")[3]
    editor.open("emoji.yaml", EMOJI.replace("eel]", "bee]"))
    (found,) = editor.diagnostics("emoji.yaml")
    character = len(line[: line.index("eel]")].encode("utf-16-le")) // 2
    assert span(found) == (3, character, 3, character + 3)
    hover = editor.at("hover", "emoji.yaml", 3, character + 1)
    assert span(hover) == (3, character, 3, character + 3)
    hints = editor.of("inlayHint", "emoji.yaml", range=WHOLE)
    assert all(each["position"]["line"] != 3 for each in hints)


def test_positions_in_the_units_that_the_editor_wants(tmp_path: Path) -> None:
    with Client(tmp_path, {"general": {"positionEncodings": ["utf-8", "utf-16"]}}) as client:
        assert client.initialized["capabilities"]["positionEncoding"] == "utf-8"
        line = EMOJI.split("\n")[3]
        client.open("emoji.yaml", EMOJI.replace("eel]", "bee]"))
        (found,) = client.diagnostics("emoji.yaml")
        character = len(line[: line.index("eel]")].encode())
        assert span(found) == (3, character, 3, character + 3)


def test_hover_completion_hints_and_outline(editor: Client) -> None:
    editor.open("asked.yaml", SMALL)
    editor.diagnostics("asked.yaml")
    hover = editor.at("hover", "asked.yaml", 5, 17)
    assert span(hover) == (5, 17, 5, 19)
    assert "conv2_1" in hover["contents"]["value"]
    hints = editor.of("inlayHint", "asked.yaml", range=WHOLE)
    assert {each["position"]["line"]: each["label"] for each in hints}[6] == typeset((16, 2, 2))
    assert [each["name"] for each in editor.of("documentSymbol", "asked.yaml")][:2] == ["vggc", "name"]
    editor.change("asked.yaml", SMALL.replace("16, M]", "16, max"))
    (offer,) = [each for each in editor.at("completion", "asked.yaml", 5, 24) if each["label"] == "max_pool2d"]
    assert (offer["textEdit"]["newText"], offer["insertTextFormat"]) == ("{max_pool2d: $0}", 2)
    assert span(offer["textEdit"]) == (5, 21, 5, 24)


def test_a_fix_carried_out_compiles(editor: Client) -> None:
    text = SMALL.replace("features", "featurs")
    editor.open("fixed.yaml", text)
    editor.diagnostics("fixed.yaml")
    (action,) = editor.of("codeAction", "fixed.yaml", range=WHOLE, context={"diagnostics": []})
    (edit,) = action["edit"]["changes"][editor.uri("fixed.yaml")]
    line, start, _, end = span(edit)
    lines = text.split("\n")
    lines[line] = lines[line][:start] + edit["newText"] + lines[line][end:]
    assert "\n".join(lines) == SMALL
    assert action["diagnostics"][0]["code"] == "E101"


def test_extends_leads_to_the_stock_spec(editor: Client) -> None:
    editor.open("stock.yaml", "vggc: 1\nname: a\nextends: vgg16\n")
    assert editor.diagnostics("stock.yaml") == []
    (place,) = editor.at("definition", "stock.yaml", 2, 10)
    assert place["uri"] == (stock_folder() / "vgg16.yaml").as_uri()


def test_many_keystrokes_are_read_once(editor: Client) -> None:
    features = ", ".join(["8"] * 4000)
    text = (
        f"vggc: 1\nname: long\ninput: [3, 8, 8]\nfeatures: [{features}]\nclassifier: none\nallow: [deep_without_norm]\n"
    )
    editor.open("long.yaml", text)
    assert editor.diagnostics("long.yaml") == []
    for number in range(10):
        editor.change("long.yaml", text + "#" * number)
    assert editor.diagnostics("long.yaml") == []
    editor.at("hover", "long.yaml", 0, 0)
    assert editor.silent("long.yaml")


def test_without_pygls_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("vggc.cli.lsp_command.find_spec", lambda _: None)
    with pytest.raises(SystemExit) as end:
        main(["lsp"])
    assert end.value.code == 3
    assert "pip install 'vggc[editor]'" in capsys.readouterr().err


def test_it_never_imports_torch() -> None:
    code = "import sys; from vggc.lsp import server; server.create(); print({'torch', 'onnx'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "set()\n"
