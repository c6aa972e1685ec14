"""The module: torch's own classes, torchvision's keys, weights drawn once."""

import copy
import pickle
from collections import OrderedDict

import pytest
import torch
from torch import nn

import vggc
from tests.networks import ALL, PLAIN, SMALL, network
from vggc.base.errors import InternalError
from vggc.frontend.text.sources import stock_names
from vggc.model import Network
from vggc.verify.module_check import check_module


def torchvision_keys(configuration: str, batch_norm: bool) -> dict[str, tuple[int, ...]]:
    """The state dict of torchvision's VGG, from the loop of its `make_layers` as documented (vgg.py, 0.20)."""
    shapes: dict[str, tuple[int, ...]] = {}
    index, channels = 0, 3
    for word in configuration.split():
        if word == "M":
            index += 1
            continue
        width = int(word)
        shapes |= {f"features.{index}.weight": (width, channels, 3, 3), f"features.{index}.bias": (width,)}
        if batch_norm:
            norm = f"features.{index + 1}"
            shapes |= {f"{norm}.{each}": (width,) for each in ("weight", "bias", "running_mean", "running_var")}
            shapes[f"{norm}.num_batches_tracked"] = ()
        index, channels = index + (3 if batch_norm else 2), width
    for position, size in ((0, (4096, 25088)), (3, (4096, 4096)), (6, (1000, 4096))):
        shapes |= {f"classifier.{position}.weight": size, f"classifier.{position}.bias": size[:1]}
    return shapes


CONFIGURATIONS = {
    "vgg11": "64 M 128 M 256 256 M 512 512 M 512 512 M",
    "vgg13": "64 64 M 128 128 M 256 256 M 512 512 M 512 512 M",
    "vgg16": "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M",
    "vgg19": "64 64 M 128 128 M 256 256 256 256 M 512 512 512 512 M 512 512 512 512 M",
}


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_keys_and_shapes_are_torchvisions(name: str, batch_norm: bool) -> None:
    module = vggc.compile(name + "_bn" * batch_norm).module(init=False)
    state = {key: tuple(tensor.shape) for key, tensor in module.state_dict().items()}
    expected = torchvision_keys(CONFIGURATIONS[name], batch_norm)
    assert state == expected
    assert list(state) == list(expected)


@pytest.mark.parametrize("name", stock_names())
def test_every_stock_spec_agrees_with_torch(name: str) -> None:
    compiled = vggc.compile(name)
    check_module(compiled, compiled.module(init=False))


def test_a_module_that_disagrees_is_an_internal_error() -> None:
    compiled = network(SMALL)
    module = compiled.module(init=False)
    with torch.device("meta"):
        module.features[0] = nn.Conv2d(3, 9, 3, padding=1)
    with pytest.raises(InternalError, match=r"features\.0\.bias"):
        check_module(compiled, module)


def test_a_shape_that_disagrees_is_an_internal_error() -> None:
    compiled = network(SMALL)
    module = compiled.module(init=False)
    with torch.device("meta"):
        module.features[0] = nn.Conv2d(3, 8, 3, padding=2)
    with pytest.raises(InternalError, match=r"features\.0 gives \(8, 18, 18\) in torch"):
        check_module(compiled, module)


def test_building_allocates_nothing() -> None:
    module = vggc.compile("vgg16").module(init=False)
    assert {tensor.device.type for tensor in module.state_dict().values()} == {"meta"}


@pytest.mark.parametrize("name", ALL)
def test_only_classes_of_torch(name: str) -> None:
    module = network(ALL[name]).module()
    assert type(module) is nn.Sequential
    assert all(type(each).__module__.startswith("torch.nn") for each in module.modules())


@pytest.mark.parametrize("name", ALL)
def test_it_pickles_copies_scripts_and_traces(name: str) -> None:
    compiled = network(ALL[name])
    module = compiled.module().eval()
    x = torch.randn(2, *compiled.input)
    expected = module(x)
    for other in (pickle.loads(pickle.dumps(module)), copy.deepcopy(module)):
        torch.testing.assert_close(other(x), expected)
    exported = torch.export.export(module, (x,)).module()
    torch.testing.assert_close(exported(x), expected)


def test_the_top_level_has_the_names_of_torchvision() -> None:
    module = vggc.compile("vgg16").module(init=False)
    assert [name for name, _ in module.named_children()] == ["features", "avgpool", "flatten", "classifier"]


def test_one_seed_is_one_draw_and_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    first, again, other = (network(SMALL).module(seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["features.0.weight"], other["features.0.weight"])


def test_without_init_the_weights_are_those_of_torch_itself() -> None:
    compiled = network(PLAIN)
    torch.manual_seed(5)
    reference = nn.Sequential(
        OrderedDict(
            features=nn.Sequential(
                nn.Conv2d(1, 4, 3, padding=1),
                nn.ReLU(),
                nn.MaxPool2d(2, 2),
                nn.Conv2d(4, 6, (3, 5), stride=(1, 2), padding=(1, 2)),
                nn.ReLU(),
                nn.Conv2d(6, 6, 3, padding=1),
                nn.ReLU(),
            ),
            flatten=nn.Flatten(),
            classifier=nn.Sequential(nn.Linear(180, 4)),
        )
    )
    state = compiled.module(seed=5).state_dict()
    assert state.keys() == reference.state_dict().keys()
    assert all(torch.equal(state[key], tensor) for key, tensor in reference.state_dict().items())


def test_init_draws_what_the_spec_says() -> None:
    """torchvision's scheme: fan_out normal with gain sqrt(2), linear N(0, 0.01), biases 0."""
    module = vggc.compile("vgg11", overrides={"input": [3, 32, 32], "pool": "none"}).module()
    conv, linear = module.features[3], module.classifier[0]
    assert isinstance(conv, nn.Conv2d)
    assert isinstance(linear, nn.Linear)
    assert conv.weight.std().item() == pytest.approx((2 / (9 * 128)) ** 0.5, rel=0.02)
    assert linear.weight.std().item() == pytest.approx(0.01, rel=0.02)
    for layer in (conv, linear):
        assert layer.bias is not None
        assert not layer.bias.any()


def test_fresh_statistics_of_batch_norm() -> None:
    norm = network(SMALL).module().features[1]
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.num_batches_tracked is not None
    assert not norm.running_mean.any()
    assert bool((norm.running_var == 1).all())
    assert int(norm.num_batches_tracked) == 0
    assert bool((norm.weight == 1).all())


def test_until_keeps_the_names() -> None:
    compiled = vggc.compile("vgg16", until="relu3_3")
    module = compiled.module(init=False)
    assert list(module.state_dict())[-1] == "features.14.bias"
    assert compiled.output == (256, 56, 56)


def test_the_network_is_typed() -> None:
    assert isinstance(network(SMALL), Network)
