"""What is measured: an ONNX file of any origin, or a spec that is initialised and lowered to one for the purpose."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, Final, Literal, get_args

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

from vggc.backends.onnx import onnx_model, onnx_writer
from vggc.backends.torch import torch_module
from vggc.base.errors import ProductError
from vggc.base.progress import Progress, silent
from vggc.ir.network import Network
from vggc.passes import prepare
from vggc.verify.file_origin import FileOrigin, embedded_network, embedded_weights, metadata_of
from vggc.verify.model_file import read_model
from vggc.verify.sessions import Array, open_session, runnable
from vggc.verify.structure import inputs as inputs_of

Engine = Literal["onnxruntime", "torch"]
ENGINES: Final[tuple[Engine, ...]] = get_args(Engine)
Run = Callable[[], Any]  # one batch, in one engine


@dataclass(frozen=True, slots=True)
class BenchSetting:
    """An engine, the images of a batch, and the threads of an operator."""

    engine: Engine
    batch: int
    threads: int


@dataclass(frozen=True, slots=True)
class SubjectInput:
    """An input of a file; `shape` is without the first axis, the batch, which is `frozen` at a size or 0."""

    name: str
    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]
    frozen: int = 0

    def values(self, batch: int) -> Array:
        """Standard normal floats, bytes of any value, and integers and truth values of 0 and 1; always the same."""
        generator, shape = np.random.default_rng(0), (batch, *self.shape)
        if self.dtype.kind == "f":
            return generator.standard_normal(shape, dtype=np.float32).astype(self.dtype)
        return generator.integers(0, 256 if self.dtype == np.uint8 else 2, shape).astype(self.dtype)


@dataclass(frozen=True, slots=True)
class BenchSubject:
    """A file, its inputs, the network if its spec is in the file, and what the user must know about it."""

    title: str
    path: Path
    model: onnx.ModelProto
    inputs: tuple[SubjectInput, ...]
    network: Network | None
    notes: tuple[str, ...] = ()

    @property
    def frozen_batch(self) -> int | None:
        """The only batch size that the file takes; None if it takes any."""
        return min((value.frozen for value in self.inputs if value.frozen), default=None)

    @property
    def macs(self) -> int | None:
        """Multiply-accumulates per sample, where the file takes what a network takes."""
        inputs = [(value.dtype, value.shape) for value in self.inputs]
        network = self.network
        return network.macs if network and inputs == [(np.dtype(np.float32), network.input)] else None

    @property
    def origin(self) -> FileOrigin:
        """How the file was made; raises ProductError if this version of vggc does not know it."""
        return FileOrigin.of(self.model, self.path.name)

    @property
    def obstacle(self) -> str | None:
        """Why torch cannot do the work of the file."""
        if self.network is None:
            return "the file contains no spec of vggc"
        if self.origin.precision != "float32":
            return f"the file computes in {self.origin.precision}"
        return "the file takes another input than the network in torch" if self.macs is None else None

    def runs(self, settings: Sequence[BenchSetting]) -> dict[BenchSetting, Run]:
        """A run for each setting, which gives the outputs.

        Raises:
            ProductError: onnxruntime cannot run the file, or the file's weights are not those of its spec.
        """
        session, module = cache(self._session), cache(self._module)
        runs: dict[BenchSetting, Run] = {}
        for setting in settings:
            feed = {value.name: value.values(setting.batch) for value in self.inputs}
            if setting.engine == "torch":
                runs[setting] = torch_run(module(), feed[self.inputs[0].name], setting.threads)
            else:
                runs[setting] = partial(session(setting.threads).run, None, feed)
                with runnable(str(self.path)):  # once, so that what is measured is the bare run
                    runs[setting]()
        return runs

    def _session(self, threads: int) -> onnxruntime.InferenceSession:
        with runnable(str(self.path)):
            return open_session(str(self.path), threads=threads)

    def _module(self) -> nn.Sequential:
        assert self.network is not None
        try:
            return embedded_weights(prepare(self.network, self.origin.passes), self.model, self.path)
        except ProductError as error:
            raise ProductError(f"{error}\ntorch cannot run the file; --engines onnxruntime leaves it out") from error


def torch_run(module: nn.Module, x: Array, threads: int) -> Run:
    """A run of a module in eval mode for `x` of shape (batch, C, H, W); the whole process has the number of threads."""
    module.eval()
    tensor = torch.from_numpy(x)

    def run() -> list[Array]:
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        with torch.inference_mode():
            return [module(tensor).numpy()]

    return run


def of_network(network: Network, folder: Path, progress: Progress = silent) -> BenchSubject:
    """A network with newly initialised weights; its file is written into a folder."""
    state = torch_module.materialize(network, progress=progress).state_dict()
    lowered, path = onnx_model.lower(network), folder / f"{network.stem}.onnx"
    external = onnx_writer.needs_external_data(lowered)
    onnx_writer.write(lowered, lambda name: state[name].numpy(), path, external_data=external, progress=progress)
    note = "the ONNX file was written for this measurement and is not verified; vggc export verifies it"
    return replace(of_file(path), title=network.name, notes=(note,))


def of_file(path: Path) -> BenchSubject:
    """An ONNX file; raises ProductError if it cannot be read, or leaves the size of its input open."""
    model = read_model(path)
    network = embedded_network(model, path.name) if "vggc.spec" in metadata_of(model) else None
    inputs = tuple(_input(path, value, network) for value in inputs_of(model))
    return BenchSubject(path.name, path, model, inputs, network)


def _input(path: Path, value: onnx.ValueInfoProto, network: Network | None) -> SubjectInput:
    """An input of a file; its open sizes are those of the spec."""
    axes, elem_type = value.type.tensor_type.shape.dim, value.type.tensor_type.elem_type
    dtype = onnx.helper.tensor_dtype_to_np_dtype(elem_type) if elem_type else np.dtype(object)
    if dtype.kind not in "fiub":
        name = onnx.TensorProto.DataType.Name(elem_type)
        raise ProductError(f"not supported: input {value.name} of {path} is of type {name}")
    batch, *sizes = [max(0, axis.dim_value) for axis in axes] or [0]
    if not all(sizes) and network is not None:
        channels, *size = network.input
        sizes = [*size, channels] if dtype == np.uint8 else [channels, *size]  # an embedded preprocessing takes bytes
    if not all(sizes):
        described = ", ".join(axis.dim_param or str(axis.dim_value or "?") for axis in axes[1:])
        raise ProductError(
            f"{path} leaves the size of {value.name} open ([{described}]); "
            "set it with python -m onnxruntime.tools.make_dynamic_shape_fixed"
        )
    return SubjectInput(value.name, dtype, tuple(sizes), batch)
