"""Runs in onnxruntime and torch, on the CPU, with a number of threads."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import nn

from vggc.backends.torch.torch_module import without_hints
from vggc.verify.sessions import Array, runnable

OutputOf = Callable[[], Array]


class OnnxruntimeEngine:
    """A file, with one session for each number of threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.session = cache(self._session)

    def _session(self, threads: int) -> onnxruntime.InferenceSession:
        """A session whose operators run one after the other; raises ProductError if the file cannot be loaded."""
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        with runnable(str(self.path)):
            return onnxruntime.InferenceSession(str(self.path), options, providers=["CPUExecutionProvider"])

    def run(self, feed: Mapping[str, Array], threads: int) -> OutputOf:
        """A run, which gives the first output; raises ProductError if onnxruntime cannot run the file."""
        session = self.session(threads)
        with runnable(str(self.path)):  # once, so that what is measured is the bare run
            session.run(None, feed)
        return lambda: session.run(None, feed)[0]


def torch_run(module: nn.Module, x: Array, threads: int) -> OutputOf:
    """A run of a module in eval mode for `x` of shape (batch, C, H, W), which gives the output.

    The number of threads is torch's own and holds for the whole process.
    """
    module.eval()
    tensor = torch.from_numpy(x)

    def run() -> Array:
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        with torch.inference_mode():
            output: Array = module(tensor).numpy()
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
