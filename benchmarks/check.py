"""`vggc check`: whole processes."""

from collections.abc import Iterator
from functools import partial

from benchmarks.measure import Plan, in_turn, python, ratios, times
from benchmarks.row import Row

CHECK = partial(python, "-m", "vggc", "check", "specs/vgg16.yaml")
LIBRARIES = partial(python, "-c", "import yaml, jsonschema")
TORCH = partial(python, "-c", "import torch")


def rows(plan: Plan) -> Iterator[Row]:
    """Relative to the import of the libraries that it needs, and of torch, which it does not need; and its memory."""
    checks, imports = in_turn("check and its libraries", plan.rounds(15), CHECK, LIBRARIES)
    yield Row("vggc check", "import yaml, jsonschema", 1.3, ratios(times(checks), times(imports)))
    yield Row("its peak memory", "", 40.0, tuple(child.peak for child in checks), "MiB")
    checks, imports = in_turn("check and torch", plan.rounds(9), CHECK, TORCH)
    yield Row("vggc check", "import torch", 0.15, ratios(times(checks), times(imports)))
