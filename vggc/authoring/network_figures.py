"""What is counted of a network: every figure has a key, which is its name in JSON, and a label for people."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from vggc.base.words import compact, dimensions, in_bytes
from vggc.ir import geometry
from vggc.ir.network import Network
from vggc.layers.layer import Shape

MANIFOLD: Final = 20  # what grew by more than so many times itself is not told in percent

Value = int | Shape | None


def _counted(value: int) -> str:
    return f"{value:,}"


def file_of(network: Network) -> str:
    """The file that says what a network is, also where its name was set on the command line."""
    return network.header.places["vggc"].source.name


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: how it is had of a network, and how it is shown; None is shown as `missing`."""

    key: str
    label: str
    of: Callable[[Network], Value]
    words: Callable[[Any], str] = _counted
    missing: str = "none"

    def shown(self, value: Value) -> str:
        """A value in words."""
        return self.missing if value is None else self.words(value)

    def change(self, before: Value, after: Value) -> str:
        """By how much it grew or shrank: `+8,448 (+0.006 %)`; nothing where it is no amount."""
        if not isinstance(before, int) or not isinstance(after, int):
            return ""
        sign, by = "+" if after >= before else "-", abs(after - before)
        return f"{sign}{self.words(by)}{_share(sign, by / before) if before else ''}"


def _share(sign: str, share: float) -> str:
    """How much that is of what there was: ` (+25.0 %)`; nothing for next to nothing, and ` (x 30)` for very much."""
    if share >= MANIFOLD:
        return f" (x {share + 1:,.0f})"
    percent = 100 * share
    words = f"{percent:.1f}" if percent >= 0.1 else f"{percent:.1g}" if percent > 0.001 else ""
    return f" ({sign}{words} %)" if words else ""


def _depth(network: Network) -> int:
    """As in the names of VGG: convolutions and linear layers."""
    return sum(layer.layer.is_weight_layer for layer in network.layers)


_ALL: Final = (
    Figure("input", "input", lambda network: network.input, dimensions),
    Figure("output", "output", lambda network: network.output, dimensions),
    Figure("layers", "layers", lambda network: len(network.layers)),
    Figure("depth", "depth", _depth),
    Figure("params", "params", lambda network: network.params),
    Figure("buffers", "buffers", lambda network: network.buffers),
    Figure("macs", "MACs", lambda network: network.macs),
    Figure("weight_bytes", "weights", lambda network: network.weight_bytes, in_bytes),
    Figure("activation_bytes", "activations", lambda network: network.activation_bytes, in_bytes),
    Figure("peak_activation_bytes", "peak", lambda network: network.peak_activation_bytes, in_bytes),
    Figure("flatten", "flatten", lambda network: network.flatten),
    Figure("min_input", "min input", lambda network: geometry.smallest_input(network.graph.nodes), compact),
    Figure("receptive_field", "sees", geometry.features_field, compact, missing="all"),
)

FIGURES: Final = {each.key: each for each in _ALL}
