"""What a child must say besides its input, so that what it inherits fits: pools, preprocessing, crops, figures."""

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
from vggc.layers.layer import Shape, ShapeError, pair
from vggc.pipeline import read_graph
from vggc.recipe import recipe

Changes = dict[str, Any]  # keys of a spec and their values, as YAML has them


def adapted(source: Source, input: Shape, overrides: Iterable[Table] = ()) -> Changes:
    """The input and what follows from it, for a child of the spec.

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
    """The rewrite that takes the last pools out of the features, as few of them as will do for the input.

    Nothing where the features take it as they are, or would not without any pool either.

    Raises:
        SpecError: the spec is wrong.
    """
    graph = read_graph(source)
    header, pools = replace(graph.header, input=input), _pools(graph)
    for number in range(len(pools) + 1):
        gone = pools[len(pools) - number :]
        try:
            features(Graph(header, without(graph.nodes, {pool.path for _, pool in gone})))
        except SpecError:
            continue
        return {"rewrite": _removing([(stage, pool.layer.kind) for stage, pool in gone])} if gone else {}
    return {}


def _pools(graph: Graph) -> list[tuple[int, Node]]:
    """The pools in the features that need a map of some size, and the stage that each of them ends."""
    found, stage = [], 1
    for node in graph.nodes:
        if node.section == "features" and node.layer.ends_stage:
            axes = node.layer.axes()
            if axes is not None and axes[0].window is not None:
                found.append((stage, node))
            stage += 1
    return found


def _removing(pools: Sequence[tuple[int, str]]) -> list[Changes]:
    """The last pools first: what is removed behind a stage does not change its number."""
    rewrites = []
    for kind, run in groupby(reversed(pools), key=lambda pool: pool[1]):
        stages = sorted(stage for stage, _ in run)
        rewrites.append({"remove": kind, "where": {"stage": stages if len(stages) > 1 else stages[0]}})
    return rewrites


def said(assignments: Iterable[str]) -> Changes:
    """What assignments such as `classes=10` say, as a child would.

    Raises:
        SpecError: one of them is no assignment.
    """
    tables = [inherit.parse_assignment(each) for each in assignments]
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
    """A pool that takes the map at the end of the features, as near to the graph's as can be; None where that one does.

    An adaptive pool keeps its size along an axis on which it does not enlarge, and is left out where nothing of it
    remains.
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
    """The last step makes the input; a resize before it keeps its proportion; statistics have a value a channel."""
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
    """The augmentations with crops of the old input's size made the new one's; nothing where no crop is."""
    crops = [each for each in augment if isinstance(each, recipe.RandomCrop) and pair(each.size) == before[1:]]
    if not crops or before[1:] == after[1:]:
        return []
    size = {"size": _size(after[1], after[2])}
    return [
        {each.kind: {**each.changed(), **size}}
        if each in crops
        else {each.kind: each.changed()}
        if each.changed()
        else each.kind
        for each in augment
    ]


def restated(network: Network) -> Changes:
    """The inherited expectations that do not hold of a child, with the figures that do."""
    broken = {each.key: expectations.figure(network, each) for each in expectations.broken(network)}
    return {"expect": _plain(broken)} if broken else {}


def _plain(values: Mapping[str, object]) -> Changes:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}
