"""Diagnostics in four formats: what a person sees at the terminal, and what machines parse."""

import json
import re
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import unquote

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vggc.base.codes import CODES
from vggc.base.diagnostics import Diagnostic, Note, Source, Span, SpecError, help_word, in_text_order, nearest
from vggc.base.words import printable, quoted
from vggc.cli.reporters import FORMATS, github_report, json_report, sarif_report, text_report
from vggc.cli.reporters.text_report import MAX_WIDTH

PARENT: Final = Source("specs/parent.yaml", "vggc: 1\nfeatures: [64, m]\n")
CHILD: Final = Source("specs/a child, 100%.yaml", "vggc: 1\nextends: parent.yaml\n# x\n")
INHERITED: Final = Source(PARENT.name, PARENT.text, Span(CHILD, 1, 9, 1, 20))

PLAIN: Final = Diagnostic(
    "E101", "there is no kind of layer `m`", Span(PARENT, 1, 15, 1, 16), (Note("help", "did you?"),)
)
FROM_PARENT: Final = Diagnostic("E103", "odd", Span(INHERITED, 0, 6, 0, 7))
STOCK: Final = Source("stock vgg16", PARENT.text, Span(CHILD, 1, 9, 1, 20), elsewhere=True)
FROM_STOCK: Final = Diagnostic("E203", "small", Span(STOCK, 1, 15, 1, 16))
NO_PLACE: Final = Diagnostic("E001", "there is no file `x`")
WARNING: Final = Diagnostic("W401", "deep", Span(CHILD, 0, 0, 0, 4))
HOSTILE: Final = Diagnostic(
    "E101", "a\nb\r\x1b[31m: 50%, ::error::c", Span(CHILD, 1, 0, 1, 7), (Note("help", "d\n::e"),)
)
ALL: Final = [PLAIN, FROM_PARENT, NO_PLACE, WARNING, HOSTILE]


github, sarif, to_json = github_report.emit, sarif_report.emit, json_report.emit


def text(diagnostics: Sequence[Diagnostic]) -> str:
    return click.unstyle(text_report.blocks(diagnostics))


def report(diagnostics: Sequence[Diagnostic]) -> str:
    return click.unstyle(text_report.emit(diagnostics))


def line(words: str) -> Source:
    return Source("s.yaml", words)


# --- text --------------------------------------------------------------------------------------------------------


def test_text() -> None:
    assert text([PLAIN]) == (
        "error[E101]: there is no kind of layer `m`\n"
        " --> specs/parent.yaml:2:16\n"
        "  |\n"
        "2 | features: [64, m]\n"
        "  |                ^\n"
        "  = help: did you?"
    )


def test_report_counts() -> None:
    assert report([PLAIN]).endswith("\n\n1 error; to know more: vggc explain E101")
    assert report([PLAIN, PLAIN]).endswith("\n\n2 errors; to know more: vggc explain E101")
    assert report([PLAIN, WARNING]).endswith("\n\n1 error and 1 warning; to know more: vggc explain E101 W401")
    assert report([WARNING, WARNING]).endswith("\n\n2 warnings; to know more: vggc explain W401")


def test_text_names_the_child_of_a_parent() -> None:
    assert "  = note: inherited by specs/a child, 100%.yaml:2:10" in text([FROM_PARENT]).splitlines()


def test_text_without_a_place() -> None:
    assert text([NO_PLACE]) == "error[E001]: there is no file `x`"


def test_the_gutter_is_as_wide_as_the_number_of_the_line() -> None:
    source = line("\n" * 99 + "a: b\n")
    assert text([Diagnostic("E101", "x", Span(source, 99, 3, 99, 4))]).splitlines()[1:] == [
        "   --> s.yaml:100:4", "    |", "100 | a: b", "    |    ^",
    ]  # fmt: skip


def test_color_changes_nothing_but_the_color() -> None:
    colored = text_report.blocks(ALL)
    assert "\x1b[1;31m" in colored
    assert "\x1b[1;33m" in colored
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == text(ALL)


def test_nothing_in_it_acts_on_a_terminal() -> None:
    source = line("a: \x1b[2J\x07\u202e\t\x00b\n")
    shown = text([HOSTILE, Diagnostic("E101", "x", Span(source, 0, 3, 0, 4))])
    assert all(each.isprintable() for each in shown.splitlines())
    assert "a\\nb\\r\\x1b[31m: 50%, ::error::c" in shown


# The line, the columns of the place, and the line of carets.
CARETS: Final = [
    ("key: value", 5, 10, "     ^^^^^"),
    ("key: value", 10, 10, "          ^"),
    ("key:\tvalue", 5, 10, "     ^^^^^"),
    ("漢字: value", 4, 9, "      ^^^^^"),
    ("key: 漢字", 5, 7, "     ^^^^"),
    ("e\u0301é: x", 4, 5, "   ^"),
    ("😀: x", 3, 4, "    ^"),
]


@pytest.mark.parametrize(("words", "start", "end", "carets"), CARETS)
def test_carets_stand_under_the_place(words: str, start: int, end: int, carets: str) -> None:
    last = text([Diagnostic("E101", "x", Span(line(words), 0, start, 0, end))]).splitlines()[-1]
    assert last == f"  | {carets}"


def test_a_place_of_several_lines_is_shown_by_its_first() -> None:
    source = line("a:  # comment\n  - b\n")
    assert text([Diagnostic("E101", "x", Span(source, 0, 0, 2, 0))]).splitlines()[-1] == "  | ^^"


@given(before=st.integers(0, 400), inside=st.integers(1, 400), after=st.integers(0, 400))
def test_a_long_line_is_cut_around_its_place(before: int, inside: int, after: int) -> None:
    source = line("." * before + "#" * inside + "." * after)
    shown, carets = text([Diagnostic("E101", "x", Span(source, 0, before, 0, before + inside))]).splitlines()[-2:]
    assert len(shown) <= MAX_WIDTH + len("1 | ") + 2 * len("...")
    under = "".join(letter for letter, caret in zip(shown, carets, strict=False) if caret == "^")
    assert set(under) <= {"#"} | ({"."} if shown.endswith("...") and len(under) > MAX_WIDTH // 2 else set())
    assert under[0] == "#"


# --- JSON --------------------------------------------------------------------------------------------------------


def test_json() -> None:
    assert json.loads(to_json([PLAIN, NO_PLACE])) == [
        {
            "code": "E101",
            "severity": "error",
            "message": "there is no kind of layer `m`",
            "place": {"file": "specs/parent.yaml", "line": 2, "column": 16, "end_line": 2, "end_column": 17},
            "notes": [{"label": "help", "text": "did you?"}],
        },
        {"code": "E001", "severity": "error", "message": "there is no file `x`", "place": None, "notes": []},
    ]


@pytest.mark.parametrize("style", ["json", "sarif"])
def test_formats_for_machines_are_ascii(style: str) -> None:
    assert FORMATS[style]([Diagnostic("E101", "é 😀 \udc80", Span(line("é"), 0, 0, 0, 1))]).isascii()


@pytest.mark.parametrize("style", FORMATS)
def test_every_format_takes_nothing(style: str) -> None:
    FORMATS[style]([])


# --- GitHub ------------------------------------------------------------------------------------------------------

# What the runner of GitHub Actions takes for a command, its properties and its message.
COMMAND: Final = re.compile(r"^::(error|warning) ((?:[a-z]+=[^,:]*,?)+)::(.*)$")


def unescaped(words: str) -> str:
    for escape, letter in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        words = words.replace(escape, letter)
    return words


def commands(found: list[Diagnostic]) -> list[tuple[str, dict[str, str], str]]:
    """The severity, the properties and the message of every annotation."""
    parsed = []
    for each in github(found).split("\n"):
        match = COMMAND.match(each)
        assert match is not None, each
        properties = dict(pair.split("=", 1) for pair in match[2].split(","))
        parsed.append((match[1], {key: unescaped(value) for key, value in properties.items()}, unescaped(match[3])))
    return parsed


def test_github() -> None:
    assert commands([PLAIN]) == [
        (
            "error",
            {"title": "E101", "file": "specs/parent.yaml", "line": "2", "col": "16"},
            "there is no kind of layer `m`\nhelp: did you?",
        )
    ]
    assert commands([WARNING])[0][0] == "warning"


def test_github_commands_cannot_be_forged() -> None:
    assert github([HOSTILE]).count("\n") == 0
    assert "\r" not in github([HOSTILE])
    ((severity, properties, message),) = commands([HOSTILE])
    assert (severity, properties["file"]) == ("error", "specs/a child, 100%.yaml")
    assert message == "a\\nb\\r\\x1b[31m: 50%, ::error::c\nhelp: d\\n::e"


@given(message=st.text(), name=st.text(min_size=1), note=st.text())
def test_github_has_one_line_for_each(message: str, name: str, note: str) -> None:
    hostile = Diagnostic("E101", message, Span(Source(name, "x"), 0, 0, 0, 1), (Note("help", note),))
    ((_, properties, shown),) = commands([hostile])
    assert properties["file"] == printable(name)
    assert shown == f"{printable(message)}\nhelp: {printable(note)}"


def test_github_shows_what_is_wrong_in_a_stock_spec_where_a_file_inherits_it() -> None:
    ((_, properties, message),) = commands([FROM_STOCK])
    assert properties == {"title": "E203", "file": CHILD.name, "line": "2", "col": "10"}
    assert message.startswith("stock vgg16:2:16: small\n")


def test_github_shows_it_at_the_key_that_is_to_blame_where_a_note_knows_it() -> None:
    blaming = Diagnostic("E203", "small", FROM_STOCK.span, (Note("note", "the input", Span(CHILD, 2, 0, 2, 1)),))
    assert commands([blaming])[0][1]["line"] == "3"


@pytest.mark.parametrize("name", ["--set", "<stdin>", "stock vgg16"])
def test_what_lies_in_no_file_names_none(name: str) -> None:
    place = Span(Source(name, "a: b", elsewhere=True), 0, 3, 0, 4)
    assert commands([Diagnostic("E101", "odd", place)]) == [("error", {"title": "E101"}, f"{name}:1:4: odd")]
    (result,) = log([Diagnostic("E101", "odd", place)])["runs"][0]["results"]
    assert "locations" not in result
    assert result["message"]["text"] == f"{name}:1:4: odd"


# --- SARIF -------------------------------------------------------------------------------------------------------


def log(found: list[Diagnostic]) -> dict[str, Any]:
    whole = json.loads(sarif(found))
    assert isinstance(whole, dict)
    return whole


def test_sarif_has_what_2_1_0_requires() -> None:
    whole = log(ALL)
    assert whole["version"] == "2.1.0"
    (run,) = whole["runs"]
    assert run["tool"]["driver"]["name"] == "vggc"
    rules = {rule["id"]: rule for rule in run["tool"]["driver"]["rules"]}
    assert all(rule["shortDescription"]["text"] and rule["fullDescription"]["text"] for rule in rules.values())
    assert len(run["results"]) == len(ALL)
    for result, each in zip(run["results"], ALL, strict=True):
        assert result["message"]["text"]
        assert (result["ruleId"], result["level"]) == (each.code, each.severity)
        assert result["ruleId"] in rules


def test_sarif_places() -> None:
    located = [
        result["locations"][0]["physicalLocation"] for result in log(ALL)["runs"][0]["results"] if "locations" in result
    ]
    assert len(located) == len(ALL) - 1
    assert located[0]["region"] == {"startLine": 2, "startColumn": 16, "endLine": 2, "endColumn": 17}
    uris = [place["artifactLocation"]["uri"] for place in located]
    assert all(re.fullmatch(r"[A-Za-z0-9._~/%-]+", uri) for uri in uris)
    assert [unquote(uri) for uri in uris] == [each.span.source.name for each in ALL if each.span is not None]


def test_sarif_relates_a_parent_to_its_child() -> None:
    (related,) = log([FROM_PARENT])["runs"][0]["results"][0]["relatedLocations"]
    assert unquote(related["physicalLocation"]["artifactLocation"]["uri"]) == CHILD.name
    assert related["message"]["text"] == "inherited"


def test_sarif_places_what_is_wrong_in_a_stock_spec_where_a_file_inherits_it() -> None:
    (result,) = log([FROM_STOCK])["runs"][0]["results"]
    (place,) = result["locations"]
    assert unquote(place["physicalLocation"]["artifactLocation"]["uri"]) == CHILD.name
    assert result["message"]["text"].startswith("stock vgg16:2:16: small\n")
    assert "relatedLocations" not in result


# --- what diagnostics are made of --------------------------------------------------------------------------------


def test_errors_are_in_the_order_of_the_text_and_sources_in_that_of_their_first() -> None:
    first, second = line("a\nb\nc\n"), Source("t.yaml", "d\n")
    places = [Span(second, 0, 0, 0, 1), Span(first, 2, 0, 2, 1), Span(first, 0, 1, 0, 2), Span(first, 0, 0, 0, 1)]
    ordered = in_text_order([NO_PLACE, *(Diagnostic("E101", "x", place) for place in places)])
    assert [str(each.span) for each in ordered] == ["None", "t.yaml:1:1", "s.yaml:1:1", "s.yaml:1:2", "s.yaml:3:1"]


def test_an_error_says_all_of_it() -> None:
    assert str(SpecError([PLAIN, NO_PLACE])) == (
        "error[E001]: there is no file `x`\nspecs/parent.yaml:2:16: error[E101]: there is no kind of layer `m`"
    )


def test_every_code_is_explained() -> None:
    assert all(re.fullmatch(r"[EW]\d{3}", code) for code in CODES)
    assert all(code.title and code.explanation[-1] in ".`" for code in CODES.values())


LEGAL: Final = ["conv2d", "max_pool2d", "M", "relu", "vgg16", "vgg19"]


@pytest.mark.parametrize(
    ("word", "meant"),
    [("conv2", "conv2d"), ("Conv2D", "conv2d"), ("cnov2d", "conv2d"), ("m", "M"), ("RELU", "relu"), ("vgg61", "vgg16"),
     ("zzz", None), ("", None), ("x" * 10**6, None)],
)  # fmt: skip
def test_nearest(word: str, meant: str | None) -> None:
    assert nearest(word, LEGAL) == meant


def test_a_word_without_a_neighbour_is_answered_with_all() -> None:
    assert help_word("conv", LEGAL, "there are") == Note("help", "did you mean `conv2d`?")
    assert help_word("zzz", ["a", "b"], "there are") == Note("help", "there are: a, b")


@given(words=st.text())
def test_quoted_words_are_short_and_on_one_line(words: str) -> None:
    shown = quoted(words)
    assert shown.isprintable()
    assert len(shown) <= 2 + 40 * len("\\U0010ffff")
    assert shown == f"`{words}`" or not words.isprintable() or len(words) > 40
