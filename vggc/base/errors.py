"""Errors that are not mistakes in a spec."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vggc.verify.report import Measurement


class ProductError(RuntimeError):
    """A product could not be computed or written; the message says why and what to do."""


def could_not_read(path: object, error: OSError) -> ProductError:
    """What to raise when a file or folder cannot be read."""
    return ProductError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}")


class VerificationError(ProductError):
    """A product differs from its network, or the comparison is inconclusive; `report` has the measurements."""

    def __init__(self, report: "Measurement") -> None:
        super().__init__(f"{report.file}: {report.verdict}: {report.reason}")
        self.report = report


class InternalError(RuntimeError):
    """vggc contradicts itself or torch: a bug in vggc, never a mistake of the user."""
