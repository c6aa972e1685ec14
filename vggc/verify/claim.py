"""What an ONNX file is said to be, and how strictly that is checked."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from vggc.backends.onnx.onnx_model import Lowered
from vggc.verify.report import Precision
from vggc.verify.sessions import Array


class Strictness(Enum):
    """What must be as it was lowered, beside the outputs."""

    STRICT = "nodes, names, shapes and weights"
    OWN_WEIGHTS = "nodes, names and shapes; the weights are the file's own, and must have its checksums"
    OUTPUTS_ONLY = "inputs and outputs alone: another exporter wrote the file, or it is quantised"


@dataclass(frozen=True)
class Claim:
    """What an ONNX file is said to be.

    Attributes:
        lowered: what it ought to hold; of an int8 file, the float32 form.
        precision: of its arithmetic.
        strictness: how much of it must be as it was lowered.
        inputs: what to compare outputs on, each a batch for the file's input; random values if empty.
    """

    lowered: Lowered
    precision: Precision = "float32"
    strictness: Strictness = Strictness.STRICT
    inputs: Sequence[Array] = ()

    @property
    def foreign(self) -> bool:
        """Whether another exporter wrote the file, so that its values have other names."""
        return self.strictness is Strictness.OUTPUTS_ONLY and self.precision != "int8"
