"""How others do what vggc does."""

import json
import logging
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.measure import ROOT, NotMeasuredError

if TYPE_CHECKING:
    from torch import nn

    from vggc.model import Network


def yaml_and_jsonschema() -> Callable[[str], list[object]]:
    """The plain libraries: libyaml's safe loader, then a prepared validator of the published schema.

    This finds mistakes, but neither their places nor any shapes.
    """
    import jsonschema
    import yaml

    validator = jsonschema.Draft7Validator(json.loads((ROOT / "specs" / "vggc.schema.json").read_text("utf-8")))
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return lambda text: list(validator.iter_errors(yaml.load(text, Loader=loader)))


VGG16: Final = """\
vggc: 1
name: vgg16
input: [3, 224, 224]
classes: 1000
features: [64, 64, M, 128, 128, M, 256, 256, 256, M, 512, 512, 512, M, 512, 512, 512, M]
pool: 7
classifier: [4096, 4096, {linear: classes}]
"""
YARDSTICK_SECONDS: Final = 0.75e-3  # on the machine of the design (2 cores, `import torch` in 2.4 s), undisturbed


def yardstick() -> None:
    """A fixed piece of work for the interpreter, which shows how fast the machine is at this moment."""
    import yaml

    yaml.load(VGG16, Loader=yaml.SafeLoader)


def twice_initialised(network: "Network") -> "nn.Sequential":
    """The module as torchvision builds its VGGs: the constructors initialise by torch's defaults, then a loop again."""
    import torch
    from torch import nn

    from vggc.backends.torch.torch_module import construct
    from vggc.layers.answers import TorchCall

    torch.manual_seed(0)
    calls = (layer.layer.torch(layer.input) for layer in network.layers)
    module = nn.Sequential(*(construct(call) for call in calls if isinstance(call, TorchCall)))
    for layer in module:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.constant_(layer.bias, 0)
        elif isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, 0, 0.01)
            nn.init.constant_(layer.bias, 0)
    return module


def torch_export(network: "Network", module: "nn.Module", path: Path) -> None:
    """`torch.onnx.export` with its own defaults, and without its log.

    Raises:
        NotMeasuredError: onnxscript is not installed.
    """
    import torch

    if find_spec("onnxscript") is None:
        raise NotMeasuredError("needs onnxscript")
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, (torch.zeros(1, *network.input),), path, dynamo=True, verbose=False)
