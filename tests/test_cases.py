"""Golden cases: what vggc says of the specs in tests/cases, compared whole (`regenerate_cases` writes the answers)."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.networks import compile_source
from tests.regenerate_cases import INVALID, ROOT, VALID, answer, cases
from vggc.base.codes import CODES
from vggc.base.diagnostics import Source
from vggc.base.records import Record
from vggc.frontend.schema.json_schema import root
from vggc.frontend.spec.spec import Spec
from vggc.frontend.text import inherit
from vggc.frontend.text.sources import read_source
from vggc.layers import KINDS
from vggc.model import Network
from vggc.pipeline import read_graph, spec_of
from vggc.recipe import recipe
from vggc.recipe.initializers import INITIALIZERS

OF_A_WARNING: Final = "W"
OF_THE_COMMAND_LINE: Final = {"E012", "E302"}


@pytest.fixture(autouse=True)
def _in_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def every(folder: Path) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("spec", cases(folder), ids=lambda spec: spec.stem)


# --- invalid -----------------------------------------------------------------------------------------------------


def files() -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in (ROOT / "tests/cases").rglob("*")}


@every(INVALID)
def test_report(spec: Path) -> None:
    before = files()
    code, text = answer("check", spec)
    assert text == spec.with_suffix(".txt").read_text(encoding="utf-8")
    assert code == 1
    assert files() == before


@every(INVALID)
def test_report_reads_well(spec: Path) -> None:
    text = spec.with_suffix(".txt").read_text(encoding="utf-8")
    assert "Traceback" not in text
    assert "internal error" not in text
    assert all(line.isprintable() for line in text.splitlines())
    assert not any(line.endswith(" ") for line in text.splitlines() if "|" not in line)


def test_every_code_has_a_case() -> None:
    reported = "".join(spec.with_suffix(".txt").read_text(encoding="utf-8") for spec in cases(INVALID))
    codes = {code for code in CODES if not code.startswith(OF_A_WARNING)} - OF_THE_COMMAND_LINE
    assert {code for code in codes if f"error[{code}]" not in reported} == set()


def test_report_of_a_process() -> None:
    spec = INVALID / "yaml_several.yaml"
    ran = subprocess.run(
        [sys.executable, "-m", "vggc", "check", str(spec)], capture_output=True, encoding="utf-8", env=os.environ
    )
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == spec.with_suffix(".txt").read_text(encoding="utf-8")


# --- valid -------------------------------------------------------------------------------------------------------


def meaning(network: Network) -> object:
    """Everything that a spec says, without the places where it says it."""
    header = network.header
    layers = [
        (each.path, each.alias, each.layer, each.input, each.output, each.params, each.macs) for each in network.layers
    ]
    expected = {each.key: each.value for each in header.expect}
    kept = (header.name, header.input, header.classes, header.init, header.preprocess, header.train, header.allow)
    return layers, expected, kept


@every(VALID)
def test_expansion(spec: Path) -> None:
    code, text = answer("expand", spec)
    assert text == spec.with_suffix(".txt").read_text(encoding="utf-8")
    assert code == 0


@every(VALID)
def test_expansion_means_the_same(spec: Path) -> None:
    expansion = Source("expansion", spec.with_suffix(".txt").read_text(encoding="utf-8"))
    assert meaning(compile_source(expansion)) == meaning(compile_source(read_source(spec)))
    assert answer_of_expansion(expansion) == expansion.text


def answer_of_expansion(expansion: Source) -> str:
    from vggc.backends.text.yaml_spec import emit

    return emit(read_graph(expansion))


# --- the cases say everything that can be said -------------------------------------------------------------------


def graphs() -> list[Spec]:
    return [spec_of(inherit.load(read_source(ROOT / spec))) for spec in cases(VALID)]


def test_every_kind_has_a_case() -> None:
    found = {node.layer.kind for spec in cases(VALID) for node in read_graph(read_source(spec)).nodes}
    assert found >= set(KINDS)


def test_every_key_has_a_case() -> None:
    lines = "\n".join(spec.read_text(encoding="utf-8") for spec in cases(VALID)).splitlines()
    assert {key for key in root()["properties"] if not any(line.startswith(f"{key}:") for line in lines)} == set()


def named_records(spec: Spec) -> Iterator[Record]:
    yield from spec.header.init.values()
    if spec.header.train is not None:
        yield spec.header.train.optimizer
        yield from spec.header.train.augment
        if spec.header.train.schedule is not None:
            yield spec.header.train.schedule


def test_every_record_has_a_case() -> None:
    vocabularies = (INITIALIZERS, recipe.OPTIMIZERS, recipe.SCHEDULES, recipe.AUGMENTATIONS)
    every_record = {cls for vocabulary in vocabularies for cls in vocabulary.values()}
    assert every_record - {type(each) for spec in graphs() for each in named_records(spec)} == set()


# --- the ten bad inputs that other tools were measured with ------------------------------------------------------

PEERS: Final = {
    "unknown_kind": "there is no kind of layer `Cnov2d`",
    "unknown_option": "there is no option of conv2d `pading`",
    "range": "`kernel_size` of conv2d must be at least 1; this is 0",
    "type_word_for_number": "must be a whole number or `classes`; this is `eight`",
    "shape_too_many_pools": "a 2x2 window does not fit the 1x1 map",
    "shape_in_features": "you wrote in_features 2048; a 32x32 input gives 512 x 1 x 1 = 512",
    "yaml_duplicate_key": "the key `padding` is written a second time here",
    "file_empty": "this file is empty",
    "limit_conv_channels": "the weights would take 104.31 GiB, over the limit of 8 GiB",
}


@pytest.mark.parametrize(("case", "words"), PEERS.items(), ids=list(PEERS))
def test_what_other_tools_miss(case: str, words: str) -> None:
    lines = (INVALID / f"{case}.txt").read_text(encoding="utf-8").splitlines()
    position = next(i for i, line in enumerate(lines) if words in line)
    assert f"{INVALID}/{case}.yaml:" in lines[position + 1]
    assert case == "file_empty" or set(lines[position + 4].strip(" |")) == {"^"}
