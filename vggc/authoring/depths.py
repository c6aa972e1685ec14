"""The layers of `features` by stage, so that a stage can have more convolutions or fewer.

A block is a convolution and the layers up to the next one; a pool ends its stage. A stage gets deeper by repeating its
last block, and shallower by losing its last blocks. This works on the layers of a spec, which are counted, and on the
items of its text, which are printed.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from vggc.frontend.spec.items import LayerItem
from vggc.layers import find
from vggc.layers.option_types import pair

MAX_ITEMS: Final = 500  # of a list that is varied

T = TypeVar("T")
Depth = tuple[int, ...]  # the number of blocks in every stage that has any


@dataclass(frozen=True, slots=True)
class Segment(Generic[T]):
    """Some elements in a row: a block of the stage with that number, or elements outside of blocks (None)."""

    elements: tuple[T, ...]
    stage: int | None


@dataclass(frozen=True, slots=True)
class Stages(Generic[T]):
    """A list of layers or items, split into segments."""

    segments: tuple[Segment[T], ...]

    @staticmethod
    def of(elements: Sequence[T], group: Callable[[T], str]) -> "Stages[T]":
        """The stages of a list; `group` gives the group of the layer that an element begins with."""
        segments: list[Segment[T]] = []
        stage, in_block = 0, False
        for element in elements:
            kind = group(element)
            in_block = kind == "conv" or (in_block and kind != "pool")
            if in_block and kind != "conv":
                segments[-1] = Segment((*segments[-1].elements, element), stage)
            else:
                segments.append(Segment((element,), stage if in_block else None))
            stage += kind == "pool" and any(segment.stage == stage for segment in segments)
        return Stages(tuple(segments))

    @property
    def depth(self) -> Depth:
        """How many blocks every stage has."""
        stages = [segment.stage for segment in self.segments if segment.stage is not None]
        return tuple(stages.count(stage) for stage in range(max(stages, default=-1) + 1))

    def last(self, stage: int) -> T:
        """The convolution of the last block of a stage."""
        return [segment for segment in self.segments if segment.stage == stage][-1].elements[0]

    def at(self, depth: Depth) -> list[T]:
        """The list with that number of blocks in every stage."""
        elements: list[T] = []
        own, seen = self.depth, [0] * len(depth)
        for segment in self.segments:
            if segment.stage is None:
                elements += segment.elements
                continue
            seen[segment.stage] += 1
            position, blocks = seen[segment.stage], depth[segment.stage]
            if position == own[segment.stage]:  # the last block, which is repeated
                elements += segment.elements * max(0, blocks - position + 1)
            elif position <= blocks:
                elements += segment.elements
        return elements


def depths(stages: Stages[LayerItem], limit: int) -> list[Depth]:
    """The depths to try, at most `limit`: the spec's own, then those that differ by the fewest blocks.

    The smallest depth of all is among them. A stage gets at most one block more, and none if its last convolution has
    a stride.
    """
    start = stages.depth
    most = [count + _keeps_size(stages.last(stage)) for stage, count in enumerate(start)]
    reached, queue = {start: None}, deque([start])
    while queue and len(reached) < limit - 1:
        for neighbour in _neighbours(queue.popleft(), most):
            if neighbour not in reached:
                reached[neighbour] = None
                queue.append(neighbour)
    return list(reached | {(1,) * len(start): None})


def _neighbours(depth: Depth, most: Sequence[int]) -> Iterator[Depth]:
    for stage, count in enumerate(depth):
        for other in (count - 1, count + 1):
            if 1 <= other <= most[stage]:
                yield (*depth[:stage], other, *depth[stage + 1 :])


def _keeps_size(item: LayerItem) -> bool:
    return pair(getattr(item.layer, "stride", 1)) == (1, 1)


def group_of_item(item: Any) -> str:
    """The group of the layer that an item of a spec begins with."""
    if isinstance(item, int):
        return "conv"
    kind = next(iter(item)) if isinstance(item, dict) else item
    if kind in ("conv", "M"):
        return "conv" if kind == "conv" else "pool"
    layer = find(kind)
    return layer.group if layer is not None else "shape"


def flat_items(items: Sequence[Any]) -> Iterator[Any]:
    """The items of a spec with their repeats written out."""
    for item in items:
        if isinstance(item, dict) and "repeat" in item:
            for _ in range(item["repeat"]["times"]):
                yield from flat_items(item["repeat"]["layers"])
        else:
            yield item
