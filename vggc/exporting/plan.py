"""What an export will write, decided before any weight is initialised."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from vggc.backends.onnx import onnx_model, onnx_writer
from vggc.backends.onnx.onnx_model import Lowered
from vggc.base.errors import ProductError
from vggc.base.progress import Progress, silent
from vggc.ir.network import Network
from vggc.ir.program import Array, Program
from vggc.layers.answers import LoweringError
from vggc.passes import prepare
from vggc.verify.report import Precision
from vggc.verify.sessions import newest_opset

TORCHS_OPSET: Final = 20  # the one that torch.onnx.export writes best; it converts older ones

Exporter = Literal["vggc", "torch"]


@dataclass(frozen=True)
class ExportOptions:
    """What was asked for; the fields are the arguments of `export_onnx`."""

    passes: Collection[str] = ()
    opset: int | None = None
    precision: Precision = "float32"
    calibration: str | Sequence[Array] = ()
    external_data: bool = False
    exporter: Exporter = "vggc"


@dataclass(frozen=True)
class ExportPlan:
    """What will be written.

    Attributes:
        lowered: the file without its weights; of an int8 file, its float32 form.
        options: what was asked for.
        external_data: whether the weights will be in a file of their own.
        images: for int8, inputs to calibrate and to compare on.
    """

    lowered: Lowered
    options: ExportOptions
    external_data: bool
    images: Sequence[Array]


def plan_export(network: Network, options: ExportOptions, progress: Progress = silent) -> ExportPlan:
    """The plan of an export.

    Raises:
        ProductError: what was asked for cannot be done, or not together.
    """
    program = prepare(network, options.passes)
    opset = _opset(program, options)
    _check_combination(options)
    try:
        lowered = onnx_model.lower(program, opset, "float16" if options.precision == "float16" else "float32")
    except LoweringError as error:
        raise ProductError(f"not supported: {error}") from error
    external_data = options.external_data or onnx_writer.needs_external_data(lowered)
    return ExportPlan(lowered, options, external_data, _images(program, options.calibration, progress))


def _opset(program: Program, options: ExportOptions) -> int:
    """The opset that was asked for, or a usual one that is new enough for the passes."""
    usual = onnx_model.DEFAULT_OPSET if options.exporter == "vggc" else TORCHS_OPSET
    opset = options.opset if options.opset is not None else max(usual, program.least_opset)
    newest = newest_opset()
    if not onnx_model.OLDEST_OPSET <= opset <= newest:
        raise ProductError(
            f"not supported: opset {opset}; vggc writes {onnx_model.OLDEST_OPSET} to {newest}, "
            "the newest that the installed onnxruntime runs"
        )
    return opset


def _check_combination(options: ExportOptions) -> None:
    if options.exporter == "torch" and (options.passes or options.precision != "float32" or options.external_data):
        raise ProductError("not supported: --exporter torch with passes, another precision or external data")
    if options.precision == "int8" and options.external_data:
        raise ProductError("not supported: --external-data with --int8: an int8 file has its weights inside")
    if options.calibration and options.precision != "int8":
        raise ProductError("calibration images are only used for int8: add --int8, or leave out --calibration")


def _images(program: Program, calibration: str | Sequence[Array], progress: Progress) -> Sequence[Array]:
    if not isinstance(calibration, str):
        return calibration
    from vggc.data.calibration import calibration_inputs

    return calibration_inputs(program, calibration, progress) if calibration else ()
