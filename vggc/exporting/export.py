"""`vggc export`: a network becomes an ONNX file that was held against torch before it is there."""

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from vggc.backends.onnx.publishing import check_target, publish, report_path
from vggc.base.errors import ProductError, VerificationError
from vggc.base.progress import Progress, silent
from vggc.base.staging import final, staging
from vggc.exporting.build import EXPORTS
from vggc.ir.network import Network
from vggc.layers.layer import LoweringError
from vggc.pipeline import compile
from vggc.verify.verify_file import held
from vggc.weights.key_matching import Matching
from vggc.weights.loading import WeightsReport, load_weights

if TYPE_CHECKING:
    from torch import nn

    from vggc.backends.onnx.onnx_model import Lowered
    from vggc.ir.program import Array, Program
    from vggc.verify.report import Report
    from vggc.verify.verification import Precision

DEFAULT_OPSET: Final = 17
TORCHS_OPSET: Final = 20  # what torch.onnx.export writes best; it turns older ones into others

_TOO_COARSE: Final = "int8 is too coarse for this network: try (other) calibration images, or --fp16"

Exporter = Literal["vggc", "torch"]


@dataclass(frozen=True)
class Export:
    """A file that was written and verified; `weights` says what became of the keys of a weights file."""

    path: Path
    report: "Report"
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
    precision: "Precision" = "float32",
    calibration: "str | Sequence[Array]" = (),
    external_data: bool = False,
    exporter: Exporter = "vggc",
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
        external_data: whether the weights stand in a file beside, `NAME.onnx.DIGEST.data`; always so above 2 GiB.
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
    making = _Making(network, passes, opset, precision, calibration, external_data, exporter, progress)
    check_target(target, external_data=making.external_data and precision != "int8")
    with staging(target) as folder:
        module, report_of_weights = _module(network, weights, matching, seed, progress)
        staged = folder / final(target).name
        report, data = making.make(module, staged)
        report_path(staged).write_text(report.to_json(), encoding="utf-8", newline="\n")
        publish(staged, target, data)
    return Export(target, report, report_of_weights)


def _module(
    network: Network,
    weights: str | os.PathLike[str] | None,
    matching: Matching | None,
    seed: int,
    progress: Progress,
) -> "tuple[nn.Sequential, WeightsReport | None]":
    from vggc.backends.torch import torch_module

    if weights is not None:
        return load_weights(network, Path(weights), matching, seed, progress)
    return torch_module.materialize(network, seed, progress), None


class _Making:
    """What will be made of a network; every request that cannot be honoured ends here, before anything is drawn."""

    def __init__(
        self,
        network: Network,
        passes: Collection[str],
        opset: int | None,
        precision: "Precision",
        calibration: "str | Sequence[Array]",
        external_data: bool,
        exporter: Exporter,
        progress: Progress,
    ) -> None:
        from vggc.backends.onnx import onnx_model, onnx_writer
        from vggc.passes import prepare

        self.program: Program = prepare(network, passes)
        self.precision = precision
        self.exporter = exporter
        self.progress = progress
        usual = DEFAULT_OPSET if exporter == "vggc" else TORCHS_OPSET
        self.opset = opset if opset is not None else max(usual, self.program.least_opset)
        _check_opset(self.opset)
        if exporter == "torch" and (passes or precision != "float32" or external_data):
            raise ProductError("not supported: --exporter torch with passes, another precision or external data")
        try:
            self.lowered: Lowered = onnx_model.lower(
                self.program, self.opset, "float16" if precision == "float16" else "float32"
            )
        except LoweringError as error:
            raise ProductError(f"not supported: {error}") from error
        if precision == "int8" and external_data:
            raise ProductError("not supported: --external-data with --int8: an int8 file has its weights inside")
        self.external_data = external_data or onnx_writer.needs_external_data(self.lowered)
        self.images = self._calibration(calibration)

    def _calibration(self, calibration: "str | Sequence[Array]") -> "Sequence[Array]":
        if calibration and self.precision != "int8":
            raise ProductError("calibration images are of use to int8 alone: add --int8, or leave out --calibration")
        if not isinstance(calibration, str):
            return calibration
        from vggc.data.calibration import calibration_inputs

        return calibration_inputs(self.program, calibration, self.progress) if calibration else ()

    def make(self, module: "nn.Sequential", path: Path) -> "tuple[Report, Path | None]":
        """Write the file and verify it: the report, and the file with its weights, where they have one of their own."""
        if self.exporter == "torch":
            return self._by_torch(module, path), None
        data = self._write(module, path)
        if self.precision == "int8":
            return self._quantized(module, path), None
        report = held(self.program, path, module, opset=self.opset, precision=self.precision, progress=self.progress)
        return report, data

    def _by_torch(self, module: "nn.Sequential", path: Path) -> "Report":
        from vggc.backends.onnx import torch_exporter

        torch_exporter.export(self.program, module, path, self.opset)
        return held(self.program, path, module, opset=self.opset, loosely=True, progress=self.progress)

    def _write(self, module: "nn.Sequential", path: Path) -> Path | None:
        """Write vggc's own file; the file with its weights, where they have one of their own."""
        from vggc.backends.onnx import onnx_writer

        state = module.state_dict()
        try:
            return onnx_writer.write(
                self.lowered,
                lambda name: state[name].numpy(),
                path,
                external_data=self.external_data,
                progress=self.progress,
            )
        except LoweringError as error:
            raise ProductError(f"not supported: {error}") from error

    def _quantized(self, module: "nn.Sequential", path: Path) -> "Report":
        """Verify the float32 file, put its int8 form in its place, and verify that one by its outputs."""
        from vggc.exporting.quantization import Calibration, quantize

        size = held(self.program, path, module, progress=self.progress).size
        split = Calibration.split(self.images) if self.images else None
        exact = path.rename(path.with_name(f"float32-{path.name}"))
        self.progress("quantising", 0, 1)
        note = quantize(self.program, exact, size, path, split)
        self.progress("quantising", 1, 1)
        compared = split.comparing if split is not None else ()
        try:
            return held(
                self.program.noted(note), path, module, opset=self.opset, precision="int8", loosely=True,
                inputs=compared, progress=self.progress,
            )  # fmt: skip
        except VerificationError as error:
            if error.report.verdict == "mismatch":
                error.report.reason += f"; {_TOO_COARSE}"
            raise VerificationError(error.report) from error


def _check_opset(opset: int) -> None:
    from vggc.backends.onnx import onnx_model
    from vggc.verify.sessions import newest_opset

    newest = newest_opset()
    if not onnx_model.OLDEST_OPSET <= opset <= newest:
        raise ProductError(
            f"not supported: opset {opset}; vggc writes {onnx_model.OLDEST_OPSET} to {newest}, "
            "the newest that the installed onnxruntime runs"
        )
