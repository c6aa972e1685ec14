"""Statistics -> the text that `vggc stats` prints."""

from collections import Counter
from typing import Final

from vggc.data.dataset import Source, Split
from vggc.data.statistics import Statistics, Sums
from vggc.ir.network import Network

CHANNELS: Final = {1: ("grey",), 3: ("red", "green", "blue")}
MAX_LINES: Final = 20  # of classes and of sizes


def report(source: Source, split: Split, network: Network | None, found: Statistics) -> str:
    """What was measured, in lines, and what to paste into a spec."""
    where = "" if network is None else f", resized and cropped for {network.name}"
    lines = [f"{source.words}: {found.images:,} images in the split {split}{where}", *source.notes]
    lines += ["", *_sizes(found.sizes), "", *_per_class(source.classes, found.per_class), ""]
    names = CHANNELS.get(source.channels, tuple(map(str, range(source.channels))))
    lines.append(f"{'channel':7}  {'mean':>6}  {'std':>6}")
    lines += [
        f"{name:7}  {mean:6.4f}  {std:6.4f}"
        for name, mean, std in zip(names, found.sums.mean, found.sums.std, strict=True)
    ]
    return "\n".join([*lines, "", *_to_paste(network, found.sums)])


def _sizes(sizes: Counter[tuple[int, int]]) -> list[str]:
    """The sizes, the most frequent first; of many sizes, how far they go."""
    if len(sizes) > MAX_LINES:
        heights, widths = zip(*sizes, strict=True)
        spread = f"height {min(heights)} to {max(heights)}, width {min(widths)} to {max(widths)}"
        return [f"{len(sizes):,} sizes: {spread}"]
    return [f"{height}x{width} (height x width): {count:,}" for (height, width), count in sizes.most_common()]


def _per_class(names: tuple[str, ...], counts: tuple[int, ...]) -> list[str]:
    """The images of each class; of many classes, those with the fewest and the most."""
    if len(names) > MAX_LINES:
        least, most = (chosen(range(len(names)), key=counts.__getitem__) for chosen in (min, max))
        return [f"{len(names):,} classes, from {counts[least]:,} ({names[least]}) to {counts[most]:,} ({names[most]})"]
    width = max(map(len, names))
    return [f"{name:{width}}  {count:,}" for name, count in zip(names, counts, strict=True)]


def _to_paste(network: Network | None, sums: Sums) -> list[str]:
    mean, std = ([float(f"{value:.4f}") for value in values] for values in (sums.mean, sums.std))
    if not all(std):
        return ["a channel hardly varies: there is no standard deviation to divide by"]
    steps = {} if network is None or network.header.preprocess is None else network.header.preprocess.changed()
    kept = "".join(
        f"{key}: {list(steps[key]) if isinstance(steps[key], tuple) else steps[key]}, "
        for key in ("resize", "crop")
        if key in steps
    )
    values = (", ".join(f"{value:.4f}" for value in each) for each in (mean, std))
    return ["preprocess: {{{}mean: [{}], std: [{}]}}".format(kept, *values)]
