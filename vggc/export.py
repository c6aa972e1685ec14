"""`vggc export` and `vggc verify`: a network becomes an ONNX file that was held against torch before it is there."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vggc.build import EXPORTS
from vggc.diagnostics import Source, SpecError
from vggc.errors import ProductError, VerificationError
from vggc.files import move_into_place, staging, write_text
from vggc.ir import Network
from vggc.layers.base import LoweringError
from vggc.onnx_files import read_model
from vggc.pipeline import compile, compile_source
from vggc.progress import Progress, silent
from vggc.weights import load_weights

if TYPE_CHECKING:
    import onnx
    from torch import nn

    from vggc.verify.report import Report

DEFAULT_OPSET: Final = 17


@dataclass(frozen=True)
class Export:
    """A file that was written and verified."""

    path: Path
    report: "Report"


def default_path(network: Network) -> Path:
    """`exports/NAME/NAME.onnx` in the working folder."""
    return EXPORTS / network.stem / f"{network.stem}.onnx"


def report_path(path: Path) -> Path:
    """Where the report of a file lies: beside it."""
    return path.with_name(path.name + ".json")


def export_onnx(
    network: Network | str | os.PathLike[str],
    path: str | os.PathLike[str] | None = None,
    *,
    weights: str | os.PathLike[str] | None = None,
    opset: int = DEFAULT_OPSET,
    seed: int = 0,
    external_data: bool = False,
    progress: Progress = silent,
) -> Export:
    """Write a network as ONNX, verify the file, and move it into place only when it passed.

    Args:
        network: what to export: a network, or what `compile` takes.
        path: the file; `exports/NAME/NAME.onnx` if left out.
        weights: a safetensors or torch file; if left out the spec's `init` is drawn under `seed`.
        opset: from 13 to the newest that the installed onnxruntime runs.
        seed: of the draw.
        external_data: whether the weights stand in a file beside, `NAME.onnx.data`; always so above 2 GiB.
        progress: told what is being done.

    Raises:
        ProductError: the file could not be made; what was at `path` is unchanged.
        VerificationError: the file was made and did not pass; what was at `path` is unchanged.
    """
    from vggc.backends import onnx_model

    network = network if isinstance(network, Network) else compile(network)
    target = Path(path) if path is not None else default_path(network)
    if target.suffix != ".onnx":
        raise ProductError(f"{target}: the name of an ONNX file ends in .onnx")
    _check_opset(opset)
    try:
        lowered = onnx_model.lower(network, opset)
    except LoweringError as error:
        raise ProductError(f"not supported: {error}") from error
    with staging(target) as folder:
        module = _module(network, weights, seed, progress)
        beside = f"{target.name}.data" if external_data or onnx_model.needs_external_data(lowered) else None
        state = module.state_dict()
        onnx_model.write(
            lowered, lambda name: state[name].numpy(), folder / target.name, external_data=beside, progress=progress
        )
        report = _verified(network, folder / target.name, module, opset, progress)
        for name in filter(None, (beside, target.name)):
            move_into_place(folder / name, target.with_name(name))
    write_text(report_path(target), report.to_json())
    return Export(target, report)


def _check_opset(opset: int) -> None:
    from vggc.backends import onnx_model
    from vggc.verify.sessions import newest_opset

    newest = newest_opset()
    if not onnx_model.OLDEST_OPSET <= opset <= newest:
        raise ProductError(
            f"not supported: opset {opset}; vggc writes {onnx_model.OLDEST_OPSET} to {newest}, "
            "the newest that the installed onnxruntime runs"
        )


def _module(network: Network, weights: str | os.PathLike[str] | None, seed: int, progress: Progress) -> "nn.Sequential":
    from vggc.backends import torch_module

    if weights is not None:
        return load_weights(network, Path(weights))
    return torch_module.materialize(network, seed, progress)


def _verified(
    network: Network,
    path: Path,
    module: "nn.Sequential",
    opset: int | None,
    progress: Progress,
    *,
    own_weights: bool = False,
) -> "Report":
    from vggc.verify.onnx_file import verify

    report = verify(network, path, module, opset=opset, own_weights=own_weights, progress=progress)
    if report.verdict != "verified":
        raise VerificationError(report)
    return report


def verify_onnx(
    path: str | os.PathLike[str],
    network: Network | str | os.PathLike[str] | None = None,
    *,
    weights: str | os.PathLike[str] | None = None,
    progress: Progress = silent,
) -> "Report":
    """Hold an existing file against a network; nothing is written.

    Args:
        path: the ONNX file.
        network: what it is said to be; if left out, the spec that is embedded in the file.
        weights: what the file ought to hold; if left out the file's own weights are taken, and its graph is verified.
        progress: told the passes done.

    Raises:
        ProductError: the file cannot be read, or holds no spec and none was given.
        VerificationError: the file did not pass.
    """
    file = Path(path)
    model = read_model(file)
    if network is None:
        network = embedded_network(model, file.name)
    elif not isinstance(network, Network):
        network = compile(network)
    module = load_weights(network, Path(weights)) if weights is not None else _own_weights(network, model, file)
    return _verified(network, file, module, None, progress, own_weights=weights is None)


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


def _own_weights(network: Network, model: "onnx.ModelProto", file: Path) -> "nn.Sequential":
    import onnx
    import torch

    from vggc.backends import torch_module
    from vggc.weights import assign

    state = {
        each.name: torch.from_numpy(onnx.numpy_helper.to_array(each, str(file.parent)).copy())
        for each in model.graph.initializer
    }
    module = torch_module.allocate(network)
    report = assign(module, state, file.name)
    if not report.complete:
        raise ProductError(f"the weights are not those of {network.name}\n{report}")
    return module
