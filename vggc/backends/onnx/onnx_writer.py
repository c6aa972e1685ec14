"""Lowered -> an ONNX file, one tensor at a time, with a checksum of each."""

import json
import zlib
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

import numpy as np
import onnx

from vggc.backends.onnx import protobuf_stream
from vggc.backends.onnx.onnx_model import Lowered
from vggc.backends.onnx.protobuf_stream import Tensor
from vggc.backends.onnx.publishing import data_name
from vggc.base.progress import Progress, silent
from vggc.ir.program import Array, State

CHECKSUMS: Final = "vggc.tensors_crc32"  # the metadata that tells an altered weight from the one that was written


def write(
    lowered: Lowered,
    state: State,
    path: Path,
    *,
    external_data: bool = False,
    progress: Progress = silent,
) -> Path | None:
    """Write the file.

    Args:
        lowered: the program without its weights.
        state: the float32 values of a tensor of the network by its key in torch's state dict.
        path: the file to write.
        external_data: whether the weights go to a file beside it, named by `data_name`; needed above 2 GiB.
        progress: told the bytes written.

    Returns:
        the file beside it, if there is one.

    Raises:
        LoweringError: float16 cannot hold one of the weights.
    """
    envelope, graph = _split(lowered.model)
    weights = _Weights(lowered, state, progress)
    model = envelope + _checksums({tensor.name: checksum(b"") for tensor in lowered.tensors})  # as long as in the end
    beside = None
    with weights, path.open("wb") as file:
        if external_data:
            with path.with_name("data").open("wb") as weights_file:
                offsets, sha256 = protobuf_stream.write_data(weights_file, lowered.tensors, weights.data)
            beside = path.with_name("data").rename(path.with_name(data_name(path.name, sha256)))
            protobuf_stream.write_referring(file, model, graph, lowered.tensors, offsets, beside.name)
        else:
            protobuf_stream.write_embedded(file, model, graph, lowered.tensors, weights.data)
        file.seek(len(envelope))
        file.write(_checksums(weights.sums()))
    return beside


class _Weights:
    """The weights as bytes, whose checksums a second thread computes while the first one writes."""

    def __init__(self, lowered: Lowered, state: State, progress: Progress) -> None:
        self.lowered = lowered
        self.state = state
        self.progress = progress
        self.total = sum(tensor.size for tensor in lowered.tensors)
        self.done = 0
        self.thread = ThreadPoolExecutor(1)
        self.futures: dict[str, Future[str]] = {}

    def __enter__(self) -> None:
        self.progress("writing weights", 0, self.total)

    def __exit__(self, *_: object) -> None:
        self.thread.shutdown(cancel_futures=True)

    def data(self, tensor: Tensor) -> memoryview:
        """The bytes of a tensor; no more than two tensors are in memory at a time."""
        for future in list(self.futures.values())[-1:]:
            future.result()
        encoded = raw(self.lowered.values(tensor.name, self.state))
        self.futures[tensor.name] = self.thread.submit(checksum, encoded)
        self.done += tensor.size
        self.progress("writing weights", self.done, self.total)
        return encoded

    def sums(self) -> dict[str, str]:
        """The checksums of all tensors so far."""
        return {name: future.result() for name, future in self.futures.items()}


def raw(values: Array) -> memoryview:
    """The bytes of a tensor as ONNX has them, the lowest first."""
    ordered = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
    return ordered.reshape(-1).view(np.uint8).data


def checksums(model: onnx.ModelProto) -> dict[str, str] | None:
    """The checksums that were written with a model's initializers; None where there are none that can be read."""
    text = next((entry.value for entry in model.metadata_props if entry.key == CHECKSUMS), "")
    try:
        sums = json.loads(text)
    except ValueError:
        return None
    return sums if isinstance(sums, dict) else None


def checksum(raw: memoryview | bytes) -> str:
    """The CRC-32 of a tensor's little-endian bytes, in eight hexadecimal digits."""
    return f"{zlib.crc32(raw):08x}"


def _checksums(sums: dict[str, str]) -> bytes:
    return protobuf_stream.metadata_entry(CHECKSUMS, json.dumps(sums, separators=(",", ":")))


def _split(model: onnx.ModelProto) -> tuple[bytes, bytes]:
    """A model without its graph, and the graph, both serialized."""
    envelope = onnx.ModelProto()
    envelope.CopyFrom(model)
    envelope.ClearField("graph")
    return envelope.SerializeToString(deterministic=True), model.graph.SerializeToString(deterministic=True)


def needs_external_data(lowered: Lowered) -> bool:
    """Whether the weights are too many for one protobuf message."""
    return file_size(lowered) > protobuf_stream.MAX_FILE


def file_size(lowered: Lowered) -> int:
    """The bytes of the file with its weights inside."""
    sums = _checksums({tensor.name: checksum(b"") for tensor in lowered.tensors})
    return protobuf_stream.file_size(*_split(lowered.model), lowered.tensors) + len(sums)
