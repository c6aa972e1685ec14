"""The short forms of the language: units, which expand to several layers, and items that contain other items.

A new unit is one entry of `UNITS`. What a unit leaves out comes from the spec's `defaults`, and from the presets here
where those say nothing; `vggc expand` shows the layers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from vggc.layers import find
from vggc.layers.adaptive_pool import AdaptiveAvgPool2d
from vggc.layers.conv import Conv2d
from vggc.layers.layer import Layer
from vggc.layers.linear import Linear
from vggc.layers.pool import MaxPool2d

# The options that a unit has besides those of its layer, in the order of the layers they add; each is a group of kinds.
FOLLOWERS: Final = ("norm", "activation", "dropout")


@dataclass(frozen=True, slots=True)
class ShortForm:
    """An item that is not a layer itself; it is described in the way that a kind of layer is.

    `kind` is the key of the item, `meaning` one line about it, `example` an item that uses it.
    """

    kind: str
    meaning: str
    example: str

    @property
    def main(self) -> str | None:
        """The option that a bare value means."""
        return None

    def summary(self) -> str:
        """One line about it."""
        return self.meaning


@dataclass(frozen=True, slots=True)
class Unit(ShortForm):
    """A layer, then a norm, an activation and a dropout where they are not `none`."""

    layer: type[Layer]
    dropout: str  # the kind that a bare probability means
    presets: Mapping[str, str | float]

    @property
    def main(self) -> str:
        assert self.layer.main is not None
        return self.layer.main


CONV: Final = Unit(
    kind="conv",
    meaning="conv2d, norm, activation and dropout2d in a row",
    example="conv: {out_channels: 64, norm: batch_norm}",
    layer=Conv2d,
    dropout="dropout2d",
    presets={"kernel_size": 3, "padding": "same", "norm": "none", "activation": "relu", "dropout": "none"},
)
FC: Final = Unit(
    kind="fc",
    meaning="linear, norm, activation and dropout in a row",
    example="fc: {out_features: 4096, dropout: 0.3}",
    layer=Linear,
    dropout="dropout",
    presets={"norm": "none", "activation": "relu", "dropout": 0.5},
)
REPEAT: Final = ShortForm(
    kind="repeat",
    meaning="the same layers several times in a row",
    example="repeat: {times: 2, layers: [64, M]}",
)

STAGE_END: Final = MaxPool2d(kernel_size=2, stride=2)  # what `M` means


def sized_pool(size: int) -> Layer:
    """What a bare number means as `pool`."""
    return AdaptiveAvgPool2d(output_size=size)


UNITS: Final[dict[str, Unit]] = {unit.kind: unit for unit in (CONV, FC)}
NESTED: Final[dict[str, ShortForm]] = {REPEAT.kind: REPEAT}  # those that contain items
SHORT_FORMS: Final[dict[str, ShortForm]] = {**UNITS, **NESTED}


def find_item(kind: str) -> ShortForm | type[Layer] | None:
    """The short form or the layer that an item of this kind is."""
    return SHORT_FORMS.get(kind) or find(kind)
