"""Two outputs compared, and a layer perturbed so that it shows in them."""

from typing import Final

import numpy as np
import torch

from vggc.verify.report import FLOAT32, Comparison, Tolerance
from vggc.verify.sessions import Array

_CLASSES: Final = (2, 4)  # the axes of an output of scores: (batch, classes), or a map of them


def relative_l2(actual: Array, expected: Array) -> float:
    """|actual - expected| / |expected|; infinite where a value is not finite or nothing is expected but 0."""
    with np.errstate(invalid="ignore", over="ignore"):  # of infinite values, which the next lines answer
        difference = np.linalg.norm((actual.astype(np.float64) - expected.astype(np.float64)).ravel())
    norm = np.linalg.norm(expected.astype(np.float64).ravel())
    if not np.isfinite(difference):
        return float("inf")
    if norm == 0:
        return 0.0 if difference == 0 else float("inf")
    return float(difference / norm)


def compare(
    label: str,
    seed: int | None,
    actual: Array,
    expected: Array,
    size: tuple[int, ...] = (),
    tolerance: Tolerance = FLOAT32,
) -> Comparison:
    """Two outputs of shape (batch, ...), for an input of that (height, width)."""
    batch = len(expected)
    if actual.shape != expected.shape or not (np.isfinite(actual).all() and np.isfinite(expected).all()):
        return Comparison(label, seed, batch, size, float("inf"), float("inf"), 0.0, False)
    largest = float(np.abs(expected).max())
    difference = float(np.abs(actual - expected).max())
    relative = difference / largest if largest else difference
    error = relative_l2(actual, expected)
    agreement = _argmax_agreement(actual, expected, tolerance.relative_maximum * largest)
    close = error <= tolerance.relative_l2 and relative <= tolerance.relative_maximum
    passed = close and (agreement == 1 or not tolerance.same_argmax)
    return Comparison(label, seed, batch, size, error, relative, agreement, passed)


def _argmax_agreement(actual: Array, expected: Array, tolerance: float) -> float:
    """The share of samples whose winner is the same, or whose winners' scores are equal within the tolerance."""
    if expected.ndim not in _CLASSES:
        return 1.0
    scores, others = (np.moveaxis(output, 1, -1).reshape(-1, output.shape[1]) for output in (expected, actual))
    gap = scores.max(axis=1) - scores[np.arange(len(scores)), others.argmax(axis=1)]
    return float((gap <= tolerance).mean())


def perturbed(weight: torch.Tensor) -> torch.Tensor:
    """Half as large, and every other one negated: a norm undoes the first alone, and a mean the second alone."""
    other = (weight * 0.5).contiguous()
    other.view(-1)[::2].neg_()
    return other
