"""The way back from ONNX: every kind at every opset, whole random networks, and the spec that a file of ours holds."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from onnx import helper

import vggc
from tests.networks import ALL, PLAIN, SMALL, network
from tests.strategies import fitted
from tests.test_random_networks import specs
from vggc.backends.onnx import onnx_model, onnx_writer
from vggc.backends.text import yaml_spec
from vggc.backends.torch import torch_module
from vggc.base.diagnostics import Source
from vggc.importing import onnx_import
from vggc.importing.normal_form.chain import Chain, read_chain
from vggc.importing.reading.embedded_spec import embedded
from vggc.importing.reading.graph_values import original
from vggc.importing.recognition.matching import RecoveredLayer
from vggc.importing.recognition.recovery import recover
from vggc.layers import KINDS
from vggc.layers.answers import Shape
from vggc.layers.layer import Layer
from vggc.model import Network
from vggc.pipeline import read_graph
from vggc.verify.outputs import relative_l2
from vggc.verify.report import Report
from vggc.verify.revealing_weights import revealing_weights
from vggc.verify.sessions import Array, newest_opset

pytestmark = pytest.mark.usefixtures("one_thread")

BATCH = 2
KEPT = [kind for kind in KINDS if kind not in ("dropout", "dropout2d", "alpha_dropout", "identity")]


# --- a layer alone ---


def chain_of(layer: Layer, x: Shape, opset: int, state: dict[str, torch.Tensor]) -> Chain:
    """What a file with this one layer holds."""
    names = {name: name for name in ("", *state)} | {"x": "x"}
    nodes = []
    for node in layer.onnx(x, opset=opset):
        names[node.output] = node.output
        attributes = dict(node.attributes)
        nodes.append(helper.make_node(node.op, [names[each] for each in node.inputs], [node.output], **attributes))
    constants = {name: original(name, tensor.numpy()) for name, tensor in state.items()}
    return read_chain(nodes, {"": opset}, constants, "x", "y", (BATCH, *x))


def run(layers: list[RecoveredLayer], x: torch.Tensor) -> torch.Tensor:
    """The recovered layers in torch, with the recovered tensors."""
    for result in layers:
        module = torch_module.construct(result.layer.torch(tuple(x.shape[1:]))).eval()
        state = {name: torch.from_numpy(np.array(each.array)) for name, each in result.tensors.items()}
        module.load_state_dict(state, strict=False)
        assert state.keys() >= {name for name, _ in module.named_parameters()}
        with torch_module.without_hints():
            x = module(x)
    return x


@pytest.mark.parametrize("kind", KEPT)
@given(st.data(), st.integers(13, newest_opset()))
def test_every_kind_comes_back_from_every_opset(kind: str, data: st.DataObject, opset: int) -> None:
    layer, x = data.draw(fitted(KINDS[kind]))
    module = torch_module.construct(layer.torch(x)).eval()
    generator = torch.Generator().manual_seed(0)
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + (0.5 if "var" in name else 0))
    chain = chain_of(layer, x, opset, module.state_dict())
    result, refused = recover(chain)
    assert refused == []
    images = torch.randn((BATCH, *x), generator=generator)
    with torch.no_grad(), torch_module.without_hints():
        torch.testing.assert_close(run(result, images), module(images), rtol=1e-4, atol=1e-5, equal_nan=True)


@pytest.mark.parametrize("kind", KEPT)
@pytest.mark.parametrize("opset", [13, 17, 18, newest_opset()])
def test_the_examples_come_back_as_what_they_are(kind: str, opset: int) -> None:
    text = f"vggc: 1\nname: one\ninput: [16, 8, 8]\nfeatures: [{{{KINDS[kind].example}}}]\nclassifier: none\n"
    if ":" not in KINDS[kind].example:
        text = text.replace(f"{{{kind}}}", kind)
    if kind == "linear":
        text = (
            "vggc: 1\nname: one\ninput: [16, 8, 8]\nclasses: 4\nfeatures: [identity]\nclassifier: [{linear: classes}]\n"
        )
    compiled = network(text)
    shaped = compiled.layers[-1]
    state = {
        name: torch.zeros(shape)
        for name, shape in (shaped.layer.tensors(shaped.input) | shaped.layer.buffers(shaped.input)).items()
    }
    result, refused = recover(chain_of(shaped.layer, shaped.input, opset, state))
    assert refused == []
    assert [each.layer.kind for each in result] == [kind]


# --- whole files ---


def write(compiled: Network, path: Path, opset: int = 17, *, metadata: bool = True, seed: int = 0) -> Path:
    """A file of ours, written without asking whether its outputs can be verified."""
    state = {name: tensor.contiguous() for name, tensor in revealing_weights(compiled, seed).items()}
    lowered = onnx_model.lower(compiled, opset)
    if not metadata:
        del lowered.model.metadata_props[:]
    onnx_writer.write(lowered, lambda name: state[name].numpy(), path)
    return path


def outputs(module: torch.nn.Module, state: Mapping[str, torch.Tensor], x: torch.Tensor) -> Array:
    with torch.no_grad(), torch_module.without_hints():
        result: Array = torch.func.functional_call(module, dict(state), (x,)).numpy()
    return result


def expanded(text: str) -> str:
    return yaml_spec.emit(read_graph(Source("test.yaml", text)))


def believed(network: Network, module: torch.nn.Sequential, *arguments: object) -> None:
    """In the place of the verification, whose tolerances are for networks that do not amplify rounding."""
    report = arguments[-2]
    assert isinstance(report, Report)
    report.verdict = "verified"


@pytest.mark.parametrize("metadata", [True, False])
@given(text=specs(), opset=st.integers(13, newest_opset()))
def test_random_networks_come_back(metadata: bool, text: str, opset: int) -> None:
    compiled = network(text)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnx_import, "check", believed)
        imported = vggc.import_onnx(write(compiled, Path(folder) / "random.onnx", opset, metadata=metadata))
    if metadata:
        assert expanded(imported.text) == expanded(text)
    x = torch.randn(2, *compiled.input, generator=torch.Generator().manual_seed(0))
    state = revealing_weights(compiled)
    module = compiled.module().eval()
    expected = outputs(module, state, x)
    exact = outputs(module.double(), {name: each.double() for name, each in state.items()}, x.double())
    noise = relative_l2(expected, exact)
    assume(noise < 1e-3)
    actual = outputs(imported.network.module().eval(), imported.state, x)
    assert relative_l2(actual, expected) <= 1e-5 + 20 * noise


@pytest.mark.parametrize("name", ALL)
def test_a_file_of_ours_gives_back_its_spec(name: str, tmp_path: Path) -> None:
    compiled = network(ALL[name])
    path = vggc.export_onnx(compiled, tmp_path / "x.onnx", seed=3).path
    imported = vggc.import_onnx(path)
    assert expanded(imported.text) == expanded(ALL[name])
    state = compiled.module(seed=3).state_dict()
    assert imported.state.keys() == state.keys()
    assert all(torch.equal(imported.state[key], state[key]) for key in state)


def test_all_stock_specs_come_back_from_their_metadata() -> None:
    for name in ("vgg16", "vgg16_bn", "vgg11_lrn", "vgg16_c", "alexnet", "vgg16_cifar10", "vgg16_bn_cifar10"):
        compiled = vggc.compile(name)
        model = onnx_model.lower(compiled).model
        for layer in onnx_model.lower(compiled).tensors:
            model.graph.initializer.add(name=layer.name, dims=layer.shape, data_type=1)
        result = embedded(model)
        assert result.program is not None, result.notes
        assert result.program.network.header.name == name


def test_a_network_that_was_cut_stands_alone(tmp_path: Path) -> None:
    path = vggc.export_onnx(network(SMALL, until="pool1"), tmp_path / "x.onnx").path
    text = vggc.import_onnx(path).text
    assert text == (
        "# yaml-language-server: $schema=vggc.schema.json\n"
        "# Imported from x.onnx (opset 17).\n"
        "vggc: 1\nname: small_pool1\ninput: [3, 16, 16]\n"
        "features: [{conv: {out_channels: 8, norm: batch_norm}}, M]\nclassifier: none\n"
        "init: {conv2d: {kaiming_normal: {mode: fan_out, nonlinearity: relu}}, "
        "linear: {normal: {std: 0.05}}, bias: zeros}\n"
        "allow: [needless_bias]\n"
        "preprocess: {resize: 20, crop: 16, mean: [0.5, 0.5, 0.5], std: [0.2, 0.2, 0.2]}\n"
    )


# --- metadata that is not to be trusted ---


def changed(path: Path, **metadata: str) -> Path:
    model = onnx.load(str(path))
    kept = {each.key: each.value for each in model.metadata_props} | metadata
    del model.metadata_props[:]
    helper.set_model_props(model, kept)
    onnx.save(model, str(path))
    return path


def test_a_spec_of_another_network_is_not_believed(tmp_path: Path) -> None:
    other = expanded(PLAIN.replace("features: [4", "features: [5"))
    path = changed(write(network(PLAIN), tmp_path / "x.onnx"), **{"vggc.spec": other})
    imported = vggc.import_onnx(path)
    assert (
        imported.report.notes[0].summary
        == "the spec in the file is not used, because the graph is another: other tensors"
    )
    assert expanded(imported.text) == expanded(PLAIN)


def test_a_spec_that_differs_in_an_option_alone_is_not_believed(tmp_path: Path) -> None:
    other = expanded(PLAIN.replace("M", "{max_pool2d: {kernel_size: 2, stride: 2, dilation: 1, ceil_mode: true}}"))
    other = other.replace("relu", "elu", 1)
    path = changed(write(network(PLAIN), tmp_path / "x.onnx"), **{"vggc.spec": other})
    imported = vggc.import_onnx(path)
    assert imported.report.notes[0].summary == (
        "the spec in the file is not used, because the graph is another: "
        "features.1 (Relu) is not features.1 (Elu) of the spec"
    )
    assert expanded(imported.text) == expanded(PLAIN)


def test_a_spec_is_not_believed_where_the_file_takes_another_input(tmp_path: Path) -> None:
    path = write(network(PLAIN), tmp_path / "x.onnx")
    model = onnx.load(str(path))
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2
    onnx.save(model, str(path))
    imported = vggc.import_onnx(path)
    assert imported.report.notes[0].summary == (
        "the spec in the file is not used, because the graph is another: another input"
    )
    assert {each.batch for each in imported.report.comparisons} == {2}


@pytest.mark.parametrize("spec", ["", "vggc: 1\n", "!!python/object/apply:os.system ['true']", "\0"])
def test_a_spec_that_is_none_is_not_believed(spec: str, tmp_path: Path) -> None:
    path = changed(write(network(PLAIN), tmp_path / "x.onnx"), **{"vggc.spec": spec})
    imported = vggc.import_onnx(path)
    assert imported.report.notes[0].summary.startswith("the spec in the file is not used: ")
    assert expanded(imported.text) == expanded(PLAIN)


@pytest.mark.parametrize("precision", ["float32", "float16"])
@pytest.mark.parametrize(
    "passes",
    [
        ["fold_batch_norm"],
        ["dynamic_hw"],
        ["fold_batch_norm", "dynamic_hw"],
        ["softmax"],
        ["fc_to_conv"],
        ["embed_preprocess"],
        ["fold_batch_norm", "fc_to_conv", "softmax"],
        ["fold_batch_norm", "softmax", "embed_preprocess"],
    ],
    ids=str,
)
def test_a_file_that_was_changed_by_passes_gives_back_the_spec_before_them(
    passes: list[str], precision: str, tmp_path: Path
) -> None:
    compiled = network(SMALL.replace("pool: 2\n", "pool: 1\n"))
    torch.save(revealing_weights(compiled), tmp_path / "w.pt")
    file = tmp_path / "x.onnx"
    vggc.export_onnx(compiled, file, weights=tmp_path / "w.pt", passes=passes, precision=precision)  # type: ignore[arg-type]
    imported = vggc.import_onnx(file)
    assert expanded(imported.text) == yaml_spec.emit(compiled.graph)
    assert imported.report.verdict == "verified"


def test_float16_without_weights_is_run_in_float32(tmp_path: Path) -> None:
    compiled = network("vggc: 1\nname: nothing\ninput: [3, 8, 8]\nfeatures: [identity]\nclassifier: none\n")
    vggc.export_onnx(compiled, tmp_path / "x.onnx", precision="float16")
    imported = vggc.import_onnx(tmp_path / "x.onnx")
    assert expanded(imported.text) == yaml_spec.emit(compiled.graph)
    assert any(each.summary.startswith("float16 in the file: ") for each in imported.report.notes)


def test_a_pass_is_named_that_has_to_be_asked_for_again(tmp_path: Path) -> None:
    vggc.export_onnx(network(SMALL), tmp_path / "x.onnx", passes=["softmax", "fold_batch_norm"])
    imported = vggc.import_onnx(tmp_path / "x.onnx")
    assert imported.report.notes[1].summary == (
        "the file was exported with --fold-batch-norm --softmax, and the spec is the one before that"
    )


def test_dense_evaluation_is_held_at_other_sizes_too(tmp_path: Path) -> None:
    vggc.export_onnx(network(SMALL), tmp_path / "x.onnx", passes=["fc_to_conv"])
    sizes = [each.size for each in vggc.import_onnx(tmp_path / "x.onnx").report.comparisons]
    assert len(set(sizes)) == 3


def test_at_another_size_an_open_file_is_another_network(tmp_path: Path) -> None:
    vggc.export_onnx(network(SMALL), tmp_path / "x.onnx", passes=["fc_to_conv"])
    imported = vggc.import_onnx(tmp_path / "x.onnx", input=(3, 24, 24))
    assert imported.network.input == (3, 24, 24)
    assert imported.report.notes[0].summary == "the spec in the file is not used, because its input is 3,16,16"
