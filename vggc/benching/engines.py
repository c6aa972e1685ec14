"""Runs in onnxruntime and torch, on the CPU, with as many threads as asked for."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import nn

from vggc.backends.torch.torch_module import without_hints
from vggc.base.errors import ProductError
from vggc.benching.rounds import Run
from vggc.verify.sessions import FAILURES, Array

Feed = Mapping[str, Array]


class OnnxruntimeEngine:
    """A file, with a session for each number of threads, opened when it is first asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.session = cache(self._session)

    def _session(self, threads: int) -> onnxruntime.InferenceSession:
        """A session whose operators run one after the other, each on so many threads.

        Raises:
            ProductError: onnxruntime cannot load the file.
        """
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        try:
            return onnxruntime.InferenceSession(str(self.path), options, providers=["CPUExecutionProvider"])
        except FAILURES as error:
            raise ProductError(f"onnxruntime cannot load {self.path}: {str(error).splitlines()[0]}") from error

    def run(self, feed: Feed, threads: int) -> Run:
        """A run, which gives the first output."""
        session = self.session(threads)

        def run() -> Array:
            try:
                output: Array = session.run(None, feed)[0]
            except FAILURES as error:
                raise ProductError(f"onnxruntime cannot run {self.path}: {str(error).splitlines()[0]}") from error
            return output

        return run


class TorchEngine:
    """A module in eval mode; the number of threads is torch's own and holds for the whole process."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module.eval()

    def run(self, x: Array, threads: int) -> Run:
        """A run for `x` of shape (batch, C, H, W), which gives the output."""
        tensor = torch.from_numpy(x)

        def run() -> Array:
            if torch.get_num_threads() != threads:
                torch.set_num_threads(threads)
            with torch.inference_mode():
                output: Array = self.module(tensor).numpy()
            return output

        return run


@contextmanager
def threads_restored() -> Iterator[None]:
    """Give torch its number of threads back, and silence its hints meanwhile."""
    before = torch.get_num_threads()
    try:
        with without_hints():
            yield
    finally:
        torch.set_num_threads(before)


def random_values(shape: tuple[int, ...], dtype: np.dtype[np.generic], seed: int) -> Array:
    """Standard normal floats, bytes of any value, and integers and truth values of 0 and 1, which index any table."""
    generator = np.random.default_rng(seed)
    if dtype.kind == "f":
        return generator.standard_normal(shape, dtype=np.float32).astype(dtype)
    return generator.integers(0, 256 if dtype == np.uint8 else 2, shape).astype(dtype)
