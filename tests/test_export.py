"""ONNX: what is in the file, that it is verified before it is there, and that nothing is lost when it fails."""

import hashlib
import json
import os
import stat
import zlib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import vggc
from tests.networks import ALL, HEADLESS, PLAIN, SMALL, network
from vggc.backends.onnx import onnx_model, onnx_writer, protobuf_stream
from vggc.backends.text import yaml_spec
from vggc.model import Network
from vggc.verify.sessions import newest_opset


def run(path: Path, x: torch.Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    output: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = session.run(None, {"input": x.numpy()})[0]
    return output


@pytest.mark.parametrize("name", ALL)
def test_it_computes_what_the_module_computes(name: str, tmp_path: Path) -> None:
    compiled = network(ALL[name])
    exported = vggc.export_onnx(compiled, tmp_path / "x.onnx", seed=3)
    assert exported.report.verdict == "verified"
    x = torch.randn(5, *compiled.input)
    expected = compiled.module(seed=3).eval()(x).detach().numpy()
    np.testing.assert_allclose(run(exported.path, x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("opset", range(13, newest_opset() + 1))
def test_every_opset_is_honoured(opset: int, tmp_path: Path) -> None:
    path = vggc.export_onnx(network(SMALL), tmp_path / "x.onnx", opset=opset).path
    model = onnx.load(str(path))
    assert [(each.domain, each.version) for each in model.opset_import] == [("", opset)]
    assert model.ir_version == onnx.helper.find_min_ir_version_for(list(model.opset_import))


@pytest.mark.parametrize("opset", [12, newest_opset() + 1, -1])
def test_an_opset_that_cannot_be_honoured_is_refused(opset: int, tmp_path: Path) -> None:
    with pytest.raises(vggc.ProductError, match=f"not supported: opset {opset}; vggc writes 13 to {newest_opset()}"):
        vggc.export_onnx(network(SMALL), tmp_path / "x.onnx", opset=opset)
    assert list(tmp_path.iterdir()) == []


def test_the_interface_of_the_file(tmp_path: Path) -> None:
    model = onnx.load(str(vggc.export_onnx(network(SMALL), tmp_path / "x.onnx").path))
    shapes = [
        [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (model.graph.input[0], model.graph.output[0])
    ]
    assert (model.graph.input[0].name, model.graph.output[0].name) == ("input", "logits")
    assert shapes == [["batch", 3, 16, 16], ["batch", 5]]
    assert "features.0.weight" in {each.name for each in model.graph.initializer}
    assert "Dropout" not in {node.op_type for node in model.graph.node}
    assert [node.name for node in model.graph.node][:2] == ["features.0", "features.1"]


def test_a_feature_extractor_ends_in_features(tmp_path: Path) -> None:
    path = vggc.export_onnx(network(HEADLESS), tmp_path / "x.onnx").path
    assert onnx.load(str(path)).graph.output[0].name == "features"


def test_a_network_that_was_cut(tmp_path: Path) -> None:
    path = vggc.export_onnx(network(SMALL, until="pool1"), tmp_path / "x.onnx").path
    assert vggc.verify_onnx(path).verdict == "verified"
    assert run(path, torch.zeros(2, 3, 16, 16)).shape == (2, 8, 8, 8)


def test_a_network_of_nothing_but_dropout(tmp_path: Path) -> None:
    text = "vggc: 1\nname: idle\ninput: [2, 3, 3]\nfeatures: [identity, dropout2d]\nclassifier: none\n"
    path = vggc.export_onnx(network(text), tmp_path / "x.onnx").path
    assert run(path, torch.ones(1, 2, 3, 3)).tolist() == torch.ones(1, 2, 3, 3).tolist()


def test_the_metadata_says_where_it_comes_from(tmp_path: Path) -> None:
    compiled = network(SMALL)
    model = onnx.load(str(vggc.export_onnx(compiled, tmp_path / "x.onnx").path))
    metadata = {each.key: each.value for each in model.metadata_props}
    assert metadata["vggc.spec"] == yaml_spec.emit(compiled.graph)
    assert metadata["vggc.version"] == vggc.__version__
    assert json.loads(metadata["vggc.classes"]) == ["ant", "bee", "cow", "dog", "eel"]
    assert json.loads(metadata["vggc.preprocess"])["crop"] == 16
    assert len(metadata["vggc.spec_sha256"]) == 64


def test_the_same_bytes_from_two_folders_and_no_path_inside(tmp_path: Path) -> None:
    paths = [tmp_path / folder / "x.onnx" for folder in ("one", "two")]
    first, second = (vggc.export_onnx(network(SMALL), path).path.read_bytes() for path in paths)
    assert first == second
    assert str(tmp_path).encode() not in first
    assert os.environ.get("USER", "/root").encode() not in first


@pytest.mark.parametrize("name", ALL)
def test_the_stream_is_what_protobuf_would_write(name: str, tmp_path: Path) -> None:
    """The bytes parse to the model that onnx's own helper builds from the same weights."""
    compiled = network(ALL[name])
    path = vggc.export_onnx(compiled, tmp_path / "x.onnx").path
    lowered = onnx_model.lower(compiled)
    state = compiled.module().state_dict()
    lowered.model.graph.initializer.extend(
        onnx.numpy_helper.from_array(state[tensor.name].numpy(), tensor.name) for tensor in lowered.tensors
    )
    written = onnx.load(str(path))
    sums = written.metadata_props.pop()
    assert written == lowered.model
    assert (sums.key, json.loads(sums.value)) == (
        "vggc.tensors_crc32",
        {each.name: f"{zlib.crc32(each.raw_data):08x}" for each in lowered.model.graph.initializer},
    )


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 2**14 - 1, 2**14, 2**31, 2**63 - 1])
def test_varints_read_back(value: int) -> None:
    encoded = protobuf_stream.varint(value)
    assert sum((byte & 0x7F) << 7 * i for i, byte in enumerate(encoded)) == value
    assert [byte >> 7 for byte in encoded] == [1] * (len(encoded) - 1) + [0]


def test_external_data(tmp_path: Path) -> None:
    path = vggc.export_onnx(network(SMALL), tmp_path / "x.onnx", external_data=True).path
    (data,) = tmp_path.glob("x.onnx.*.data")
    assert data.name == f"x.onnx.{hashlib.sha256(data.read_bytes()).hexdigest()[:12]}.data"
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted(["x.onnx", data.name, "x.onnx.json"])
    inside = vggc.export_onnx(network(SMALL), tmp_path / "inside.onnx").path
    x = torch.randn(2, 3, 16, 16)
    assert np.array_equal(run(path, x), run(inside, x))
    offsets = [int(entry.value) for each in onnx.load(str(path), load_external_data=False).graph.initializer
               for entry in each.external_data if entry.key == "offset"]  # fmt: skip
    assert all(offset % protobuf_stream.ALIGNMENT == 0 for offset in offsets)


def test_the_size_of_the_file_is_known_before_it_is_written(tmp_path: Path) -> None:
    compiled = network(PLAIN)
    lowered = onnx_model.lower(compiled)
    path = vggc.export_onnx(compiled, tmp_path / "x.onnx").path
    assert onnx_writer.file_size(lowered) == path.stat().st_size


def test_weights_come_in_from_a_file(tmp_path: Path) -> None:
    compiled = network(SMALL)
    module = compiled.module(seed=9)
    torch.save(module.state_dict(), tmp_path / "w.pt")
    path = vggc.export_onnx(compiled, tmp_path / "x.onnx", weights=tmp_path / "w.pt").path
    assert path.read_bytes() == vggc.export_onnx(compiled, tmp_path / "y.onnx", seed=9).path.read_bytes()


# --- failure ---


def broken_write(compiled: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the file get half its convolution's weights, as a bug of the writer would."""
    original = onnx_writer.write

    def write(lowered, state, path, **options):  # type: ignore[no-untyped-def]
        original(lowered, lambda name: state(name) * (0.5 if name == "features.0.weight" else 1), path, **options)

    monkeypatch.setattr(onnx_writer, "write", write)


def test_a_mismatch_leaves_the_old_file_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "x.onnx"
    target.write_bytes(b"old")
    compiled = network(SMALL)
    broken_write(compiled, monkeypatch)
    with pytest.raises(vggc.VerificationError) as caught:
        vggc.export_onnx(compiled, target)
    assert caught.value.report.verdict == "mismatch"
    assert caught.value.report.culprit is not None
    assert caught.value.report.culprit.alias == "conv1_1"
    assert caught.value.report.culprit.place == "test.yaml:6:12"
    assert [each.name for each in tmp_path.iterdir()] == ["x.onnx"]
    assert target.read_bytes() == b"old"


def test_a_crash_while_writing_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "x.onnx"
    target.write_bytes(b"old")

    def full(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(onnx_writer, "write", full)
    with pytest.raises(vggc.ProductError, match="no space left on device; what was there before is unchanged"):
        vggc.export_onnx(network(SMALL), target)
    assert (target.read_bytes(), len(list(tmp_path.iterdir()))) == (b"old", 1)


def test_a_folder_as_target_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").mkdir()
    with pytest.raises(vggc.ProductError, match="is a folder; name a file"):
        vggc.export_onnx(network(SMALL), tmp_path / "x.onnx")


def test_what_is_no_onnx_file_or_no_file_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "w.pt").write_bytes(b"weights")
    with pytest.raises(vggc.ProductError, match=r"ends in \.onnx"):
        vggc.export_onnx(network(SMALL), tmp_path / "w.pt")
    assert (tmp_path / "w.pt").read_bytes() == b"weights"
    os.mkfifo(tmp_path / "pipe.onnx")
    with pytest.raises(vggc.ProductError, match="is no ordinary file"):
        vggc.export_onnx(network(SMALL), tmp_path / "pipe.onnx")


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real.onnx").write_bytes(b"old")
    (tmp_path / "link.onnx").symlink_to(tmp_path / "real.onnx")
    vggc.export_onnx(network(SMALL), tmp_path / "link.onnx")
    assert (tmp_path / "link.onnx").is_symlink()
    assert onnx.load(str(tmp_path / "real.onnx")).graph.name == "small"


def test_a_name_is_enough(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SMALL)
    exported = vggc.export_onnx(tmp_path / "small.yaml", tmp_path / "x.onnx")
    assert vggc.verify_onnx(exported.path, tmp_path / "small.yaml").verdict == "verified"


def test_a_file_as_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(vggc.ProductError, match=r"could not be written"):
        vggc.export_onnx(network(SMALL), tmp_path / "file" / "x.onnx")


def test_files_have_ordinary_permissions(tmp_path: Path) -> None:
    path = vggc.export_onnx(network(SMALL), tmp_path / "x.onnx").path
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask
