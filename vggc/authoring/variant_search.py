"""`vggc fit`: the variants of a spec that stay within a budget.

Three things are varied: the width of all layers, the number of convolutions in each stage, the size of the input. For
every depth and input, bisection finds the largest width that fits, because all figures grow with it. `budget` defines
which variant is the best.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from math import log2, prod
from typing import Final

from vggc.authoring.adapting import Changes, adapted
from vggc.authoring.budget import Budget, Variant, fits, ranked, use
from vggc.authoring.counting import Counter, Counts, Topology
from vggc.authoring.depths import MAX_ITEMS, Depth, Stages, depths, flat_items, group_of_item
from vggc.base.diagnostics import Source, SpecError
from vggc.base.errors import ProductError
from vggc.base.progress import Progress, silent
from vggc.frontend.spec import spec, unroll
from vggc.frontend.spec.items import LayerItem
from vggc.frontend.spec.spec import Spec
from vggc.frontend.text import inherit
from vggc.frontend.text.document import Document, Entry, Leaf, Table, plain
from vggc.ir.geometry import receptive_fields
from vggc.pipeline import compile_source

VARIED: Final = ("width", "depth", "input")
WIDTHS: Final = (*(i / 1000 for i in range(10, 100)), *(i / 100 for i in range(10, 401)))
MAX_INPUTS: Final = 16
MAX_SHAPES: Final = 1200  # depths times inputs

# The keys that do not change the counts.
_WITHOUT_EFFECT: Final = ("init", "preprocess", "train", "expect", "allow")


@dataclass(frozen=True, slots=True)
class Search:
    """The variants within the budget, the best first; how many networks were counted, and in how many seconds.

    `least` are the smallest figures of all counted networks, each on its own.
    """

    variants: tuple[Variant, ...]
    tried: int
    seconds: float
    least: Counts | None


def search(child: Source, budget: Budget, vary: Sequence[str], progress: Progress = silent) -> Search:
    """Every depth and input with the largest width that fits.

    Args:
        child: a spec that extends the one to be varied, and has only the keys that all variants have.
        budget: the limits, at least one.
        vary: some of `VARIED`.
        progress: called for each combination of depth and input.

    Raises:
        SpecError: the spec to be varied is wrong.
        ProductError: it has too many layers to be varied in depth.
    """
    started = time.perf_counter()
    variants = _Variants(child, budget, vary)
    best_first = ranked(variants.search(progress))
    return Search(tuple(best_first), variants.tried, time.perf_counter() - started, variants.least)


class _Variants:
    """The variants of a spec, counted one by one; what several of them need is computed once."""

    def __init__(self, child: Source, budget: Budget, vary: Sequence[str]) -> None:
        self.child = child
        self.budget = budget
        self.vary = vary
        self.parent = compile_source(child)
        document = inherit.load(child)
        self.entries = {key: entry for key, entry in document.entries.items() if key not in _WITHOUT_EFFECT}
        self.span = document.table.span
        self.counter = Counter()
        self.topologies: dict[int, Topology] = {}
        self.tried = 0
        self.least: Counts | None = None
        self.specs: dict[tuple[str, float], tuple[Spec, Stages[LayerItem]] | None] = {}

    def search(self, progress: Progress) -> Iterator[Variant]:
        inputs = list(self._inputs())
        depths = self._depths(MAX_SHAPES // len(inputs))
        total = len(depths) * len(inputs)
        for position, (depth, changes) in enumerate(product(depths, inputs)):
            progress("trying variants", position, total)
            best = self._widest(depth, changes)
            if best is not None:
                yield self._variant(depth, changes, *best)
        progress("trying variants", total, total)

    # --- what is varied ---

    @cached_property
    def width(self) -> float:
        """The width of the parent."""
        width = plain(self.entries["width"].value) if "width" in self.entries else 1.0
        assert isinstance(width, int | float)
        return width

    @cached_property
    def widths(self) -> Sequence[float]:
        """The widths to try by bisection, ascending; only those that the groups of the convolutions allow.

        The parent's width is not among them, nor is 1, at which channels need not be multiples of the divisor: with
        either, a network may be smaller than with a smaller width.
        """
        if "width" not in self.vary:
            return ()
        widths = [width for width in WIDTHS if width not in self.unrounded]
        if self._stages({}, widths[0]) is not None:
            return widths
        return [width for width in widths if self._stages({}, width) is not None]

    @cached_property
    def unrounded(self) -> tuple[float, ...]:
        """The widths that are tried one by one, the parent's first."""
        return tuple(dict.fromkeys((self.width, 1.0) if "width" in self.vary else (self.width,)))

    @cached_property
    def depth(self) -> Depth:
        """The depth of the parent."""
        return self._parent_stages.depth

    @cached_property
    def _parent_stages(self) -> Stages[LayerItem]:
        parent = self._stages({}, self.width)
        assert parent is not None  # it compiles
        return parent[1]

    def _depths(self, most: int) -> list[Depth]:
        """The depths to try, at most so many."""
        if "depth" not in self.vary:
            return [self.depth]
        count = len(self.parent.layers)
        if count > MAX_ITEMS:
            message = f"the spec has {count:,} layers, and depth is varied up to {MAX_ITEMS}"
            raise ProductError(f"{message} layers; leave it out: --vary width,input")
        return depths(self._parent_stages, most)

    def _inputs(self) -> Iterator[Changes]:
        """The keys of a child for every input to try, the parent's input first."""
        yield {}
        for size in self._sizes() if "input" in self.vary else ():
            try:
                yield adapted(self.child, (self.parent.input[0], size, size))
            except SpecError:
                continue  # too small for the features

    def _sizes(self) -> Iterator[int]:
        """Square inputs up to twice the parent's, in steps of the stride at the end of its features."""
        last = max(i for i, layer in enumerate(self.parent.layers) if layer.node.section == "features")
        stride = max(1, *(round(field.stride) for field in receptive_fields(self.parent)[last]))
        most = 2 * max(self.parent.input[1:])
        step = stride * -(-most // (stride * MAX_INPUTS))
        yield from (size for size in range(step, most + 1, step) if (size, size) != self.parent.input[1:])

    # --- one depth, one input ---

    def _widest(self, depth: Depth, changes: Changes) -> tuple[float, Counts] | None:
        """The width that uses most of the budget, and the figures with it; of equal ones the parent's width."""
        fitting: list[tuple[float, Counts]] = []
        for width in self.unrounded:
            counts = self._count(depth, changes, width)
            if counts is not None and fits(counts, self.budget):
                fitting.append((width, counts))
        fitting += self._bisected(depth, changes)
        return max(fitting, key=lambda option: use(option[1], self.budget), default=None)

    def _bisected(self, depth: Depth, changes: Changes) -> list[tuple[float, Counts]]:
        """The largest of `widths` that fits, and its figures; empty if none does."""
        best: list[tuple[float, Counts]] = []
        low, high, position = 0, len(self.widths), 0  # the smallest first: if that does not fit, none does
        while low < high:
            counts = self._count(depth, changes, self.widths[position])
            if counts is not None and fits(counts, self.budget):
                best, low = [(self.widths[position], counts)], position + 1
            elif position == 0:
                break
            else:
                high = position
            position = (low + high) // 2
        return best

    def _count(self, depth: Depth, changes: Changes, width: float) -> Counts | None:
        """The figures of a variant; None if it does not compile."""
        self.tried += 1
        spec_and_stages = self._stages(changes, width)
        if spec_and_stages is None:
            return None
        typed, stages = spec_and_stages
        try:
            varied = replace(typed, features=tuple(stages.at(depth)))
            layers = [placed.layer for placed in unroll.unrolled_layers(varied)]
        except SpecError:  # a rewrite leaves nothing
            return None
        topology = self._topology(varied, len(layers))
        counts = self.counter.count(topology, layers, tuple(changes.get("input", self.parent.input)))
        if counts is not None:
            self.least = counts if self.least is None else Counts(*map(min, self.least, counts))
        return counts

    def _topology(self, varied: Spec, length: int) -> Topology:
        """The topology of a variant, which depends on the number of layers alone: they are in a row."""
        if length not in self.topologies:
            self.topologies[length] = Topology(unroll.unroll(varied).nodes)
        return self.topologies[length]

    def _stages(self, changes: Changes, width: float) -> tuple[Spec, Stages[LayerItem]] | None:
        """The spec with another width, and its features by stage; None if its options contradict each other then."""
        key = str(changes.get("pool")), width
        if key not in self.specs:
            entries = dict(self.entries)
            if "pool" in changes:
                entries |= inherit.from_mapping({"pool": changes["pool"]}).entries
            entries["width"] = Entry(self.span, Leaf(width, self.span))
            typed, diagnostics = spec.build(Document(Table(entries, self.span)))
            layers = [] if diagnostics else unroll.unroll_items(typed.features)
            stages = Stages.of(layers, lambda item: item.layer.group)
            self.specs[key] = None if diagnostics else (typed, stages)
        return self.specs[key]

    def _variant(self, depth: Depth, changes: Changes, width: float, counts: Counts) -> Variant:
        keys = dict(changes)
        if width != self.width:
            keys["width"] = width
        if depth != self.depth:
            items = plain(self.entries["features"].value)
            assert isinstance(items, list)
            keys["features"] = Stages.of(list(flat_items(items)), group_of_item).at(depth)
        return Variant(keys, counts, use(counts, self.budget), self._distance(depth, changes, width))

    def _distance(self, depth: Depth, changes: Changes, width: float) -> float:
        stages = [abs(log2(after / before)) for before, after in zip(self.depth, depth, strict=True)]
        size = changes.get("input", self.parent.input)
        return (
            abs(log2(width / self.width))
            + abs(log2(size[1] * size[2] / prod(self.parent.input[1:]))) / 2
            + (sum(stages) / len(stages) if stages else 0)
        )
