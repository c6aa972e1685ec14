"""The structure of the package and of the repository: no cycle of files, a small root, no binary and no large file."""

import subprocess
from pathlib import Path

import pytest

from tests.imports import ROOT, cycles, import_graph
from tests.kind_tests import lines_with_questions, questions_about_kinds
from tests.tracked import MOST_BYTES, misplaced_files

MOST_ENTRIES = 24


def test_no_files_import_each_other() -> None:
    assert cycles(import_graph()) == []


def test_a_cycle_would_be_found() -> None:
    assert cycles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"d"}}) == [["b", "c"], ["d"]]


def test_the_root_has_few_entries() -> None:
    entries = [path.name for path in (ROOT / "vggc").iterdir() if path.name != "__pycache__"]
    assert len(entries) <= MOST_ENTRIES, entries


def test_nothing_outside_layers_asks_for_a_concrete_kind() -> None:
    """What a pass or an analysis needs to know of a layer, the layer answers: a kind is written once."""
    assert questions_about_kinds() == []


@pytest.mark.parametrize(
    "question",
    [
        "isinstance(layer, Conv2d)",
        "isinstance(layer, Flatten | pool.MaxPool2d)",
        "issubclass(cls, (Linear, BatchNorm))",
        "cls is conv.Conv2d",
        "type(layer) == ReLU",
        "layer.kind == 'relu'",
        "layer.kind in ('softmax', 'log_softmax')",
    ],
)
def test_a_question_about_a_kind_would_be_found(question: str) -> None:
    assert lines_with_questions(f"\nlayer = {question}\n") == [2]


def test_kinds_may_be_made_and_compared_with_what_the_user_wrote() -> None:
    assert lines_with_questions("layer = Flatten(); layer.kind == rewrite.kind; isinstance(layer, Layer)") == []


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git work tree")
def test_no_binary_and_no_large_file_is_tracked() -> None:
    assert misplaced_files(ROOT) == []


def test_a_binary_and_a_large_file_would_be_reported(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "specs").mkdir()
    planted = {
        "docs/picture.png": b"\x89PNG\0",
        "large.txt": b"x" * (MOST_BYTES + 1),
        "specs/vggc.schema.json": b"x" * (MOST_BYTES + 1),
        "text.md": "é\n".encode(),
        "tool.whl": b"PK\x03\x04\0",
        "untracked.bin": b"\0",
    }
    for name, content in planted.items():
        (tmp_path / name).write_bytes(content)
    subprocess.run(["git", "init", "-q", "."], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "--", *(set(planted) - {"untracked.bin"})], cwd=tmp_path, check=True)
    assert misplaced_files(tmp_path) == [
        f"large.txt: {MOST_BYTES + 1:,} bytes, and at most {MOST_BYTES:,} may be tracked",
        "tool.whl: a binary file",
    ]
