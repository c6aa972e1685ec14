"""`init`: every scheme is a function of torch.nn.init with its arguments, and draws what that draws."""

import inspect

import pytest
import torch
from torch import nn

from tests.networks import network
from vggc.base.diagnostics import SpecError
from vggc.recipe.initializers import INITIALIZERS

SPEC = """\
vggc: 1
name: net
input: [16, 6, 6]
classes: 3
features: [{conv: {out_channels: 64, norm: batch_norm}}]
classifier: [{linear: classes}]
init: {%s: %s}
"""
OPTIONS = {"constant": "{constant: 0.25}", "sparse": "{sparse: {sparsity: 0.5, std: 0.1}}"}


@pytest.mark.parametrize("kind", INITIALIZERS)
def test_names_and_defaults_are_torchs(kind: str) -> None:
    cls = INITIALIZERS[kind]
    signature = inspect.signature(getattr(nn.init, f"{kind}_"))
    for name in cls.field_names():
        assert name in signature.parameters
        if name not in cls.required() and signature.parameters[name].default is not inspect.Parameter.empty:
            assert cls.default(name) == signature.parameters[name].default


@pytest.mark.parametrize("kind", INITIALIZERS)
def test_it_draws_what_torch_draws(kind: str) -> None:
    target = "linear" if kind in ("eye", "sparse") else "conv2d"
    module = network(SPEC % (target, OPTIONS.get(kind, kind))).module(seed=3)
    drawn = (module.classifier if target == "linear" else module.features)[0]
    assert isinstance(drawn.weight, torch.Tensor)
    reference = nn.Linear(2304, 3) if target == "linear" else nn.Conv2d(16, 64, 3)
    values = {"constant": {"val": 0.25}, "sparse": {"sparsity": 0.5, "std": 0.1}}.get(kind, {})
    with torch.random.fork_rng():
        getattr(nn.init, f"{kind}_")(reference.weight, **values)
    if kind in ("constant", "zeros", "ones", "dirac", "eye"):
        assert torch.equal(drawn.weight, reference.weight)
    else:
        assert drawn.weight.std().item() == pytest.approx(reference.weight.std().item(), rel=0.1)
    assert drawn.weight.shape == reference.weight.shape


MISFITS = [("batch_norm", "orthogonal"), ("bias", "kaiming_normal"), ("conv2d", "eye"), ("linear", "dirac")]


@pytest.mark.parametrize(("key", "scheme"), MISFITS)
def test_a_scheme_that_does_not_suit(key: str, scheme: str) -> None:
    with pytest.raises(SpecError, match=r"E106.*initialises the weights of"):
        network(SPEC % (key, scheme))


def test_one_scheme_for_every_bias() -> None:
    module = network(SPEC % ("bias", "{constant: 2}")).module()
    biases = [tensor for name, tensor in module.named_parameters() if name.endswith("bias")]
    assert len(biases) == 3
    assert all(bool((bias == 2).all()) for bias in biases)
