"""A graph of two branches and an n-ary kind, built by hand: every step of the one walk carries it."""

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, final

import onnx
import pytest
import torch
from torch import fx, nn

import vggc
from vggc.analysis import shapes
from vggc.backends.text import text_summary, yaml_spec
from vggc.backends.torch import python_source, torch_module
from vggc.base.errors import ProductError, VerificationError
from vggc.ir.geometry import extents, flatten_formula, receptive_fields, smallest_input
from vggc.ir.graph import INPUT, Graph, Node, Origin, Section
from vggc.ir.header import Header
from vggc.ir.network import Network
from vggc.ir.walk import is_chain, last_uses, without
from vggc.layers.answers import OnnxNode, Shape, ShapeError, TorchFunction
from vggc.layers.conv import Conv2d
from vggc.layers.layer import Layer
from vggc.layers.linear import Linear
from vggc.layers.norm import BatchNorm
from vggc.layers.rectifiers import ReLU
from vggc.layers.reshape import Flatten
from vggc.verify.module_check import check_module


@final
class Sum(Layer):
    """The element-wise sum of values of one shape."""

    kind = "test_sum"
    group = "shape"
    example = "test_sum"

    def shape(self, *xs: Shape) -> Shape:  # type: ignore[override]
        if len(set(xs)) != 1:
            raise ShapeError("E208", f"{self.kind}: the branches give {' and '.join(map(str, xs))}")
        return xs[0]

    def tensors(self, *xs: Shape) -> dict[str, Shape]:  # type: ignore[override]
        return {}

    def buffers(self, *xs: Shape) -> dict[str, Shape]:  # type: ignore[override]
        return {}

    def macs(self, *xs: Shape) -> int:  # type: ignore[override]
        return 0

    def torch(self, *xs: Shape) -> TorchFunction:  # type: ignore[override]
        return TorchFunction("add")

    def onnx(self, *xs: Shape, opset: int) -> tuple[OnnxNode, ...]:  # type: ignore[override]
        return (OnnxNode("Add", ("x", "x1")),)


def node(path: str, layer: Layer, *inputs: str, alias: str = "", section: Section = "features") -> Node:
    return Node(path, alias or path, section, layer, Origin(made_by="this test"), inputs)


HEADER: Final = Header("branches", (3, 12, 10))
STRIDED: Final = Conv2d(out_channels=8, kernel_size=3, padding=1, stride=2, bias=False)
# A projected residual block, and one whose shortcut is the value itself.
NODES: Final = (
    node("features.0", Conv2d(out_channels=4, kernel_size=3, padding=1), INPUT),
    node("features.1", ReLU(), "features.0"),
    node("features.2.layers.0", STRIDED, "features.1"),
    node("features.2.layers.1", BatchNorm(), "features.2.layers.0"),
    node("features.2.layers.2", ReLU(), "features.2.layers.1"),
    node("features.2.layers.3", Conv2d(out_channels=8, kernel_size=3, padding=1), "features.2.layers.2"),
    node("features.2.shortcut.0", Conv2d(out_channels=8, kernel_size=1, stride=2), "features.1"),
    node("features.2.sum", Sum(), "features.2.layers.3", "features.2.shortcut.0", alias="sum1"),
    node("features.3", ReLU(), "features.2.sum"),
    node("features.4.layers.0", Conv2d(out_channels=8, kernel_size=3, padding=1), "features.3"),
    node("features.4.sum", Sum(), "features.4.layers.0", "features.3", alias="sum2"),
    node("flatten", Flatten(), "features.4.sum", section="flatten"),
    node("classifier.0", Linear(out_features=5), "flatten", section="classifier"),
)


def network() -> Network:
    return shapes.infer(Graph(HEADER, NODES))


class ByHand(nn.Module):
    """The same network as a person writes it in torch, with the state dict's own names."""

    def __init__(self) -> None:
        super().__init__()
        body = nn.Sequential(
            nn.Conv2d(4, 8, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, padding=1),
        )
        projected = nn.ModuleDict({"layers": body, "shortcut": nn.Sequential(nn.Conv2d(4, 8, 1, stride=2))})
        plain = nn.ModuleDict({"layers": nn.Sequential(nn.Conv2d(8, 8, 3, padding=1))})
        self.features = nn.ModuleList([nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), projected, nn.ReLU(), plain])
        self.classifier = nn.Sequential(nn.Linear(8 * 6 * 5, 5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first, relu, projected, _, plain = self.features
        x = relu(first(x))
        x = relu(projected["layers"](x) + projected["shortcut"](x))  # type: ignore[index]
        x = plain["layers"](x) + x  # type: ignore[index]
        y: torch.Tensor = self.classifier(x.flatten(1))
        return y


# --- analysis ----------------------------------------------------------------------------------------------------


def test_shapes_and_counts_are_those_of_torch() -> None:
    compiled = network()
    by_hand = ByHand()
    assert {layer.path: layer.output for layer in compiled.layers}["features.2.sum"] == (8, 6, 5)
    assert compiled.output == (5,)
    assert compiled.params == sum(parameter.numel() for parameter in by_hand.parameters())
    assert compiled.macs == (3 * 9 * 4) * 120 + (4 * 9 * 8 + 8 * 9 * 8 + 4 * 8) * 30 + (8 * 9 * 8) * 30 + 240 * 5


def test_a_sum_of_other_shapes_is_an_error_of_its_node() -> None:
    nodes = [*NODES[:6], node("features.2.sum", Sum(), "features.2.layers.3", "features.1")]
    with pytest.raises(vggc.SpecError, match=r"E208.*\(8, 6, 5\) and \(4, 12, 10\)"):
        shapes.infer(Graph(HEADER, tuple(nodes)))


def test_extents_and_receptive_fields() -> None:
    compiled = network()
    height, width = extents(compiled.graph.nodes)["features.4.sum"]
    assert (height.formula("H"), width.formula("W")) == ("floor((H + 1)/2)", "floor((W + 1)/2)")
    assert flatten_formula(compiled) == "8 * floor((H + 1)/2) * floor((W + 1)/2)"
    assert smallest_input(compiled.graph.nodes) == (1, 1)
    fields = dict(zip((layer.path for layer in compiled.layers), receptive_fields(compiled), strict=True))
    assert [(axis.extent, axis.stride) for axis in fields["features.2.sum"]] == [(9, 2.0)] * 2  # by way of the body
    assert [axis.extent for axis in fields["classifier.0"]] == [None, None]


def test_branches_of_other_extents_have_no_formula() -> None:
    """They meet at even sizes only: floor((H + 1)/2) against floor(H/2)."""
    valid = Conv2d(out_channels=8, kernel_size=2, stride=2)
    nodes = [*NODES[:6], node("features.2.shortcut.0", valid, "features.1"), *NODES[7:]]
    compiled = shapes.infer(Graph(HEADER, tuple(nodes)))
    assert "features.2.sum" not in extents(compiled.graph.nodes)
    assert flatten_formula(compiled) is None


def test_the_peak_of_memory_is_by_liveness() -> None:
    """At the body's first ReLU the block's input is alive as well: 4x12x10, and twice 8x6x5."""
    compiled = network()
    alive = {
        "features.1": 2 * 480,
        "features.2.layers.2": 480 + 2 * 240,
        "features.2.layers.3": 480 + 2 * 240,
        "features.2.shortcut.0": 480 + 2 * 240,
        "features.2.sum": 3 * 240,
    }
    assert compiled.peak_activation_bytes == 4 * max(alive.values())
    deeper = shapes.infer(Graph(HEADER, (*NODES[:2], *widened(NODES[2:7], 16), *NODES[7:])))
    assert deeper.peak_activation_bytes == 4 * (480 + 2 * 16 * 30)  # the norm's input and output, and the block's input


def widened(nodes: tuple[Node, ...], channels: int) -> tuple[Node, ...]:
    body, norm, relu, *rest = nodes
    wide = Conv2d(out_channels=channels, kernel_size=3, padding=1, stride=2, bias=False)
    return (node(body.path, wide, *body.inputs), norm, relu, *rest)


def test_values_are_dropped_after_their_last_use() -> None:
    unused = dict(zip((item.path for item in NODES), last_uses(NODES), strict=True))
    assert unused["features.2.layers.0"] == []  # the shortcut takes the block's input later
    assert unused["features.2.shortcut.0"] == ["features.1"]
    assert sorted(unused["features.2.sum"]) == ["features.2.layers.3", "features.2.shortcut.0"]
    assert not is_chain(NODES)


def test_what_took_a_dropped_value_takes_its_input() -> None:
    kept = {item.path: item.inputs for item in without(NODES, {"features.1", "features.3"})}
    assert kept["features.2.shortcut.0"] == ("features.0",)
    assert kept["features.4.sum"] == ("features.4.layers.0", "features.2.sum")


def test_the_table_shows_every_layer() -> None:
    text = text_summary.emit(network())
    assert "features.2.shortcut.0" in text
    assert "8 * floor((H + 1)/2) * floor((W + 1)/2)" in text


# --- torch -------------------------------------------------------------------------------------------------------


@pytest.fixture
def module() -> nn.Module:
    return torch_module.materialize(network()).eval()


def test_the_module_computes_what_a_person_writes_under_the_same_keys(module: nn.Module) -> None:
    by_hand = ByHand().eval()
    by_hand.load_state_dict(module.state_dict())
    x = torch.randn(3, 3, 12, 10)
    torch.testing.assert_close(module(x), by_hand(x))


def test_blocks_are_graph_modules_and_everything_else_is_sequential(module: nn.Module) -> None:
    assert type(module) is nn.Sequential
    assert type(module.features) is nn.Sequential
    assert isinstance(module.features[2], fx.GraphModule)
    assert type(module.features[2].layers) is nn.Sequential
    assert all(type(item).__module__.startswith("torch.") for item in module.modules() if item is not module.features[2]
               and not isinstance(item, fx.GraphModule))  # fmt: skip


def test_a_value_from_inside_another_block_cannot_be_nested() -> None:
    nodes = [*NODES[:10], node("features.4.sum", Sum(), "features.4.layers.0", "features.2.layers.3"), *NODES[11:]]
    with pytest.raises(ProductError, match=r"features.4.sum takes features.2.layers.3, which is inside another block"):
        torch_module.build(shapes.infer(Graph(HEADER, tuple(nodes))))


@pytest.mark.filterwarnings("ignore:`torch.jit.*` is deprecated:DeprecationWarning")
@pytest.mark.parametrize("change", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module)), torch.jit.script])
def test_it_copies_pickles_and_scripts(module: nn.Module, change: Callable[[Any], Any]) -> None:
    x = torch.randn(2, 3, 12, 10)
    torch.testing.assert_close(change(module)(x), module(x))


def test_it_is_evaluated_node_by_node(module: nn.Module) -> None:
    compiled = network()
    x = torch.randn(2, 3, 12, 10)
    with torch.no_grad():
        values = {layer.path: y for layer, y in torch_module.evaluate(compiled, module, x)}
        assert list(values) == [item.path for item in NODES]
        torch.testing.assert_close(values["classifier.0"], module(x))


def test_the_module_is_checked_against_the_analysis() -> None:
    compiled = network()
    check_module(compiled, torch_module.build(compiled))


def test_what_the_language_cannot_say_yet_is_refused() -> None:
    with pytest.raises(ProductError, match="not supported: a spec of branches"):
        yaml_spec.emit(network().graph)
    with pytest.raises(ProductError, match="not supported: Python source of a network with branches, at sum1"):
        python_source.emit(network())


# --- ONNX --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("passes", [[], ["fold_batch_norm"], ["softmax"]])
def test_an_export_is_verified(passes: list[str], tmp_path: Path) -> None:
    exported = vggc.export_onnx(network(), tmp_path / "x.onnx", passes=passes)
    assert exported.report.verdict == "verified"
    operators = [item.op_type for item in onnx.load(str(exported.path)).graph.node]
    assert operators.count("Add") == 2
    assert operators.count("BatchNormalization") == ("fold_batch_norm" not in passes)


def test_a_norm_whose_convolution_has_another_consumer_is_not_folded(tmp_path: Path) -> None:
    nodes = (
        node("features.0.conv", Conv2d(out_channels=4, kernel_size=3, padding=1), INPUT),
        node("features.0.norm", BatchNorm(), "features.0.conv"),
        node("features.0.sum", Sum(), "features.0.norm", "features.0.conv"),
    )
    exported = vggc.export_onnx(shapes.infer(Graph(HEADER, nodes)), tmp_path / "x.onnx", passes=["fold_batch_norm"])
    assert "has another consumer" in str(exported.report)
    assert "BatchNormalization" in {item.op_type for item in onnx.load(str(exported.path)).graph.node}


def product(model: onnx.ModelProto) -> None:
    find(model, "features.2.sum").op_type = "Mul"


def missing_shortcut(model: onnx.ModelProto) -> None:
    find(model, "features.4.sum").input[1] = "features.4.layers.0"


def other_epsilon(model: onnx.ModelProto) -> None:
    find(model, "features.2.layers.1").attribute[0].f = 0.5


def other_padding(model: onnx.ModelProto) -> None:
    attributes = find(model, "features.4.layers.0").attribute
    next(attribute for attribute in attributes if attribute.name == "pads").ints[:] = [0, 0, 2, 2]


def find(model: onnx.ModelProto, name: str) -> onnx.NodeProto:
    return next(item for item in model.graph.node if item.name == name)


@pytest.mark.parametrize(
    ("plant", "path"),
    [
        (product, "features.2.sum"),
        (missing_shortcut, "features.4.sum"),
        (other_epsilon, "features.2.layers.1"),
        (other_padding, "features.4.layers.0"),
    ],
)
def test_a_planted_fault_is_found_in_its_branch(
    plant: Callable[[onnx.ModelProto], None], path: str, tmp_path: Path
) -> None:
    """By its nodes, and by what comes out of it where the nodes are all as they were lowered."""
    file = vggc.export_onnx(network(), tmp_path / "x.onnx").path
    model = onnx.load(str(file))
    plant(model)
    onnx.save(model, str(file))
    with pytest.raises(VerificationError) as caught:
        vggc.verify_onnx(file, network())
    assert caught.value.report.verdict == "mismatch"
    culprit = caught.value.report.culprit
    assert culprit is not None
    assert culprit.path == path
    assert "this test" in str(caught.value.report)


def test_an_altered_weight_is_bisected_to_its_branch(tmp_path: Path) -> None:
    """Its nodes are as lowered, so the first value that differs says where."""
    compiled = network()
    module = torch_module.materialize(compiled)
    weights = tmp_path / "w.pt"
    torch.save(module.state_dict(), weights)
    file = vggc.export_onnx(compiled, tmp_path / "x.onnx", weights=weights).path
    with torch.no_grad():
        module.get_submodule("features.2.shortcut.0").weight.mul_(1.5)  # type: ignore[operator, union-attr]
    torch.save(module.state_dict(), weights)
    with pytest.raises(VerificationError) as caught:
        vggc.verify_onnx(file, compiled, weights=weights)
    assert caught.value.report.culprit is not None
    assert caught.value.report.culprit.path == "features.2.shortcut.0"
