"""What can go wrong once a spec is right."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vggc.verify.report import Measurement


class ProductError(RuntimeError):
    """A product could not be made or written; the message says why and what to do."""


class VerificationError(ProductError):
    """A product is not what the network says, or nobody can tell; `report` holds what was measured."""

    def __init__(self, report: "Measurement") -> None:
        super().__init__(f"{report.file}: {report.verdict}: {report.reason}")
        self.report = report


class InternalError(RuntimeError):
    """vggc contradicts itself or torch: a bug in vggc, never the user's."""
