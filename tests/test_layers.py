"""The contract of a layer kind, held over the whole table: what it says about itself is what torch and ONNX do.

Layers and inputs are random (`strategies.py`); the fields come from the annotations, so a new kind is under the
contract with its line in the table.
"""

import importlib
import inspect
import pkgutil
import warnings
from collections.abc import Iterator, Mapping
from copy import copy
from functools import cache
from math import prod
from typing import Any, Final

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import vggc.layers
from strategies import fields_of, fitting, inputs, layers, loose_layers, takes
from vggc.diagnostics import Source
from vggc.frontend import schema
from vggc.layers import BUILT_IN, KINDS
from vggc.layers.base import Layer, OnnxNode, Shape, ShapeError
from vggc.pipeline import read_graph

TOLERANCE: Final = 1e-5
OLDEST_OPSET: Final = 13

# What torch raises for a layer or an input that it refuses.
REFUSALS: Final = (ValueError, RuntimeError)

# The rules of the language where torch is laxer: images and vectors are told apart, a size that is written must be
# the real one, and an adaptive pool enlarges only where it is asked to.
OWN_RULES: Final = {"E201", "E202", "E204"}

every_kind = pytest.mark.parametrize("cls", BUILT_IN, ids=list(KINDS))

# Said once a process by torch, about the speed of `padding="same"` with an even kernel.
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")


# --- torch -------------------------------------------------------------------------------------------------------


def module_of(layer: Layer, x: Shape) -> nn.Module:
    """The torch module in eval mode."""
    call = layer.torch(x)
    module: nn.Module = getattr(nn, call.name)(*call.args, **call.kwargs)
    return module.eval()


def torch_shape(layer: Layer, x: Shape, batch: int, device: str) -> Shape:
    with torch.no_grad(), torch.device(device):
        return tuple(module_of(layer, x)(torch.ones(batch, *x)).shape[1:])


def torch_refuses(layer: Layer, x: Shape) -> bool:
    """Whether torch raises on the CPU, whose word counts, for one image or for two."""
    try:
        for batch in (1, 2):
            torch_shape(layer, x, batch, "cpu")
    except REFUSALS:
        return True
    return False


@every_kind
@given(data=st.data())
def test_torch_call_binds(cls: type[Layer], data: st.DataObject) -> None:
    layer = data.draw(layers(cls))
    call = layer.torch(data.draw(fitting(layer)))
    inspect.signature(getattr(nn, call.name)).bind(*call.args, **call.kwargs)


@every_kind
def test_defaults_are_those_of_torch(cls: type[Layer]) -> None:
    layer = example_of(cls)
    theirs = inspect.signature(getattr(nn, layer.torch((64, 8, 8) if takes(layer, (64, 8, 8)) else (64,)).name)).parameters
    ours = {each.name: each.default for each in fields_of(cls)}
    differing = {name for name in ours if name in theirs and not _same_default(ours[name], theirs[name].default)}
    # torch's default of None means False, and warns about a change in history where it is left out.
    assert differing == ({"align_corners"} if cls.kind == "upsample" else set())
