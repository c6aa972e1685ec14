"""ONNX files written tensor by tensor, so that memory does not grow with the model.

Protobuf is a sequence of fields, and the fields of a message may come in any order. An ONNX file is therefore the
bytes of the model without its weights, with the weights appended to the graph as they come. Field numbers are those
of onnx.proto (ONNX 1.23); the encoding is described at https://protobuf.dev/programming-guides/encoding.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import BinaryIO, Final

MODEL_GRAPH: Final = 7
_MODEL_METADATA: Final = 14
GRAPH_INITIALIZER: Final = 5
_TENSOR_DIMS: Final = 1
_TENSOR_DATA_TYPE: Final = 2
_TENSOR_NAME: Final = 8
TENSOR_RAW_DATA: Final = 9
TENSOR_EXTERNAL_DATA: Final = 13
TENSOR_DATA_LOCATION: Final = 14
_ENTRY_KEY: Final = 1
_ENTRY_VALUE: Final = 2
_EXTERNAL: Final = 1
VARINT: Final = 0
LENGTH: Final = 2

MAX_FILE: Final = 2**31 - 1  # protobuf reads no larger message


@dataclass(frozen=True, slots=True)
class Tensor:
    """An initializer: its name, shape and ONNX data type, and how many bytes its raw data has."""

    name: str
    shape: tuple[int, ...]
    data_type: int
    size: int


def varint(value: int) -> bytes:
    """An unsigned integer, seven bits a byte, the lowest first."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _tag(field: int, wire: int) -> bytes:
    return varint(field << 3 | wire)


def _number(field: int, value: int) -> bytes:
    return _tag(field, VARINT) + varint(value)


def bytes_field(field: int, value: bytes) -> bytes:
    """A field of bytes, text or a message."""
    return _tag(field, LENGTH) + varint(len(value)) + value


def _entry(key: str, value: str) -> bytes:
    return bytes_field(_ENTRY_KEY, key.encode()) + bytes_field(_ENTRY_VALUE, value.encode())


def metadata_entry(key: str, value: str) -> bytes:
    """A field of a model that may come after all others: one more entry of its metadata."""
    return bytes_field(_MODEL_METADATA, _entry(key, value))


def _description(tensor: Tensor) -> bytes:
    dims = b"".join(_number(_TENSOR_DIMS, size) for size in tensor.shape)
    return dims + _number(_TENSOR_DATA_TYPE, tensor.data_type) + bytes_field(_TENSOR_NAME, tensor.name.encode())


def _embedded(tensor: Tensor) -> bytes:
    """Everything of an initializer that comes before its raw data."""
    body = _description(tensor) + _tag(TENSOR_RAW_DATA, LENGTH) + varint(tensor.size)
    return _tag(GRAPH_INITIALIZER, LENGTH) + varint(len(body) + tensor.size) + body


def _elsewhere(tensor: Tensor, location: str, offset: int) -> bytes:
    """An initializer whose data is in another file."""
    return bytes_field(GRAPH_INITIALIZER, _description(tensor) + external_data(location, offset, tensor.size))


def external_data(location: str, offset: int, length: int) -> bytes:
    """The fields of an initializer whose data is so many bytes of another file."""
    entries = {"location": location, "offset": str(offset), "length": str(length)}
    fields = b"".join(bytes_field(TENSOR_EXTERNAL_DATA, _entry(key, value)) for key, value in entries.items())
    return fields + _number(TENSOR_DATA_LOCATION, _EXTERNAL)


def file_size(model: bytes, graph: bytes, tensors: Iterable[Tensor]) -> int:
    """How large a file with everything in it will be."""
    body = len(graph) + sum(len(_embedded(tensor)) + tensor.size for tensor in tensors)
    return len(model) + len(_tag(MODEL_GRAPH, LENGTH)) + len(varint(body)) + body


def write_embedded(
    file: BinaryIO, model: bytes, graph: bytes, tensors: Iterable[Tensor], data: Callable[[Tensor], memoryview]
) -> None:
    """Write a model with its weights inside.

    Args:
        file: open for writing.
        model: the serialized ModelProto without its graph.
        graph: the serialized GraphProto without its initializers.
        tensors: the initializers, in the order in which `data` is asked for them.
        data: the raw little-endian bytes of a tensor, exactly `size` of them.
    """
    tensors = list(tensors)
    body = len(graph) + sum(len(_embedded(tensor)) + tensor.size for tensor in tensors)
    file.write(model + _tag(MODEL_GRAPH, LENGTH) + varint(body) + graph)
    for tensor in tensors:
        file.write(_embedded(tensor))
        file.write(_exactly(tensor, data(tensor)))


ALIGNMENT: Final = 4096  # what runtimes need of memory-mapped data


def write_data(
    file: BinaryIO, tensors: Iterable[Tensor], data: Callable[[Tensor], memoryview]
) -> tuple[list[int], str]:
    """Write the weights of a model by themselves; arguments as of `write_embedded`.

    Returns:
        the offset of every tensor, and the SHA-256 of the file in hexadecimal digits.
    """
    offsets: list[int] = []
    end = 0
    digest = hashlib.sha256()
    for tensor in tensors:
        padding = bytes(-end % ALIGNMENT)
        offsets.append(end + len(padding))
        for piece in (padding, _exactly(tensor, data(tensor))):
            file.write(piece)
            digest.update(piece)
        end = offsets[-1] + tensor.size
    return offsets, digest.hexdigest()


def write_referring(
    file: BinaryIO, model: bytes, graph: bytes, tensors: Iterable[Tensor], offsets: Iterable[int], location: str
) -> None:
    """Write a model whose weights are at the offsets of a file called `location`; as `write_embedded` otherwise."""
    described = b"".join(_elsewhere(tensor, location, offset) for tensor, offset in zip(tensors, offsets, strict=True))
    file.write(model + bytes_field(MODEL_GRAPH, graph + described))


def _exactly(tensor: Tensor, raw: memoryview) -> memoryview:
    if raw.nbytes != tensor.size:
        raise ValueError(f"{tensor.name} has {raw.nbytes} bytes instead of {tensor.size}")
    return raw
