"""Weights under other names: by a map of keys, by order and shape; every key accounted for."""

import re
from pathlib import Path

import pytest
import safetensors.torch
import torch

import vggc
from tests.networks import SMALL, network
from vggc.errors import ProductError
from vggc.weights.loading import WeightsReport, load_weights
from vggc.weights.matching import Matching, matched, read_key_map

State = dict[str, torch.Tensor]


@pytest.fixture
def state() -> State:
    return dict(network(SMALL).module(seed=7).state_dict())


def load(
    state: State, folder: Path, matching: Matching | None = None, name: str = "w.pt"
) -> tuple[State, WeightsReport]:
    if name.endswith(".pt"):
        torch.save(state, folder / name)
    else:
        safetensors.torch.save_file(state, folder / name)
    module, report = load_weights(network(SMALL), folder / name, matching)
    return module.state_dict(), report


def same(loaded: State, state: State) -> bool:
    return all(torch.equal(loaded[key], each) for key, each in state.items())


# --- a map of keys ---


def key_map(text: str, folder: Path) -> Matching:
    (folder / "map.yaml").write_text(text)
    return Matching(key_map=read_key_map(folder / "map.yaml"))


def test_a_map_of_keys_with_patterns_and_with_what_is_passed_over(state: State, tmp_path: Path) -> None:
    theirs = {f"net.body.{key}": each for key, each in state.items() if key.startswith("features")}
    theirs |= {"head.0.kernel": state["classifier.0.weight"], "head.0.b": state["classifier.0.bias"]}
    theirs |= {f"net.{key}": state[key] for key in ("classifier.3.weight", "classifier.3.bias")}
    theirs |= {"optimizer.step": torch.zeros(2)}
    matching = key_map(
        '"net.body.*": "*"\n"net.*": "*"\nhead.0.kernel: classifier.0.weight\nhead.0.b: classifier.0.bias\n'
        '"optimizer.*": null\n',
        tmp_path,
    )
    loaded, report = load(theirs, tmp_path, matching)
    assert same(loaded, state)
    assert report.passed_over == ["optimizer.step"]
    assert report.renamed["classifier.0.weight"] == "head.0.kernel"
    assert "features.0.weight <- net.body.features.0.weight" in str(report)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('"a.*": b\n', r"map\.yaml:1:8: `a\.\*` and `b` differ in their number of `\*`"),
        ("a: 3\n", r"map\.yaml:1:4: `a` becomes a key of the network, or null"),
        ("a: [b]\n", r"map\.yaml:1:4: `a` becomes a key of the network, or null"),
        ("a: b\na: c\n", "the map of keys: "),
        ("- a\n", "the map of keys: "),
    ],
)
def test_a_map_that_is_none(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ProductError, match=message):
        key_map(text, tmp_path)


def test_a_brace_in_a_key_is_a_brace() -> None:
    matching = Matching(key_map={"a{*}.*": "b{*}.*"})
    assert matched({"b{0}.w": (1,)}, {"a{0}.w": (1,)}, matching, ordered=True) == {"b{0}.w": "a{0}.w"}


def test_a_missing_map(tmp_path: Path) -> None:
    with pytest.raises(ProductError, match=r"the map of keys: .*nowhere\.yaml"):
        read_key_map(tmp_path / "nowhere.yaml")


def test_two_keys_for_one_tensor_are_an_error(state: State, tmp_path: Path) -> None:
    matching = key_map("other: features.0.bias\n", tmp_path)
    with pytest.raises(ProductError, match=r"two keys `features\.0\.bias`"):
        load(state | {"other": state["features.0.bias"]}, tmp_path, matching)


def test_a_prefix_that_all_keys_have_is_noticed(state: State, tmp_path: Path) -> None:
    """What `DataParallel` and Lightning leave in a checkpoint."""
    theirs = {f"module.{key}": each for key, each in state.items()}
    with pytest.raises(
        ProductError, match=re.escape('the keys begin with `module.`: write `"module.*": "*"` into a file')
    ):
        load(theirs, tmp_path)
    loaded, _ = load(theirs, tmp_path, key_map('"module.*": "*"\n', tmp_path))
    assert same(loaded, state)


# --- order and shape ---


def renamed(state: State, *, counts: bool) -> State:
    kept = {key: each for key, each in state.items() if counts or "num_batches" not in key}
    return {f"t{i}": each for i, each in enumerate(kept.values())}


@pytest.mark.parametrize("counts", [True, False], ids=["with counts", "without counts"])
def test_any_names_in_the_same_order(counts: bool, state: State, tmp_path: Path) -> None:
    loaded, report = load(renamed(state, counts=counts), tmp_path, Matching(match="shape"))
    assert all(torch.equal(loaded[key], each) for key, each in state.items() if "num_batches" not in key)
    assert report.complete


def test_order_and_shape_name_what_is_missing_and_what_is_left(state: State, tmp_path: Path) -> None:
    theirs = renamed(state, counts=False)
    del theirs["t4"]
    theirs["extra"] = torch.zeros(7, 7)
    with pytest.raises(ProductError) as caught:
        load(theirs, tmp_path, Matching(match="shape"))
    assert "1 missing in the file" in str(caught.value)
    assert "1 left over in the file: extra" in str(caught.value)


def test_other_classes_are_skipped_for_their_shape(state: State, tmp_path: Path) -> None:
    theirs = renamed(state, counts=False)
    names = list(theirs)
    theirs[names[-2]], theirs[names[-1]] = torch.zeros(9, 12), torch.zeros(9)
    with pytest.raises(
        ProductError, match=r"2 skipped for their shape: classifier\.3\.weight \[9, 12\] instead of \[5, 12\]"
    ):
        load(theirs, tmp_path, Matching(match="shape"))


def test_a_safetensors_file_keeps_no_order_so_layers_are_matched(state: State, tmp_path: Path) -> None:
    """It is sorted by name: classifier before features, bias before weight, layer 10 before layer 2."""
    compiled = network(
        "vggc: 1\nname: deep\ninput: [3, 8, 8]\nclasses: 4\nfeatures: [4, 4, 4, 4, 4, 4, 4]\n"
        "classifier: [{linear: 256}, {linear: 256}, {linear: classes}]\n"
    )
    own = dict(compiled.module(seed=3).state_dict())
    theirs = {f"backbone.{key}" if key.startswith("f") else f"a.{key}": each for key, each in own.items()}
    safetensors.torch.save_file(theirs, tmp_path / "w.safetensors")
    module, _ = load_weights(compiled, tmp_path / "w.safetensors", Matching(match="shape"))
    assert same(module.state_dict(), own)


def test_tensors_of_one_shape_with_names_that_say_nothing_are_not_guessed(state: State, tmp_path: Path) -> None:
    words = {"weight": "one", "bias": "two", "running_mean": "three", "running_var": "four"}
    theirs = {}
    for key, each in state.items():
        layer, _, leaf = key.rpartition(".")
        if leaf in words:
            theirs[f"{layer}.{words[leaf] if layer in ('features.1', 'features.5') else leaf}"] = each
    with pytest.raises(ProductError, match=r"8 missing in the file: features\.1\.weight"):
        load(theirs, tmp_path, Matching(match="shape"), "w.safetensors")


# --- what may be missing or left over ---


def test_a_classifier_of_another_class_count_stays_at_its_initialisation(state: State, tmp_path: Path) -> None:
    theirs = state | {"classifier.3.weight": torch.zeros(9, 12), "classifier.3.bias": torch.zeros(9)}
    matching = Matching(allow_missing=("classifier.3.*",))
    loaded, report = load(theirs, tmp_path, matching)
    drawn = network(SMALL).module(seed=0).state_dict()
    assert torch.equal(loaded["classifier.3.weight"], drawn["classifier.3.weight"])
    assert torch.equal(loaded["features.0.weight"], state["features.0.weight"])
    assert report.kept == ["classifier.3.weight", "classifier.3.bias"]
    assert "2 left at their initialisation, as allowed: classifier.3.weight, classifier.3.bias" in str(report)


def test_nothing_else_may_be_missing(state: State, tmp_path: Path) -> None:
    del state["features.0.bias"]
    with pytest.raises(ProductError, match=r"to leave them at their initialisation: --allow-missing 'features\.0\.\*'"):
        load(state, tmp_path, Matching(allow_missing=("classifier.3.*",)))


def test_a_pattern_that_fits_nothing_is_a_mistake(state: State, tmp_path: Path) -> None:
    with pytest.raises(ProductError, match=r"--allow-missing clasifier\.3\.weight fits no tensor .* did you mean"):
        load(state, tmp_path, Matching(allow_missing=("clasifier.3.weight",)))


def test_what_is_left_over_may_be_allowed(state: State, tmp_path: Path) -> None:
    with pytest.raises(ProductError, match="to pass them over: --allow-left-over"):
        load(state | {"aux.weight": torch.zeros(2)}, tmp_path)
    loaded, report = load(state | {"aux.weight": torch.zeros(2)}, tmp_path, Matching(allow_left_over=("aux.*",)))
    assert same(loaded, state)
    assert report.passed_over == ["aux.weight"]


# --- types ---


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats_are_converted_and_reported(dtype: torch.dtype, state: State, tmp_path: Path) -> None:
    theirs = {key: each.to(dtype) if each.is_floating_point() else each for key, each in state.items()}
    loaded, report = load(theirs, tmp_path)
    assert torch.equal(loaded["features.0.weight"], theirs["features.0.weight"].float())
    name = str(dtype).removeprefix("torch.")
    assert f"{sum(each.is_floating_point() for each in state.values())} converted from {name} to float32" in str(report)


def test_quantised_weights_are_no_weights(state: State, tmp_path: Path) -> None:
    theirs = state | {"features.0.weight": torch.zeros(8, 3, 3, 3, dtype=torch.int8)}
    with pytest.raises(ProductError, match=r"features\.0\.weight int8\[8, 3, 3, 3\] instead of \[8, 3, 3, 3\]"):
        load(theirs, tmp_path)


# --- torchvision's names ---


def test_torchvisions_names_are_the_networks_own(tmp_path: Path) -> None:
    """The keys that torchvision documents for vgg16, without torchvision: features.N and classifier.0, 3 and 6."""
    compiled = vggc.compile("vgg16", overrides={"width": 0.0625, "input": [3, 32, 32], "pool": 1, "classes": 10})
    convolutions = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28]
    paths = [f"features.{i}" for i in convolutions] + [f"classifier.{i}" for i in (0, 3, 6)]
    assert list(compiled.module(init=False).state_dict()) == [
        f"{path}.{leaf}" for path in paths for leaf in ("weight", "bias")
    ]
