"""A float32 file -> an int8 one, by onnxruntime's quantiser."""

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnxruntime import quantization

from vggc.backends.onnx.onnx_writer import CHECKSUMS, checksum, raw
from vggc.base.version import __version__
from vggc.base.words import in_bytes, plural
from vggc.ir.program import Array, PassNote, Program

_HELD_OUT = 4  # one image in so many is kept for the comparison


@dataclass(frozen=True, slots=True)
class Calibration:
    """Inputs of the file, one image each: those that the ranges are taken from, and those that it is compared on."""

    calibrating: Sequence[Array]
    comparing: Sequence[Array]

    @classmethod
    def split(cls, inputs: Sequence[Array]) -> "Calibration":
        """Every fourth image is held out; of fewer than four, all serve for both."""
        if len(inputs) < _HELD_OUT:
            return cls(inputs, inputs)
        comparing = inputs[_HELD_OUT - 1 :: _HELD_OUT]
        return cls([x for i, x in enumerate(inputs) if i % _HELD_OUT != _HELD_OUT - 1], comparing)


def quantize(program: Program, source: Path, size: int, target: Path, calibration: Calibration | None) -> PassNote:
    """Write the int8 form of a file.

    With calibration images, weights and activations are int8, with ranges from these images and a scale for every
    output channel (static, in quantise and dequantise nodes). Without, the ranges are computed for every input while it
    runs (dynamic), in the convolutions and linear layers alone. Biases stay exact in both.

    Weights use seven of their eight bits: on x86 processors without VNNI, onnxruntime adds two products of eight bits
    in sixteen, which saturate, and the same file would give other outputs there.

    Args:
        program: what the file holds.
        source: the float32 file.
        size: its bytes, with those of its weights.
        target: the file to write.
        calibration: images, if there are any.

    Returns:
        what was done, for the report.
    """
    graph = onnx.load(str(source), load_external_data=False).graph
    quantized = {step.path for step in program.steps if step.value in program.values}
    kept = [node.name for node in graph.node if node.name.split("/")[0] not in quantized]  # what the passes add
    with _quietly():
        if calibration is None:
            quantization.quantize_dynamic(
                source,
                target,
                per_channel=True,
                reduce_range=True,
                weight_type=quantization.QuantType.QInt8,
                nodes_to_exclude=kept,
            )
        else:
            quantization.quantize_static(
                source,
                target,
                _Reader(program.input.name, calibration.calibrating),
                quant_format=quantization.QuantFormat.QDQ,
                per_channel=True,
                reduce_range=True,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
                nodes_to_exclude=kept,
            )
    _signed(target)
    return PassNote("int8", _summary(calibration, size, target), _advice(program))


class _Reader(quantization.CalibrationDataReader):  # type: ignore[misc]  # onnxruntime is not typed
    """The images as onnxruntime's quantiser reads them."""

    def __init__(self, name: str, inputs: Sequence[Array]) -> None:
        self.feeds: Iterator[dict[str, Array]] = iter([{name: x} for x in inputs])

    def get_next(self) -> dict[str, Array] | None:
        """The next feed."""
        return next(self.feeds, None)


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the quantiser's warnings, which advise what was already done."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _signed(path: Path) -> None:
    """Write into the file's metadata what it is, and the checksums of its tensors."""
    model = onnx.load(str(path))
    metadata = {
        entry.key: entry.value for entry in model.metadata_props if entry.key.startswith(("vggc.", "onnx.version"))
    }
    sums = {tensor.name: checksum(raw(onnx.numpy_helper.to_array(tensor))) for tensor in model.graph.initializer}
    metadata |= {"vggc.precision": "int8", CHECKSUMS: json.dumps(sums, separators=(",", ":"))}
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, metadata)
    model.producer_name, model.producer_version = "vggc", __version__
    path.write_bytes(model.SerializeToString(deterministic=True))


def _summary(calibration: Calibration | None, size: int, target: Path) -> str:
    sizes = f"{in_bytes(size)} -> {in_bytes(target.stat().st_size)}"
    if calibration is None:
        return f"dynamic, without calibration images; {sizes}"
    calibrating, comparing = calibration.calibrating, calibration.comparing
    images = f"calibrated on {plural(len(calibrating), 'image')}, compared on "
    images += "the same" if comparing is calibrating else plural(len(comparing), "other")
    return f"static, {images}; {sizes}"


def _advice(program: Program) -> tuple[str, ...]:
    norms = sum(step.layer.layer.uses_batch_statistics for step in program.steps)
    if not norms:
        return ()
    return (f"{norms} batch_norm are between the layers: --fold-batch-norm makes the file smaller and faster",)
