"""An ONNX file without the data of its large tensors, which become external data that is in the file itself.

So that a file of any size is parsed without reading its weights. The field numbers are those of `protobuf_stream`.
"""

from collections.abc import Iterator
from mmap import mmap
from typing import Final, NamedTuple

from vggc.backends.onnx import protobuf_stream as stream

_LARGE: Final = 1024  # bytes from which the data of a tensor is left where it is
_FIXED_SIZES: Final = {1: 8, 5: 4}  # by wire type


class _Field(NamedTuple):
    """A field of a message: it begins at `start`, its value at `value`, and both end at `end`."""

    number: int
    start: int
    value: int
    end: int


def skeleton(data: mmap, name: str) -> bytes:
    """The serialized model in which large initializers refer to their data by offset and length.

    Args:
        data: the file.
        name: what the file is called, and so the location of the external data.

    Raises:
        ValueError: it is not protobuf, or was cut short.
    """
    pieces = []
    for field in _fields(data, 0, len(data)):
        if field.number == stream.MODEL_GRAPH:
            pieces.append(stream.bytes_field(stream.MODEL_GRAPH, _graph(data, field, name)))
        else:
            pieces.append(data[field.start : field.end])
    return b"".join(pieces)


def _graph(data: mmap, graph: _Field, name: str) -> bytes:
    pieces = []
    for field in _fields(data, graph.value, graph.end):
        if field.number == stream.GRAPH_INITIALIZER and field.end - field.value >= _LARGE:
            pieces.append(stream.bytes_field(stream.GRAPH_INITIALIZER, _tensor(data, field, name)))
        else:
            pieces.append(data[field.start : field.end])
    return b"".join(pieces)


def _tensor(data: mmap, tensor: _Field, name: str) -> bytes:
    fields = list(_fields(data, tensor.value, tensor.end))
    raw = [field for field in fields if field.number == stream.TENSOR_RAW_DATA]
    external = any(field.number in (stream.TENSOR_EXTERNAL_DATA, stream.TENSOR_DATA_LOCATION) for field in fields)
    if external or len(raw) != 1:
        return data[tensor.value : tensor.end]
    described = b"".join(data[field.start : field.end] for field in fields if field not in raw)
    return described + stream.external_data(name, raw[0].value, raw[0].end - raw[0].value)


def _fields(data: mmap, start: int, end: int) -> Iterator[_Field]:
    while start < end:
        tag, value = _varint(data, start)
        wire = tag & 7
        if wire == stream.LENGTH:
            size, value = _varint(data, value)
            stop = value + size
        elif wire == stream.VARINT:
            stop = _varint(data, value)[1]
        elif wire in _FIXED_SIZES:
            stop = value + _FIXED_SIZES[wire]
        else:
            raise ValueError(f"wire type {wire} at byte {start}")
        if stop > end:
            raise ValueError(f"the field at byte {start} ends after the message that it is in")
        yield _Field(tag >> 3, start, value, stop)
        start = stop


def _varint(data: mmap, start: int) -> tuple[int, int]:
    """An unsigned integer, and where what follows begins."""
    value = 0
    for position in range(start, min(start + 10, len(data))):
        byte = data[position]
        value |= (byte & 0x7F) << 7 * (position - start)
        if byte < 0x80:
            return value, position + 1
    raise ValueError(f"a number at byte {start} does not end")
