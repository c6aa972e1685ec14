"""What a verification measured, and its verdict."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from math import isfinite
from typing import Final, Literal

import onnx
import onnxruntime
import torch

from vggc.base.version import __version__
from vggc.base.words import compact, in_bytes
from vggc.ir.program import PassNote

Verdict = Literal["verified", "mismatch", "inconclusive"]
Precision = Literal["float32", "float16", "int8"]


@dataclass(frozen=True)
class Tolerance:
    """How far two outputs may differ, relative to the output; and by which factor a control should miss that.

    Attributes:
        same_argmax: whether every winner must agree, or the share is only reported.
        roundoff: of a value, in units of float32's.
        widest: the factor by which the tolerance may at most be widened for what rounding adds up to.
    """

    relative_l2: float
    relative_maximum: float
    margin: float
    same_argmax: bool = True
    roundoff: float = 1.0
    widest: float = 1.0

    def widened(self, rounding: float) -> "Tolerance":
        """The same for a network in which rounding to float32 alone adds up to an error of that size."""
        needed = _OF_ROUNDING * rounding * self.roundoff / self.relative_l2
        factor = min(self.widest, max(1.0, needed))
        return replace(self, relative_l2=factor * self.relative_l2, relative_maximum=factor * self.relative_maximum)

    @property
    def wide_miss(self) -> float:
        """What a control ought to change the output by: with any smaller change, other weights are tried as well."""
        return self.margin * self.relative_l2

    def least_miss(self, error: float) -> float:
        """What a control must change the output by, if the outputs differ by `error` without it: ten times as much.

        An error of that size would not pass unseen, even where it stays below the tolerance, because it would be an
        error far larger than what was measured. A tenth of the tolerance is needed in any case, and a wide miss always
        suffices.
        """
        return min(self.wide_miss, max(_OF_ERROR * error, _OF_TOLERANCE * self.relative_l2))


_OF_ROUNDING: Final = 4  # two engines round in other places
_OF_ERROR: Final = 10
_OF_TOLERANCE: Final = 0.1

# Correct float32 files of untrained VGGs stay below 3e-6. Float16 has a unit roundoff of 5e-4, int8 a step of 1/255 of
# the range, and both add up over the layers. A network may amplify rounding, as a norm after a norm does: where a
# tolerance is missed, torch's own rounding in that network is measured against float64. How many winners float16 and
# int8 change is reported, and no reason to refuse a file.
TOLERANCES: Final[dict[Precision, Tolerance]] = {
    "float32": Tolerance(2e-5, 1e-4, margin=10, widest=100),
    "float16": Tolerance(1e-2, 2e-2, margin=10, same_argmax=False, roundoff=2**13, widest=5),
    "int8": Tolerance(2e-1, 5e-1, margin=2, same_argmax=False),
}
FLOAT32: Final = TOLERANCES["float32"]


@dataclass(frozen=True)
class Check:
    """One thing that must hold of the file."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True)
class Comparison:
    """The outputs of both engines for one input, or for images, which have no seed.

    `argmax_agreement` is the share of samples with the same winner. `rounding` is how far torch's own float32 is from
    float64, measured where the outputs differ by more than they usually do.
    """

    weights: str
    seed: int | None
    batch: int
    size: tuple[int, ...]
    relative_l2: float
    relative_maximum: float
    argmax_agreement: float
    passed: bool
    rounding: float | None = None

    def __str__(self) -> str:
        agree = "argmax agrees" if self.argmax_agreement == 1 else f"argmax agrees in {self.argmax_agreement:.1%}"
        errors = f"relative L2 {self.relative_l2:.1e}, max {self.relative_maximum:.1e}, {agree}"
        if self.rounding is not None:
            errors += f"; torch itself is off by {self.rounding:.1e} from float64"
        what = (
            f"{self.batch} images"
            if self.seed is None
            else f"seed {self.seed}, batch {self.batch}, {compact(self.size)}"
        )
        return f"outputs, {self.weights} weights, {what}: {errors}"


@dataclass(frozen=True)
class Control:
    """What a perturbed layer changes: the same figure, which must be far larger than what was measured without."""

    weights: str
    layer: str
    relative_l2: float
    needed: float

    def __str__(self) -> str:
        seen = "seen" if self.seen else "not seen"
        return f"control, {self.weights} weights, {self.layer} perturbed: relative L2 {self.relative_l2:.1e}, {seen}"

    @property
    def seen(self) -> bool:
        """Whether an error of that size would have been noticed."""
        return self.relative_l2 >= self.needed


@dataclass(frozen=True)
class Culprit:
    """The first layer that differs: how its nodes or weights do, where they do, and the errors there and before it."""

    path: str
    alias: str
    kind: str
    place: str
    difference: str = ""
    relative_l2: float | None = None
    before: float | None = None

    def __str__(self) -> str:
        errors = "" if self.before is None else f"relative L2 {self.relative_l2:.1e}, before it {self.before:.1e}"
        details = "; ".join(filter(None, [errors, self.difference]))
        return f"{self.path} ({self.alias}, {self.kind}) at {self.place}: {details}"


@dataclass(kw_only=True)
class Measurement:
    """What was measured of a model and of what it ought to be, and the verdict."""

    file: str
    network: str
    precision: Precision = "float32"
    notes: list[PassNote] = field(default_factory=list)
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
    """Everything that was measured of an ONNX file, and the verdict; `size` is in bytes, with its weights."""

    size: int
    sha256: str
    opset: int
    ir_version: int
    operators: dict[str, int]

    @property
    def heading(self) -> str:
        """The file, its size and what it says of itself."""
        nodes = sum(self.operators.values())
        precision = f", {self.precision}" if self.precision != "float32" else ""
        versions = f"opset {self.opset}, IR version {self.ir_version}"
        return f"{self.file}: {in_bytes(self.size)}, {versions}, {nodes} nodes{precision}"

    def to_json(self) -> str:
        """The report as one JSON object, with the tolerances and versions.

        An error that is infinite, or no number, is null.
        """
        versions = {
            "vggc": __version__,
            "torch": torch.__version__,
            "onnx": onnx.__version__,
            "onnxruntime": onnxruntime.__version__,
        }
        record = asdict(self) | {"tolerance": asdict(TOLERANCES[self.precision]), "versions": versions}
        return json.dumps(_finite(record), indent=1, allow_nan=False) + "\n"


def _finite(value: object) -> object:
    """The records with null for what JSON cannot express, such as an infinite error."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def _lines(report: Measurement) -> Iterator[str]:
    yield report.heading
    for note in report.notes:
        yield from (f"  {line}" for line in str(note).splitlines())
    for check in report.checks:
        yield f"  {'ok  ' if check.passed else 'FAIL'}  {check.name}: {check.detail}"
    for comparison in report.comparisons:
        yield f"  {'ok  ' if comparison.passed else 'FAIL'}  {comparison}"
    for control in report.controls:
        yield f"  {'ok  ' if control.seen else '--  '}  {control}"
    if report.culprit is not None:
        yield f"  first difference: {report.culprit}"
    yield f"{report.verdict}: {report.reason}"
