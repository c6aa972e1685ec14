"""`vggc export`: a network becomes an ONNX file that was held against torch before it is there."""

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vggc.build import EXPORTS
from vggc.errors import ProductError
from vggc.files import move_into_place, staging, write_text
from vggc.ir import Network
from vggc.layers.base import LoweringError
from vggc.matching import Matching
from vggc.pipeline import compile
from vggc.progress import Progress, silent
from vggc.verifying import held
from vggc.weights import WeightsReport, load_weights

if TYPE_CHECKING:
    from torch import nn

    from vggc.backends.onnx_model import Lowered
    from vggc.passes import Program
    from vggc.passes.program import Array
    from vggc.verify.onnx_file import Precision
    from vggc.verify.report import Report

DEFAULT_OPSET: Final = 17


@dataclass(frozen=True)
class Export:
    """A file that was written and verified; `weights` says what became of the keys of a weights file."""

    path: Path
    report: "Report"
    weights: WeightsReport | None = None


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
    matching: Matching | None = None,
    opset: int | None = None,
    seed: int = 0,
    passes: Collection[str] = (),
    precision: "Precision" = "float32",
    calibration: "str | Sequence[Array]" = (),
    external_data: bool = False,
    progress: Progress = silent,
) -> Export:
    """Write a network as ONNX, verify the file, and move it into place only when it passed.

    Args:
        network: what to export: a network, or what `compile` takes.
        path: the file; `exports/NAME/NAME.onnx` if left out.
        weights: a safetensors or torch file; if left out the spec's `init` is drawn under `seed`.
        matching: how the keys of that file are matched, and which may be missing.
        opset: from 13 to the newest that the installed onnxruntime runs; 17 if left out, or what the passes need.
        seed: of the draw.
        passes: names out of `vggc.passes.PASSES`, carried out in the order of that table.
        precision: of the weights and of the arithmetic; input and output stay float32.
        calibration: for int8, what to find the ranges with and to compare on: a folder of images, a data source, or
            inputs of the file in batches of one.
        external_data: whether the weights stand in a file beside, `NAME.onnx.data`; always so above 2 GiB.
        progress: told what is being done.

    Raises:
        ProductError: the file could not be made; what was at `path` is unchanged.
        VerificationError: the file was made and did not pass; what was at `path` is unchanged.
    """
    network = network if isinstance(network, Network) else compile(network)
    target = Path(path) if path is not None else default_path(network)
    if target.suffix != ".onnx":
        raise ProductError(f"{target}: the name of an ONNX file ends in .onnx")
    program, lowered = _lowered(network, passes, opset, precision)
    images = _calibration(program, precision, calibration, progress)
    with staging(target) as folder:
        module, report_of_weights = _module(network, weights, matching, seed, progress)
        staged = folder / target.name
        beside = _write(lowered, module, staged, external_data, progress)
        if precision == "int8":
            report = _quantized(program, staged, module, images, progress)
            beside = None
        else:
            report = held(program, staged, module, opset=opset, precision=precision, progress=progress)
        for name in filter(None, (beside, target.name)):
            move_into_place(folder / name, target.with_name(name))
    write_text(report_path(target), report.to_json())
    return Export(target, report, report_of_weights)


def _calibration(
    program: "Program", precision: "Precision", calibration: "str | Sequence[Array]", progress: Progress
) -> "Sequence[Array]":
    if calibration and precision != "int8":
        raise ProductError("calibration images are of use to int8 alone: add --int8, or leave out --calibration")
    if not isinstance(calibration, str):
        return calibration
    from vggc.calibration import calibration_inputs

    return calibration_inputs(program, calibration, progress)


def _quantized(
    program: "Program", path: Path, module: "nn.Sequential", calibration: "Sequence[Array]", progress: Progress
) -> "Report":
    """Verify the float32 file, put its int8 form in its place, and verify that one by its outputs."""
    from vggc.quantization import Calibration, quantize

    size = held(program, path, module, progress=progress).size
    split = Calibration.split(calibration) if calibration else None
    exact = path.rename(path.with_name(f"float32-{path.name}"))
    progress("quantising", 0, 1)
    note = quantize(program, exact, size, path, split)
    progress("quantising", 1, 1)
    compared = split.comparing if split is not None else ()
    return held(program.noted(note), path, module, precision="int8", loosely=True, inputs=compared, progress=progress)


def _lowered(
    network: Network, passes: Collection[str], opset: int | None, precision: "Precision"
) -> "tuple[Program, Lowered]":
    """What will be written, without its weights; every request that cannot be honoured ends here."""
    from vggc.backends import onnx_model
    from vggc.passes import least_opset, prepare

    program = prepare(network, passes)
    chosen = opset if opset is not None else max(DEFAULT_OPSET, least_opset(program))
    _check_opset(chosen)
    try:
        return program, onnx_model.lower(program, chosen, "float16" if precision == "float16" else "float32")
    except LoweringError as error:
        raise ProductError(f"not supported: {error}") from error


def _check_opset(opset: int) -> None:
    from vggc.backends import onnx_model
    from vggc.verify.sessions import newest_opset

    newest = newest_opset()
    if not onnx_model.OLDEST_OPSET <= opset <= newest:
        raise ProductError(
            f"not supported: opset {opset}; vggc writes {onnx_model.OLDEST_OPSET} to {newest}, "
            "the newest that the installed onnxruntime runs"
        )


def _module(
    network: Network,
    weights: str | os.PathLike[str] | None,
    matching: Matching | None,
    seed: int,
    progress: Progress,
) -> "tuple[nn.Sequential, WeightsReport | None]":
    from vggc.backends import torch_module

    if weights is not None:
        return load_weights(network, Path(weights), matching, seed, progress)
    return torch_module.materialize(network, seed, progress), None


def _write(
    lowered: "Lowered", module: "nn.Sequential", path: Path, external_data: bool, progress: Progress
) -> str | None:
    """Write the file; the name of the file with its weights, where they stand in one of their own."""
    from vggc.backends import onnx_writer

    beside = f"{path.name}.data" if external_data or onnx_writer.needs_external_data(lowered) else None
    state = module.state_dict()
    try:
        onnx_writer.write(lowered, lambda name: state[name].numpy(), path, external_data=beside, progress=progress)
    except LoweringError as error:
        raise ProductError(f"not supported: {error}") from error
    return beside
