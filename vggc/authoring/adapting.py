"""What a child must change besides its input so that its parent still fits: pools, preprocessing, crops, figures."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from itertools import groupby
from typing import Any

from vggc.analysis import expectations, shapes
from vggc.base.diagnostics import Source, SpecError
from vggc.base.records import Named
from vggc.frontend.text import inherit
from vggc.frontend.text.document import Table, plain
from vggc.ir.graph import Graph, Node
from vggc.ir.network import Network
from vggc.ir.walk import without
from vggc.layers.answers import Shape, ShapeError
from vggc.layers.option_types import pair
from vggc.pipeline import read_graph
from vggc.recipe import recipe

Changes = dict[str, Any]  # keys of a spec and their values, as YAML has them


def adapted(source: Source, input: Shape, overrides: Iterable[Table] = ()) -> Changes:
    """The keys of a child that has another input: the input, and what must change with it.

    Args:
        source: the parent.
        input: (C, H, W).
        overrides: keys that are laid over the parent's first.

    Raises:
        SpecError: the spec is wrong, or its features do not take the input.
    """
    tables = [*overrides]
    header = read_graph(source, tables).header
    changes: Changes = {"input": list(input)}
    if header.preprocess is not None and (preprocess := _preprocess(header.preprocess, input)):
        changes["preprocess"] = preprocess
    if header.train is not None and (augment := _augment(header.train.augment, header.input, input)):
        changes["train"] = {"augment": augment}
    pool = _pool(read_graph(source, [*tables, inherit.from_mapping(changes)]))
    return changes if pool is None else {**changes, "pool": pool}


def without_pools(source: Source, input: Shape) -> Changes:
    """The rewrite that removes the last pools of the features, as few as possible, so that the input (C, H, W) fits.

    Empty if the features take the input as they are, or would not take it even without any pool.

    Raises:
        SpecError: the spec is wrong.
    """
    graph = read_graph(source)
    header, pools = replace(graph.header, input=input), _pools(graph)
    for number in range(len(pools) + 1):
        removed = pools[len(pools) - number :]
        try:
            features(Graph(header, without(graph.nodes, {pool.path for _, pool in removed})))
        except SpecError:
            continue
        return {"rewrite": _removing([(stage, pool.layer.kind) for stage, pool in removed])} if removed else {}
    return {}


def _pools(graph: Graph) -> list[tuple[int, Node]]:
    """The pools in the features that have a window, and the number of the stage that each of them ends."""
    pools, stage = [], 1
    for node in graph.nodes:
        if node.section == "features" and node.layer.ends_stage:
            axes = node.layer.axes()
            if axes is not None and axes[0].window is not None:
                pools.append((stage, node))
            stage += 1
    return pools


def _removing(pools: Sequence[tuple[int, str]]) -> list[Changes]:
    """Rewrites, the last pools first: removing a pool changes the numbers of later stages only."""
    rewrites = []
    for kind, run in groupby(reversed(pools), key=lambda pool: pool[1]):
        stages = sorted(stage for stage, _ in run)
        rewrites.append({"remove": kind, "where": {"stage": stages if len(stages) > 1 else stages[0]}})
    return rewrites


def changes_of(tables: Sequence[Table]) -> Changes:
    """Overrides as the keys of a child."""
    values = plain(reduce(inherit.merge, tables)) if tables else {}
    assert isinstance(values, dict)
    return values


def features(graph: Graph) -> Network:
    """The features alone.

    Raises:
        SpecError: they do not take the input.
    """
    return shapes.infer(Graph(graph.header, graph.section("features")))


def _pool(graph: Graph) -> Any:
    """The `pool` of a child whose features end in a smaller map; None if the graph's own pool takes that map.

    An adaptive pool gets the size of the map along an axis that it would enlarge, and is left out if that is the case
    along both.
    """
    ends = features(graph).output
    pool = next((node.layer for node in graph.nodes if node.section == "avgpool"), None)
    if pool is None or len(ends) != 3:
        return None
    try:
        pool.shape(ends)
    except ShapeError:
        shrunk = pool.shrunk(ends)
        return "none" if shrunk is None else {shrunk.kind: _plain(shrunk.changed())}
    return None


def _preprocess(preprocess: recipe.Preprocess, input: Shape) -> Changes:
    """The last step gives the input's size, a resize before it keeps its ratio, statistics get a value per channel."""
    changes: Changes = {}
    last = "crop" if preprocess.crop is not None else "resize"
    size = getattr(preprocess, last)
    if size is not None and pair(size) != input[1:]:
        changes[last] = _size(input[1], input[2])
        if last == "crop" and preprocess.resize is not None:
            ratios = zip(pair(preprocess.resize), pair(size), input[1:], strict=True)
            changes["resize"] = _size(*(max(new, round(resize * new / old)) for resize, old, new in ratios))
    for name in ("mean", "std"):
        values = getattr(preprocess, name)
        if values is not None and len(values) != input[0]:
            changes[name] = [round(sum(values) / len(values), 4)] * input[0]
    return changes


def _size(height: int, width: int) -> int | list[int]:
    return height if height == width else [height, width]


def _augment(augment: Iterable[Named], before: Shape, after: Shape) -> list[Any]:
    """The augmentations, with crops of the old input's size changed to the new one's; empty if there are none."""
    steps = [(step, isinstance(step, recipe.RandomCrop) and pair(step.size) == before[1:]) for step in augment]
    if before[1:] == after[1:] or not any(resized for _, resized in steps):
        return []
    size = {"size": _size(after[1], after[2])}
    return [_written(step, step.changed() | size if resized else step.changed()) for step, resized in steps]


def _written(step: Named, options: Changes) -> Any:
    return {step.kind: options} if options else step.kind


def restated(network: Network) -> Changes:
    """The inherited expectations that do not hold for a child, with its own figures."""
    figures = {broken.key: expectations.figure(network, broken) for broken in expectations.broken(network)}
    return {"expect": _plain(figures)} if figures else {}


def _plain(values: Mapping[str, object]) -> Changes:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}
