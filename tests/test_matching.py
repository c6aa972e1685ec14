"""Weights under other names: by a map of keys, by order and shape; every key accounted for."""

import re
from pathlib import Path

import pytest
import safetensors.torch
import torch

import vggc
from tests.networks import SMALL, network
from tests.test_cli import run
from vggc.base.errors import ProductError
from vggc.cli.exits import Exit
from vggc.weights.key_matching import Match, Matching, matched, read_key_map
from vggc.weights.loading import WeightsReport, load_weights

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


@pytest.mark.parametrize(
    ("rule", "hint"),
    [
        ('"modul.*": "*"', "the nearest are `module.features."),
        ("module.features.0.wieght: features.0.weight", "the nearest are `module.features.0.weight`"),
        ('"aux.*": null', "the nearest are `module."),
    ],
)
def test_a_rule_that_fits_no_key_is_a_mistake(rule: str, hint: str, state: State, tmp_path: Path) -> None:
    theirs = {f"module.{key}": each for key, each in state.items()}
    matching = key_map(f'{rule}\n"module.*": "*"\n', tmp_path)
    with pytest.raises(ProductError) as caught:
        load(theirs, tmp_path, matching)
    pattern = rule.split(": ")[0].strip('"')
    assert str(caught.value).startswith(f"the map of keys: `{pattern}` fits no key of w.pt; {hint}")


def test_a_rule_that_fits_what_another_takes_is_none(state: State, tmp_path: Path) -> None:
    load({"net.features.0.bias" if key == "features.0.bias" else key: each for key, each in state.items()}, tmp_path,
         key_map('net.features.0.bias: features.0.bias\n"net.*": "*"\n', tmp_path))  # fmt: skip


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


FRAMEWORKS = {
    "with lines below": lambda layer, leaf: f"{layer.replace('.', '_')}_{leaf}",
    "with slashes": lambda layer, leaf: f"{layer.replace('.', '/')}/{leaf}",
    "with colons": lambda layer, leaf: f"{layer.replace('.', ':')}:{leaf}",
    "as in Keras": lambda layer, leaf: f"{layer.replace('.', '_')}/{KERAS[leaf]}:0",
    "as in old Keras": lambda layer, leaf: f"{layer.replace('.', '')}_{KERAS[leaf]}",
    "as in MXNet": lambda layer, leaf: f"bn{layer.replace('.', '')}_{MXNET[leaf]}",
}
KERAS = {"weight": "kernel", "bias": "bias", "running_mean": "moving_mean", "running_var": "moving_variance"}
MXNET = {"weight": "gamma", "bias": "beta", "running_mean": "running_mean", "running_var": "running_var"}


def telling(state: State) -> State:
    """The tensors without batch counts, and no two of one value: a swap is seen."""
    return {key: torch.rand_like(each) + 1 for key, each in state.items() if "num_batches" not in key}


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("name", ["w.safetensors", "w.pt"])
def test_layers_are_told_apart_whatever_separates_the_parts_of_their_names(
    name: str, framework: str, state: State, tmp_path: Path
) -> None:
    spelt = FRAMEWORKS[framework]
    state = telling(state)
    theirs = {spelt(*key.rsplit(".", 1)): each for key, each in state.items()}
    assert len(theirs) == len(state)
    loaded, _ = load(theirs, tmp_path, Matching(match="shape"), name)
    assert same(loaded, state)


def test_a_layer_without_a_number_comes_before_those_with_one(tmp_path: Path) -> None:
    compiled = network("vggc: 1\nname: a\ninput: [4, 8, 8]\nfeatures: [4, 4, 4]\nclassifier: none\n")
    own = telling(dict(compiled.module().state_dict()))
    names = {"0": "conv", "2": "conv_1", "4": "conv_10"}
    theirs = {f"{names[key.split('.')[1]]}_{key.split('.')[2]}": each for key, each in own.items()}
    safetensors.torch.save_file(theirs, tmp_path / "w.safetensors")
    module, _ = load_weights(compiled, tmp_path / "w.safetensors", Matching(match="shape"))
    assert same(module.state_dict(), own)


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
@pytest.mark.parametrize(
    "leaves",
    [
        {"weight": "weight", "bias": "bias", "running_var": "running_var", "running_mean": "running_mean"},
        {"running_mean": "moving_mean", "running_var": "moving_variance", "bias": "beta", "weight": "gamma"},
        {"bias": "b", "running_var": "var", "weight": "scale", "running_mean": "mean"},
    ],
    ids=lambda leaves: ", ".join(leaves.values()),
)
def test_names_say_which_tensor_of_a_norm_is_which_in_whatever_order(
    leaves: dict[str, str], name: str, state: State, tmp_path: Path
) -> None:
    state = telling(state)
    layers = dict.fromkeys(key.rpartition(".")[0] for key in state)
    theirs = {
        f"net{i}.{new}": state[f"{layer}.{leaf}"]
        for i, layer in enumerate(layers)
        for leaf, new in leaves.items()
        if f"{layer}.{leaf}" in state
    }
    loaded, report = load(theirs, tmp_path, Matching(match="shape"), name)
    assert same(loaded, state)
    assert report.complete


def test_names_say_which_is_which_though_the_statistics_stand_behind_all_parameters(
    state: State, tmp_path: Path
) -> None:
    state = telling(state)
    theirs = dict(sorted(state.items(), key=lambda item: "running" in item[0]))
    assert list(theirs) != list(state)
    loaded, _ = load(theirs, tmp_path, Matching(match="shape"))
    assert same(loaded, state)


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
def test_a_tensor_is_never_taken_for_one_that_its_name_says_it_is_not(name: str, state: State, tmp_path: Path) -> None:
    """A norm without a shift: its mean has the shape of the bias that is missing."""
    state = telling(state)
    theirs = {key: each for key, each in state.items() if not re.fullmatch(r"features\.[15]\.bias", key)}
    with pytest.raises(ProductError) as caught:
        load(theirs, tmp_path, Matching(match="shape"), name)
    assert "features.1.bias" in str(caught.value)
    assert "features.1.bias <-" not in str(caught.value)
    if name == "w.safetensors":  # where nothing but whole layers is matched
        return
    loaded, report = load(theirs, tmp_path, Matching(match="shape", allow_missing=("features.[15].bias",)), name)
    assert report.kept == ["features.1.bias", "features.5.bias"]
    assert same(loaded, theirs)


def test_names_that_say_nothing_leave_the_order_of_the_file(state: State, tmp_path: Path) -> None:
    """Numbers, among which the tensors of two layers stand in turns."""
    state = telling(state)
    theirs = {f"{'ab'[i % 2]}.{i}": each for i, each in enumerate(state.values())}
    loaded, _ = load(theirs, tmp_path, Matching(match="shape"))
    assert same(loaded, state)


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
def test_the_advice_is_not_what_was_just_tried(name: str, state: State, tmp_path: Path) -> None:
    theirs = {f"t{i}": each[None] for i, each in enumerate(state.values())}
    with pytest.raises(ProductError) as caught:
        load(theirs, tmp_path, Matching(match="shape"), name)
    assert str(caught.value).splitlines()[-1] == (
        "names, order and shapes do not say which tensor is which: map each key with --key-map FILE"
    )


@pytest.mark.parametrize("match", ["name", "shape"])
def test_a_tensor_that_is_left_over_may_be_the_one_that_is_missing(match: Match, state: State, tmp_path: Path) -> None:
    """Initial values are not advised where the file has a tensor of that shape."""
    theirs = {f"head_{key}" if key.startswith("classifier.3") else key: each for key, each in state.items()}
    theirs = dict(reversed(theirs.items()))
    with pytest.raises(ProductError) as caught:
        load(theirs, tmp_path, Matching(match=match))
    advice = str(caught.value).splitlines()[-1]
    assert "--key-map FILE" in advice
    assert ("--match shape" in advice) == (match == "name")


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
    with pytest.raises(
        ProductError,
        match=r"--allow-missing clasifier\.3\.weight fits no tensor .*; the nearest are `classifier\.3\.weight`",
    ):
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


# --- advice that suits the command ---


GREY = """\
vggc: 1
name: grey
input: [1, 8, 8]
classes: 10
features: [4, M]
classifier: [{linear: classes}]
"""
OPTIONS = ("--match", "--key-map", "--allow-missing", "--allow-left-over")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A spec, its model, its weights under other names, and a file that lacks one of them."""
    monkeypatch.chdir(tmp_path)
    Path("grey.yaml").write_text(GREY)
    state = dict(network(GREY).module(seed=7).state_dict())
    torch.save(state, "w.pt")
    torch.save({f"module.{key}": each for key, each in state.items()}, "module.pt")
    torch.save({key: each for key, each in state.items() if key != "features.0.bias"}, "lacking.pt")
    Path("map.yaml").write_text('"module.*": "*"\n')
    vggc.export_onnx("grey.yaml", "grey.onnx", weights="w.pt")
    return tmp_path


@pytest.mark.parametrize(
    ("command", "refused"),
    [
        ("export grey.yaml --onnx --weights {}", ()),
        ("verify grey.onnx --weights {}", ("--allow-missing",)),
        ("eval {} grey.yaml", OPTIONS),
    ],
)
@pytest.mark.parametrize("weights", ["module.pt", "lacking.pt"])
def test_no_command_advises_what_it_refuses(
    weights: str, command: str, refused: tuple[str, ...], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*command.format(weights).split()) == Exit.FAILED
    advice = capsys.readouterr().err.splitlines()[-1]
    assert "the weights are not" not in advice
    assert not [option for option in refused if option in advice]
    assert any(option in advice for option in OPTIONS) or advice == "name a file with the weights of grey"
