"""`vggc export`: a network is written as ONNX, verified, and only then moved into place."""

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vggc.backends.onnx import onnx_writer, torch_exporter
from vggc.backends.onnx.publishing import check_target, publish, report_path
from vggc.backends.torch import torch_module
from vggc.base.errors import ProductError, VerificationError
from vggc.base.progress import Progress, silent
from vggc.base.staging import final, staging
from vggc.exporting.build import EXPORTS
from vggc.exporting.plan import Exporter, ExportOptions, ExportPlan, plan_export
from vggc.ir.network import Network
from vggc.ir.program import Array
from vggc.layers.answers import LoweringError
from vggc.pipeline import compile
from vggc.verify.claim import Claim, Strictness
from vggc.verify.model_file import opset_of
from vggc.verify.report import Precision, Report
from vggc.verify.verification import verify_or_raise
from vggc.weights.key_matching import Matching
from vggc.weights.loading import WeightsReport, load_weights

if TYPE_CHECKING:
    from torch import nn

_TOO_COARSE: Final = "int8 is too coarse for this network: try (other) calibration images, or --fp16"


@dataclass(frozen=True)
class Export:
    """A file that was written and verified; `weights` says what became of the keys of a weights file."""

    path: Path
    report: Report
    weights: WeightsReport | None = None


def default_path(network: Network) -> Path:
    """`exports/NAME/NAME.onnx` in the working folder."""
    return EXPORTS / network.stem / f"{network.stem}.onnx"


def export_onnx(
    network: Network | str | os.PathLike[str],
    path: str | os.PathLike[str] | None = None,
    *,
    weights: str | os.PathLike[str] | None = None,
    matching: Matching | None = None,
    opset: int | None = None,
    seed: int = 0,
    passes: Collection[str] = (),
    precision: Precision = "float32",
    calibration: str | Sequence[Array] = (),
    external_data: bool = False,
    exporter: Exporter = "vggc",
    progress: Progress = silent,
) -> Export:
    """Write a network as ONNX, verify the file, and move it into place only when it passed.

    Args:
        network: what to export: a network, or what `compile` takes.
        path: the file; `exports/NAME/NAME.onnx` if left out.
        weights: a safetensors or torch file; if left out, weights are initialised by the spec's `init` under `seed`.
        matching: how the keys of that file are matched, and which may be missing.
        opset: from 13 to the newest that the installed onnxruntime runs; 17 if left out, or what the passes need.
        seed: of the initialisation.
        passes: names out of `vggc.passes.PASSES`, carried out in the order of that table.
        precision: of the weights and of the arithmetic; input and output stay float32.
        calibration: for int8, what to find the ranges with and to compare on: a folder of images, a data source, or
            inputs of the file in batches of one.
        external_data: whether the weights are in a file beside, `NAME.onnx.DIGEST.data`; always so above 2 GiB.
        exporter: `torch` has torch.onnx.export write the file, as a second opinion; it is verified by its outputs.
        progress: told what is being done.

    Raises:
        ProductError: the file could not be made; what was at `path` is unchanged.
        VerificationError: the file was made and did not pass; what was at `path` is unchanged.
    """
    network = network if isinstance(network, Network) else compile(network)
    target = Path(path) if path is not None else default_path(network)
    if target.suffix != ".onnx":
        raise ProductError(f"{target}: the name of an ONNX file ends in .onnx")
    options = ExportOptions(passes, opset, precision, calibration, external_data, exporter)
    plan = plan_export(network, options, progress)
    check_target(target, external_data=plan.external_data and precision != "int8")
    with staging(target) as folder:
        report_of_weights = None
        if weights is not None:
            module, report_of_weights = load_weights(network, Path(weights), matching, seed, progress)
        else:
            module = torch_module.materialize(network, seed, progress)
        staged = folder / final(target).name
        report, data = _make(plan, module, staged, progress)
        report_path(staged).write_text(report.to_json(), encoding="utf-8", newline="\n")
        publish(staged, target, data)
    return Export(target, report, report_of_weights)


def _make(plan: ExportPlan, module: "nn.Sequential", path: Path, progress: Progress) -> tuple[Report, Path | None]:
    """Write the file and verify it: the report, and the file with its weights, where they have one of their own."""
    if plan.options.exporter == "torch":
        torch_exporter.export(plan.lowered.program, module, path, opset_of(plan.lowered.model))
        claim = Claim(plan.lowered, strictness=Strictness.OUTPUTS_ONLY)
        return verify_or_raise(claim, path, module, progress=progress), None
    data = _write(plan, module, path, progress)
    if plan.options.precision == "int8":
        return _quantized(plan, module, path, progress), None
    return verify_or_raise(Claim(plan.lowered, plan.options.precision), path, module, progress=progress), data


def _write(plan: ExportPlan, module: "nn.Sequential", path: Path, progress: Progress) -> Path | None:
    """Write vggc's own file; the file with its weights, where they have one of their own."""
    state = module.state_dict()
    try:
        return onnx_writer.write(
            plan.lowered,
            lambda name: state[name].numpy(),
            path,
            external_data=plan.external_data,
            progress=progress,
        )
    except LoweringError as error:
        raise ProductError(f"not supported: {error}") from error


def _quantized(plan: ExportPlan, module: "nn.Sequential", path: Path, progress: Progress) -> Report:
    """Verify the float32 file, replace it by its int8 form, and verify that one by its outputs."""
    from vggc.exporting.quantization import Calibration, quantize

    size = verify_or_raise(Claim(plan.lowered), path, module, progress=progress).size
    split = Calibration.split(plan.images) if plan.images else None
    exact = path.rename(path.with_name(f"float32-{path.name}"))
    progress("quantising", 0, 1)
    program = plan.lowered.program
    lowered = replace(plan.lowered, program=program.noted(quantize(program, exact, size, path, split)))
    progress("quantising", 1, 1)
    claim = Claim(lowered, "int8", Strictness.OUTPUTS_ONLY, split.comparing if split is not None else ())
    try:
        return verify_or_raise(claim, path, module, progress=progress)
    except VerificationError as error:
        if error.report.verdict == "mismatch":
            error.report.reason += f"; {_TOO_COARSE}"
        raise VerificationError(error.report) from error
