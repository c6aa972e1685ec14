"""Which YAML files are specs: the key `vggc` at the root, however it is written, and nothing of other tools."""

import codecs
from pathlib import Path
from typing import Final

import pytest

from tests.networks import SMALL
from vggc.frontend.text.detection import is_spec, is_spec_file
from vggc.frontend.text.sources import specs_below

SPECS: Final = [
    "vggc: 1\n",
    "vggc: 1",
    "# a comment\n\nname: x\nvggc: 1 # the version\n",
    '"vggc": 1\nname: x\n',
    "'vggc' : 1\n",
    "vggc : 1\n",
    "  vggc: 1\n  name: x\n",
    "{vggc: 1, name: x}\n",
    "# first\n{name: x,\n 'vggc': 1}\n",
    "--- # a document\nvggc: 1\n",
    "? vggc\n: 1\n",
    "vggc:\nname: x\n",
    "vggc:",
    "vggc: one\n",
    "vggc: 1.0\n",
    "vggc: *nothing\n",
    "features: [64, {repeat: {times: 2, layers: [M]}}]\nvggc: 2\n",
    "vggc: 1\r\nname: x\r\n",
    # What is broken is meant as a spec, and is reported as one.
    "vggc: 1\nname: [\n",
    "name: [\nvggc: 1\n",
    "'vggc' : [\n",
    "vggc: {\n",
    "{vggc: 1, name: x\n",
    "\tname: x\nvggc: 1\n",
]

OTHERS: Final = [
    "",
    "services: {}\n",
    "vggc:\n  image: x\n",
    "vggc:\n  image: {{ .Values.image }}\n",
    "vggc: {image: x}\n",
    "vggc:\n- a\n",
    "vggc: [a, b]\n",
    "jobs:\n  vggc: 1\n",
    "jobs:\n  vggc:\n    steps: [a]\n",
    "jobs: {vggc: 1}\n",
    "- vggc: 1\n",
    "run: |\n  vggc: 1\n",
    "a: vggc\n",
    "vggcx: 1\n",
    "vggc check specs\n",
    "a: [\n  vggc: {{ x }}\n",
    "- [\n",
]


@pytest.mark.parametrize("text", SPECS)
def test_specs(text: str, tmp_path: Path) -> None:
    assert is_spec(text)
    for encoding in ("utf-8", "utf-8-sig"):
        (tmp_path / "a.yaml").write_text(text, encoding=encoding, newline="")
        assert is_spec_file(tmp_path / "a.yaml")


@pytest.mark.parametrize("text", OTHERS)
def test_what_is_of_another_tool(text: str, tmp_path: Path) -> None:
    assert not is_spec(text)
    (tmp_path / "a.yaml").write_text(text, newline="")
    assert not is_spec_file(tmp_path / "a.yaml")


def test_what_is_no_utf_8_is_recognised_so_that_it_is_reported(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes("name: café\n".encode("latin-1") + b'"vggc": 1\n')
    (tmp_path / "powershell.yaml").write_bytes(codecs.BOM_UTF16_LE + SMALL.encode("utf-16-le"))
    (tmp_path / "picture.yaml").write_bytes(bytes(range(256)))
    assert [path.name for path in specs_below(tmp_path)] == ["latin.yaml", "powershell.yaml"]


def test_what_cannot_be_read_is_reported_when_it_is_checked(tmp_path: Path) -> None:
    assert is_spec_file(tmp_path / "missing.yaml")
    assert is_spec_file(tmp_path)


def test_half_a_character_from_an_editor() -> None:
    assert is_spec("name: \ud800\nvggc: 1\n")
    assert not is_spec('name: \ud800\n"a": vggc\n')
