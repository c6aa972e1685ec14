"""What is measured: a spec that is drawn and lowered for the purpose, or an ONNX file of whatever origin."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import onnx

from vggc.backends.onnx import onnx_model, onnx_writer
from vggc.base.errors import ProductError
from vggc.base.progress import Progress
from vggc.benching.medians import ENGINES, Engine
from vggc.ir.network import Network
from vggc.verify.file_origin import Making, embedded_network, embedded_program, embedded_weights
from vggc.verify.model_file import data_files, read_model
from vggc.verify.structure import inputs as inputs_of
from vggc.weights.key_matching import Matching
from vggc.weights.loading import load_weights

if TYPE_CHECKING:
    from torch import nn

Opened = tuple[Path, "nn.Sequential | None"]


class Source(Protocol):
    """Where the file and the module come from."""

    def open(self, folder: Path, progress: Progress, *, module: bool) -> Opened:
        """The file, which is made in the folder if it is not there, and the module, if asked for and there is one.

        Raises:
            ProductError: they cannot be had.
        """


@dataclass(frozen=True, slots=True)
class _Spec:
    """A network that is lowered, with the weights of a file or drawn ones."""

    network: Network
    weights: Path | None
    matching: Matching | None
    seed: int

    def open(self, folder: Path, progress: Progress, *, module: bool) -> Opened:
        lowered = onnx_model.lower(self.network)
        made = self._module(progress)
        state = made.state_dict()
        path = folder / f"{self.network.stem}.onnx"
        onnx_writer.write(
            lowered,
            lambda name: state[name].numpy(),
            path,
            external_data=onnx_writer.needs_external_data(lowered),
            progress=progress,
        )
        return path, made if module else None

    def _module(self, progress: Progress) -> "nn.Sequential":
        from vggc.backends.torch import torch_module

        if self.weights is not None:
            return load_weights(self.network, self.weights, self.matching, self.seed, progress)[0]
        return torch_module.materialize(self.network, self.seed, progress)


@dataclass(frozen=True, slots=True)
class _File:
    """A file that is there, with the network that is embedded in it."""

    path: Path
    model: onnx.ModelProto
    network: Network | None

    def open(self, folder: Path, progress: Progress, *, module: bool) -> Opened:
        if not module or self.network is None:
            return self.path, None
        try:
            program = embedded_program(self.network, self.model, self.path.name)
            return self.path, embedded_weights(program, self.model, self.path)
        except ProductError as error:
            raise ProductError(f"{error}\ntorch cannot run the file; --engines onnxruntime leaves it out") from error


@dataclass(frozen=True, slots=True)
class Input:
    """An input of a file; `shape` is without the first axis, the batch."""

    name: str
    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Subject:
    """What is to be measured; nothing of it is allocated before its source is opened."""

    title: str
    inputs: tuple[Input, ...]
    weight_bytes: int
    source: Source
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
        return self.network is not None and [(each.dtype, each.shape) for each in self.inputs] == [
            (np.dtype(np.float32), self.network.input)
        ]


def of_network(
    network: Network, weights: Path | None = None, seed: int = 0, matching: Matching | None = None
) -> Subject:
    """A network with the weights of a file, matched as is said, or drawn by its `init` under a seed."""
    inputs = (Input("input", np.dtype(np.float32), network.input),)
    note = "the ONNX file was made for this measurement and is not verified; vggc export verifies"
    source = _Spec(network, weights, matching, seed)
    return Subject(network.name, inputs, network.weight_bytes, source, network=network, notes=(note,))


def of_file(path: Path, size: Sequence[int] | None = None) -> Subject:
    """An ONNX file: in both engines where vggc made it, and in onnxruntime alone otherwise.

    Args:
        path: the file.
        size: of the input, without the batch, where the file leaves it open; usually (C, H, W). The spec's, if left out
            and vggc made the file.

    Raises:
        ProductError: it cannot be read, or leaves a size open and none is given.
    """
    model = read_model(path)
    values = inputs_of(model)
    network = embedded_network(model, path.name) if _has_spec(model) else None
    if size is not None and len(values) != 1:
        raise ProductError(f"{path} has {len(values)} inputs: none of them can be given a size")
    if size is None and network is not None and len(values) == 1:
        size = _usual(network, values[0])
    inputs = tuple(Input(each.name, _dtype(path, each), _shape(path, each, size)) for each in values)
    weight_bytes = path.stat().st_size + sum(each.stat().st_size for each in data_files(path, model))
    batches = {dims[0] for each in values if (dims := _dims(each)) and isinstance(dims[0], int)}
    frozen = min(batches, default=None)
    quantised = network is not None and Making.of(model, path.name).precision == "int8"
    engines = ENGINES if network is not None and not quantised else ENGINES[:1]
    subject = Subject(path.name, inputs, weight_bytes, _File(path, model, network), engines, network, frozen)
    return replace(subject, notes=tuple(_notes(subject, model)))


def _has_spec(model: onnx.ModelProto) -> bool:
    return "vggc.spec" in {each.key for each in model.metadata_props}


def _notes(subject: Subject, model: onnx.ModelProto) -> Iterator[str]:
    """What has to be known of a file before its figures are compared."""
    if subject.network is None:
        yield "the file holds no spec of vggc, so torch is left out, and the MACs are unknown"
        return
    if "torch" not in subject.engines:
        yield "the file's weights are quantised, so torch is left out"
        return
    if not subject.same_input:
        yield "the file takes another input than the network in torch: the engines do not do the same work"
    types = {onnx.TensorProto.DataType.Name(each.data_type) for each in model.graph.initializer}
    if "FLOAT16" in types:
        yield "the file holds weights in FLOAT16, and torch computes in FLOAT: the engines do not do the same work"


def _dims(value: onnx.ValueInfoProto) -> list[int | str]:
    """The axes: a number, or a name (which may be empty) where it is open."""
    return [
        dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else dim.dim_param
        for dim in value.type.tensor_type.shape.dim
    ]


def _usual(network: Network, value: onnx.ValueInfoProto) -> tuple[int, ...]:
    """The size of the spec, in the order of the file's axes: an embedded preprocessing takes (H, W, C)."""
    channels, height, width = network.input
    is_image = value.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    return (height, width, channels) if is_image else (channels, height, width)


def _dtype(path: Path, value: onnx.ValueInfoProto) -> np.dtype[np.generic]:
    """The type of an input's values.

    Raises:
        ProductError: they are no numbers that numpy has.
    """
    name = onnx.TensorProto.DataType.Name(value.type.tensor_type.elem_type)
    try:
        dtype = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
    except KeyError as error:
        raise ProductError(f"not supported: input {value.name} of {path} is no tensor of numbers ({name})") from error
    if dtype.kind not in "fiub":
        raise ProductError(f"not supported: input {value.name} of {path} is of type {name}")
    return dtype


def _shape(path: Path, value: onnx.ValueInfoProto, size: Sequence[int] | None) -> tuple[int, ...]:
    """The axes behind the batch, the open ones as in `size`.

    Raises:
        ProductError: an axis is open and `size` is missing, or `size` does not fit.
    """
    dims = _dims(value)[1:]
    described = ", ".join(str(dim or "?") for dim in dims)
    example = ",".join(str(dim) if isinstance(dim, int) else "224" for dim in dims)
    if size is None:
        if not all(isinstance(dim, int) for dim in dims):
            raise ProductError(
                f"{path} leaves the size of {value.name} open ([{described}]); name it: --input {example}"
            )
        return tuple(int(dim) for dim in dims)
    if len(size) != len(dims) or any(
        isinstance(dim, int) and dim != given for dim, given in zip(dims, size, strict=True)
    ):
        raise ProductError(f"{path} takes [{described}] and a batch axis before it, not [{', '.join(map(str, size))}]")
    return tuple(size)
