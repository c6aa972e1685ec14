"""The figures of a network: each has a key, its name in JSON, and a label, its name in tables."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from vggc.base.words import compact, dimensions, in_bytes
from vggc.ir import geometry
from vggc.ir.network import Network
from vggc.layers.answers import Shape

MAX_GROWTH: Final = 20  # times; larger growth is given as a factor instead of in percent

Value = int | Shape | None


def file_of(network: Network) -> str:
    """The name of the file of a network's spec, also if the command line set the network's name."""
    return network.header.places["vggc"].source.name


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: how it is computed (`of`) and formatted; the text of None is `missing`."""

    key: str
    label: str
    of: Callable[[Network], Value]
    format: Callable[[Any], str] = "{:,}".format
    missing: str = "none"

    def text(self, value: Value) -> str:
        """A value in words."""
        return self.missing if value is None else self.format(value)

    def change(self, before: Value, after: Value) -> str:
        """By how much a value grew or shrank: `+8,448 (+0.006 %)`; nothing for shapes."""
        if not isinstance(before, int) or not isinstance(after, int):
            return ""
        sign, difference = "+" if after >= before else "-", abs(after - before)
        return f"{sign}{self.format(difference)}{_share(sign, difference / before) if before else ''}"


def _share(sign: str, share: float) -> str:
    """The relative change: ` (+25.0 %)`; nothing for a tiny one, and ` (x 30)` for a huge one."""
    if share >= MAX_GROWTH:
        return f" (x {share + 1:,.0f})"
    percent = 100 * share
    digits = f"{percent:.1f}" if percent >= 0.1 else f"{percent:.1g}" if percent > 0.001 else ""
    return f" ({sign}{digits} %)" if digits else ""


def _depth(network: Network) -> int:
    """The number of convolutions and linear layers, as in the names of VGG."""
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

FIGURES: Final = {figure.key: figure for figure in _ALL}
