"""`vggc verify`: an existing ONNX file held against the spec in it, or against another."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vggc.base.errors import ProductError, VerificationError
from vggc.base.progress import Progress, silent
from vggc.ir.network import Network
from vggc.layers.layer import LoweringError
from vggc.pipeline import compile
from vggc.verify.file_origin import Making, embedded_network, embedded_program, embedded_weights
from vggc.weights.key_matching import OPTIONS, Matching
from vggc.weights.loading import load_weights

if TYPE_CHECKING:
    import onnx
    from torch import nn

    from vggc.ir.program import Array, Program
    from vggc.verify.report import Report
    from vggc.verify.verification import Precision


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
    model: "onnx.ModelProto | None" = None,
    progress: Progress = silent,
) -> "Report":
    """The report of a file that is what it ought to be; the arguments are those of `vggc.verify.verification.verify`.

    Raises:
        ProductError: onnxruntime does not run the file.
        VerificationError: it is not, or nobody can tell.
    """
    from vggc.verify.verification import verify

    try:
        report = verify(
            program, path, module, opset=opset, precision=precision, own_weights=own_weights, loosely=loosely,
            inputs=inputs, model=model, progress=progress,
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
    calibration: str = "",
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
        calibration: images to compare an int8 file on: a folder of them, or a data source.
        progress: told the passes done.

    Raises:
        ProductError: the file cannot be read or run, or holds no spec and none was given.
        VerificationError: the file did not pass.
    """
    from vggc.backends.torch import torch_module
    from vggc.verify.model_file import check_digests, check_opsets, read_model

    file = Path(path)
    model = read_model(file)
    check_opsets(file, model)
    check_digests(file, model)
    made = Making.of(model, file.name)
    if calibration and made.precision != "int8":
        raise ProductError("calibration images are of use to int8 files alone: leave out --calibration")
    if network is None:
        network = embedded_network(model, file.name)
    elif not isinstance(network, Network):
        network = compile(network)
    program = embedded_program(network, model, file.name)
    if weights is not None:
        offered = [option for option in OPTIONS if option != "--allow-missing"]  # what a file ought to hold is known
        module, _ = load_weights(network, Path(weights), matching, offered=offered)
    elif made.by_vggc and made.precision != "int8" and _is_another(program, model):
        module = torch_module.build(network)  # no weights: the structure differs, and nothing is computed
    else:
        module = embedded_weights(program, model, file)
    return held(
        program, file, module, precision=made.precision, own_weights=weights is None,
        loosely=not made.by_vggc or made.precision == "int8",
        inputs=_images(program, calibration, progress), model=model, progress=progress,
    )  # fmt: skip


def _images(program: "Program", words: str, progress: Progress) -> "Sequence[Array]":
    if not words:
        return ()
    from vggc.data.calibration import calibration_inputs

    return calibration_inputs(program, words, progress)


def _is_another(program: "Program", model: "onnx.ModelProto") -> bool:
    """Whether a file has not the tensors of a program."""
    from vggc.backends.onnx import onnx_model
    from vggc.verify.structure import opset_of, tensor_differences

    try:
        return bool(tensor_differences(onnx_model.lower(program, opset_of(model)), model))
    except LoweringError as error:
        raise ProductError(f"not supported: {error}") from error
