"""The figures of the literature and of torchvision, exactly (design, section 8)."""

import pytest

import vggc
from vggc.ir import geometry

# name: params, MACs (torchvision's weights metadata; arXiv:1409.1556, table 2, for A-LRN and C)
FIGURES = {
    "vgg11": (132_863_336, 7_609_090_048),
    "vgg11_lrn": (132_863_336, 7_609_090_048),
    "vgg13": (133_047_848, 11_308_466_176),
    "vgg16_c": (133_638_952, 11_770_888_192),
    "vgg16": (138_357_544, 15_470_264_320),
    "vgg19": (143_667_240, 19_632_062_464),
    "vgg11_bn": (132_868_840, 7_609_090_048),
    "vgg13_bn": (133_053_736, 11_308_466_176),
    "vgg16_bn": (138_365_992, 15_470_264_320),
    "vgg19_bn": (143_678_248, 19_632_062_464),
    "alexnet": (61_100_840, 714_188_480),
}


@pytest.mark.parametrize("name", FIGURES)
def test_params_and_macs(name: str) -> None:
    network = vggc.compile(name)
    assert (network.params, network.macs) == FIGURES[name]
    assert network.flops == 2 * FIGURES[name][1]


@pytest.mark.parametrize("name", [name for name in FIGURES if name.startswith("vgg")])
def test_the_classifier_of_every_vgg(name: str) -> None:
    network = vggc.compile(name)
    assert network.flatten == 25_088
    assert sum(layer.params for layer in network.layers if layer.path.startswith("classifier")) == 123_642_856


def test_vgg16_c_with_batch_norm() -> None:
    network = vggc.compile("vgg16_c", overrides={"defaults.conv.norm": "batch_norm"})
    assert network.params == 133_647_400


def test_vgg16_cifar10_pays_for_its_enlarged_map() -> None:
    assert vggc.compile("vgg16_cifar10").params == 50_415_434
    assert vggc.compile("vgg16_cifar10", overrides={"pool": "none"}).params == 39_929_674


@pytest.mark.parametrize(
    ("overrides", "params", "macs"),
    [
        ({}, 33_638_218, 332_111_872),
        ({"classifier": [{"linear": "classes"}]}, 14_719_818, 313_201_664),
        ({"classifier": [{"linear": "classes"}], "defaults.conv.norm": "batch_norm"}, 14_728_266, 313_201_664),
        ({"defaults.conv.norm": "batch_norm"}, 33_646_666, 332_111_872),
    ],
)
def test_vgg16_at_32_pixels(overrides: dict[str, object], params: int, macs: int) -> None:
    network = vggc.compile("vgg16", overrides={"input": [3, 32, 32], "classes": 10, "pool": "none", **overrides})
    assert (network.params, network.macs, network.flatten) == (params, macs, 512)


def test_vgg16_bn_cifar10_is_the_linear_head() -> None:
    assert vggc.compile("vgg16_bn_cifar10").params == 14_728_266


def test_zfnet512_sizes_are_those_of_the_paper() -> None:
    """Figure 3 of arXiv:1311.2901: 224 -> 110 -> 55 -> 26 -> 13 -> 6."""
    extents = [layer.output[1] for layer in vggc.compile("zfnet512").layers if len(layer.output) == 3]
    assert list(dict.fromkeys(extents)) == [110, 55, 26, 13, 6]


def test_the_receptive_field_of_vgg16() -> None:
    """212 with stride 32 at pool5 (Araujo et al., 2019, table 1)."""
    network = vggc.compile("vgg16")
    fields = dict(zip((layer.alias for layer in network.layers), geometry.receptive_fields(network), strict=True))
    assert fields["pool5"][0] == (212, 32.0)
    assert fields["conv5_3"][0].extent == 196


def test_aliases_are_those_of_the_literature() -> None:
    aliases = {layer.alias: layer.path for layer in vggc.compile("vgg16").layers}
    expected = {"conv1_1": "features.0", "relu3_3": "features.15", "pool5": "features.30", "fc6": "classifier.0"}
    assert expected.items() <= aliases.items()
    assert aliases["fc8"] == "classifier.6"


def test_formulas() -> None:
    whole = vggc.compile("vgg16", overrides={"pool": "none"})
    assert geometry.flatten_formula(whole) == "512 * floor(H/32) * floor(W/32)"
    assert geometry.smallest_input(whole.graph.nodes) == (32, 32)
    pooled = vggc.compile("vgg16")
    assert geometry.flatten_formula(pooled) == "512 * 7 * 7"
    assert geometry.smallest_input(pooled.graph.nodes) == (224, 224)
    assert geometry.smallest_input(pooled.graph.section("features")) == (32, 32)
