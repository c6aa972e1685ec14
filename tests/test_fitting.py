"""`vggc fit`: every spec that it prints compiles the ordinary way and meets the budget; what it counts is true."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import vggc
from tests.networks import PLAIN, SMALL, compile_source
from tests.test_cli import run
from vggc.authoring import fit_specs, variant_search
from vggc.authoring.adapting import Changes
from vggc.authoring.budget import STEP, Budget, Variant, ranked
from vggc.authoring.counting import Counter, Counts, Topology
from vggc.authoring.depths import Stages, depths, flat_items, group_of_item
from vggc.authoring.network_figures import FIGURES
from vggc.base.diagnostics import Source
from vggc.cli.exits import Exit
from vggc.frontend.spec.unroll import unroll_items
from vggc.frontend.text import inherit
from vggc.frontend.text.sources import stock_names
from vggc.model import Network
from vggc.pipeline import spec_of

DEPTHWISE = """\
vggc: 1
name: depthwise
input: [16, 32, 32]
classes: 4
features: [{conv: {out_channels: 32, groups: 16}}, {conv: {out_channels: 48, stride: 2, padding: 1}}, M, 32, 32, M]
classifier: [24, {linear: classes}]
expect: {max_macs: 100M}
"""
REPEATED = """\
vggc: 1
name: repeated
input: [3, 32, 32]
classes: 4
features:
  - repeat: {times: 2, layers: [16, {repeat: {times: 2, layers: [16]}}, M]}
  - conv2d: {out_channels: 24, kernel_size: 3}
  - batch_norm
  - relu
  - 32
pool: 2
classifier: [{linear: classes}]
rewrite: [{replace: relu, with: silu, where: {stage: 1}}]
init: {conv2d: {kaiming_normal: {nonlinearity: relu}}}
"""
PARENTS = {"small": SMALL, "plain": PLAIN, "depthwise": DEPTHWISE, "repeated": REPEATED}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fit")
    for name, text in PARENTS.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


def search(
    name: str, folder: Path, limits: Budget, vary: tuple[str, ...] = variant_search.VARIED
) -> tuple[variant_search.Search, Changes]:
    head = fit_specs.head("fit", name if name in stock_names() else f"{name}.yaml", {})
    return variant_search.search(fit_specs.source(head, folder), limits, vary), head


budgets = st.fixed_dictionaries(
    {},
    optional={
        "params": st.integers(200, 60_000),
        "macs": st.integers(20_000, 20_000_000),
        "weight_bytes": st.integers(1_000, 200_000),
        "peak_activation_bytes": st.integers(4_000, 300_000),
    },
).filter(bool)


@pytest.mark.parametrize("name", PARENTS)
@settings(max_examples=settings.default.max_examples // 3)
@given(budget=budgets, vary=st.lists(st.sampled_from(variant_search.VARIED), min_size=1, unique=True).map(tuple))
def test_every_spec_compiles_the_ordinary_way_and_meets_the_budget(
    name: str, folder: Path, budget: dict[str, int], vary: tuple[str, ...]
) -> None:
    found, head = search(name, folder, budget, vary)
    for variant, ready in zip(
        found.variants[:8], fit_specs.fitted_specs(found.variants[:8], head, folder, budget), strict=True
    ):
        path = folder / f"{ready.name}.yaml"
        path.write_text(ready.text)
        compiled = vggc.compile(path)
        assert all(FIGURES[key].of(compiled) <= most for key, most in budget.items())
        assert {key: FIGURES[key].of(compiled) for key in variant.counts._fields} == variant.counts._asdict()
        assert set(variant.changes) <= {"width", "features", "input", "pool", "preprocess", "train"}


@pytest.mark.parametrize("name", ["vgg16_c", "alexnet", "vgg16_cifar10"])
def test_stock_specs_fit_into_small_budgets(name: str, folder: Path) -> None:
    budget = {"params": 2_000_000, "macs": 300_000_000}
    found, head = search(name, folder, budget)
    for ready in fit_specs.fitted_specs(found.variants[:5], head, folder, budget):
        compiled = compile_source(Source("x", ready.text, path=folder / "x.yaml"))
        assert compiled.params <= 2_000_000
        assert compiled.macs <= 300_000_000
        assert {each.key for each in compiled.header.expect} >= {"max_params", "max_macs"}


@pytest.mark.parametrize("name", stock_names())
def test_counted_is_what_the_network_has(name: str) -> None:
    compiled = vggc.compile(name)
    nodes = compiled.graph.nodes
    counts = Counter().count(Topology(nodes), [node.layer for node in nodes], compiled.input)
    assert counts is not None
    assert counts._asdict() == {key: FIGURES[key].of(compiled) for key in counts._fields}


def test_the_best_makes_the_most_of_the_budget_and_then_stays_near(folder: Path) -> None:
    found, _ = search("small", folder, {"params": 40_000, "macs": 1_000_000})
    uses = [each.use for each in found.variants]
    assert max(uses) <= 1
    first = [each for each in found.variants if each.use > 0.95 * max(uses)]
    assert found.variants[0] in first
    assert found.variants[0].distance == min(each.distance for each in first)
    steps = [int((1 - use / max(uses)) / STEP) for use in uses]
    assert steps == sorted(steps)


def test_variants_within_5_percent_are_equals_of_which_the_nearest_is_first() -> None:
    counts = Counts(1, 1, 1, 1)
    uses_and_distances = [(1.0, 2.0), (0.96, 1.0), (0.94, 0.0), (0.0, 0.0)]
    found = ranked(Variant({}, counts, use, distance) for use, distance in reversed(uses_and_distances))
    assert [each.use for each in found] == [0.96, 1.0, 0.94, 0.0]


def test_an_input_of_twice_the_side_is_as_far_as_one_doubling(folder: Path) -> None:
    head = fit_specs.head("small_fit", "small.yaml", {})
    found = variant_search.search(fit_specs.source(head, folder), {"params": 10**9}, ["input"]).variants
    sides = {each.changes.get("input", [3, 16, 16])[1]: each.distance for each in found}
    assert {side: sides[side] for side in (8, 16, 32)} == {8: 1.0, 16: 0.0, 32: 1.0}


def test_a_larger_width_would_not_have_fitted(folder: Path) -> None:
    """By trying every width, in the ordinary way."""
    budget = {"params": 9_000}
    found, _ = search("small", folder, budget, ("width",))
    (best,) = found.variants
    fitting_widths = []
    for i in range(1, 80):
        compiled = vggc.compile(folder / "small.yaml", {"width": i / 20})
        if compiled.params <= 9_000:
            fitting_widths.append((compiled.params, i / 20))
    assert best.counts.params >= max(fitting_widths)[0]


def test_channels_that_are_no_multiples_of_8_are_as_they_are_at_width_1(folder: Path) -> None:
    """Any other width makes eight channels of the four and six of `plain`."""
    compiled = vggc.compile(folder / "plain.yaml")
    assert vggc.compile(folder / "plain.yaml", {"width": 0.01}).params > compiled.params
    found, _ = search("plain", folder, {"params": compiled.params}, ("width",))
    assert [each.changes for each in found.variants] == [{}]
    (folder / "scaled.yaml").write_text(PLAIN + "width: 2\n")
    found, _ = search("scaled", folder, {"params": compiled.params}, ("width",))
    assert [each.changes for each in found.variants] == [{"width": 1.0}]


def test_the_limit_of_all_specs_is_one_of_every_budget(folder: Path) -> None:
    budget = {"params": 10**12}
    found, head = search("vgg16", folder, budget, ("width",))
    (ready,) = fit_specs.fitted_specs(found.variants, head, folder, budget)
    assert 7 * 2**30 < ready.network.weight_bytes <= 8 * 2**30


def test_without_anything_to_change_the_parent_is_its_own_variant(folder: Path) -> None:
    compiled = vggc.compile(folder / "plain.yaml")
    found, _ = search("plain", folder, {"params": compiled.params}, ("depth",))
    assert {} in [each.changes for each in found.variants]


def test_a_network_without_weights_is_within_every_number_of_params(folder: Path) -> None:
    text = "vggc: 1\nname: pools\ninput: [3, 32, 32]\nfeatures: [M, M]\nclassifier: none\n"
    (folder / "pools.yaml").write_text(text, encoding="utf-8")
    head = fit_specs.head("pools_fit", "pools.yaml", {})
    found = variant_search.search(fit_specs.source(head, folder), {"params": 10}, ["width", "depth"]).variants
    assert [(each.changes, each.use) for each in found] == [({}, 0.0)]


def test_depths_take_from_the_end_of_a_stage_and_add_there() -> None:
    items: list[Any] = [64, "batch_norm", 64, "relu", "M", {"conv": {"out_channels": 8, "stride": 2}}, "M", 32]
    stages = Stages.of(items, group_of_item)
    assert stages.depth == (2, 1, 1)
    assert stages.at((2, 1, 1)) == items
    assert stages.at((1, 1, 2)) == [64, "batch_norm", "M", items[5], "M", 32, 32]
    assert stages.at((3, 1, 1))[:7] == [64, "batch_norm", 64, "relu", 64, "relu", "M"]


@pytest.mark.parametrize("text", [*PARENTS.values()])
def test_the_layers_and_the_items_of_a_spec_have_the_same_stages(text: str) -> None:
    """What is counted is what is printed: at every depth, compiled from the items."""
    spec = spec_of(inherit.load(Source("x.yaml", text)))
    layers = Stages.of(unroll_items(spec.features), lambda each: each.layer.group)
    items = Stages.of(list(flat_items(yaml.safe_load(text)["features"])), group_of_item)
    assert layers.depth == items.depth
    tried = depths(layers, 40)
    assert tried[0] == layers.depth
    assert (1,) * len(layers.depth) in tried
    for depth in tried:
        respelt = yaml.safe_load(text) | {"features": items.at(depth)}
        printed = spec_of(inherit.load(Source("x.yaml", json.dumps(respelt))))
        assert [each.layer for each in layers.at(depth)] == [each.layer for each in unroll_items(printed.features)]


def test_a_convolution_with_a_stride_is_not_repeated() -> None:
    text = DEPTHWISE.replace("M, 32, 32, M]", "M, {conv: {out_channels: 8, stride: 2, padding: 1}}]")
    spec = spec_of(inherit.load(Source("x.yaml", text)))
    stages = Stages.of(unroll_items(spec.features), lambda each: each.layer.group)
    assert {depth[1] for depth in depths(stages, 100)} == {1}


def test_a_long_list_is_not_varied_in_depth(folder: Path) -> None:
    (folder / "long.yaml").write_text(SMALL.replace("[8, M, 16, M]", "[{repeat: {times: 300, layers: [8]}}, M]"))
    with pytest.raises(vggc.ProductError, match="the spec has 907 layers, and depth is varied up to 500"):
        search("long", folder, {"params": 10**7}, ("width", "depth"))
    found, _ = search("long", folder, {"params": 10**7}, ("width",))
    assert len(found.variants) == 1


# --- the command -------------------------------------------------------------------------------------------------


def pasted(out: str) -> list[Network]:
    return [compile_source(Source("pasted.yaml", text)) for text in out.split("\n\n")]


def test_what_is_printed_can_be_pasted(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("fit", "vgg16_cifar10", "--max-params", "5M", "--max-macs", "0.2G", "--top", "3") == Exit.FINE
    out, err = capsys.readouterr()
    assert err.startswith("tried ")
    networks = pasted(out)
    assert [each.name for each in networks] == [f"vgg16_cifar10_fit{i}" for i in (1, 2, 3)]
    assert all(each.params <= 5_000_000 and each.macs <= 200_000_000 for each in networks)


def test_settings_are_part_of_every_variant(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("fit", "vgg16_cifar10", "--max-memory", "4MiB", "--max-peak", "1MiB", "--set", "classes=[a, b]", "--set",
               "train.epochs=3", "--vary", "input,width", "--top", "1") == Exit.FINE  # fmt: skip
    (network,) = pasted(capsys.readouterr().out)
    assert (network.output, network.weight_bytes <= 2**22, network.peak_activation_bytes <= 2**20) == ((2,), True, True)
    assert network.header.train is not None
    assert network.header.train.epochs == 3


def test_files_are_written_and_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(SMALL)
    arguments = ["fit", "small.yaml", "--max-params", "20K", "--top", "2", "-o", "fits"]
    assert run(*arguments) == Exit.FINE
    assert sorted(each.name for each in (tmp_path / "fits").iterdir()) == ["small_fit1.yaml", "small_fit2.yaml"]
    assert run("check", "fits") == Exit.FINE
    assert run(*arguments) == Exit.FAILED
    assert "--force replaces them" in capsys.readouterr().err
    assert run(*arguments, "--force") == Exit.FINE


def test_an_impossible_budget_says_what_is_possible(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("fit", "vgg16", "--max-params", "10", "--max-macs", "1T", "--vary", "depth") == Exit.FAILED
    err = capsys.readouterr().err
    assert (
        "varying depth, no variant of vgg16 keeps to 10 params: the least is 127,553,640; "
        "raise --max-params or vary width and input as well"
    ) in err
    overrides = {"features": [64, "M", 128, "M", 256, "M", 512, "M", 512, "M"]}
    assert vggc.compile("vgg16", overrides).params == 127_553_640


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "set a limit: --max-params, --max-macs, --max-memory, --max-peak"),
        (["--max-params", "1e6"], "is not an amount; write it like 5M"),
        (["--max-params", "0"], "is not an amount"),
        (["--max-memory", "0"], "is not a size; write it like 8GiB"),
        (["--max-memory=-5GB"], "is not a size"),
        (["--max-params", "1M", "--vary", "with"], "did you mean `width`?"),
    ],
)
def test_wrong_usage(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("fit", "vgg16", *arguments) == Exit.USAGE
    assert words in capsys.readouterr().err


def test_a_mistake_of_the_parent_is_told_as_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wid.yaml").write_text(SMALL.replace("[8, M, 16, M]", "[8, M, M, M, M, M]"))
    assert run("fit", "wid.yaml", "--max-params", "40K") == Exit.SPEC
    error = capsys.readouterr().err
    assert " --> wid.yaml:6:" in error
    assert "wid_fit" not in error
