"""What an ONNX file says of itself: how it was made, the spec in it, and the weights that it holds."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vggc.base.diagnostics import Source, SpecError
from vggc.base.errors import ProductError
from vggc.ir.network import Network
from vggc.pipeline import compile_source
from vggc.verify.model_file import EMBEDDED
from vggc.weights.key_matching import Matching

if TYPE_CHECKING:
    import onnx
    from torch import nn

    from vggc.ir.program import Program
    from vggc.verify.verification import Precision


@dataclass(frozen=True)
class Making:
    """How a file was made, by what it says of itself."""

    by_vggc: bool
    passes: tuple[str, ...]
    precision: "Precision"

    @classmethod
    def of(cls, model: "onnx.ModelProto", name: str) -> "Making":
        from vggc.passes import PASSES
        from vggc.verify.report import TOLERANCES

        metadata = {each.key: each.value for each in model.metadata_props}
        try:
            passes = json.loads(metadata.get("vggc.passes", "[]"))
        except ValueError:
            passes = None
        precision = metadata.get("vggc.precision", "float32")
        if not isinstance(passes, list) or not set(map(str, passes)) <= PASSES.keys() or precision not in TOLERANCES:
            raise ProductError(f"{name} says that it was made in a way that this version of vggc does not know")
        by_vggc = "vggc.version" in metadata and metadata.get("vggc.exporter", "vggc") == "vggc"
        return cls(by_vggc, tuple(passes), precision)  # type: ignore[arg-type]  # one of the table


def embedded_network(model: "onnx.ModelProto", name: str) -> Network:
    """The network whose spec is embedded in an ONNX file.

    Raises:
        ProductError: the file holds no spec of vggc, or one that does not compile.
    """
    metadata = {each.key: each.value for each in model.metadata_props}
    if "vggc.spec" not in metadata:
        raise ProductError(f"{name} holds no spec; name one: vggc verify {name} SPEC")
    try:
        return compile_source(Source(f"{name}{EMBEDDED}", metadata["vggc.spec"]), until=metadata.get("vggc.until"))
    except SpecError as error:
        raise ProductError(f"the spec in {name} does not compile: {error}") from error


def embedded_program(network: Network, model: "onnx.ModelProto", name: str) -> "Program":
    """What a network became in a file, by the passes that the file says it was made with.

    Raises:
        ProductError: it says something that this version of vggc does not know.
    """
    from vggc.passes import prepare

    return prepare(network, Making.of(model, name).passes)


def embedded_weights(program: "Program", model: "onnx.ModelProto", file: Path) -> "nn.Sequential":
    """The module with the weights that a file holds, taken back through what the passes and quantising made of them.

    Raises:
        ProductError: they are not those of the network.
    """
    import torch

    from vggc.backends.torch import torch_module
    from vggc.verify import model_file
    from vggc.verify.int8_tensors import dequantized
    from vggc.weights.loading import assign

    made = Making.of(model, file.name)
    found = model_file.state(model, file)
    if made.precision == "int8":
        found = dequantized(found)
    state = {} if made.by_vggc else dict(found)
    for tensor in (each for step in program.steps for each in step.tensors.values()):
        if tensor.name in found and tuple(found[tensor.name].shape) == tensor.shape:
            values = found[tensor.name].float().numpy()
            state |= {key: torch.from_numpy(each) for key, each in tensor.restore(values).items()}
    module = torch_module.allocate(program.network)
    # What other makers keep beside the weights are constants of their nodes; whether they are right, the outputs say.
    report = assign(module, state, file.name, Matching(allow_left_over=() if made.by_vggc else ("*",)))
    if not report.complete:
        raise ProductError(
            f"the weights are not those of {program.network.name}\n{report}\n"
            "name those that the file was made from with --weights"
        )
    return module
