"""Weights in and out: every key accounted for, nothing executed, nothing torn."""

import pickle
import random
from argparse import Namespace
from contextlib import suppress
from pathlib import Path

import pytest
import safetensors.torch
import torch

from tests.networks import SMALL, network
from vggc.base.errors import ProductError
from vggc.weights.loading import load_weights, save_state, save_weights
from vggc.weights.state_dict_files import read_state


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
def test_what_was_saved_comes_back(name: str, tmp_path: Path) -> None:
    module = network(SMALL).module(seed=2)
    save_weights(module, tmp_path / name)
    loaded = load_weights(network(SMALL), tmp_path / name)[0].state_dict()
    assert all(torch.equal(loaded[key], tensor) for key, tensor in module.state_dict().items())


@pytest.mark.parametrize("name", ["state_dict", "model_state_dict", "model"])
def test_a_checkpoint_with_a_state_dict_inside(name: str, tmp_path: Path) -> None:
    state = network(SMALL).module(seed=2).state_dict()
    torch.save({"epoch": 3, name: state}, tmp_path / "w.pt")
    assert torch.equal(load_weights(network(SMALL), tmp_path / "w.pt")[0].state_dict()["features.0.weight"],
                       state["features.0.weight"])  # fmt: skip


def test_a_file_in_the_format_before_torch_1_6(tmp_path: Path) -> None:
    """As torchvision's files of the VGGs are."""
    state = network(SMALL).module(seed=2).state_dict()
    torch.save(state, tmp_path / "w.pth", _use_new_zipfile_serialization=False)
    loaded = load_weights(network(SMALL), tmp_path / "w.pth")[0].state_dict()
    assert all(torch.equal(loaded[key], tensor) for key, tensor in state.items())


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


@pytest.mark.parametrize("instead", [torch.zeros(2).to_sparse(), torch.zeros(2, device="meta"), 3, None])
def test_what_is_no_tensor_with_values_is_named(instead: object, tmp_path: Path) -> None:
    torch.save({**network(SMALL).module().state_dict(), "odd": instead}, tmp_path / "w.pt")
    with pytest.raises(ProductError, match="holds no state dict: `odd` is not a tensor with values"):
        load_weights(network(SMALL), tmp_path / "w.pt")


def test_keys_that_are_no_text(tmp_path: Path) -> None:
    torch.save({0: torch.zeros(1)}, tmp_path / "w.pt")
    with pytest.raises(ProductError, match="holds no state dict"):
        load_weights(network(SMALL), tmp_path / "w.pt")


def test_a_checkpoint_with_objects_in_it_says_which_and_what_to_do(tmp_path: Path) -> None:
    torch.save({"state_dict": {}, "hyper_parameters": Namespace(width=1)}, tmp_path / "w.ckpt")
    with pytest.raises(ProductError) as caught:
        load_weights(network(SMALL), tmp_path / "w.ckpt")
    assert str(caught.value) == (
        f"{tmp_path / 'w.ckpt'} holds no weights: it needs the class argparse.Namespace, and nothing in a file is "
        "executed; save the tensors alone with torch.save(model.state_dict(), ...)"
    )


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_values_that_are_not_finite_are_refused(value: float, tmp_path: Path) -> None:
    state = network(SMALL).module().state_dict()
    state["classifier.0.bias"][3] = value
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(ProductError, match=r"w\.pt: 1 of the 12 values of classifier\.0\.bias are infinite"):
        load_weights(network(SMALL), tmp_path / "w.pt")


@pytest.mark.parametrize("zipped", [True, False])
def test_a_torch_file_with_other_bytes_is_read_or_refused(zipped: bool, tmp_path: Path) -> None:
    torch.save({"a.weight": torch.zeros(3)}, tmp_path / "w.pt", _use_new_zipfile_serialization=zipped)
    whole = (tmp_path / "w.pt").read_bytes()
    drawn = random.Random(0)
    for _ in range(300):
        damaged = bytearray(whole[: drawn.choice((len(whole), drawn.randrange(len(whole))))])
        for _ in range(min(2, len(damaged))):
            damaged[drawn.randrange(len(damaged))] = drawn.randrange(256)
        (tmp_path / "w.pt").write_bytes(damaged)
        with suppress(ProductError):
            read_state(tmp_path / "w.pt")


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
