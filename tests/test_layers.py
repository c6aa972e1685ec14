"""The contract of a layer kind, held over the whole table: what it says about itself is what torch and ONNX do.

Layers and inputs are random (`strategies.py`); the fields come from the annotations, so a new kind is under the
contract with its line in the table, and one of another package by being installed.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, Final, get_args

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import vggc.layers
from tests.strategies import (
    changed,
    channel_unit,
    fitted,
    fitting,
    images,
    inputs,
    layers,
    loose_layers,
    nearly_fitting,
    refusal,
)
from vggc.base.diagnostics import Source
from vggc.layers import BUILT_IN, KINDS, all_kinds
from vggc.layers.answers import OnnxNode, Shape, TorchCall
from vggc.layers.layer import Layer
from vggc.pipeline import read_graph

TOLERANCE: Final = 1e-5
OLDEST_OPSET: Final = 13

# What torch raises for a layer or an input that it refuses.
REFUSALS: Final = (ValueError, RuntimeError)

# The rules of the language where torch is laxer: images and vectors are told apart, a size that is written must be
# the real one, and an adaptive pool enlarges only where it is asked to.
OWN_RULES: Final = {"E201", "E202", "E204"}

IMAGES_ONLY: Final = {
    *(cls.kind for cls in all_kinds().values() if cls.group in ("conv", "pool")),
    *("instance_norm", "local_response_norm", "dropout2d"),
    *("pixel_shuffle", "upsample", "zero_pad2d", "reflection_pad2d", "replication_pad2d"),
}
VECTORS_ONLY: Final = {"linear"}

EVERY_KIND: Final = list(all_kinds().values())  # with those of other packages that are installed
every_kind = pytest.mark.parametrize("cls", EVERY_KIND, ids=[cls.kind for cls in EVERY_KIND])


def contract(claim: Callable[[type[Layer], st.DataObject], None]) -> Callable[[type[Layer]], None]:
    """Hold a claim against every kind: the more options it has, the more random layers."""

    @every_kind
    def test(cls: type[Layer]) -> None:
        @settings(max_examples=settings().max_examples * (1 + len(cls.field_names())) // 2)
        @given(data=st.data())
        def holds(data: st.DataObject) -> None:
            claim(cls, data)

        holds()

    return test


# Said once a process by torch, about the speed of `padding="same"` with an even kernel.
even_kernel = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
pytestmark = [pytest.mark.usefixtures("one_thread"), even_kernel]


# --- torch -------------------------------------------------------------------------------------------------------


def module_of(call: TorchCall) -> nn.Module:
    """The torch module in eval mode."""
    module: nn.Module = getattr(nn, call.name)(*call.args, **call.kwargs)
    return module.eval()


def torch_shape(call: TorchCall, x: Shape, batch: int, device: str) -> Shape:
    with torch.no_grad(), torch.device(device):
        return tuple(module_of(call)(torch.ones(batch, *x)).shape[1:])


def torch_refuses(call: TorchCall, x: Shape) -> bool:
    """Whether torch raises on the CPU, whose word counts, for one image or for two."""
    try:
        for batch in (1, 2):
            torch_shape(call, x, batch, "cpu")
    except REFUSALS:
        return True
    return False


@every_kind
def test_defaults_are_those_of_torch(cls: type[Layer]) -> None:
    layer, x = example_of(cls)
    theirs = inspect.signature(getattr(nn, layer.torch(x).name)).parameters
    for name in {*cls.field_names()} - {"allow_enlarge", *cls.required()}:
        default = theirs[name].default
        # Left out, torch's align_corners is None, which means False.
        default = False if name == "align_corners" else default
        if default is not inspect.Parameter.empty:
            assert (cls.default(name), type(cls.default(name))) == (default, type(default)), name


@contract
def test_call_and_state_are_those_of_torch(cls: type[Layer], data: st.DataObject) -> None:
    layer, x = data.draw(fitted(cls))
    call = layer.torch(x)
    inspect.signature(getattr(nn, call.name)).bind(*call.args, **call.kwargs)
    with torch.device("meta"):
        module = module_of(call)
    ours = [*layer.tensors(x).items(), *layer.buffers(x).items()]
    assert ours == [(name, tuple(tensor.shape)) for name, tensor in module.state_dict().items()]
    assert list(layer.tensors(x)) == [name for name, _ in module.named_parameters()]
    assert layer.params(x) == sum(each.numel() for each in module.parameters())


def check_macs(layer: Layer, x: Shape) -> None:
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        module_of(layer.torch(x))(torch.ones(1, *x))
    assert 2 * layer.macs(x) == counter.get_total_flops()


@pytest.mark.parametrize("cls", [cls for cls in EVERY_KIND if cls.macs is not Layer.macs])
@given(data=st.data())
def test_macs_are_half_of_the_flops_that_torch_counts(cls: type[Layer], data: st.DataObject) -> None:
    check_macs(*data.draw(fitted(cls)))


@every_kind
def test_macs_of_the_example_are_half_of_the_flops(cls: type[Layer]) -> None:
    check_macs(*example_of(cls))


@contract
def test_shape_is_that_of_torch(cls: type[Layer], data: st.DataObject) -> None:
    layer = data.draw(layers(cls))
    x = data.draw(fitting(layer) | nearly_fitting(layer) | inputs())
    if error := refusal(layer, x):
        assert error.code in OWN_RULES or torch_refuses(layer.torch(x), x), f"false alarm: {error}"
        return
    y = layer.shape(x)
    assert torch_shape(layer.torch(x), x, batch=2, device="meta") == y
    assert torch_shape(layer.torch(x), x, batch=1, device="cpu") == y
    axes = layer.axes()
    assert (axes is None) == (len(y) == 1) or len(x) == 1
    if axes is not None and len(x) == 3:
        assert y[1:] == tuple(axis.map(extent) for axis, extent in zip(axes, x[1:], strict=True))


@contract
def test_images_and_vectors_are_told_apart(cls: type[Layer], data: st.DataObject) -> None:
    layer, x = data.draw(layers(cls)), data.draw(inputs())
    error = refusal(layer, x)
    misplaced = cls.kind in (IMAGES_ONLY if len(x) == 1 else VECTORS_ONLY)
    assert misplaced == (error is not None and error.code == "E201")


@pytest.mark.parametrize("kind", ["conv2d", "conv_transpose2d", "linear"])
@given(data=st.data())
def test_written_size_is_checked(kind: str, data: st.DataObject) -> None:
    option = "in_features" if kind == "linear" else "in_channels"
    layer = changed(data.draw(layers(KINDS[kind])), **{option: None})
    x = data.draw(fitting(layer))
    size = data.draw(st.integers(1, 40))
    error = refusal(changed(layer, **{option: size}), x)
    if size == x[0]:
        assert error is None
    else:
        assert error is not None
        assert (error.code, error.option, error.recovered) == ("E202", option, layer.shape(x))


@pytest.mark.parametrize("kind", ["adaptive_avg_pool2d", "adaptive_max_pool2d"])
@given(data=st.data(), x=images())
def test_adaptive_pool_enlarges_only_where_it_is_asked_to(kind: str, data: st.DataObject, x: Shape) -> None:
    layer = data.draw(layers(KINDS[kind]))
    target = layer.torch(x).args[0]
    height, width = target if isinstance(target, tuple) else (target, target)
    error = refusal(layer, x)
    enlarges = height > x[1] or width > x[2]
    assert (error is not None and error.code == "E204") == (enlarges and not vars(layer)["allow_enlarge"])


@contract
def test_inference_can_go_on_after_an_error(cls: type[Layer], data: st.DataObject) -> None:
    layer = data.draw(layers(cls))
    x = data.draw(nearly_fitting(layer) | inputs())
    if error := refusal(layer, x):
        assert str(error).startswith(cls.kind)
        assert error.option is None or error.option in cls.field_names()
        if not error.spatial:
            assert error.recovered is not None
            assert min(error.recovered) > 0
            return
        axes = layer.axes()
        assert axes is not None
        enough = (x[0], *(max(extent, axis.minimum) for extent, axis in zip(x[1:], axes, strict=True)))
        again = refusal(layer, enough)
        assert again is None or not again.spatial


@pytest.mark.parametrize("cls", [cls for cls in EVERY_KIND if cls.conflict is not Layer.conflict])
@settings(max_examples=5 * settings().max_examples)
@given(data=st.data())
def test_conflicts_are_what_torch_refuses(cls: type[Layer], data: st.DataObject) -> None:
    layer = data.draw(loose_layers(cls))
    conflict = layer.conflict()
    x = (channel_unit(layer), 64, 64)
    call = layer.torch(x)
    # The padding as the spec says it, where a convolution would put `same` as numbers.
    written = {name: value for name, value in layer.changed().items() if name == "padding"}
    call = TorchCall(call.name, call.args, {**call.kwargs, **written})
    assert (conflict is not None) == torch_refuses(call, x), conflict
    if conflict is not None:
        assert conflict[0] in layer.changed()


# --- the same layer in another form ------------------------------------------------------------------------------


def output_of(layer: Layer, x: Shape, image: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        output: torch.Tensor = module_of(layer.torch(x))(image)
    return output


FIXING: Final = [cls for cls in EVERY_KIND if cls.with_fixed_windows is not Layer.with_fixed_windows]


@pytest.mark.parametrize("cls", FIXING)
@given(data=st.data())
def test_fixed_windows_and_an_open_size_change_nothing(cls: type[Layer], data: st.DataObject) -> None:
    layer, x = data.draw(fitted(cls))
    image = torch.randn(2, *x, generator=torch.Generator().manual_seed(0))
    expected = output_of(layer, x, image)
    torch.testing.assert_close(output_of(layer.with_open_size(), x, image), expected)
    fixed = layer.with_fixed_windows(x)
    uneven = any(extent % size for extent, size in zip(x[1:], layer.shape(x)[1:], strict=True))
    assert (fixed is None) == uneven
    if fixed is not None:
        torch.testing.assert_close(output_of(fixed, x, image), expected)


@pytest.mark.parametrize("cls", FIXING)
@given(data=st.data())
def test_a_layer_that_is_too_large_is_shrunk_to_one_that_fits(cls: type[Layer], data: st.DataObject) -> None:
    layer, x = data.draw(layers(cls)), data.draw(images())
    shrunk = layer.shrunk(x)
    assert shrunk is None or refusal(shrunk, x) is None


@pytest.mark.parametrize("cls", [cls for cls in EVERY_KIND if cls.as_convolution is not Layer.as_convolution])
@given(data=st.data(), x=images())
def test_a_linear_layer_is_a_convolution_over_the_whole_map(cls: type[Layer], data: st.DataObject, x: Shape) -> None:
    features = int(np.prod(x))
    layer = changed(data.draw(layers(cls)), in_features=None)
    convolution = layer.as_convolution(x)
    assert convolution is not None
    linear, dense = module_of(layer.torch((features,))), module_of(convolution.torch(x))
    state = {name: linear.state_dict()[name].reshape(shape) for name, shape in convolution.tensors(x).items()}
    dense.load_state_dict(state)
    image = torch.randn(2, *x)
    torch.testing.assert_close(dense(image).flatten(1), linear(image.flatten(1)), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("cls", [cls for cls in EVERY_KIND if cls.takes_factors])
@given(data=st.data())
def test_scaled_weights_scale_the_channels_of_the_output(cls: type[Layer], data: st.DataObject) -> None:
    layer, x = data.draw(fitted(cls))
    layer = layer.with_options(bias=False)
    module, image = module_of(layer.torch(x)).double(), torch.randn(2, *x).double()
    factors = np.linspace(-1, 2, layer.shape(x)[0])
    with torch.no_grad():
        expected = module(image).transpose(1, -1) * torch.from_numpy(factors)
        weight = module.get_parameter("weight")
        weight.copy_(torch.from_numpy(layer.scaled_weight(weight.numpy().copy(), factors)))
        torch.testing.assert_close(module(image).transpose(1, -1), expected)


@pytest.mark.parametrize("cls", [cls for cls in EVERY_KIND if cls.uses_batch_statistics])
@given(data=st.data())
def test_a_norm_over_the_batch_is_a_factor_and_a_shift_at_inference(cls: type[Layer], data: st.DataObject) -> None:
    layer, x = data.draw(layers(cls)), (data.draw(st.integers(1, 12)),)
    module = trained(layer, x, torch.Generator().manual_seed(0)).double()
    state = {name: tensor.numpy() for name, tensor in module.state_dict().items()}
    values = np.linspace(-2, 3, x[0])
    with torch.no_grad():
        expected = module(torch.from_numpy(values)[None])[0].numpy()
        shift = module(torch.zeros(1, *x).double())[0].numpy()
    factors, actual = layer.at_inference(values, state)
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(values * factors + shift, expected, rtol=1e-6, atol=1e-9)
    added = layer.tensors_that_add(values)
    assert added.keys() == (layer.tensors(x) | layer.buffers(x)).keys() - {"num_batches_tracked"}
    np.testing.assert_allclose(layer.at_inference(np.ones(x), added)[1], 1 + values, rtol=1e-6, atol=1e-9)


def test_weight_layers_are_those_that_multiply() -> None:
    for cls in EVERY_KIND:
        layer, x = example_of(cls)
        assert layer.is_weight_layer == (layer.macs(x) > 0)
        assert (cls.weight_form is not None) >= ("weight" in layer.tensors(x))


# --- onnx --------------------------------------------------------------------------------------------------------


def wired(layer: Layer, x: Shape, opset: int, state: Mapping[str, torch.Tensor], y: Shape | None) -> onnx.ModelProto:
    """The layer as a model of its own; without `y` the shape of the output is left to inference."""
    nodes = layer.onnx(x, opset=opset) or (OnnxNode("Identity"),)
    used = {name for node in nodes for name in node.inputs}
    opsets = [helper.make_opsetid("", opset)]
    graph = helper.make_graph(
        [helper.make_node(node.op, node.inputs, [node.output], **dict[str, Any](node.attributes)) for node in nodes],
        "layer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", *x])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", *(y or [None] * len(layer.shape(x)))])],
        [numpy_helper.from_array(tensor.numpy(), name) for name, tensor in state.items() if name in used],
    )
    return helper.make_model(graph, opset_imports=opsets, ir_version=helper.find_min_ir_version_for(opsets))


def session(model: onnx.ModelProto, optimized: bool = True) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimized else levels.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


@cache
def newest_opset() -> int:
    """The newest opset that both the installed onnx defines and the installed onnxruntime runs."""
    opset = onnx.defs.onnx_opset_version()
    while True:
        try:
            session(wired(KINDS["relu"](), (2,), opset, {}, (2,)))
        except Exception:  # onnxruntime's exceptions have no base but this
            opset -= 1
        else:
            return opset


def opsets() -> st.SearchStrategy[int]:
    return st.integers(OLDEST_OPSET, newest_opset())


def trained(layer: Layer, x: Shape, random: torch.Generator) -> nn.Module:
    """The torch module with random weights and statistics: fresh ones would hide errors."""
    module = module_of(layer.torch(x))
    for name, tensor in module.state_dict().items():
        if name == "running_var":
            tensor.uniform_(0.5, 2, generator=random)
        elif tensor.is_floating_point():
            tensor.normal_(generator=random)
    return module


def is_finite(layer: Layer, x: Shape) -> bool:
    """Whether torch's output is: a dilated max pool over a map of a few pixels can see nothing but padding."""
    with torch.no_grad():
        return bool(torch.isfinite(module_of(layer.torch(x))(torch.ones(1, *x))).all())


def check_attributes(nodes: tuple[OnnxNode, ...], opset: int) -> None:
    for node in nodes:
        schema = onnx.defs.get_schema(node.op, opset)
        known = schema.attributes
        for name, value in node.attributes.items():
            assert name in known, f"{node.op} has no attribute {name} in opset {opset}"
            sort = onnx.AttributeProto.AttributeType.Name(helper.make_attribute(name, value).type)
            assert known[name].type == getattr(onnx.defs.OpSchema.AttrType, sort), (node.op, name)
            # A word such as `wrap` must be one of those that this version tells of: runtimes are laxer.
            assert not isinstance(value, str) or value in known[name].description + schema.doc, (node.op, value)


def check_names(layer: Layer, x: Shape, nodes: tuple[OnnxNode, ...]) -> None:
    """Outputs are new names, and the last is the layer's."""
    outputs = [node.output for node in nodes]
    assert not nodes or outputs[-1] == "y"
    assert len(set(outputs)) == len(outputs)
    assert not set(outputs) & {"x", *layer.tensors(x), *layer.buffers(x)}


def check_shapes(layer: Layer, x: Shape, opset: int, state: Mapping[str, torch.Tensor]) -> None:
    """The full checker takes the model, and strict inference finds the analytic shape by itself."""
    onnx.checker.check_model(wired(layer, x, opset, state, layer.shape(x)), full_check=True)
    blank = wired(layer, x, opset, state, None)
    inferred = onnx.shape_inference.infer_shapes(blank, check_type=True, strict_mode=True, data_prop=True)
    found = tuple(each.dim_value for each in inferred.graph.output[0].type.tensor_type.shape.dim)
    assert found[1:] == layer.shape(x)


def relative_error(actual: np.ndarray, expected: np.ndarray) -> float:
    """The relative L2 error; the absolute one where all is zero."""
    return float(np.linalg.norm(actual - expected) / (np.linalg.norm(expected) or 1))


def check_outputs(layer: Layer, x: Shape, opset: int, module: nn.Module, random: torch.Generator) -> None:
    model = wired(layer, x, opset, module.state_dict(), layer.shape(x))
    runs = [session(model, optimized) for optimized in (False, True)]
    for batch in (1, 3):
        value = torch.randn(batch, *x, generator=random)
        with torch.no_grad():
            expected = module(value.clone()).numpy()
        for run in runs:
            (actual,) = run.run(None, {"x": value.numpy()})
            assert actual.shape == expected.shape
            assert relative_error(actual, expected) <= TOLERANCE, (layer, x, opset, batch)


def check_onnx(layer: Layer, x: Shape, opset: int, seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    module = trained(layer, x, random)
    nodes = layer.onnx(x, opset=opset)
    check_attributes(nodes, opset)
    check_names(layer, x, nodes)
    check_shapes(layer, x, opset, module.state_dict())
    check_outputs(layer, x, opset, module, random)


@contract
def test_onnx_is_what_torch_computes(cls: type[Layer], data: st.DataObject) -> None:
    layer, x = data.draw(fitted(cls))
    assume(is_finite(layer, x))
    check_onnx(layer, x, data.draw(opsets()), seed=data.draw(st.integers(0, 1000)))


@every_kind
def test_example_is_what_torch_computes_in_every_opset(cls: type[Layer]) -> None:
    layer, x = example_of(cls)
    for opset in range(OLDEST_OPSET, newest_opset() + 1):
        check_onnx(layer, x, opset, seed=opset)


# Every form that a lowering can take.
FORMS: Final = [
    ((3, 7, 9), "conv2d: {out_channels: 4, kernel_size: [2, 4], padding: same, dilation: [1, 2]}"),
    ((4, 7, 9), "conv2d: {out_channels: 6, kernel_size: 3, stride: [2, 1], padding: [0, 2], groups: 2, bias: false}"),
    ((3, 5, 4), "conv2d: {out_channels: 2, kernel_size: [2, 3], padding: same, padding_mode: circular}"),
    ((3, 3, 4), "conv2d: {out_channels: 2, kernel_size: 3, padding: [0, 2], padding_mode: circular}"),
    ((3, 3, 4), "conv2d: {out_channels: 2, kernel_size: [1, 4], padding: same, padding_mode: reflect}"),
    ((3, 3, 4), "conv2d: {out_channels: 2, kernel_size: 3, padding: 4, padding_mode: replicate}"),
    ((4, 3, 5), "conv_transpose2d: {out_channels: 6, kernel_size: [2, 3], stride: [3, 2], groups: 2, bias: false}"),
    ((3, 4, 3), "conv_transpose2d: {out_channels: 2, kernel_size: 3, stride: 2, padding: 1, output_padding: [1, 0]}"),
    ((3, 4, 3), "conv_transpose2d: {out_channels: 2, kernel_size: 3, padding: [0, 2], dilation: [3, 2]}"),
    ((3, 4, 3), "conv_transpose2d: {out_channels: 2, kernel_size: 1, stride: 2, dilation: 3, output_padding: 2}"),
    ((3, 8, 9), "max_pool2d: {kernel_size: 3, stride: 2, padding: 1, ceil_mode: true}"),
    ((2, 6, 7), "max_pool2d: {kernel_size: 2, stride: 3, dilation: 4, ceil_mode: true}"),
    ((3, 8, 9), "avg_pool2d: {kernel_size: 3, stride: 2, padding: 1, ceil_mode: true}"),
    ((3, 8, 9), "avg_pool2d: {kernel_size: 3, stride: 2, padding: 1, ceil_mode: true, count_include_pad: false}"),
    ((3, 8, 9), "avg_pool2d: {kernel_size: [2, 3], padding: [0, 1]}"),
    ((3, 8, 9), "adaptive_avg_pool2d: [3, 4]"),
    ((3, 2, 3), "adaptive_avg_pool2d: {output_size: [3, 5], allow_enlarge: true}"),
    ((3, 8, 9), "adaptive_avg_pool2d: [8, 9]"),
    ((3, 8, 9), "adaptive_avg_pool2d: 1"),
    ((3, 8, 9), "adaptive_max_pool2d: [3, 4]"),
    ((3, 8, 9), "adaptive_max_pool2d: [4, 1]"),
    ((3, 2, 3), "adaptive_max_pool2d: {output_size: [3, 5], allow_enlarge: true}"),
    ((5, 3, 4), "batch_norm: {affine: false, eps: 0.1}"),
    ((5,), "batch_norm"),
    ((6, 3, 4), "group_norm: {num_groups: 3, affine: false}"),
    ((6,), "group_norm: 2"),
    ((5, 3, 4), "instance_norm"),
    ((5, 3, 4), "layer_norm: {elementwise_affine: false}"),
    ((5,), "layer_norm"),
    ((5, 3, 4), "local_response_norm: {size: 4, alpha: 0.5, k: 2}"),
    ((5, 3, 4), "local_response_norm: {size: 3, alpha: 0}"),
    ((5, 3, 4), "prelu: 5"),
    ((5,), "prelu: 5"),
    ((5, 3, 4), "gelu: tanh"),
    ((5, 3, 4), "softplus: 2.5"),
    ((5, 3, 4), "upsample: [2, 3]"),
    ((5, 3, 4), "upsample: {scale_factor: [2, 3], mode: bilinear}"),
    ((5, 3, 4), "upsample: {scale_factor: [2, 3], mode: bilinear, align_corners: true}"),
    ((5, 3, 4), "upsample: {scale_factor: [2, 3], mode: bicubic}"),
    ((5, 3, 4), "upsample: {scale_factor: [2, 3], mode: bicubic, align_corners: true}"),
    ((5, 3, 4), "zero_pad2d: [0, 1, 2, 3]"),
    ((5, 3, 4), "reflection_pad2d: [3, 1, 2, 0]"),
    ((5, 3, 4), "replication_pad2d: [7, 1, 2, 0]"),
    ((5, 3, 4), "celu"),
]


@pytest.mark.parametrize(("x", "item"), FORMS, ids=[item for _, item in FORMS])
def test_form_is_what_torch_computes_in_every_opset(x: Shape, item: str) -> None:
    layer = layer_of(item)
    for opset in range(OLDEST_OPSET, newest_opset() + 1):
        check_onnx(layer, x, opset, seed=opset)


def test_newest_opset_is_not_the_oldest() -> None:
    assert newest_opset() > OLDEST_OPSET


# --- the table, and the records ----------------------------------------------------------------------------------


def layer_of(item: str) -> Layer:
    """The layer that an item of a spec means."""
    head = f"features: [identity], classifier: [flatten, {item}]"
    graph = read_graph(Source("item", f"{{vggc: 1, name: item, input: [16, 12, 15], classes: 10, {head}}}"))
    return graph.nodes[-1].layer


def example_of(cls: type[Layer]) -> tuple[Layer, Shape]:
    """The layer that the kind's example means, and a small input for it."""
    layer = layer_of(cls.example)
    assert type(layer) is cls
    return layer, next(x for x in ((16, 12, 15), (48,)) if refusal(layer, x) is None)


def _subclasses(cls: type) -> Iterator[type]:
    each: type
    for each in cls.__subclasses__():
        yield each
        yield from _subclasses(each)


def test_table_has_every_final_layer_of_the_package() -> None:
    for module in pkgutil.iter_modules(vggc.layers.__path__, "vggc.layers."):
        importlib.import_module(module.name)
    ours = {each for each in _subclasses(Layer) if each.__module__.startswith("vggc.")}
    assert {each for each in ours if "__final__" in vars(each)} == set(BUILT_IN)
    assert {each for each in ours if "kind" in vars(each)} == set(BUILT_IN)
    assert list(KINDS) == [each.kind for each in BUILT_IN]


@every_kind
def test_kind_says_what_it_is(cls: type[Layer]) -> None:
    assert cls.summary().endswith(".")
    assert cls.group in get_args(get_args(inspect.get_annotations(Layer)["group"])[0])
    assert cls.main is None or cls.main in cls.field_names()
    assert cls.example.split(":")[0] == cls.kind
    assert example_of(cls)


@contract
def test_layers_are_values(cls: type[Layer], data: st.DataObject) -> None:
    layer, other = data.draw(layers(cls)), data.draw(layers(cls))
    same = cls(**vars(layer))
    assert same == layer
    assert hash(same) == hash(layer)
    assert (layer == other) == (vars(layer) == vars(other))
    assert layer != object()
    assert eval(repr(layer), {cls.__name__: cls}) == layer
    changed = ", ".join(f"{name}={value!r}" for name, value in layer.changed().items())
    assert repr(layer) == f"{cls.__name__}({changed})"
    for name in (*vars(layer), "new"):
        with pytest.raises(AttributeError, match="immutable"):
            setattr(layer, name, 1)
    with pytest.raises(TypeError, match="no field `new`"):
        cls(**vars(layer), new=1)
