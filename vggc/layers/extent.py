"""The algebra of extents: what a stack of windows does to a height or a width, as a formula.

Every convolution and pool maps an extent n to floor((n + a) / s). Two such maps are one again, because
floor((floor(x / m) + b) / n) = floor((x + m b) / (m n)). A layer that enlarges multiplies first, floor((r n + a) / s),
and an adaptive pool forgets its input, r = 0; these compose as well unless an enlargement follows a division, and then
the formula is nested.

Ceil mode stays in the family. torch takes ceil((n + 2p - d(k-1) - 1) / s) + 1 windows and drops the last one when it
would start in the right padding, that is, it takes at most ceil((n + p) / s). Both bounds are floor((n + c) / s) for
some c, and the smaller of two such maps is the one with the smaller c.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class AffineFloor:
    """n -> floor((multiply * n + add) / divide)."""

    multiply: int = 1
    add: int = 0
    divide: int = 1

    def __call__(self, extent: int) -> int:
        return (self.multiply * extent + self.add) // self.divide

    def then(self, outer: "AffineFloor") -> "AffineFloor | None":
        """The one map that does this and then `outer`, where there is one."""
        if outer.multiply == 0:
            return AffineFloor(0, outer.add // outer.divide)
        if self.multiply == 0:
            return AffineFloor(0, outer(self(0)))
        if self.divide == 1:
            return AffineFloor(
                outer.multiply * self.multiply, outer.multiply * self.add + outer.add, outer.divide
            ).reduced()
        if outer.multiply == 1:
            return AffineFloor(self.multiply, self.add + self.divide * outer.add, self.divide * outer.divide).reduced()
        return None

    def reduced(self) -> "AffineFloor":
        """The same map with the common factor of multiplier and divisor taken out, where the addend allows it."""
        factor = Fraction(self.multiply, self.divide)
        common = self.divide // factor.denominator
        if common == 1:
            return self
        # floor((c r n + a) / (c s)) = floor((r n + floor(a / c)) / s)
        return AffineFloor(factor.numerator, self.add // common, factor.denominator)

    def least(self, extent: int) -> int | None:
        """The smallest n that gives at least `extent`; None where no n does."""
        if self.multiply == 0:
            return 0 if self(0) >= extent else None
        return -((self.add - self.divide * extent) // self.multiply)

    def formula(self, variable: str) -> str:
        """As text, for example `floor((H + 1)/2)`."""
        if self.multiply == 0:
            return str(self(0))
        scaled = variable if self.multiply == 1 else f"{self.multiply}*{variable}"
        sign = "+" if self.add > 0 else "-"
        summed = scaled if self.add == 0 else f"{scaled} {sign} {abs(self.add)}"
        if self.divide == 1:
            return summed if self.add == 0 else f"({summed})"
        inside = summed if self.add == 0 else f"({summed})"
        return f"floor({inside}/{self.divide})"


@dataclass(frozen=True, slots=True)
class Extent:
    """A composition of maps, innermost first, kept as short as the algebra allows."""

    maps: tuple[AffineFloor, ...] = ()

    def __call__(self, extent: int) -> int:
        for map in self.maps:
            extent = map(extent)
        return extent

    def then(self, outer: AffineFloor) -> "Extent":
        """The composition with one more map outside."""
        if not self.maps:
            return Extent((outer,))
        composed = self.maps[-1].then(outer)
        if composed is None:
            return Extent((*self.maps, outer))
        # What the two have become may compose with the map before them, where neither did alone.
        return Extent(self.maps[:-1]).then(composed)

    @property
    def closed(self) -> bool:
        """Whether the formula is a single floor; it is nested otherwise, and exact in both cases."""
        return len(self.maps) <= 1

    @property
    def constant(self) -> bool:
        """Whether the input's extent no longer matters."""
        return bool(self.maps) and self.maps[-1].multiply == 0

    def formula(self, variable: str) -> str:
        """As text in the input's extent `variable`."""
        for map in self.maps:
            variable = map.formula(variable)
        return variable


@dataclass(frozen=True, slots=True)
class Axis:
    """What a layer does to the height, or to the width.

    `minimum` is the smallest extent that it takes. `window` is the extent that one output sees: of the input, or, where
    the layer enlarges, of the input with `multiply` - 1 empty places between two values. It is None for an adaptive
    pool, whose windows depend on the input.
    """

    map: AffineFloor = AffineFloor()
    minimum: int = 1
    window: int | None = 1


SAME = (Axis(), Axis())


@lru_cache(maxsize=1024)  # a network has few kinds of windows, and asks for each of them many times
def window_axis(kernel: int, stride: int, before: int, after: int, dilation: int = 1, ceil_mode: bool = False) -> Axis:
    """The axis of a sliding window over an extent padded by `before` and `after`.

    Output extent as documented for `torch.nn.Conv2d` and `torch.nn.MaxPool2d`.
    """
    window = dilation * (kernel - 1) + 1
    add = before + after - window + stride
    if ceil_mode:
        add = min(add + stride - 1, before + stride - 1)
    # At least one element of padded input under the window; in ceil mode torch lets the last window hang over.
    minimum = max(1, AffineFloor(1, add, stride).least(1) or 1)
    return Axis(AffineFloor(1, add, stride), minimum, window)


def transposed_axis(kernel: int, stride: int, padding: int, output_padding: int, dilation: int) -> Axis:
    """The axis of a transposed convolution.

    Output extent as documented for `torch.nn.ConvTranspose2d`: (n - 1) s - 2 p + d (k - 1) + output_padding + 1.
    """
    window = dilation * (kernel - 1) + 1
    map = AffineFloor(stride, window + output_padding - stride - 2 * padding)
    return Axis(map, max(1, map.least(1) or 1), window)


def least_through(maps: Extent, extent: int) -> int | None:
    """The smallest n for which `maps(n)` is at least `extent`."""
    for map in reversed(maps.maps):
        least = map.least(extent)
        if least is None:
            return None
        extent = least
    return max(1, extent)
