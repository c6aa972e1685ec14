"""The file in onnxruntime: one image at a time, on one core."""

from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks import peers
from benchmarks.measure import Plan, in_turn, once, progress, ratios
from benchmarks.row import Row
from benchmarks.write import write_onnx

PEER = "torch.onnx.export's file"


def rows(plan: Plan) -> Iterator[Row]:
    """Relative to the file that torch writes; a second session of that file shows the noise."""
    latencies = cache(partial(_latencies, plan))
    yield Row("the file in onnxruntime", PEER, 1.0).measured(lambda: ratios(latencies()[0], latencies()[1]))
    yield Row("torch's file again", PEER, note="the noise").measured(lambda: ratios(latencies()[2], latencies()[1]))


def _latencies(plan: Plan) -> list[list[float]]:
    """The seconds of our file, of torch's, and of torch's in a second session.

    Raises:
        NotMeasuredError: torch cannot export.
    """
    import torch

    network = plan.network()
    module = network.module().eval()
    x = torch.randn(1, *network.input).numpy()
    progress("onnxruntime: both files")
    with TemporaryDirectory() as folder:
        ours, theirs = Path(folder, "ours.onnx"), Path(folder, "theirs.onnx")
        peers.torch_export(network, module, theirs)
        write_onnx(network, module, ours)
        runs = [run(path, x) for path in (ours, theirs, theirs)]
    expected, *others = (session() for session in runs)
    assert all(np.allclose(expected, other, atol=1e-4 * abs(expected).max()) for other in others)
    return in_turn("onnxruntime", plan.rounds(30), *map(once, runs))


def run(path: Path, x: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]") -> Callable[[], "np.ndarray"]:
    """One run of a session of its own; one thread, so that the threads of the sessions do not disturb each other."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: x}
    return lambda: session.run(None, feed)[0]
