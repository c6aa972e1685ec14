"""`vggc verify`: an existing ONNX file held against the spec in it, or against another."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vggc.diagnostics import Source, SpecError
from vggc.errors import ProductError, VerificationError
from vggc.ir import Network
from vggc.layers.base import LoweringError
from vggc.matching import Matching
from vggc.pipeline import compile, compile_source
from vggc.progress import Progress, silent
from vggc.weights import load_weights

if TYPE_CHECKING:
    import onnx
    from torch import nn

    from vggc.passes import Program
    from vggc.passes.program import Array
    from vggc.verify.onnx_file import Precision
    from vggc.verify.report import Report


def held(
    program: "Program",
    path: Path,
    module: "nn.Sequential",
    *,
    opset: int | None = None,
    precision: "Precision" = "float32",
    own_weights: bool = False,
    loosely: bool = False,
    inputs: "Sequence[Array]" = (),
    progress: Progress = silent,
) -> "Report":
    """The report of a file that is what it ought to be; the arguments are those of `vggc.verify.onnx_file.verify`.

    Raises:
        ProductError: onnxruntime does not run the file.
        VerificationError: it is not, or nobody can tell.
    """
    from vggc.verify.onnx_file import verify

    try:
        report = verify(
            program, path, module, opset=opset, precision=precision, own_weights=own_weights, loosely=loosely,
            inputs=inputs, progress=progress,
        )  # fmt: skip
    except LoweringError as error:  # in the opset of a file that is not vggc's
        raise ProductError(f"not supported: {error}") from error
    if report.verdict != "verified":
        raise VerificationError(report)
    return report


def verify_onnx(
    path: str | os.PathLike[str],
    network: Network | str | os.PathLike[str] | None = None,
    *,
    weights: str | os.PathLike[str] | None = None,
    matching: Matching | None = None,
    progress: Progress = silent,
) -> "Report":
    """Hold an existing file against a network; nothing is written.

    What the file says of itself is taken for granted as far as it says which passes and which precision it was made
    with. A file that is not vggc's is held against the outputs alone.

    Args:
        path: the ONNX file.
        network: what it is said to be; if left out, the spec that is embedded in the file.
        weights: what the file ought to hold; if left out the file's own weights are taken, and its graph is verified.
        matching: how the keys of the weights file are matched.
        progress: told the passes done.

    Raises:
        ProductError: the file cannot be read or run, or holds no spec and none was given.
        VerificationError: the file did not pass.
    """
    from vggc.verify.reading import check_digests, check_opsets, read_model

    file = Path(path)
    model = read_model(file)
    check_opsets(file, model)
    check_digests(file, model)
    made = Making.of(model, file.name)
    if network is None:
        network = embedded_network(model, file.name)
    elif not isinstance(network, Network):
        network = compile(network)
    program = embedded_program(network, model, file.name)
    if weights is not None:
        module, _ = load_weights(network, Path(weights), matching)
    else:
        module = own_weights(program, model, file)
    del model
    return held(
        program, file, module, precision=made.precision, own_weights=weights is None,
        loosely=not made.by_vggc or made.precision == "int8", progress=progress,
    )  # fmt: skip


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
        by_vggc = "vggc.spec" in metadata and metadata.get("vggc.exporter", "vggc") == "vggc"
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
        return compile_source(Source(f"{name}:spec", metadata["vggc.spec"]), until=metadata.get("vggc.until"))
    except SpecError as error:
        raise ProductError(f"the spec in {name} does not compile: {error}") from error


def embedded_program(network: Network, model: "onnx.ModelProto", name: str) -> "Program":
    """What a network became in a file, by the passes that the file says it was made with.

    Raises:
        ProductError: it says something that this version of vggc does not know.
    """
    from vggc.passes import prepare

    return prepare(network, Making.of(model, name).passes)


def own_weights(program: "Program", model: "onnx.ModelProto", file: Path) -> "nn.Sequential":
    """The module with the weights that a file holds, taken back through what the passes made of them.

    Raises:
        ProductError: they are not those of the network, or quantised.
    """
    import torch

    from vggc.backends import torch_module
    from vggc.verify import reading
    from vggc.weights import assign

    made = Making.of(model, file.name)
    if made.precision == "int8":
        raise ProductError(f"{file.name} holds quantised weights; name those that it was made from with --weights")
    found = reading.state(model, file)
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
