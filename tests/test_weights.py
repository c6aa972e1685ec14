"""Weights in and out: every key accounted for, nothing executed, nothing torn."""

import pickle
from pathlib import Path

import pytest
import safetensors.torch
import torch

from tests.networks import SMALL, network
from vggc.errors import ProductError
from vggc.weights import load_weights, save_state, save_weights


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
def test_what_was_saved_comes_back(name: str, tmp_path: Path) -> None:
    module = network(SMALL).module(seed=2)
    save_weights(module, tmp_path / name)
    loaded = load_weights(network(SMALL), tmp_path / name)[0].state_dict()
    assert all(torch.equal(loaded[key], tensor) for key, tensor in module.state_dict().items())


def test_a_checkpoint_with_a_state_dict_inside(tmp_path: Path) -> None:
    state = network(SMALL).module(seed=2).state_dict()
    torch.save({"epoch": 3, "state_dict": state}, tmp_path / "w.pt")
    assert torch.equal(load_weights(network(SMALL), tmp_path / "w.pt")[0].state_dict()["features.0.weight"],
                       state["features.0.weight"])  # fmt: skip


def test_old_files_without_batch_counts_are_complete(tmp_path: Path) -> None:
    state = {key: each for key, each in network(SMALL).module().state_dict().items() if "num_batches" not in key}
    torch.save(state, tmp_path / "w.pt")
    loaded = load_weights(network(SMALL), tmp_path / "w.pt")[0].state_dict()
    assert int(loaded["features.1.num_batches_tracked"]) == 0


def test_the_report_names_what_did_not_fit(tmp_path: Path) -> None:
    state = dict(network(SMALL).module().state_dict())
    state["features.0.weight"] = torch.zeros(1, 2)
    state["extra"] = torch.zeros(1)
    del state["features.0.bias"]
    safetensors.torch.save_file(state, tmp_path / "w.safetensors")
    with pytest.raises(ProductError) as caught:
        load_weights(network(SMALL), tmp_path / "w.safetensors")
    assert str(caught.value).splitlines() == [
        "the weights are not those of small",
        "w.safetensors: 16 tensors loaded",
        "  1 skipped for their shape: features.0.weight [1, 2] instead of [8, 3, 3, 3]",
        "  1 missing in the file: features.0.bias",
        "  1 left over in the file: extra",
        "to leave them at their initialisation: --allow-missing 'features.0.*'",
    ]


class Malicious:
    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("executed"),))


def test_nothing_in_a_file_is_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("w.pt").write_bytes(pickle.dumps({"features.0.weight": Malicious()}))
    with pytest.raises(ProductError, match="holds no weights"):
        load_weights(network(SMALL), Path("w.pt"))
    assert not Path("executed").exists()


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
@pytest.mark.parametrize("content", [b"", b"garbage", b"\xff" * 100])
def test_files_that_hold_no_weights(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ProductError, match="holds no weights"):
        load_weights(network(SMALL), tmp_path / name)


def test_a_list_of_tensors_is_no_state_dict(tmp_path: Path) -> None:
    torch.save([torch.zeros(1)], tmp_path / "w.pt")
    with pytest.raises(ProductError, match="holds no state dict"):
        load_weights(network(SMALL), tmp_path / "w.pt")


def test_a_missing_file(tmp_path: Path) -> None:
    for name in ("w.pt", "w.safetensors"):
        with pytest.raises(ProductError, match="cannot be read: no such file"):
            load_weights(network(SMALL), tmp_path / name)


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_weights_may_be_read_by_those_who_may_read_other_files(suffix: str, tmp_path: Path) -> None:
    path, other = tmp_path / f"w{suffix}", tmp_path / "other"
    save_state({"a": torch.ones(2)}, path)
    other.touch()
    assert path.stat().st_mode == other.stat().st_mode
