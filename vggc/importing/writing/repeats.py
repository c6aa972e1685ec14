"""Items that stand several times in a row -> one `repeat`, where that is clearly shorter."""

from typing import Final, NamedTuple

from vggc.backends.text.yaml_spec import braced

# A repeat takes at most this share of the text that it stands for; two times are read more easily than a repeat.
WORTH: Final = 0.8
WORTH_FOR_TWO: Final = 0.6
MAX_PERIOD: Final = 64


class _Run(NamedTuple):
    period: int
    times: int
    saved: int
    text: str


def folded(items: list[str]) -> list[str]:
    """The items with runs of them as repeats."""
    found: list[str] = []
    position = 0
    while position < len(items):
        run = _best(items, position)
        if run is None:
            found.append(items[position])
            position += 1
        else:
            found.append(run.text)
            position += run.period * run.times
    return found


def _best(items: list[str], start: int) -> _Run | None:
    """The run from here on that saves most."""
    found: list[_Run] = []
    for period in range(1, min(MAX_PERIOD, (len(items) - start) // 2) + 1):
        if items[start] != items[start + period]:
            continue
        times = _times(items, start, period)
        if times > 1:
            body = folded(items[start : start + period])
            text = f"repeat: {{times: {times}, layers: [{', '.join(map(braced, body))}]}}"
            written = times * sum(len(braced(each)) + 2 for each in items[start : start + period])
            if len(text) <= (WORTH if times > 2 else WORTH_FOR_TWO) * written:
                found.append(_Run(period, times, written - len(text), text))
    return max(found, key=lambda run: run.saved, default=None)


def _times(items: list[str], start: int, period: int) -> int:
    body = items[start : start + period]
    times = 1
    while items[start + times * period : start + (times + 1) * period] == body:
        times += 1
    return times
