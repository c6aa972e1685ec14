"""Random specs: valid ones round trip exactly, broken ones are answered well (`fuzzing` makes and examines them)."""

import contextlib
import json
import os
from collections.abc import Mapping
from typing import Final

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests import fuzzing
from tests.mutations import Mutator
from tests.networks import compile_source
from tests.strategies import ADAPTIVE, SPATIAL, stacks, written
from vggc.backends.text.yaml_spec import emit
from vggc.base.diagnostics import Source, SpecError
from vggc.frontend.text.document import plain
from vggc.frontend.text.inherit import from_mapping, parse_assignment
from vggc.frontend.text.parser import parse
from vggc.frontend.text.sources import stock_folder
from vggc.ir.geometry import smallest_input
from vggc.layers import of_group
from vggc.model import Network
from vggc.pipeline import read_graph

COUNT: Final = int(os.environ.get("VGGC_FUZZ", "1600"))
SHARES: Final = 8  # so that the processes of a run can share the work

# --- valid specs -------------------------------------------------------------------------------------------------

ALONE: Final = ["relu", "gelu", "elu", "batch_norm", "layer_norm", "identity", "dropout", "softmax", "tanh"]
follower = {
    "norm": st.sampled_from(["none", "batch_norm", {"group_norm": 1}, {"batch_norm": {"eps": 1e-3, "affine": False}}]),
    "activation": st.sampled_from(["none", *of_group("activation"), {"leaky_relu": 0.5}, {"elu": {"alpha": 2}}]),
    "dropout": st.sampled_from(["none", 0, 0.25, 1e-3, {"alpha_dropout": 0.5}, {"dropout": {"inplace": True}}]),
}
size = st.integers(1, 3) | st.lists(st.integers(1, 3), min_size=2, max_size=2)
conv_options = {"kernel_size": size, "bias": st.booleans(), "padding": st.integers(0, 1) | st.just("same")}
counts = st.integers(1, 12)


def units(kind: str, main: str, options: Mapping[str, st.SearchStrategy[object]]) -> st.SearchStrategy[object]:
    """The short forms of a unit: a number, `kind: number`, and `kind: {options}`."""
    long = st.fixed_dictionaries({main: counts}, optional={**options, **follower})
    return counts | st.builds(lambda value: {kind: value}, counts | long)


def lists(items: st.SearchStrategy[object]) -> st.SearchStrategy[list[object]]:
    """Items, and repeats of them."""
    few = st.lists(items, min_size=1, max_size=4)
    repeats = st.builds(lambda times, layers: {"repeat": {"times": times, "layers": layers}}, st.integers(1, 3), few)
    nested = st.builds(lambda times, layer: {"repeat": {"times": times, "layers": [layer]}}, st.integers(1, 2), repeats)
    return st.lists(items | repeats | nested, min_size=1, max_size=6)


layer_items = stacks((*SPATIAL, *ADAPTIVE), most=1).map(lambda stack: [written(layer) for layer in stack])
features = lists(st.sampled_from([*ALONE, "M"]) | units("conv", "out_channels", conv_options))
heads = lists(st.sampled_from(ALONE) | units("fc", "out_features", {"bias": st.booleans()}))
optional_followers = st.fixed_dictionaries({}, optional=follower)
defaults = st.fixed_dictionaries(
    {}, optional={"conv": st.fixed_dictionaries({}, optional=conv_options | follower), "fc": optional_followers}
)
schemes = st.sampled_from(["zeros", {"normal": 0.5}, {"uniform": {"a": -1}}])
inits = st.dictionaries(st.sampled_from(["conv2d", "linear", "bias", "batch_norm"]), schemes)
amounts = {"max_params": st.sampled_from([10**9, "1.5G", 1e12]), "max_macs": st.just("9T")}
names = st.lists(st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), min_size=1), min_size=1, unique=True)
extras = {
    "classes": counts | names,
    "width": st.sampled_from([0.25, 0.5, 1, 1.5, 3]),
    "divisor": st.integers(1, 9),
    "defaults": defaults,
    "init": inits,
    "pool": st.sampled_from(["none", 1, "global_avg_pool2d", {"adaptive_max_pool2d": [1, 2]}]),
    "expect": st.fixed_dictionaries({}, optional=amounts),
    "preprocess": st.just({"mean": [0.5, 0.5, 0.5, 0.5]}),
}


@st.composite
def specs(draw: st.DrawFn) -> dict[str, object]:
    """A spec of every sort that compiles for a large enough input."""
    spec: dict[str, object] = draw(st.fixed_dictionaries({}, optional=extras))
    spec["features"] = [*draw(layer_items), *draw(features)]
    classes = spec.get("classes")
    head = draw(heads) if classes is not None or "pool" in spec or draw(st.booleans()) else None
    spec["classifier"] = "none" if head is None else [*head, *([{"linear": "classes"}] if classes is not None else [])]
    return {"vggc": 1, "name": "random", "input": [4, 1, 1], **spec}


def fitted(spec: dict[str, object]) -> dict[str, object]:
    """The spec with an input that it takes, a little larger than the smallest."""
    try:
        least = smallest_input(read_graph(source_of(spec)).nodes)
    except SpecError as error:
        # What the options of a random unit contradict, in themselves or in the defaults.
        assert {each.code for each in error.diagnostics} <= {"E106", "E107"}, error
        least = None
    assume(least is not None)
    assert least is not None
    return {**spec, "input": [4, *(extent + 1 for extent in least)]}


def source_of(spec: dict[str, object]) -> Source:
    return Source("random.yaml", json.dumps(spec, ensure_ascii=False))


def compiled(spec: dict[str, object]) -> Network:
    """The network of a spec; without those that normalise a single value, which an input's size does not tell."""
    try:
        return compile_source(source_of(fitted(spec)))
    except SpecError as error:
        assume(not all("no variance" in each.message for each in error.diagnostics))
        raise


@given(spec=specs())
def test_valid_specs_round_trip(spec: dict[str, object]) -> None:
    network = compiled(spec)
    text = emit(network.graph)
    again = compile_source(Source("expansion", text))
    assert fuzzing.meaning(again) == fuzzing.meaning(network)
    assert emit(again.graph) == text


@given(spec=specs(), extra=specs())
def test_overrides_are_a_spec_laid_over_another(spec: dict[str, object], extra: dict[str, object]) -> None:
    over = {key: value for key, value in extra.items() if key in ("classes", "features", "width", "init")}
    assume(("classes" in spec) == ("classes" in extra))
    table = from_mapping(over)
    assert plain(table) == plain(parse(source_of(over)).table)


# --- broken specs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", range(SHARES))
def test_broken_specs_are_answered(share: int) -> None:
    tally = fuzzing.run(COUNT // SHARES, seed=share)
    assert tally.fine > 0
    assert tally.wrong > tally.fine


ASSIGNMENTS: Final = ["classes=10", "input=[3, 64, 64]", "train.optimizer.sgd.lr=1e-3", "pool={max_pool2d: 2}", "a.b=c"]


def test_broken_overrides_are_answered() -> None:
    mutator = Mutator(0, ASSIGNMENTS)
    base = fuzzing.corpus()[0]
    for _ in range(COUNT // 4):
        with contextlib.suppress(SpecError):
            compile_source(
                Source("spec.yaml", base, None, stock_folder() / "spec.yaml"), [parse_assignment(mutator.text())]
            )


def test_a_broken_promise_is_noticed() -> None:
    def impossible() -> Source:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fuzzing.examine(impossible, fuzzing.Tally())
