"""ONNX files of unknown origin, read with care: what they hold, and nothing outside their folder.

Weights in a file beside are never read into memory: they are mapped. Where a model is read with `mapped`, so are the
weights inside it.
"""

import hashlib
import mmap
import re
from collections.abc import Iterable, Iterator
from math import prod
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import torch
from google.protobuf.message import DecodeError

from vggc.backends.onnx.protobuf_skeleton import skeleton
from vggc.backends.onnx.publishing import data_name
from vggc.base.errors import ProductError
from vggc.verify.sessions import Array

EMBEDDED: Final = ":spec"  # after a file's name: the name of the spec in it

_PIECE: Final = 2**22
_DIGEST_IN_NAME: Final = re.compile(r"(.+\.onnx)\.[0-9a-f]{12}\.data")


def read_model(path: Path, *, mapped: bool = False) -> onnx.ModelProto:
    """A model whose external data is left where it is; `values` gives that.

    Args:
        path: the file.
        mapped: whether large tensors inside the file are left there too, as external data in the file itself.

    Raises:
        ProductError: it cannot be read, is not an ONNX file, or its data is missing or outside its folder.
    """
    try:
        _check_ordinary(path)
        model = _mapped_model(path) if mapped else onnx.load(str(path), load_external_data=False)
    except OSError as error:
        raise ProductError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from error
    except (DecodeError, ValueError) as error:
        raise ProductError(f"{path} is not an ONNX file, or was cut short: {_first_line(error)}") from error
    if not model.graph.node:
        raise ProductError(f"{path} is not an ONNX file, or was cut short: it holds no graph")
    if not all(isinstance(text, str) for text in _texts(model)):
        raise ProductError(f"{path} is damaged: a name in it is not text; copy it again, or export again")
    for tensor in tensors(model.graph):
        if is_external(tensor):
            _check_place(path, tensor)
    return model


def _mapped_model(path: Path) -> onnx.ModelProto:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return onnx.ModelProto.FromString(skeleton(data, path.name))


def data_files(path: Path, model: onnx.ModelProto) -> list[Path]:
    """The files beside a model that hold its weights."""
    locations = {_entries(tensor)["location"] for tensor in tensors(model.graph) if is_external(tensor)}
    return [path.parent / location for location in sorted(locations - {path.name})]


def check_digests(path: Path, model: onnx.ModelProto) -> None:
    """Compare data files with the digest that vggc writes into their names.

    Raises:
        ProductError: one of them has other bytes.
    """
    for data in data_files(path, model):
        if (named := _DIGEST_IN_NAME.fullmatch(data.name)) is None:
            continue
        if data_name(named[1], sha256_of(data)) != data.name:
            raise ProductError(
                f"{data} was changed or damaged: its name says that it has other bytes; copy it again, or export again"
            )


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_opsets(path: Path, model: onnx.ModelProto) -> None:
    """Raise ProductError for a model with operators that onnx itself does not know."""
    imports = [*model.opset_import, onnx.helper.make_opsetid("", opset_of(model))]
    try:
        onnx.helper.find_min_ir_version_for(imports)
    except ValueError as error:
        named = ", ".join(f"{opset.domain or 'ai.onnx'} {opset.version}" for opset in model.opset_import) or "none"
        raise ProductError(
            f"{path} imports operators that the installed onnx {onnx.__version__} does not know ({named}); "
            "a newer onnx may, or the file is damaged"
        ) from error


def opset_of(model: onnx.ModelProto) -> int:
    """The version of ONNX's own operators that a model imports."""
    return max((opset.version for opset in model.opset_import if opset.domain in ("", "ai.onnx")), default=0)


def values(tensor: onnx.TensorProto, path: Path) -> Array:
    """The values of an initializer of the model at `path`, which `read_model` has read; not to be written to.

    Raises:
        ProductError: they do not fit its shape or type.
    """
    try:
        if is_external(tensor) and 0 not in tensor.dims and _extent(path, tensor)[1] == _data_size(tensor):
            return _mapped(tensor, path.parent)
        return onnx.numpy_helper.to_array(tensor, str(path.parent))
    except (TypeError, ValueError, KeyError) as error:
        raise ProductError(f"{path} is damaged: {tensor.name}: {_first_line(error)}") from error


def same_bits(one: Array, other: Array) -> bool:
    """Whether two arrays hold the same bytes, compared a piece at a time: no memory that grows with them."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    first, second = (np.ascontiguousarray(array).reshape(-1).view(np.uint8) for array in (one, other))
    pieces = range(0, first.size, _PIECE)
    return all(np.array_equal(first[start : start + _PIECE], second[start : start + _PIECE]) for start in pieces)


def state(model: onnx.ModelProto, path: Path) -> dict[str, torch.Tensor]:
    """The initializers of a model as a state dict; those in a file beside are mapped.

    Raises:
        ProductError: one of them is damaged, or of a type that torch lacks.
    """
    return {tensor.name: _as_torch(tensor, path) for tensor in model.graph.initializer}


def _as_torch(tensor: onnx.TensorProto, path: Path) -> torch.Tensor:
    array = values(tensor, path)
    try:
        return torch.from_numpy(array if array.flags.writeable else array.copy())
    except TypeError as error:
        raise ProductError(f"not supported: {tensor.name} in {path} is {array.dtype}") from error


def tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Every tensor in a graph: initializers, and those in attributes, also of graphs inside."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            subgraphs: Iterable[onnx.GraphProto] = [attribute.g] if attribute.HasField("g") else attribute.graphs
            for subgraph in subgraphs:
                yield from tensors(subgraph)


def is_external(tensor: onnx.TensorProto) -> bool:
    """Whether the values are not in the tensor, but in a file."""
    return bool(tensor.data_location == onnx.TensorProto.EXTERNAL)


def _check_ordinary(path: Path) -> None:
    """Raise ProductError for what cannot be read, or not to its end."""
    if not path.exists():
        raise ProductError(f"{path} cannot be read: no such file or directory")
    if path.is_dir():
        raise ProductError(f"{path} is a folder; name the ONNX file in it")
    if not path.is_file():
        raise ProductError(f"{path} is not an ordinary file; copy what it gives into one")


def _texts(model: onnx.ModelProto) -> Iterator[object]:
    """What ought to be text; protobuf gives bytes where it is not."""
    yield model.graph.name
    for prop in model.metadata_props:
        yield from (prop.key, prop.value)
    yield from (opset.domain for opset in model.opset_import)
    for node in model.graph.node:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        yield from (attribute.name for attribute in node.attribute)
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        yield value.name
        yield from (dim.dim_param for dim in value.type.tensor_type.shape.dim)
    for tensor in tensors(model.graph):
        yield tensor.name
        yield from (text for entry in tensor.external_data for text in (entry.key, entry.value))


def _check_place(path: Path, tensor: onnx.TensorProto) -> None:
    """Raise ProductError unless the tensor's data is there, whole, in the folder of the model."""
    location = _entries(tensor).get("location", "")
    file = path.parent / location
    if not location or "\0" in location or not file.resolve().is_relative_to(path.parent.resolve()):
        raise ProductError(
            f"{path} keeps {tensor.name} in {location!r}, outside its own folder, so it is not read; "
            "ask its author to save it with the data beside it"
        )
    if not file.is_file():
        state = "is not an ordinary file" if file.exists() else "is missing"
        raise ProductError(
            f"{path} needs {location} beside it, which {state}; copy both files together, or export again"
        )
    offset, length = _extent(path, tensor)
    if offset + length > file.stat().st_size:
        raise ProductError(f"{file} was cut short: it ends before {tensor.name} does; copy it again, or export again")


def _extent(path: Path, tensor: onnx.TensorProto) -> tuple[int, int]:
    """Where the tensor's bytes begin in the data file, and how many they are."""
    entries = _entries(tensor)
    try:
        offset = int(entries.get("offset", 0))
        length = int(entries.get("length", 0)) or _data_size(tensor)
    except (KeyError, ValueError) as error:
        raise ProductError(f"{path} is damaged: the place of {tensor.name} is {entries}") from error
    if offset < 0 or length < 0:
        raise ProductError(f"{path} is damaged: the place of {tensor.name} is {entries}")
    return offset, length


def _mapped(tensor: onnx.TensorProto, folder: Path) -> Array:
    """Copy on write, because torch refuses memory that it must not write to."""
    entries = _entries(tensor)
    dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).newbyteorder("<")
    return np.memmap(
        folder / entries["location"], dtype, mode="c", offset=int(entries.get("offset", 0)), shape=tuple(tensor.dims)
    )


def _data_size(tensor: onnx.TensorProto) -> int:
    """The bytes that the data of a tensor of that shape and type takes."""
    return int(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize) * prod(tensor.dims)


def _entries(tensor: onnx.TensorProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in tensor.external_data}


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
