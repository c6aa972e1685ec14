"""Whether a candidate is within the language: what a file says may be a number that no spec may."""

from collections.abc import Iterator
from typing import Any, get_args

from vggc.base.records import Limits
from vggc.layers.layer import Layer


def legal(layer: Layer) -> bool:
    """Whether every number of a layer is within its option's limits."""
    return all(
        _within(number, limits)
        for name, value in layer.changed().items()
        for limits in _found(layer.annotation(name))
        for number in _numbers(value)
    )


def _found(annotation: Any) -> Iterator[Limits]:
    if isinstance(annotation, Limits):
        yield annotation
    for part in (*get_args(annotation), *getattr(annotation, "__metadata__", ())):
        yield from _found(part)


def _numbers(value: object) -> Iterator[int | float]:
    if isinstance(value, tuple):
        for each in value:
            yield from _numbers(each)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value


def _within(number: int | float, limits: Limits) -> bool:
    """Written so that what is no number at all is not within anything."""
    return (
        (limits.minimum is None or number >= limits.minimum)
        and (limits.exclusive_minimum is None or number > limits.exclusive_minimum)
        and (limits.maximum is None or number <= limits.maximum)
    )
