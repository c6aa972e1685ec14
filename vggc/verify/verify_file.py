"""`vggc verify`: an existing ONNX file compared with the spec in it, or with another."""

import os
from pathlib import Path

import onnx

from vggc.backends.onnx import onnx_model
from vggc.backends.torch import torch_module
from vggc.base.errors import ProductError
from vggc.base.progress import Progress, silent
from vggc.ir.network import Network
from vggc.ir.program import Program
from vggc.layers.answers import LoweringError
from vggc.passes import prepare
from vggc.pipeline import compile
from vggc.verify.claim import Claim, Strictness
from vggc.verify.file_origin import FileOrigin, embedded_network, embedded_weights
from vggc.verify.model_file import check_digests, check_opsets, opset_of, read_model
from vggc.verify.report import Report
from vggc.verify.structure import Structure
from vggc.verify.verification import verify_or_raise
from vggc.weights.key_matching import OPTIONS, Matching
from vggc.weights.loading import load_weights


def verify_onnx(
    path: str | os.PathLike[str],
    network: Network | str | os.PathLike[str] | None = None,
    *,
    weights: str | os.PathLike[str] | None = None,
    matching: Matching | None = None,
    calibration: str = "",
    progress: Progress = silent,
) -> Report:
    """Compare an existing file with a network; nothing is written.

    The file is believed about which passes and which precision it was made with. Of a file that vggc did not write, the
    outputs alone are compared.

    Args:
        path: the ONNX file.
        network: what it is said to be; if left out, the spec that is embedded in the file.
        weights: what the file ought to hold; if left out the file's own weights are taken, and its graph is verified.
        matching: how the keys of the weights file are matched.
        calibration: images to compare an int8 file on: a folder of them, or a data source.
        progress: told the passes done.

    Raises:
        ProductError: the file cannot be read or run, or holds no spec and none was given.
        VerificationError: the file did not pass.
    """
    file = Path(path)
    model = read_model(file, mapped=True)
    check_opsets(file, model)
    check_digests(file, model)
    origin = FileOrigin.of(model, file.name)
    if calibration and origin.precision != "int8":
        raise ProductError("calibration images are only used for int8 files: leave out --calibration")
    if network is None:
        network = embedded_network(model, file.name)
    elif not isinstance(network, Network):
        network = compile(network)
    program = prepare(network, origin.passes)
    structure = Structure(file, model, _lowered(program, origin, model))
    if weights is not None:
        offered = [option for option in OPTIONS if option != "--allow-missing"]  # what a file ought to hold is known
        module, _ = load_weights(network, Path(weights), matching, offered=offered)
    elif origin.by_vggc and origin.precision != "int8" and structure.tensor_differences():
        module = torch_module.build(network)  # no weights: the structure differs, and nothing is computed
    else:
        module = embedded_weights(program, model, file)
    strictness = Strictness.STRICT if weights is not None else Strictness.OWN_WEIGHTS
    if not origin.by_vggc or origin.precision == "int8":
        strictness = Strictness.OUTPUTS_ONLY
    inputs = []
    if calibration:
        from vggc.data.calibration import calibration_inputs

        inputs = calibration_inputs(program, calibration, progress)
    claim = Claim(structure.lowered, origin.precision, strictness, inputs)
    return verify_or_raise(claim, file, module, model=model, progress=progress)


def _lowered(program: Program, origin: FileOrigin, model: onnx.ModelProto) -> onnx_model.Lowered:
    """The program in the opset and the float type of a file."""
    try:
        return onnx_model.lower(program, opset_of(model), "float16" if origin.precision == "float16" else "float32")
    except LoweringError as error:
        raise ProductError(f"not supported: {error}") from error
