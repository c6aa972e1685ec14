"""The same network as `torch.onnx.export` writes it: an optional second opinion."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import onnx
import torch
from torch import nn

from vggc.backends.onnx.onnx_model import metadata
from vggc.base.errors import ProductError
from vggc.ir.program import BATCH, Program

EXPORTER: Final = "vggc.exporter"  # the metadata key of such a file, which vggc's own lacks


def export(program: Program, module: nn.Sequential, path: Path, opset: int) -> None:
    """Write a file with torch's exporter, without the paths of this machine.

    Args:
        program: the network without passes.
        module: the network's module, in eval mode.
        path: the file to write.
        opset: the opset of the file, which torch does not always honour.

    Raises:
        ProductError: onnxscript is not installed, or torch wrote another opset or refused.
    """
    if find_spec("onnxscript") is None:
        raise ProductError("--exporter torch needs onnxscript; install it with: pip install onnxscript")
    example = torch.zeros(2, *program.network.input)  # a batch of 1 would be taken for a constant
    with _quietly():
        try:
            torch.onnx.export(
                module.eval(),
                (example,),
                str(path),
                dynamo=True,
                verbose=False,
                external_data=False,
                opset_version=opset,
                input_names=[program.input.name],
                output_names=[program.output.name],
                dynamic_shapes=({0: torch.export.Dim(BATCH)},),
            )
        except (torch.onnx.errors.OnnxExporterError, RuntimeError) as error:
            raise ProductError(f"torch.onnx.export failed: {str(error).splitlines()[0]}") from error
    _sign(program, path, opset)


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the exporter's log and deprecation warnings, which say nothing about the network."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _sign(program: Program, path: Path, opset: int) -> None:
    """Replace torch's metadata, which holds the paths of the machine, by vggc's."""
    model = onnx.load(str(path))
    written = max((entry.version for entry in model.opset_import if entry.domain == ""), default=0)
    if written != opset:
        raise ProductError(f"torch.onnx.export was asked for opset {opset}, and wrote {written}; ask for {written}")
    described: list[Any] = [model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.initializer]
    for message in described:
        message.ClearField("doc_string")
        message.ClearField("metadata_props")
    onnx.helper.set_model_props(model, metadata(program, "float32") | {EXPORTER: "torch"})
    path.write_bytes(model.SerializeToString(deterministic=True))
