"""What an ONNX file says of how it was made, the spec in it, and the weights that it holds."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import onnx
import torch
from torch import nn

from vggc.backends.torch import torch_module
from vggc.base.diagnostics import Source, SpecError
from vggc.base.errors import ProductError
from vggc.ir.network import Network
from vggc.ir.program import Program
from vggc.passes import PASSES
from vggc.pipeline import compile_source
from vggc.verify.int8_tensors import dequantized
from vggc.verify.model_file import EMBEDDED, state
from vggc.verify.report import Precision
from vggc.weights.key_matching import Matching
from vggc.weights.loading import assign


@dataclass(frozen=True)
class FileOrigin:
    """How a file was made, by its metadata: whether by vggc, with which passes, and in which precision."""

    by_vggc: bool
    passes: tuple[str, ...]
    precision: Precision

    @classmethod
    def of(cls, model: onnx.ModelProto, name: str) -> "FileOrigin":
        """The origin of a model that is called `name` in errors.

        Raises:
            ProductError: its metadata names a pass or a precision that this version of vggc does not know.
        """
        metadata = metadata_of(model)
        try:
            passes = json.loads(metadata.get("vggc.passes", "[]"))
        except ValueError:
            passes = None
        precision = metadata.get("vggc.precision", "float32")
        known = isinstance(passes, list) and set(map(str, passes)) <= PASSES.keys()
        if not known or precision not in get_args(Precision):
            raise ProductError(f"{name} was made with passes or a precision that this version of vggc does not know")
        by_vggc = "vggc.version" in metadata and metadata.get("vggc.exporter", "vggc") == "vggc"
        return cls(by_vggc, tuple(passes), precision)  # type: ignore[arg-type]  # one of the literals


def metadata_of(model: onnx.ModelProto) -> dict[str, str]:
    """The metadata of a model by its keys."""
    return {entry.key: entry.value for entry in model.metadata_props}


def embedded_network(model: onnx.ModelProto, name: str) -> Network:
    """The network whose spec is embedded in an ONNX file.

    Raises:
        ProductError: the file holds no spec of vggc, or one that does not compile.
    """
    metadata = metadata_of(model)
    if "vggc.spec" not in metadata:
        raise ProductError(f"{name} holds no spec; name one: vggc verify {name} SPEC")
    try:
        return compile_source(Source(f"{name}{EMBEDDED}", metadata["vggc.spec"]), until=metadata.get("vggc.until"))
    except SpecError as error:
        raise ProductError(f"the spec in {name} does not compile: {error}") from error


def embedded_weights(program: Program, model: onnx.ModelProto, file: Path) -> nn.Sequential:
    """The module with the weights that a file holds, as they were before passes and quantising.

    Raises:
        ProductError: they are not those of the network.
    """
    origin = FileOrigin.of(model, file.name)
    tensors = state(model, file)
    if origin.precision == "int8":
        tensors = dequantized(tensors)
    weights = {} if origin.by_vggc else dict(tensors)
    for derived in (derived for step in program.steps for derived in step.tensors.values()):
        if derived.name in tensors and tuple(tensors[derived.name].shape) == derived.shape:
            restored = derived.restore(tensors[derived.name].float().numpy())
            weights |= {key: torch.from_numpy(values) for key, values in restored.items()}
    module = torch_module.allocate(program.network)
    # Other exporters keep constants of their nodes beside the weights; whether these are right, the outputs show.
    report = assign(module, weights, file.name, Matching(allow_left_over=() if origin.by_vggc else ("*",)))
    if not report.complete:
        raise ProductError(
            f"the weights are not those of {program.network.name}\n{report}\n"
            "name those that the file was made from with --weights"
        )
    return module
