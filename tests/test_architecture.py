"""The shape of the package: no cycle of files, and a root that one can take in at a glance."""

from tests.imports import ROOT, cycles, import_graph

MOST_ENTRIES = 24


def test_no_files_import_each_other() -> None:
    assert cycles(import_graph()) == []


def test_a_cycle_would_be_found() -> None:
    assert cycles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"d"}}) == [["b", "c"], ["d"]]


def test_the_root_has_few_entries() -> None:
    entries = [path.name for path in (ROOT / "vggc").iterdir() if path.name != "__pycache__"]
    assert len(entries) <= MOST_ENTRIES, entries
