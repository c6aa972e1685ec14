"""The types of options, with the limits and the descriptions that the schema shows."""

from typing import Annotated

from vggc.base.records import Limits

MAX_DIMENSION = 2**31 - 1

Positive = Annotated[int, Limits(minimum=1, maximum=MAX_DIMENSION)]
NonNegative = Annotated[int, Limits(minimum=0, maximum=MAX_DIMENSION)]
Probability = Annotated[float, Limits(minimum=0, maximum=1)]
PositiveNumber = Annotated[float, Limits(exclusive_minimum=0)]
Size = Positive | tuple[Positive, Positive]
Padding = NonNegative | tuple[NonNegative, NonNegative]
# A number of channels or features; the word stands for the spec's number of classes, and is gone after parsing.
Count = Annotated[int, Limits(minimum=1, maximum=MAX_DIMENSION, classes=True)]
InChannels = Annotated[
    Positive | None, "never needed: inferred from the input; where it is written, it is checked against that"
]


def pair(value: int | tuple[int, int]) -> tuple[int, int]:
    """A size given once for height and width, or as [height, width]."""
    return (value, value) if isinstance(value, int) else (value[0], value[1])
