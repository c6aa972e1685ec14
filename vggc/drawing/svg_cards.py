"""What the picture layer by layer shows: a run -> cards, each for a unit and all that are like it in the run.

One card means one thing, however often it is: its params are those of all layers that it stands for, so that the cards
of a picture add up to the network.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from vggc.base.words import TIMES
from vggc.drawing.outline import Run, Unit
from vggc.drawing.svg_theme import shortened


@dataclass(frozen=True, slots=True)
class Card:
    """A unit that stands for all that are like it in its run.

    `times` is how often it says so by itself, which is once where a bracket says it. `spans` are the positions of all
    layers that it stands for, and `params` is what they learn together.
    """

    unit: Unit
    last: Unit
    times: int
    spans: tuple[range, ...]
    params: int

    def title(self, room: float, length: Callable[[str], float]) -> str:
        """The first and last alias and the count. What does not fit goes from the names, and never from the count."""
        first, last = self.unit.base.alias, self.last.base.alias
        times = f" {TIMES}{self.times:,}" if self.times > 1 else ""
        whole, half = (first, first) if first == last else (f"{first} … {last}", f"{first} …")
        if length(whole + times) <= room:
            return whole + times
        return shortened(half, room, lambda names: length(names + times)) + times


def cards(run: Run) -> Iterator[Card]:
    """A card for each unit of a run."""
    if len(run.units) == 1:
        yield Card(run.units[0], run.last[0], run.times, (range(run.start, run.end),), run.params)
        return
    start, in_a_round = 0, len(run.layers) // run.times
    for unit, last in zip(run.units, run.last, strict=True):
        end = start + len(unit.layers)
        rounds = [range(first, first + end - start) for first in range(start, len(run.layers), in_a_round)]
        params = sum(run.layers[position].params for each in rounds for position in each)
        spans = tuple(range(run.start + each.start, run.start + each.stop) for each in rounds)
        yield Card(unit, last, 1, spans, params)
        start = end
