"""`vggc build`: whole processes, each with an empty folder, so that every file is written."""

from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.measure import Child, Plan, in_turn, python, ratios, times
from benchmarks.row import Row

IMPORTS = partial(python, "-c", "import torch, torchinfo")


def rows(plan: Plan) -> Iterator[Row]:
    """Relative to the import of the two libraries that it needs."""
    folders = count()

    def build() -> Child:
        return python("-m", "vggc", "build", "specs/vgg16.yaml", "-o", str(Path(folder, str(next(folders)))))

    with TemporaryDirectory() as folder:
        builds, imports = in_turn("build", plan.rounds(9), build, IMPORTS)
    more = tuple(a.peak - b.peak for a, b in zip(builds, imports, strict=True))
    yield Row("vggc build", "import torch, torchinfo", 1.3, ratios(times(builds), times(imports)))
    yield Row("its peak memory less the peer's", "import torch, torchinfo", 64.0, more, "MiB", "the weights are 528")
