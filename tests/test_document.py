"""YAML text -> document: what scalars mean, where everything stands, and what is refused at which size."""

from typing import Final

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from vggc.base.diagnostics import MAX_DIAGNOSTICS, Diagnostic, Source, Span, SpecError
from vggc.frontend.text import document, parser
from vggc.frontend.text.document import Document, Items, Leaf, Table, Value, plain
from vggc.frontend.text.parser import parse


def value_of(text: str) -> object:
    """What `key: text` holds."""
    return plain(parse(Source("test", f"key: {text}\n")).valid_table())["key"]  # type: ignore[index]


def errors(text: str) -> list[Diagnostic]:
    """What is wrong with a text; nothing is wrong with it but as a document."""
    try:
        return list(parse(Source("test", text)).diagnostics)
    except SpecError as error:
        return error.diagnostics


def codes(text: str) -> list[str]:
    return [each.code for each in errors(text)]


# --- scalars -----------------------------------------------------------------------------------------------------

# The examples of YAML 1.2.2, section 10.3.2, and what YAML 1.1 read otherwise.
SCALARS: Final[dict[str, object]] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None, "nULL": "nULL", "None": "None",
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False, "tRUE": "tRUE",
    "yes": "yes", "no": "no", "on": "on", "off": "off", "y": "y", "N": "N",
    "0": 0, "-0": 0, "+12": 12, "010": 10, "0o14": 12, "0xC": 12, "0x_C": "0x_C", "1_000": "1_000", "12:30": "12:30",
    "-19": -19, "0o8": "0o8", "0b101": "0b101", "1e3": 1000.0, "1e-3": 0.001, "1E+3": 1000.0, "-1.": -1.0,
    ".5": 0.5, "+.5e1": 5.0, "0.": 0.0, "1e": "1e", ".": ".", "-": [None], "1.2.3": "1.2.3", "٣": "٣",
    "2001-12-14": "2001-12-14", "=": "=", "<<": "<<", "NaN": "NaN", "inf": "inf", "Infinity": "Infinity",
    "'1'": "1", '"true"': "true", "''": "", '"\\x41\\u00e9\\U0001F600"': "Aé😀", "a b": "a b", "|\n  1\n": "1\n",
}  # fmt: skip


@pytest.mark.parametrize(("text", "value"), SCALARS.items(), ids=[repr(text) for text in SCALARS])
def test_scalar(text: str, value: object) -> None:
    found = value_of(text) if text != "-" else value_of("\n  -")
    assert found == value
    assert type(found) is type(value)


@given(number=st.integers())
def test_integers_are_read_as_written(number: int) -> None:
    assert document.resolve(str(number)) == number


@given(number=st.floats(allow_nan=False, allow_infinity=False))
def test_floats_are_read_as_python_writes_them(number: float) -> None:
    assert document.resolve(repr(number)) == number


@given(text=st.text(st.sampled_from("0123456789.eE+-x_:"), max_size=8))
def test_words_that_python_takes_for_numbers_are_numbers_only_in_yaml(text: str) -> None:
    found = document.resolve(text)
    assert isinstance(found, int | float | None) or found == text


@pytest.mark.parametrize("digits", [document.MAX_DIGITS - 1, document.MAX_DIGITS, 5000])
@pytest.mark.parametrize("prefix", ["1", "0x1", "-1"])
def test_numbers_have_so_many_digits_at_most(digits: int, prefix: str) -> None:
    text = prefix + "0" * (digits - len(prefix))
    assert codes(f"key: {text}") == ([] if digits < document.MAX_DIGITS else ["E008"])


@pytest.mark.parametrize("text", [".nan", ".NaN", ".inf", "-.Inf", "+.INF", "1e999", "-1e309"])
def test_infinite_numbers_are_refused(text: str) -> None:
    assert codes(f"key: [1, {text}]") == ["E008"]


# --- places ------------------------------------------------------------------------------------------------------


def at(document: Document, *path: str | int) -> str:
    """The characters at the value that a path leads to."""
    value: Value = document.table
    for step in path:
        if isinstance(value, Table):
            value = value.entries[str(step)].value
        else:
            assert isinstance(value, Items)
            value = value.items[int(step)]
    return cut(value.span)


def cut(span: Span) -> str:
    line = span.source.lines[span.line]
    return line[span.column : span.end_column if span.end_line == span.line else None]


PLACES: Final = """\
# é 漢字 😀
one: 64
two: [a, "b c", {three: 'd'}]
ünïcode 😀:
  - x: 1   # comment
  -   &anchor y
  - *anchor
"""


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_places(ending: str) -> None:
    found = parse(Source("test", PLACES.replace("\n", ending)))
    assert [cut(entry.key) for entry in found.entries.values()] == ["one", "two", "ünïcode 😀"]
    assert at(found, "one") == "64"
    assert at(found, "two") == """[a, "b c", {three: 'd'}]"""
    assert at(found, "two", 1) == '"b c"'
    assert at(found, "two", 2, "three") == "'d'"
    assert at(found, "ünïcode 😀", 0, "x") == "1"
    assert at(found, "ünïcode 😀", 1) == at(found, "ünïcode 😀", 2) == "&anchor y"


def test_a_byte_order_mark_moves_nothing() -> None:
    assert str(errors("\ufeffone: .nan")[0].span) in ("test:1:6", "test:1:7")


MERGED: Final = """\
base: &base {a: 1, b: 2}
other: &other {b: 3, c: 4}
one: {<<: *base, a: 9}
two: {<<: [*base, *other]}
three: {"<<": 1}
"""


def test_merge_keys() -> None:
    found = parse(Source("test", MERGED)).valid_table()
    values = plain(found)
    assert isinstance(values, dict)
    assert values["one"] == {"a": 9, "b": 2}
    assert values["two"] == {"a": 1, "b": 2, "c": 4}
    assert values["three"] == {"<<": 1}


def test_merged_entries_keep_the_places_of_their_anchors() -> None:
    one = parse(Source("test", MERGED)).entries["one"].value
    assert isinstance(one, Table)
    assert {name: entry.key.line for name, entry in one.entries.items()} == {"a": 2, "b": 0}


# --- everything that is refused is found in one go ---------------------------------------------------------------


def test_flaws_do_not_hide_one_another() -> None:
    text = "a: .nan\nb: !x 1\na: 2\n3: 4\nc: *d\n[e]: f\n<<: 5\n---\ng: h\n"
    assert codes(text) == ["E008", "E006", "E005", "E007", "E004", "E007", "E006", "E006"]


def test_flaws_come_before_the_place_where_the_reader_gives_up() -> None:
    assert codes("a: .nan\nb: [1\n") == ["E008", "E004"]


def test_an_alias_of_a_flaw_is_no_second_flaw() -> None:
    assert codes("a: &x .nan\nb: [*x, *x]\n") == ["E008"]


def test_so_many_errors_are_listed() -> None:
    for count in (MAX_DIAGNOSTICS, MAX_DIAGNOSTICS + 1, 50_000):
        listed = SpecError(errors("\n".join(["a: 1"] + ["a: 2"] * count))).diagnostics
        assert [each.code for each in listed[:MAX_DIAGNOSTICS]] == ["E005"] * MAX_DIAGNOSTICS
        assert [each.code for each in listed[MAX_DIAGNOSTICS:]] == (["E009"] if count > MAX_DIAGNOSTICS else [])


# --- limits ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [-1, 0, 1])
@pytest.mark.parametrize("letter", ["x", "é", "😀"])
def test_limit_of_bytes(more: int, letter: str) -> None:
    text = "key: 1 # " + letter * (parser.MAX_BYTES // len(letter.encode()) + 1)
    text = text.encode()[: parser.MAX_BYTES - 4].decode(errors="ignore")
    text += "x" * (parser.MAX_BYTES + more - len(text.encode()))
    assert codes(text) == (["E009"] if more > 0 else [])


@pytest.mark.parametrize("more", [-1, 0, 1])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("{a: ", "}")])
def test_limit_of_levels(more: int, opening: str, closing: str) -> None:
    inside = parser.MAX_DEPTH + more - 1
    assert codes(f"key: {opening * inside}1{closing * inside}") == (["E009"] if more > 0 else [])


@pytest.mark.parametrize("text", ["[" * 10**6, "- " * 5 * 10**5, "{a: " * 2 * 10**5, "? " * 5 * 10**5])
def test_levels_are_counted_before_they_are_entered(text: str) -> None:
    assert codes(text)[0] in ("E004", "E009")


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_limit_of_values(more: int) -> None:
    # The mapping, its key and its list are values as well.
    count = parser.MAX_VALUES - 3 + more
    assert codes(f"key: [{'1,' * count}]") == (["E009"] if more > 0 else [])


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_limit_of_values_counts_aliases_with_what_they_stand_for(more: int) -> None:
    # Three values around, a list of 999 ones as the anchor, and 198 aliases of it; the rest one by one.
    rest = parser.MAX_VALUES - 4 - 199 * 1000 + more + 1
    text = f"key: [&a [{'1,' * 999}], {'*a, ' * 198}{'1,' * rest}]"
    assert codes(text) == (["E009"] if more > 0 else [])


def test_the_bomb_does_not_go_off() -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 100)]
    assert codes("\n".join(lines)) == ["E009"]


@pytest.mark.parametrize("character", ["\0", "\x07", "\x1b", "\x7f", "\x85", "\x9f", "\u2028", "\u2029", "\ufffe"])
def test_control_characters_are_refused(character: str) -> None:
    (error,) = errors(f"one: 1\r\ntwo: x{character}y\n")
    assert (error.code, str(error.span)) == ("E002", "test:2:7")


# --- PyYAML's own parser, where libyaml is missing ---------------------------------------------------------------

BROKEN: Final = (
    "a:\n\t- 1", "a: [1, 2\nb: 3", "a: {b: 1\nc: 2", 'a: "b\nc: 1', "a: b: c", "a: - 1", 'a: "\\p"', "a: @b",
    "a: *", "a: & b", "a: [1,,2]", "a: 'b'c", "a:\n  b: 1\n c: 2", "- a\nb: 1", "a\nb: 1\n", "b: 1\na\n", "%a\n",
    "a: 1\n...\nb: 2", "a: !x!y 1", "a: |b", "a: ? b", "[" * 70, "a: 1\n---\nb: 2", "a: .nan", "a: 1\na: 2", "1: 2",
    "", "%YAML 3.0\n---\na: 1", "a: [b: 1}", "a: {b: 1]", "]", "a: [1]]", "- a\n b: 1", "a: {,}", "a: [|]",
)  # fmt: skip


@pytest.mark.parametrize("text", BROKEN)
def test_both_parsers_are_explained_alike(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fast = errors(text)
    monkeypatch.delattr(yaml, "CSafeLoader")
    slow = errors(text)
    assert [(each.code, each.message) for each in slow] == [(each.code, each.message) for each in fast]
    assert not any("this is not YAML" in each.message for each in fast)


def test_half_a_character_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert codes('key: "\\ud800"') == ["E004"]
    monkeypatch.delattr(yaml, "CSafeLoader")
    assert codes('key: "\\ud800"') == ["E002"]


def test_leaves_are_all_that_a_document_has_below_lists_and_mappings() -> None:
    found = parse(Source("test", "a: [1, {b: c}]")).entries["a"].value
    assert isinstance(found, Items)
    assert isinstance(found.items[0], Leaf)
