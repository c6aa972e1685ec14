"""Files that are not what they seem: cut short, damaged, foreign, or with data elsewhere. Each ends in words."""

import os
import re
from pathlib import Path
from typing import Final

import onnx
import pytest
import torch

import vggc
from tests.networks import PLAIN
from tests.test_faults import TINY, export, export_in_two
from vggc import cli
from vggc.base.errors import ProductError, VerificationError
from vggc.cli.exits import Exit


def verify_by_command(*arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What `vggc verify` says of a file that it cannot read."""
    with pytest.raises(SystemExit) as end:
        cli.main(["verify", *arguments])
    out, err = capsys.readouterr()
    assert end.value.code == Exit.FAILED, err
    assert out == ""
    assert err.startswith("error: ")
    assert "internal error" not in err
    return err


def outcome(path: Path) -> type[Exception] | None:
    """The exact error that verifying a file ends with."""
    try:
        vggc.verify_onnx(path)
    except Exception as error:
        return type(error)
    return None


def test_a_model_that_was_cut_short_anywhere(tmp_path: Path) -> None:
    export(tmp_path / "x.onnx", 1)
    whole = (tmp_path / "x.onnx").read_bytes()
    cut = tmp_path / "cut.onnx"
    for length in range(len(whole)):
        cut.write_bytes(whole[:length])
        assert outcome(cut) is ProductError, length


def test_data_that_was_cut_short_anywhere(tmp_path: Path) -> None:
    export_in_two(tmp_path / "x.onnx", 1)
    (data,) = tmp_path.glob("*.data")
    size = data.stat().st_size
    for length in range(size - 1, -1, -97):
        os.truncate(data, length)
        with pytest.raises(
            ProductError, match=r"was cut short: it ends before .* does; copy it again, or export again"
        ):
            vggc.verify_onnx(tmp_path / "x.onnx")


def test_data_with_another_byte(tmp_path: Path) -> None:
    export_in_two(tmp_path / "x.onnx", 1)
    (data,) = tmp_path.glob("*.data")
    changed = bytearray(data.read_bytes())
    changed[5] ^= 1
    data.write_bytes(changed)
    with pytest.raises(ProductError, match="was changed or damaged"):
        vggc.verify_onnx(tmp_path / "x.onnx")


def test_a_model_with_another_byte_never_ends_in_an_internal_error(tmp_path: Path) -> None:
    export(tmp_path / "x.onnx", 1)
    whole = (tmp_path / "x.onnx").read_bytes()
    changed = tmp_path / "changed.onnx"
    generator = torch.Generator().manual_seed(0)
    for position in torch.randperm(len(whole), generator=generator)[:250].tolist():
        changed.write_bytes(whole[:position] + bytes([whole[position] ^ 1 << position % 8]) + whole[position + 1 :])
        assert outcome(changed) in (None, ProductError, VerificationError), position


PNG: Final = bytes.fromhex("89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is not an ONNX file, or was cut short"),
        (PNG, "is not an ONNX file, or was cut short"),
        (bytes(range(256)) * 4, "is not an ONNX file, or was cut short"),
        (TINY.encode(), "is not an ONNX file, or was cut short"),
        (b"\x08\x08", "is not an ONNX file, or was cut short: it holds no graph"),
    ],
)
def test_a_foreign_file(content: bytes, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.onnx").write_bytes(content)
    assert reason in verify_by_command(str(tmp_path / "x.onnx"), capsys=capsys)


def test_what_is_no_file_at_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "x.onnx")
    assert "no such file" in verify_by_command(path, capsys=capsys)
    os.mkfifo(path)
    assert "is not an ordinary file; copy what it gives into one" in verify_by_command(path, capsys=capsys)
    assert "is a folder; name the ONNX file in it" in verify_by_command(str(tmp_path), capsys=capsys)


def test_the_file_of_another_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "plain.yaml").write_text(PLAIN)
    export(tmp_path / "x.onnx", 1)
    with pytest.raises(SystemExit) as caught:
        cli.main(["verify", str(tmp_path / "x.onnx"), str(tmp_path / "plain.yaml")])
    assert caught.value.code == Exit.MISMATCH
    assert re.search(r"first difference: features\.\d \(\w+, \w+\) at .*plain\.yaml:5:", capsys.readouterr().out)


@pytest.mark.parametrize("location", ["../secret", "ABSOLUTE", "link", "sub/../../secret", "", "pipe", "missing"])
def test_data_outside_the_folder(location: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "secret").write_bytes(bytes(2**16))
    folder = tmp_path / "folder"
    export_in_two(folder / "x.onnx", 1)
    (folder / "sub").mkdir()
    (folder / "link").symlink_to("../secret")
    os.mkfifo(folder / "pipe")
    model = onnx.load(str(folder / "x.onnx"), load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location.replace("ABSOLUTE", str(tmp_path / "secret"))
    (folder / "x.onnx").write_bytes(model.SerializeToString())
    said = verify_by_command(str(folder / "x.onnx"), capsys=capsys)
    inside = {"pipe": "which is not an ordinary file; copy both", "missing": "which is missing; copy both"}
    assert inside.get(location, "outside its own folder, so it is not read; ask its author") in said
