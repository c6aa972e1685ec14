"""The effect of passes and precision in onnxruntime; only verified files have a row."""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from benchmarks.measure import Plan, in_turn, once, progress, ratios
from benchmarks.row import Row
from benchmarks.runtime import run

if TYPE_CHECKING:
    import numpy as np

    from vggc.model import Network

PEER = "its float32 file, unfolded"
EXPORTS: dict[str, dict[str, Any]] = {
    "float32": {},
    "folded": {"passes": ["fold_batch_norm"]},
    "float16": {"precision": "float16"},
    "int8, dynamic": {"precision": "int8", "passes": ["fold_batch_norm"]},
    "int8, static": {"precision": "int8", "passes": ["fold_batch_norm"], "calibration": True},
}


def rows(plan: Plan) -> Iterator[Row]:
    """The size of each file, and the latency of one image on one thread, relative to the float32 file."""
    import numpy as np

    network = _network(plan)
    noise = np.random.default_rng(0).standard_normal((8, 1, *network.input), dtype=np.float32)
    with TemporaryDirectory() as folder:
        files = {name: _export(network, Path(folder), name, list(noise)) for name in EXPORTS}
        sizes = {name: file.stat().st_size for name, file in files.items()}
        runs: list[Callable[[], object]] = [run(file, noise[0]) for file in files.values()]
        seconds = dict(zip(files, in_turn("variants", plan.rounds(10), *map(once, runs)), strict=True))
    for name in list(EXPORTS)[1:]:
        size = f"{sizes[name] / sizes['float32']:.2f} x the size"
        target = 1.0 if name == "folded" else None
        yield Row(f"{network.name}, {name}", PEER, target, ratios(seconds[name], seconds["float32"]), note=size)


def _network(plan: Plan) -> "Network":
    from vggc.model import compile

    small = {"input": [3, 64, 64], "pool": 2, "classes": 10}
    return compile("vgg11_bn", small) if plan.quick else compile("vgg16_bn")


def _export(network: "Network", folder: Path, name: str, images: "list[np.ndarray[Any, Any]]") -> Path:
    from vggc.exporting.export import export_onnx

    progress(f"variants: {name}")
    options = dict(EXPORTS[name])
    if options.pop("calibration", False):
        options["calibration"] = images
    return export_onnx(network, folder / f"{name}.onnx", **options).path
