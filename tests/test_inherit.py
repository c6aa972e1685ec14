"""`extends`, overrides and how documents merge: what wins, what is refused, and where everything still stands."""

from pathlib import Path
from typing import Final

import pytest

from tests.networks import compile_source
from tests.regenerate_cases import ROOT
from vggc import compile
from vggc.base.diagnostics import Source, SpecError
from vggc.frontend.text import inherit
from vggc.frontend.text.document import Table, plain
from vggc.frontend.text.inherit import MAX_ANCESTORS, from_mapping, load, merge, override, parse_assignment
from vggc.frontend.text.parser import MAX_BYTES, parse
from vggc.frontend.text.sources import read_source, stock_names

HEAD: Final = "vggc: 1\nname: {name}\n"
FULL: Final = "vggc: 1\nname: parent\ninput: [3, 8, 8]\nclasses: 2\nfeatures: [8, M]\nclassifier: [{linear: classes}]\n"


def table(text: str) -> Table:
    return parse(Source("test", text)).valid_table()


def merged(below: str, above: str) -> object:
    return plain(merge(table(below), table(above)))


def error_of(path: Path) -> SpecError:
    with pytest.raises(SpecError) as caught:
        load(read_source(path))
    return caught.value


# --- merging -----------------------------------------------------------------------------------------------------

# A parent, a child, and what both say together.
MERGES: Final = [
    ("a: 1", "b: 2", {"a": 1, "b": 2}),
    ("a: 1", "a: 2", {"a": 2}),
    ("a: {b: 1, c: 2}", "a: {c: 3}", {"a": {"b": 1, "c": 3}}),
    ("a: [1, 2]", "a: [3]", {"a": [3]}),
    ("a: {b: 1}", "a: 2", {"a": 2}),
    ("a: 1", "a: {b: 2}", {"a": {"b": 2}}),
    # Two keys that name kinds are no choice of one.
    ("defaults: {conv: {bias: true}}", "defaults: {fc: {bias: false}}",
     {"defaults": {"conv": {"bias": True}, "fc": {"bias": False}}}),
    ("init: {conv2d: zeros}", "init: {linear: ones}", {"init": {"conv2d": "zeros", "linear": "ones"}}),
    # One that picks another kind replaces it, one that picks the same adds to its options.
    ("pool: {max_pool2d: {kernel_size: 2}}", "pool: {avg_pool2d: {kernel_size: 3}}",
     {"pool": {"avg_pool2d": {"kernel_size": 3}}}),
    ("pool: {max_pool2d: {kernel_size: 2}}", "pool: {max_pool2d: {stride: 1}}",
     {"pool": {"max_pool2d": {"kernel_size": 2, "stride": 1}}}),
    ("init: {linear: {normal: {std: 1}}}", "init: {linear: {normal: {mean: 2}}}",
     {"init": {"linear": {"normal": {"std": 1, "mean": 2}}}}),
    ("init: {linear: {normal: {std: 1}}}", "init: {linear: {uniform: {a: 0}}}",
     {"init": {"linear": {"uniform": {"a": 0}}}}),
    ("train: {epochs: 1, optimizer: {sgd: {lr: 1}}}", "train: {optimizer: {adam: {lr: 2}}}",
     {"train": {"epochs": 1, "optimizer": {"adam": {"lr": 2}}}}),
    ("train: {schedule: {step_lr: {step_size: 1}}}", "train: {schedule: {step_lr: {gamma: 2}}}",
     {"train": {"schedule": {"step_lr": {"step_size": 1, "gamma": 2}}}}),
    ("defaults: {conv: {norm: {batch_norm: {eps: 1}}}}", "defaults: {conv: {norm: {group_norm: 2}}}",
     {"defaults": {"conv": {"norm": {"group_norm": 2}}}}),
    ("defaults: {conv: {dropout: {dropout: {p: 1}}}}", "defaults: {conv: {dropout: {dropout: {inplace: true}}}}",
     {"defaults": {"conv": {"dropout": {"dropout": {"p": 1, "inplace": True}}}}}),
    ("rewrite: [{remove: relu}]", "rewrite: [{remove: dropout}]",
     {"rewrite": [{"remove": "relu"}, {"remove": "dropout"}]}),
]  # fmt: skip


@pytest.mark.parametrize(("below", "above", "expected"), MERGES)
def test_merge(below: str, above: str, expected: object) -> None:
    assert merged(below, above) == expected


def test_merged_values_keep_their_places() -> None:
    below, above = Source("below", "a: {b: 1, c: 2}\nd: 3\n"), Source("above", "# above\na: {c: 4}\n")
    found = merge(parse(below).table, parse(above).table)
    assert str(found.span) == "above:2:1"
    assert str(found.entries["a"].key) == "above:2:1"
    assert str(found.entries["d"].value.span) == "below:2:4"
    inner = found.entries["a"].value
    assert isinstance(inner, Table)
    assert [str(entry.key) for entry in inner.entries.values()] == ["below:1:5", "above:2:5"]


# --- extends -----------------------------------------------------------------------------------------------------


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_parent_is_looked_for_beside_its_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "a/parent.yaml", FULL)
    write(tmp_path, "a/b/middle.yaml", HEAD.format(name="middle") + "extends: ../parent.yaml\nclasses: 3\n")
    child = write(tmp_path, "c/child.yaml", HEAD.format(name="child") + "extends: ../a/b/middle.yaml\n")
    network = compile(child)
    assert (network.name, network.output) == ("child", (3,))
    monkeypatch.chdir(child.parent)
    assert compile("child.yaml").output == (3,)


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_limit_of_bytes_in_a_file(tmp_path: Path, more: int) -> None:
    parent = write(tmp_path, "parent.yaml", FULL + "#" * (MAX_BYTES - len(FULL) + more))
    child = write(tmp_path, "child.yaml", HEAD.format(name="child") + "extends: parent.yaml\n")
    if more <= 0:
        assert compile(parent).params == compile(child).params
    else:
        (error,) = error_of(child).diagnostics
        assert error.span is not None
        assert (error.code, str(error.span)) == ("E009", f"{parent}:1:1")
        assert [str(each) for each in error.span.origins] == [f"{child}:3:10"]


def test_what_speaks_of_one_file_is_not_handed_down(tmp_path: Path) -> None:
    write(tmp_path, "parent.yaml", FULL)
    child = write(tmp_path, "child.yaml", "extends: parent.yaml\n")
    assert {"vggc", "name"}.isdisjoint(load(read_source(child)).entries)


@pytest.mark.parametrize("name", stock_names())
def test_stock_specs_can_be_extended_from_anywhere(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    child = write(tmp_path, "child.yaml", HEAD.format(name="child") + f"extends: {name}\n")
    monkeypatch.chdir(tmp_path)
    assert compile("child.yaml").params == compile(name).params
    assert compile(child).layers[0].node.span.source.name.startswith("stock vgg16") or not name.startswith("vgg16")


def test_a_stock_spec_is_no_file_of_the_authors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is it taken for one of theirs that lies in a folder called specs."""
    (tmp_path / "specs").mkdir()
    write(tmp_path / "specs", "vgg16.yaml", "of: another tool\n")
    child = write(tmp_path, "child.yaml", HEAD.format(name="child") + "extends: vgg16_bn\ninput: [3, 28, 28]\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpecError) as caught:
        compile("child.yaml")
    (pool,) = caught.value.diagnostics
    assert str(pool.span) == "stock vgg16:7:87"
    assert [str(each) for each in pool.span.origins] == ["stock vgg16_bn:5:10", "child.yaml:3:10"]
    assert str(pool.own_place) == "child.yaml:4:8"
    assert child.exists()


def test_in_a_checkout_of_vggc_the_stock_specs_are_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for spec in ("vgg16", "specs/vgg16.yaml"):
        source = read_source(spec)
        assert (source.name, source.elsewhere) == ("specs/vgg16.yaml", False)


def test_a_file_wins_over_the_stock_spec_of_that_name(tmp_path: Path) -> None:
    write(tmp_path, "vgg16", FULL)
    child = write(tmp_path, "child.yaml", HEAD.format(name="child") + "extends: vgg16\n")
    assert compile(child).output == (2,)


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_limit_of_ancestors(tmp_path: Path, more: int) -> None:
    last = MAX_ANCESTORS + more
    for number in range(last):
        write(tmp_path, f"{number}.yaml", f"extends: {number + 1}.yaml\n")
    write(tmp_path, f"{last}.yaml", FULL)
    if more <= 0:
        assert "features" in load(read_source(tmp_path / "0.yaml")).entries
    else:
        (error,) = error_of(tmp_path / "0.yaml").diagnostics
        assert (error.code, len(error.span.origins if error.span else [])) == ("E009", MAX_ANCESTORS)


@pytest.mark.parametrize("length", [1, 2, 5])
def test_cycles_are_refused(tmp_path: Path, length: int) -> None:
    for number in range(length):
        write(tmp_path, f"{number}.yaml", f"extends: ./x/../{(number + 1) % length}.yaml\n")
    (tmp_path / "x").mkdir()
    (error,) = error_of(tmp_path / "0.yaml").diagnostics
    assert error.code == "E011"
    assert error.notes[0].text.count("->") == length


def test_a_link_to_oneself_is_a_cycle(tmp_path: Path) -> None:
    child = write(tmp_path, "child.yaml", "extends: link.yaml\n")
    (tmp_path / "link.yaml").symlink_to(child)
    assert [each.code for each in error_of(child).diagnostics] == ["E011"]


REFUSED: Final = {
    "https://example.org/x.yaml": "E011", "file:///etc/passwd": "E011", "/etc/passwd": "E011", "C:/x.yaml": "E011",
    "\\\\server\\share\\x.yaml": "E011", "''": "E102", "' '": "E102", "3": "E102", "[a]": "E102", "{a: b}": "E102",
    "~": "E102", '"a\\nb"': "E011", '"\\0"': "E011", "nobody.yaml": "E001", ".": "E001", "..": "E001",
    "child.yaml/x": "E001", "x" * 5000: "E001",
}  # fmt: skip


@pytest.mark.parametrize("wanted", REFUSED, ids=[repr(wanted)[:30] for wanted in REFUSED])
def test_what_extends_does_not_follow(tmp_path: Path, wanted: str) -> None:
    error = error_of(write(tmp_path, "child.yaml", f"name: x\nname: y\nextends: {wanted}\n"))
    assert [each.code for each in error.diagnostics] == ["E005", REFUSED[wanted]]
    assert all(each.span is not None and each.span.line in (1, 2) for each in error.diagnostics)


def test_flaws_of_all_generations_are_found(tmp_path: Path) -> None:
    write(tmp_path, "parent.yaml", FULL + "classes: 3\n")
    child = write(tmp_path, "child.yaml", HEAD.format(name="child") + "extends: parent.yaml\nname: again\nclases: 1\n")
    with pytest.raises(SpecError) as caught:
        compile(child)
    assert [(each.code, str(each.span).rpartition("/")[2]) for each in caught.value.diagnostics] == [
        ("E005", "child.yaml:4:1"), ("E101", "child.yaml:5:1"), ("E005", "parent.yaml:7:1"),
    ]  # fmt: skip


# --- overrides ---------------------------------------------------------------------------------------------------

WORDS: Final[dict[str, object]] = {
    "classes=10": {"classes": 10},
    "input=[3,64,64]": {"input": [3, 64, 64]},
    "train.epochs=3": {"train": {"epochs": 3}},
    "a.b.c={d: e}": {"a": {"b": {"c": {"d": "e"}}}},
    " classes = 10": {"classes": 10},
    "name=a=b": {"name": "a=b"},
    "classes=": {"classes": None},
    "pool=none": {"pool": "none"},
}


@pytest.mark.parametrize("words", WORDS)
def test_overrides_in_words(words: str) -> None:
    assert plain(parse_assignment(words)) == WORDS[words]


@pytest.mark.parametrize(
    ("words", "code"),
    [("classes", "E012"), ("=1", "E012"), ("a..b=1", "E012"), (".a=1", "E012"), ("", "E012"), ("a=[1", "E004"),
     ("a=!!int 1", "E006"), ("a={b: 1, b: 2}", "E005"), ("a=\x00", "E002"), ("a=.nan", "E008"), ("1=2", "E007")],
)  # fmt: skip
def test_overrides_that_are_none(words: str, code: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_assignment(words)
    assert [each.code for each in caught.value.diagnostics] == [code]
    assert str(caught.value.diagnostics[0].span).startswith("--set:1:")


def test_overrides_of_python() -> None:
    values = {"classes": ("a", "ü 😀"), "train.epochs": 3, "train.optimizer.sgd.lr": 1e-3, "pool": "none"}
    assert plain(from_mapping(values)) == {
        "classes": ["a", "ü 😀"], "train": {"epochs": 3, "optimizer": {"sgd": {"lr": 0.001}}}, "pool": "none",
    }  # fmt: skip


@pytest.mark.parametrize("value", [{1, 2}, object(), float("nan"), b"x"])
def test_overrides_that_yaml_cannot_say(value: object) -> None:
    with pytest.raises(SpecError) as caught:
        from_mapping({"classes": value})
    assert [each.code for each in caught.value.diagnostics] == ["E012"]


def test_the_last_override_is_on_top_and_named_as_the_place() -> None:
    document = load(Source("test", FULL))
    found = override(document, [parse_assignment("classes=3"), parse_assignment("classes=0")])
    assert plain(found.entries["classes"].value) == 0
    with pytest.raises(SpecError) as caught:
        compile_source(Source("test", FULL), [parse_assignment("classes=3"), parse_assignment("classes=0")])
    assert [str(each.span) for each in caught.value.diagnostics] == ["--set:1:10"]


def test_what_is_missing_is_missing_in_the_spec() -> None:
    with pytest.raises(SpecError) as caught:
        compile_source(Source("test", "# nothing\nvggc: 1\n"), [parse_assignment("classes=3")])
    assert [str(each) for each in caught.value.diagnostics] == [
        "test:2:1: error[E104]: the spec needs `name`, `input` and `features`"
    ]


def test_extends_cannot_be_overridden() -> None:
    with pytest.raises(SpecError) as caught:
        compile_source(Source("test", FULL), [parse_assignment("extends=vgg16")])
    assert [each.code for each in caught.value.diagnostics] == ["E012"]


def test_a_text_without_a_file_extends_from_the_working_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT / "specs")
    text = HEAD.format(name="child") + "extends: vgg11.yaml\n"
    assert inherit.load(Source("child", text)).entries["classes"].key.source.name == "vgg16.yaml"
