"""What a verification measured, and its verdict."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Final, Literal

import onnx
import onnxruntime
import torch

from vggc.quantities import in_bytes
from vggc.version import __version__

Verdict = Literal["verified", "mismatch", "inconclusive"]

RELATIVE_L2: Final = 2e-5  # correct files of untrained VGGs stay below 3e-6
RELATIVE_MAXIMUM: Final = 1e-4
CONTROL_MARGIN: Final = 10.0  # a control must miss the tolerance by this factor to count as seen


@dataclass(frozen=True)
class Check:
    """One thing that must hold of the file."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True)
class Comparison:
    """The outputs of both engines for one random input."""

    weights: str
    seed: int
    batch: int
    relative_l2: float
    relative_maximum: float
    argmax_agrees: bool

    def __str__(self) -> str:
        agree = "argmax agrees" if self.argmax_agrees else "argmax differs"
        errors = f"relative L2 {self.relative_l2:.1e}, max {self.relative_maximum:.1e}, {agree}"
        return f"outputs, {self.weights} weights, seed {self.seed}, batch {self.batch}: {errors}"

    @property
    def passed(self) -> bool:
        """Whether the outputs are equal within the tolerances."""
        close = self.relative_l2 <= RELATIVE_L2 and self.relative_maximum <= RELATIVE_MAXIMUM
        return close and self.argmax_agrees


@dataclass(frozen=True)
class Control:
    """What a perturbed layer changes: the same figures, which must miss the tolerance by a wide margin."""

    weights: str
    layer: str
    relative_l2: float

    def __str__(self) -> str:
        seen = "seen" if self.seen else "not seen"
        return f"control, {self.weights} weights, {self.layer} halved: relative L2 {self.relative_l2:.1e}, {seen}"

    @property
    def seen(self) -> bool:
        """Whether an error of that size would have been noticed."""
        return self.relative_l2 >= CONTROL_MARGIN * RELATIVE_L2


@dataclass(frozen=True)
class Culprit:
    """The first layer whose output differs, and the errors there and at the layer before."""

    path: str
    alias: str
    kind: str
    place: str
    relative_l2: float
    before: float

    def __str__(self) -> str:
        errors = f"relative L2 {self.relative_l2:.1e}, before it {self.before:.1e}"
        return f"{self.path} ({self.alias}, {self.kind}) at {self.place}: {errors}"


@dataclass(kw_only=True)
class Measurement:
    """What was measured of a model and of what it ought to be, and the verdict."""

    file: str
    network: str
    notes: list[str] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    controls: list[Control] = field(default_factory=list)
    culprit: Culprit | None = None
    verdict: Verdict = "inconclusive"
    reason: str = ""

    def __str__(self) -> str:
        return "\n".join(_lines(self))

    @property
    def heading(self) -> str:
        """What was measured, in a line."""
        return self.file


@dataclass(kw_only=True)
class Report(Measurement):
    """Everything that was measured of an ONNX file, and the verdict."""

    size: int
    sha256: str
    opset: int
    ir_version: int
    operators: dict[str, int]

    @property
    def heading(self) -> str:
        """The file, its size and what it says of itself."""
        nodes = sum(self.operators.values())
        versions = f"opset {self.opset}, IR version {self.ir_version}"
        return f"{self.file}: {in_bytes(self.size)}, {versions}, {nodes} nodes"

    def to_json(self) -> str:
        """The report as one JSON object, with the tolerances and versions that it rests on."""
        tolerances = {
            "relative_l2": RELATIVE_L2,
            "relative_maximum": RELATIVE_MAXIMUM,
            "control_margin": CONTROL_MARGIN,
        }
        versions = {
            "vggc": __version__,
            "torch": torch.__version__,
            "onnx": onnx.__version__,
            "onnxruntime": onnxruntime.__version__,
        }
        return json.dumps(asdict(self) | {"tolerances": tolerances, "versions": versions}, indent=1) + "\n"


def _lines(report: Measurement) -> Iterator[str]:
    yield report.heading
    yield from (f"  note  {note}" for note in report.notes)
    for check in report.checks:
        yield f"  {'ok  ' if check.passed else 'FAIL'}  {check.name}: {check.detail}"
    for each in report.comparisons:
        yield f"  {'ok  ' if each.passed else 'FAIL'}  {each}"
    for control in report.controls:
        yield f"  {'ok  ' if control.seen else '--  '}  {control}"
    if report.culprit is not None:
        yield f"  first difference: {report.culprit}"
    yield f"{report.verdict}: {report.reason}"
