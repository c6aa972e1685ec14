"""What is measured: a spec, which is initialised and lowered for the purpose, or an ONNX file of any origin."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx

from vggc.backends.onnx import onnx_model, onnx_writer
from vggc.base.errors import ProductError
from vggc.base.progress import Progress
from vggc.benching.measurement import ENGINES, Engine
from vggc.ir.network import Network
from vggc.passes import prepare
from vggc.verify.file_origin import FileOrigin, embedded_network, embedded_weights
from vggc.verify.model_file import data_files, read_model
from vggc.verify.structure import inputs as inputs_of
from vggc.weights.key_matching import Matching
from vggc.weights.loading import load_weights

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class SubjectInput:
    """An input of a file; `shape` is without the first axis, the batch."""

    name: str
    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class BenchSubject:
    """What is to be measured.

    `open` gives the ONNX file, which it writes into a folder if there is none yet, and if asked the module for torch;
    it raises ProductError. Nothing is allocated before.
    """

    title: str
    inputs: tuple[SubjectInput, ...]
    weight_bytes: int
    open: Callable[[Path, bool, Progress], "tuple[Path, nn.Module | None]"]
    engines: tuple[Engine, ...] = ENGINES
    network: Network | None = None
    frozen_batch: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def macs(self) -> int | None:
        """Multiply-accumulates per sample, where the network is known and takes the inputs as they are."""
        return self.network.macs if self.network and self.same_input else None

    @property
    def same_input(self) -> bool:
        """Whether the file takes what the network takes."""
        return self.network is not None and [(value.dtype, value.shape) for value in self.inputs] == [
            (np.dtype(np.float32), self.network.input)
        ]


def of_network(
    network: Network, weights: Path | None = None, seed: int = 0, matching: Matching | None = None
) -> BenchSubject:
    """A network with the weights of a file, matched in this way, or initialised with a seed."""

    def write(folder: Path, with_module: bool, progress: Progress) -> "tuple[Path, nn.Module | None]":
        module = _module(network, weights, seed, matching, progress)
        lowered, state = onnx_model.lower(network), module.state_dict()
        path = folder / f"{network.stem}.onnx"
        external = onnx_writer.needs_external_data(lowered)
        onnx_writer.write(lowered, lambda name: state[name].numpy(), path, external_data=external, progress=progress)
        return path, module if with_module else None

    inputs = (SubjectInput("input", np.dtype(np.float32), network.input),)
    note = "the ONNX file was written for this measurement and is not verified; vggc export verifies"
    return BenchSubject(network.name, inputs, network.weight_bytes, write, network=network, notes=(note,))


def _module(
    network: Network, weights: Path | None, seed: int, matching: Matching | None, progress: Progress
) -> "nn.Module":
    from vggc.backends.torch import torch_module

    if weights is not None:
        return load_weights(network, weights, matching, seed, progress)[0]
    return torch_module.materialize(network, seed, progress)


def of_file(path: Path, size: Sequence[int] | None = None) -> BenchSubject:
    """An ONNX file: in both engines if vggc wrote it, and in onnxruntime alone otherwise.

    Args:
        path: the file.
        size: of the input, without the batch, where the file leaves it open; usually (C, H, W). The spec's, if left out
            and vggc wrote the file.

    Raises:
        ProductError: it cannot be read, or leaves a size open and none is given.
    """
    model = read_model(path)
    values = inputs_of(model)
    network = embedded_network(model, path.name) if _has_spec(model) else None
    if size is not None and len(values) != 1:
        raise ProductError(f"{path} has {len(values)} inputs: none of them can be given a size")
    if size is None and network is not None and len(values) == 1:
        size = _size_of_spec(network, values[0])
    quantised = network is not None and FileOrigin.of(model, path.name).precision == "int8"
    batches = [axes[0] for value in values if (axes := _axes(value)) and isinstance(axes[0], int)]
    subject = BenchSubject(
        path.name,
        tuple(SubjectInput(value.name, _dtype(path, value), _shape(path, value, size)) for value in values),
        sum(file.stat().st_size for file in [path, *data_files(path, model)]),
        lambda _folder, with_module, _progress: _open_file(path, model, network if with_module else None),
        ENGINES if network is not None and not quantised else ENGINES[:1],
        network,
        min(batches, default=None),
    )
    return replace(subject, notes=tuple(_notes(subject, model)))


def _has_spec(model: onnx.ModelProto) -> bool:
    return "vggc.spec" in {entry.key for entry in model.metadata_props}


def _open_file(path: Path, model: onnx.ModelProto, network: Network | None) -> "tuple[Path, nn.Module | None]":
    if network is None:
        return path, None
    try:
        program = prepare(network, FileOrigin.of(model, path.name).passes)
        return path, embedded_weights(program, model, path)
    except ProductError as error:
        raise ProductError(f"{error}\ntorch cannot run the file; --engines onnxruntime leaves it out") from error


def _notes(subject: BenchSubject, model: onnx.ModelProto) -> Iterator[str]:
    """What the user must know before comparing the figures of a file."""
    if subject.network is None:
        yield "the file contains no spec of vggc, so torch is left out, and the MACs are unknown"
        return
    if "torch" not in subject.engines:
        yield "the file's weights are quantised, so torch is left out"
        return
    if not subject.same_input:
        yield "the file takes another input than the network in torch: the engines do not do the same work"
    if onnx.TensorProto.FLOAT16 in {tensor.data_type for tensor in model.graph.initializer}:
        yield "the file has weights in FLOAT16, and torch computes in FLOAT: the engines do not do the same work"


def _axes(value: onnx.ValueInfoProto) -> list[int | str]:
    """The axes: a number, or a name (which may be empty) where it is open."""
    return [
        dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else dim.dim_param
        for dim in value.type.tensor_type.shape.dim
    ]


def _size_of_spec(network: Network, value: onnx.ValueInfoProto) -> tuple[int, ...]:
    """The size in the order of the file's axes: an embedded preprocessing takes (H, W, C)."""
    channels, height, width = network.input
    is_image = value.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    return (height, width, channels) if is_image else (channels, height, width)


def _dtype(path: Path, value: onnx.ValueInfoProto) -> np.dtype[np.generic]:
    """The type of an input's values; raises ProductError if they are not numbers that numpy has."""
    elem_type = value.type.tensor_type.elem_type
    try:
        dtype = onnx.helper.tensor_dtype_to_np_dtype(elem_type)
    except KeyError:
        dtype = np.dtype(object)
    if dtype.kind not in "fiub":
        name = onnx.TensorProto.DataType.Name(elem_type)
        raise ProductError(f"not supported: input {value.name} of {path} is of type {name}")
    return dtype


def _shape(path: Path, value: onnx.ValueInfoProto, size: Sequence[int] | None) -> tuple[int, ...]:
    """The axes after the batch, the open ones as in `size`.

    Raises:
        ProductError: an axis is open and `size` is missing, or `size` does not fit.
    """
    axes = _axes(value)[1:]
    described = ", ".join(str(axis or "?") for axis in axes)
    if size is None:
        fixed = tuple(axis for axis in axes if isinstance(axis, int))
        if len(fixed) < len(axes):
            example = ",".join(str(axis) if isinstance(axis, int) else "224" for axis in axes)
            raise ProductError(
                f"{path} leaves the size of {value.name} open ([{described}]); set it with --input {example}"
            )
        return fixed
    fits = (axis == extent or isinstance(axis, str) for axis, extent in zip(axes, size, strict=False))
    if len(size) != len(axes) or not all(fits):
        raise ProductError(f"{path} takes [{described}] after the batch axis, not [{', '.join(map(str, size))}]")
    return tuple(size)
