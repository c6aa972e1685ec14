"""What a spec says besides its layers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vggc.base.diagnostics import Span
from vggc.layers.answers import Shape

if TYPE_CHECKING:
    from vggc.recipe.initializers import Initializer
    from vggc.recipe.recipe import Preprocess, Train


@dataclass(frozen=True, slots=True)
class Classes:
    """How many classes there are, and their names in order where the spec gives them."""

    count: int
    names: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Expectation:
    """A key of `expect` and its value; an amount such as 140M is a number already."""

    key: str
    value: int | float | Shape
    span: Span


@dataclass(frozen=True, slots=True)
class Header:
    """What a spec says besides its layers, with its ancestors and overrides resolved.

    `input` is (C, H, W). `init` maps a kind, or `bias`, to its scheme. `allow` are the warnings that are switched off.
    `places` are the spans of the top-level values; empty where the header comes from no text.
    """

    name: str
    input: Shape
    classes: Classes | None = None
    init: "Mapping[str, Initializer]" = field(default_factory=dict)
    expect: tuple[Expectation, ...] = ()
    preprocess: "Preprocess | None" = None
    train: "Train | None" = None
    allow: tuple[str, ...] = ()
    places: Mapping[str, Span] = field(default_factory=dict)
