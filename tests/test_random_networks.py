"""Random whole specs, held against torch on the meta device and against onnx and onnxruntime."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import onnx
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import nn

from tests.networks import network
from tests.strategies import layers
from vggc.backends.onnx import onnx_model, onnx_writer
from vggc.backends.text import yaml_spec
from vggc.backends.torch.torch_module import without_hints
from vggc.base.errors import ProductError
from vggc.layers import KINDS
from vggc.layers.answers import Shape, ShapeError
from vggc.layers.layer import Layer
from vggc.model import Network
from vggc.passes import prepare
from vggc.verify.module_check import check_module
from vggc.verify.outputs import relative_l2
from vggc.verify.reference import Reference
from vggc.verify.revealing_weights import revealing_weights
from vggc.verify.sessions import Array, newest_opset, open_session
from vggc.verify.structure import inferred_shapes

MAX_VALUES = 100_000  # of a map, so that a chain of enlargements stays fast
FEATURES = [kind for kind in KINDS if kind not in ("linear", "flatten")]
CLASSIFIER = ["linear", "relu", "gelu", "layer_norm", "batch_norm", "dropout", "softmax", "identity", "prelu"]


def fitting(drawn: list[Layer], shape: Shape) -> Iterator[tuple[Layer, Shape]]:
    """The layers that can take what the ones before them give."""
    for layer in drawn:
        try:
            output = layer.shape(shape)
        except ShapeError:
            continue
        if 0 < torch.Size(output).numel() <= MAX_VALUES:
            shape = output
            yield layer, shape


def items(kinds: list[str], most: int) -> st.SearchStrategy[list[Layer]]:
    return st.lists(st.sampled_from(kinds).flatmap(lambda kind: layers(KINDS[kind])), min_size=1, max_size=most)


@st.composite
def specs(draw: st.DrawFn) -> str:
    """The text of a spec whose layers fit together."""
    shape: Shape = draw(st.tuples(st.integers(1, 4), st.integers(1, 20), st.integers(1, 20)))
    chosen = list(fitting(draw(items(FEATURES, 8)), shape))
    lines = ["vggc: 1", "name: random", f"input: {list(shape)}", "features:"]
    lines += [f"  - {yaml_spec.layer_text(layer)}" for layer, _ in chosen] or ["  - identity"]
    shape = chosen[-1][1] if chosen else shape
    head = list(fitting(draw(items(CLASSIFIER, 4)), (torch.Size(shape).numel(),)))
    if not head:
        return "\n".join([*lines, "classifier: none", ""])
    return "\n".join([*lines, "classifier:", *(f"  - {yaml_spec.layer_text(layer)}" for layer, _ in head), ""])


@given(specs())
def test_shapes_and_counts_are_torchs(text: str) -> None:
    compiled = network(text)
    module = compiled.module(init=False)
    check_module(compiled, module)
    assert compiled.params == sum(tensor.numel() for tensor in module.parameters())
    assert compiled.buffers == sum(tensor.numel() for tensor in module.buffers())


@given(specs())
def test_expanding_changes_nothing(text: str) -> None:
    compiled = network(text)
    expanded = yaml_spec.emit(compiled.graph)
    again = network(expanded)
    assert [(each.path, each.layer, each.output) for each in again.layers] == [
        (each.path, each.layer, each.output) for each in compiled.layers
    ]
    assert yaml_spec.emit(again.graph) == expanded


@given(specs(), st.integers(13, newest_opset()))
def test_onnx_infers_and_onnxruntime_computes_the_same(text: str, opset: int) -> None:
    compiled = network(text)
    state = {name: tensor.contiguous() for name, tensor in revealing_weights(compiled).items()}
    lowered = onnx_model.lower(compiled, opset)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "random.onnx"
        onnx_writer.write(lowered, lambda name: state[name].numpy(), path)
        _hold(compiled, lowered, path, state)


def outputs(module: nn.Module, state: dict[str, torch.Tensor], x: torch.Tensor) -> Array:
    with torch.no_grad(), without_hints():
        found: Array = torch.func.functional_call(module, state, (x,)).numpy()
    return found


def _hold(compiled: Network, lowered: onnx_model.Lowered, path: Path, state: dict[str, torch.Tensor]) -> None:
    onnx.checker.check_model(str(path), full_check=True)
    inferred = inferred_shapes(onnx.load(str(path)), lowered)
    for layer in (each for each in compiled.layers if each.layer.group != "dropout"):
        name = lowered.boundaries[layer.path]
        assert name == "input" or inferred[name] == list(layer.output)
    x = torch.randn(2, *compiled.input, generator=torch.Generator().manual_seed(0))
    module = compiled.module().eval()
    actual = open_session(str(path)).run(None, {"input": x.numpy()})[0]
    in_torch = outputs(module, state, x)
    # How much of the error is arithmetic, which a random network may amplify, is what torch itself shows.
    exact = outputs(module.double(), {name: tensor.double() for name, tensor in state.items()}, x.double())
    noise = relative_l2(in_torch, exact)
    # A constant map that is normalised is nothing but rounding; where torch rounds it to zeros, nothing is relative.
    assume(noise < 1e-3 and in_torch.any())
    assert relative_l2(actual, in_torch) <= 1e-5 + 20 * noise


@given(
    specs(),
    st.sets(st.sampled_from(["fold_batch_norm", "fc_to_conv", "dynamic_hw", "softmax"])),
    st.integers(13, newest_opset()),
)
def test_passes_compute_what_they_promise_or_are_refused(text: str, passes: set[str], opset: int) -> None:
    compiled = network(text)
    try:
        program = prepare(compiled, passes)
        lowered = onnx_model.lower(program, opset)
    except ProductError as error:
        assert str(error).startswith("not supported: --")
        return
    state = {name: tensor.contiguous() for name, tensor in revealing_weights(compiled).items()}
    reference = Reference(program, compiled.module().eval())
    exact = Reference(program, compiled.module().eval().double())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "random.onnx"
        onnx_writer.write(lowered, lambda name: state[name].numpy(), path)
        session = open_session(str(path))
    for sample in reference.samples():
        x = reference.input(sample)
        expected = reference.output(state, x)
        double = {name: tensor.double() for name, tensor in state.items()}
        noise = relative_l2(expected, exact.output(double, x.double()))
        assume(noise < 1e-3)
        assert relative_l2(session.run(None, {"input": x.numpy()})[0], expected) <= 1e-5 + 20 * noise
