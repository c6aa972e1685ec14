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

    from vggc.ir.network import Network


def yaml_and_jsonschema() -> Callable[[str], list[object]]:
    """The plain libraries: libyaml's safe loader, then the published schema by a validator that is ready.

    It finds what is wrong, and neither where nor what the shapes are.
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
    """Work for the interpreter that never changes, by which to tell how fast the machine is at this moment."""
    import yaml

    yaml.load(VGG16, Loader=yaml.SafeLoader)


def twice_initialised(network: "Network") -> "nn.Sequential":
    """The same module as torchvision builds its VGGs: the constructors draw torch's defaults, a loop draws again."""
    import torch
    from torch import nn

    from vggc.backends.torch.torch_module import construct

    torch.manual_seed(0)
    module = nn.Sequential(*(construct(layer.layer.torch(layer.input)) for layer in network.layers))
    for each in module:
        if isinstance(each, nn.Conv2d):
            nn.init.kaiming_normal_(each.weight, mode="fan_out", nonlinearity="relu")
            if each.bias is not None:
                nn.init.constant_(each.bias, 0)
        elif isinstance(each, nn.Linear):
            nn.init.normal_(each.weight, 0, 0.01)
            nn.init.constant_(each.bias, 0)
    return module


def torch_export(network: "Network", module: "nn.Module", path: Path) -> None:
    """`torch.onnx.export` with its own defaults, and without its chatter.

    Raises:
        NotMeasuredError: it lacks its second half.
    """
    import torch

    if find_spec("onnxscript") is None:
        raise NotMeasuredError("needs onnxscript")
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, (torch.zeros(1, *network.input),), path, dynamo=True, verbose=False)
