"""The algebra of extents, held against torch: formulas, smallest inputs and receptive fields."""

import ast
import json
from collections.abc import Iterable
from typing import Final

import pytest
import torch
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from torch import nn

from tests.networks import compile_source
from tests.strategies import ADAPTIVE, CHANNELS, SPATIAL, changed, layers, stacks, written
from vggc.base.diagnostics import Source, SpecError
from vggc.ir import geometry
from vggc.ir.geometry import flatten_formula, map_formula, receptive_fields, smallest_input
from vggc.layers.adaptive_pool import AdaptiveAvgPool2d
from vggc.layers.conv import Conv2d
from vggc.layers.conv_transpose import ConvTranspose2d
from vggc.layers.extent import AffineFloor, Axis, Extent, least_through, window_axis
from vggc.layers.layer import Layer
from vggc.layers.padding import ZeroPad2d
from vggc.layers.pool import AvgPool2d, MaxPool2d
from vggc.layers.reshape import Upsample
from vggc.model import Network
from vggc.pipeline import read_graph

# Said once a process by torch, about the speed of `padding="same"` with an even kernel.
even_kernel = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
pytestmark = [pytest.mark.usefixtures("one_thread"), even_kernel]

maps = st.builds(AffineFloor, multiply=st.integers(0, 4), add=st.integers(-12, 12), divide=st.integers(1, 6))
# What takes microseconds is tried more often.
many = settings(max_examples=10 * settings().max_examples)
growing = maps.filter(lambda each: each.multiply > 0)
extents = st.integers(-30, 300)


def composed(steps: Iterable[AffineFloor]) -> Extent:
    extent = Extent()
    for each in steps:
        extent = extent.then(each)
    return extent


def one_by_one(steps: Iterable[AffineFloor], n: int) -> int:
    for each in steps:
        n = each(n)
    return n


# --- the algebra -------------------------------------------------------------------------------------------------


@many
@given(first=maps, second=maps, n=extents)
def test_two_maps_are_one(first: AffineFloor, second: AffineFloor, n: int) -> None:
    both = first.then(second)
    assert both is None or both(n) == second(first(n))


@many
@given(steps=st.lists(maps, max_size=7), n=extents)
def test_composition_is_one_after_the_other(steps: list[AffineFloor], n: int) -> None:
    assert composed(steps)(n) == one_by_one(steps, n)


@many
@given(steps=st.lists(maps, max_size=7))
@example(steps=[AffineFloor(1, 0, 2), AffineFloor(2), AffineFloor(1, 0, 2)])
def test_composition_is_as_short_as_the_algebra_allows(steps: list[AffineFloor]) -> None:
    extent = composed(steps)
    pairs = zip(extent.maps, extent.maps[1:], strict=False)
    assert all(inner.then(outer) is None for inner, outer in pairs)
    assert extent.closed == (len(extent.maps) <= 1)
    assert extent.constant == any(each.multiply == 0 for each in steps)


@many
@given(steps=st.lists(st.builds(AffineFloor, add=st.integers(-12, 12), divide=st.integers(1, 6))))
def test_convolutions_and_pools_are_one_floor(steps: list[AffineFloor]) -> None:
    assert composed(steps).closed


@many
@given(each=growing, wanted=extents)
def test_least_is_the_smallest(each: AffineFloor, wanted: int) -> None:
    least = each.least(wanted)
    assert least is not None
    assert each(least) >= wanted > each(least - 1)


@many
@given(steps=st.lists(maps, max_size=7), wanted=st.integers(1, 50))
def test_least_through_is_the_smallest(steps: list[AffineFloor], wanted: int) -> None:
    extent = composed(steps)
    least = least_through(extent, wanted)
    if least is None:
        assert extent.constant
        assert extent(1) < wanted
    else:
        assert extent(least) >= wanted
        assert least == 1 or extent(least - 1) < wanted


# --- formulas ----------------------------------------------------------------------------------------------------


def value_of(formula: str, **variables: int) -> int:
    """A printed formula, computed in whole numbers."""

    def of(node: ast.expr) -> int:
        match node:
            case ast.Constant(int(value)):
                return value
            case ast.Name(name):
                return variables[name]
            case ast.UnaryOp(ast.USub(), operand):
                return -of(operand)
            case ast.BinOp(left, ast.Add(), right):
                return of(left) + of(right)
            case ast.BinOp(left, ast.Sub(), right):
                return of(left) - of(right)
            case ast.BinOp(left, ast.Mult(), right):
                return of(left) * of(right)
            case ast.Call(ast.Name("floor"), [ast.BinOp(left, ast.Div(), right)]):
                return of(left) // of(right)
        raise AssertionError(f"no formula: {formula}")

    return of(ast.parse(formula, mode="eval").body)


@many
@given(steps=st.lists(maps, max_size=5), n=extents)
def test_formula_is_the_extent(steps: list[AffineFloor], n: int) -> None:
    extent = composed(steps)
    assert value_of(extent.formula("H"), H=n) == extent(n)


@pytest.mark.parametrize(
    ("steps", "formula"),
    [
        ([], "H"),
        ([AffineFloor(1, 0, 2)] * 5, "floor(H/32)"),
        ([AffineFloor(1, -2), AffineFloor(1, 1, 2)], "floor((H - 1)/2)"),
        ([AffineFloor(1, 0, 2), AffineFloor(2)], "2*floor(H/2)"),
        ([AffineFloor(1, 0, 2), AffineFloor(2), AffineFloor(1, 0, 2)], "floor(H/2)"),
        ([AffineFloor(2), AffineFloor(1, 3)], "(2*H + 3)"),
        ([AffineFloor(1, 5, 2), AffineFloor(0, 7)], "7"),
    ],
)
def test_formula_reads(steps: list[AffineFloor], formula: str) -> None:
    assert composed(steps).formula("H") == formula


@given(stack=stacks((*SPATIAL, *ADAPTIVE)), data=st.data())
def test_formulas_of_a_network_are_its_shapes(stack: list[Layer], data: st.DataObject) -> None:
    here = network_at_least(stack, data, classifier=True)
    there = network_at_least(stack, data, classifier=True)
    size = dict(zip("HW", there.input[1:], strict=True))
    formulas = [
        (height.formula("H"), width.formula("W")) for height, width in geometry.extents(here.graph.nodes).values()
    ]
    outputs = [layer.output for layer in there.layers[: len(stack)]]
    assert [tuple(value_of(each, **size) for each in pair) for pair in formulas] == [each[1:] for each in outputs]
    assert tuple(value_of(each, **size) for each in map_formula(here).split(" x ")) == outputs[-1]
    flat = flatten_formula(here)
    assert flat is not None
    assert value_of(flat, **size) == there.flatten


# --- windows -----------------------------------------------------------------------------------------------------


def torch_extent(module: nn.Module, n: int) -> int | None:
    """The output's extent for one of `n`, which the CPU takes; None where it refuses."""
    try:
        with torch.no_grad():
            module(torch.ones(1, 1, n, n))
    except RuntimeError:
        return None
    return int(module.to("meta")(torch.ones(1, 1, n, n, device="meta")).shape[-1])


def check_axis(axis: Axis, module: nn.Module, n: int) -> None:
    found = torch_extent(module, n)
    assert (n >= axis.minimum) == (found is not None)
    assert found is None or axis.map(n) == found


sizes = st.integers(1, 6)
spans = st.integers(1, 40)


@many
@given(kernel=sizes, stride=sizes, before=st.integers(0, 6), after=st.integers(0, 6), dilation=sizes, n=spans)
def test_window_is_that_of_conv(kernel: int, stride: int, before: int, after: int, dilation: int, n: int) -> None:
    pad = nn.ZeroPad2d((before, after, before, after))
    module = nn.Sequential(pad, nn.Conv2d(1, 1, kernel, stride, dilation=dilation))
    check_axis(window_axis(kernel, stride, before, after, dilation), module, n)


@many
@given(data=st.data(), kernel=sizes, stride=sizes, dilation=sizes, ceil_mode=st.booleans(), n=spans)
def test_window_is_that_of_max_pool(
    data: st.DataObject, kernel: int, stride: int, dilation: int, ceil_mode: bool, n: int
) -> None:
    padding = data.draw(st.integers(0, kernel // 2))
    module = nn.MaxPool2d(kernel, stride, padding, dilation, ceil_mode=ceil_mode)
    check_axis(window_axis(kernel, stride, padding, padding, dilation, ceil_mode), module, n)


@many
@given(data=st.data(), kernel=sizes, stride=sizes, ceil_mode=st.booleans(), n=spans)
def test_window_is_that_of_avg_pool(data: st.DataObject, kernel: int, stride: int, ceil_mode: bool, n: int) -> None:
    padding = data.draw(st.integers(0, kernel // 2))
    module = nn.AvgPool2d(kernel, stride, padding, ceil_mode)
    check_axis(window_axis(kernel, stride, padding, padding, 1, ceil_mode), module, n)


# --- the smallest input ------------------------------------------------------------------------------------------


def spec_of(stack: list[Layer], height: int, width: int, channels: int = CHANNELS, classifier: bool = False) -> Source:
    spec: dict[str, object] = {"vggc": 1, "name": "stack", "input": [channels, height, width]}
    spec["features"] = [written(layer) for layer in stack]
    if classifier:
        spec["classifier"] = [{"linear": 2}]
    return Source("stack", json.dumps(spec))


def network_at_least(stack: list[Layer], data: st.DataObject, classifier: bool) -> Network:
    """The stack over an input that it takes."""
    least = smallest_input(read_graph(spec_of(stack, 1, 1)).nodes)
    assume(least is not None)
    assert least is not None
    height, width = (extent + data.draw(st.integers(0, 40)) for extent in least)
    return compile_source(spec_of(stack, height, width, classifier=classifier))


def is_legal(stack: list[Layer], height: int, width: int) -> bool:
    """Whether the stack takes an input of that size; nothing but its size can be wrong."""
    codes: set[str] = set()
    try:
        compile_source(spec_of(stack, height, width))
    except SpecError as error:
        codes = {each.code for each in error.diagnostics}
    assert codes <= {"E203", "E204"}
    return not codes


@given(stack=stacks((*SPATIAL, *ADAPTIVE)), more=st.tuples(st.integers(0, 50), st.integers(0, 50)))
def test_smallest_input_is_legal_and_one_less_is_not(stack: list[Layer], more: tuple[int, int]) -> None:
    least = smallest_input(read_graph(spec_of(stack, 1, 1)).nodes)
    if least is None:
        assert not is_legal(stack, 10**6, 10**6)
        return
    height, width = least
    assert is_legal(stack, height, width)
    assert is_legal(stack, height + more[0], width + more[1])
    assert height == 1 or not is_legal(stack, height - 1, width + more[1])
    assert width == 1 or not is_legal(stack, height + more[0], width - 1)


def test_no_input_is_large_enough_behind_a_small_adaptive_pool() -> None:
    stack = [AdaptiveAvgPool2d(output_size=(4, 2)), MaxPool2d(kernel_size=3)]
    assert smallest_input(read_graph(spec_of(stack, 9, 9)).nodes) is None


# --- receptive fields --------------------------------------------------------------------------------------------

few = st.integers(1, 3)
both = few | st.tuples(few, few)
strides: st.SearchStrategy[int | tuple[int, int]] = st.sampled_from([1, 1, 2, (1, 2), (2, 1)])
no_stride: st.SearchStrategy[int | tuple[int, int]] = st.just(1)


def sliding(strides: st.SearchStrategy[int | tuple[int, int]]) -> st.SearchStrategy[list[Layer]]:
    """Windows of every sort on a single channel, whose gradients are dense."""
    convolution = {"kernel_size": both, "stride": strides, "dilation": st.integers(1, 2), "padding": st.integers(0, 2)}
    pool = {"kernel_size": st.integers(2, 3), "stride": strides, "padding": st.integers(0, 1)}
    kinds = (
        st.builds(Conv2d, out_channels=st.just(1), **convolution),
        st.builds(AvgPool2d, **pool),
        st.builds(ZeroPad2d, padding=few),
    )
    return st.lists(st.one_of(kinds), min_size=1, max_size=2)


def module_of(network: Network) -> nn.Module:
    """The stack in float64 with positive weights, so that a gradient is zero only where nothing is seen."""
    calls = [each.layer.torch(each.input) for each in network.layers]
    module = nn.Sequential(*(getattr(nn, call.name)(*call.args, **call.kwargs) for call in calls)).double()
    for parameter in module.parameters():
        nn.init.uniform_(parameter, 0.5, 1)
    return module


def fields_seen(network: Network, neighbours: int) -> list[tuple[range, range]]:
    """The rows and the columns that a value in the middle of the output sees, and those down its diagonal."""
    image = torch.ones(1, *network.input, dtype=torch.float64, requires_grad=True)
    output = module_of(network)(image)
    row, column = output.shape[2] // 2, output.shape[3] // 2
    return [_seen(output[0, 0, row + step, column + step], image) for step in range(neighbours)]


def _seen(value: torch.Tensor, image: torch.Tensor) -> tuple[range, range]:
    (gradient,) = torch.autograd.grad(value, image, retain_graph=True)
    rows, columns = (gradient[0, 0].abs().sum(axis).nonzero().flatten() for axis in (1, 0))
    height, width = range(int(rows[0]), int(rows[-1]) + 1), range(int(columns[0]), int(columns[-1]) + 1)
    # The border of the image must not cut the field.
    assert height.start > 0
    assert width.start > 0
    assert height.stop < image.shape[2]
    assert width.stop < image.shape[3]
    return height, width


WIDE: Final = (170, 190)


@given(stack=sliding(strides))
def test_receptive_field_is_the_support_of_the_gradient(stack: list[Layer]) -> None:
    network = compile_source(spec_of(stack, *WIDE, channels=1))
    here, there = fields_seen(network, 2)
    for field, first, second in zip(receptive_fields(network)[-1], here, there, strict=True):
        assert field == (len(first), second.start - first.start)


enlargements = st.builds(lambda layer, factor: changed(layer, scale_factor=factor), layers(Upsample), both)
HALF: Final = AvgPool2d(kernel_size=2)
BLUR: Final = AvgPool2d(kernel_size=2, stride=1)


@given(before=sliding(strides), factor=few, after=sliding(no_stride))
@example(before=[HALF], factor=2, after=[BLUR])
def test_receptive_field_behind_an_enlargement_is_the_largest(
    before: list[Layer], factor: int, after: list[Layer]
) -> None:
    network = compile_source(spec_of([*before, Upsample(scale_factor=factor), *after], *WIDE, channels=1))
    seen = zip(*fields_seen(network, factor), strict=True)
    assert [field.extent for field in receptive_fields(network)[-1]] == [max(map(len, fields)) for fields in seen]


transposed = st.builds(  # whose kernels leave no gap between them
    lambda stride, more, **others: ConvTranspose2d(kernel_size=stride + more, stride=stride, out_channels=1, **others),
    stride=few,
    more=st.integers(0, 2),
    padding=st.integers(0, 1),
)


@given(before=sliding(strides), enlargement=transposed, after=sliding(no_stride))
def test_receptive_field_behind_a_transposed_convolution_is_the_largest(
    before: list[Layer], enlargement: ConvTranspose2d, after: list[Layer]
) -> None:
    network = compile_source(spec_of([*before, enlargement, *after], *WIDE, channels=1))
    assert isinstance(enlargement.stride, int)
    seen = zip(*fields_seen(network, enlargement.stride), strict=True)
    assert [field.extent for field in receptive_fields(network)[-1]] == [max(map(len, fields)) for fields in seen]


@given(before=sliding(strides), dilation=st.integers(1, 3), after=sliding(strides))
def test_receptive_field_bounds_what_is_seen_through_gaps(
    before: list[Layer], dilation: int, after: list[Layer]
) -> None:
    spread = ConvTranspose2d(kernel_size=4, stride=2, dilation=dilation, out_channels=1)
    network = compile_source(spec_of([*before, spread, BLUR, *after], *WIDE, channels=1))
    for field, seen in zip(receptive_fields(network)[-1], zip(*fields_seen(network, 3), strict=True), strict=True):
        assert field.extent is not None
        assert max(map(len, seen)) <= field.extent


@given(before=sliding(strides), enlargement=enlargements, after=sliding(strides))
@example(before=[HALF], enlargement=Upsample(scale_factor=2), after=[BLUR])
def test_receptive_field_bounds_what_is_seen(before: list[Layer], enlargement: Layer, after: list[Layer]) -> None:
    network = compile_source(spec_of([*before, enlargement, *after], *WIDE, channels=1))
    for field, seen in zip(receptive_fields(network)[-1], zip(*fields_seen(network, 3), strict=True), strict=True):
        assert field.extent is not None
        assert max(map(len, seen)) <= field.extent
