"""The short forms: an integer in `features` is a `conv` unit, an integer in `classifier` an `fc` unit.

A unit stands for several layers in a row and for nothing hidden: `vggc expand` shows them. What an item leaves open is
said by the spec's `defaults`, and by the presets here where those are silent.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from vggc.layers.conv import Conv2d
from vggc.layers.layer import Layer
from vggc.layers.linear import Linear

# The options that a unit has besides those of its layer, in the order of the layers they add; each is a group of kinds.
FOLLOWERS: Final = ("norm", "activation", "dropout")


@dataclass(frozen=True, slots=True)
class Unit:
    """A layer, then a norm, an activation and a dropout where they are not `none`."""

    kind: str
    layer: type[Layer]
    dropout: str  # the kind that a bare probability means
    presets: Mapping[str, str | float]
    summary: str
    example: str

    @property
    def main(self) -> str:
        """The option that a bare number means."""
        assert self.layer.main is not None
        return self.layer.main


CONV: Final = Unit(
    kind="conv",
    layer=Conv2d,
    dropout="dropout2d",
    presets={"kernel_size": 3, "padding": "same", "norm": "none", "activation": "relu", "dropout": "none"},
    summary="conv2d, norm, activation and dropout2d in a row",
    example="conv: {out_channels: 64, norm: batch_norm}",
)

FC: Final = Unit(
    kind="fc",
    layer=Linear,
    dropout="dropout",
    presets={"norm": "none", "activation": "relu", "dropout": 0.5},
    summary="linear, norm, activation and dropout in a row",
    example="fc: {out_features: 4096, dropout: 0.3}",
)

UNITS: Final[dict[str, Unit]] = {unit.kind: unit for unit in (CONV, FC)}
