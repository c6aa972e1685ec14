"""The ONNX file: written, and verified."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmarks import peers
from benchmarks.measure import (
    Plan,
    forget_peak,
    in_fresh_process,
    in_turn,
    once,
    peak,
    progress,
    quickest,
    ratios,
    resident,
)
from benchmarks.row import Row

if TYPE_CHECKING:
    from torch import nn

    from vggc.model import Network

PASS = "a forward pass, torch + onnxruntime"


def rows(plan: Plan) -> Iterator[Row]:
    """Relative to the weights alone and to torch's exporter; its memory; and verification in forward passes."""
    network = plan.network()
    module = network.module().eval()
    write = _into_folder(partial(write_onnx, network, module))
    save = _into_folder(partial(_save_weights, module))
    export = _into_folder(partial(peers.torch_export, network, module))

    yield Row("ONNX file, written", "safetensors.torch.save_file", 1.3).measured(
        lambda: ratios(*in_turn("write beside safetensors", plan.rounds(9), quickest(write, 1.0), quickest(save, 1.0)))
    )
    yield Row("ONNX file, written", "torch.onnx.export", 0.4).measured(
        lambda: ratios(*in_turn("write beside torch.onnx.export", plan.rounds(3), write, export))
    )
    yield Row("its extra memory", "", 64.0, unit="MiB").measured(lambda: _memory(plan))
    yield from _verification(plan, network, module)


def write_onnx(network: "Network", module: "nn.Module", path: Path) -> None:
    """Lower and write, as `vggc export` does before it verifies."""
    from vggc.backends.onnx import onnx_model, onnx_writer

    state = module.state_dict()
    onnx_writer.write(onnx_model.lower(network), lambda name: state[name].numpy(), path)


def _save_weights(module: "nn.Module", path: Path) -> None:
    import safetensors.torch

    safetensors.torch.save_file(module.state_dict(), path)


def _into_folder(write: Callable[[Path], object]) -> Callable[[], float]:
    """A side that writes a file into an empty folder, which is removed afterwards."""

    def side() -> float:
        with TemporaryDirectory() as folder:
            return once(lambda: write(Path(folder, "model.onnx")))()

    return side


def _memory(plan: Plan) -> list[float]:
    progress("write: memory")
    return [in_fresh_process(_extra_memory, plan) for _ in range(plan.rounds(3))]


def _extra_memory(plan: Plan) -> float:
    from vggc.backends.onnx import onnx_writer  # noqa: F401  # so that importing its libraries is not counted

    network = plan.network()
    module = network.module()
    forget_peak()
    before = resident()
    with TemporaryDirectory() as folder:
        write_onnx(network, module, Path(folder, "model.onnx"))
    return peak() - before


def _verification(plan: Plan, network: "Network", module: "nn.Sequential") -> Iterator[Row]:
    import torch

    from vggc.backends.onnx import onnx_model
    from vggc.exporting.export import export_onnx
    from vggc.verify.claim import Claim
    from vggc.verify.sessions import open_session
    from vggc.verify.verification import verify_or_raise

    x = torch.randn(1, *network.input)
    with TemporaryDirectory() as folder, torch.no_grad():
        path = Path(folder, "model.onnx")
        write_onnx(network, module, path)
        session = open_session(str(path))
        verifications, exports, in_torch, in_onnxruntime = in_turn(
            "verification",
            plan.rounds(3),
            once(lambda: verify_or_raise(Claim(onnx_model.lower(network)), path, module)),
            _into_folder(partial(export_onnx, network)),
            quickest(once(lambda: module(x)), 1.0),
            quickest(once(lambda: session.run(None, {"input": x.numpy()})), 1.0),
        )
    passes = [a + b for a, b in zip(in_torch, in_onnxruntime, strict=True)]
    yield Row("verification", PASS, 12.0, ratios(verifications, passes))
    yield Row("whole export", PASS, None, ratios(exports, passes), note="initialised, written, verified, moved")
