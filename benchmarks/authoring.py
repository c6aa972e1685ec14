"""The authors' commands: whole processes relative to `vggc check`, and a variant relative to a compilation."""

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.check import CHECK
from benchmarks.measure import Plan, in_turn, once, python, ratios, times
from benchmarks.row import Row
from vggc import pipeline
from vggc.authoring import fit_specs, variant_search
from vggc.frontend.text.sources import stock_names

DIFF = partial(python, "-m", "vggc", "diff", "vgg16", "vgg16_bn")
COMPARE = partial(python, "-m", "vggc", "compare", *stock_names())
BUDGET = {"params": 5_000_000, "macs": 200_000_000}


def rows(plan: Plan) -> Iterator[Row]:
    """Two specs and their difference, all stock specs as a table, and the variants of one."""
    checks, diffs, compares = in_turn("diff, compare and check", plan.rounds(11), CHECK, DIFF, COMPARE)
    yield Row("vggc diff of two", "vggc check of one", 1.3, ratios(times(diffs), times(checks)))
    count = len(stock_names())
    yield Row(f"vggc compare of {count}", "vggc check of one", 2.0, ratios(times(compares), times(checks)))
    variants, ordinary = in_turn("fit", plan.rounds(7), _a_variant, once(partial(pipeline.compile, "vgg16_bn_cifar10")))
    note = f"{1 / min(variants):,.0f} variants a second"
    yield Row("a variant of vggc fit", "compiled the ordinary way", 0.2, ratios(variants, ordinary), note=note)


def _a_variant() -> float:
    """The seconds of a search, with its preparation, for each variant."""
    child = fit_specs.source(fit_specs.head("fit", "vgg16_bn_cifar10", {}), Path())
    started = time.perf_counter()
    search = variant_search.search(child, BUDGET, ("width", "depth"))
    return (time.perf_counter() - started) / search.tried
