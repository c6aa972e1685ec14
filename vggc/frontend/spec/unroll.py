"""Spec -> Graph: repeats are unrolled, rewrites are applied, and every layer becomes a node with its names."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from vggc.base.diagnostics import Diagnostic, Note, SpecError, help_word
from vggc.frontend.spec.items import Item, LayerItem
from vggc.frontend.spec.rewrites import Rewrite
from vggc.frontend.spec.spec import Spec
from vggc.ir.graph import MAX_LAYERS, Graph, Origin
from vggc.ir.naming import Placed, named
from vggc.layers.reshape import Flatten

Layers = list[LayerItem]
Stage = int | str  # counted from 1 in the features, or `classifier`


def unroll(spec: Spec) -> Graph:
    """The graph of a spec, with a flatten before the classifier where that has none.

    Raises:
        SpecError: E009, there are more than 10,000 layers; E109, a rewrite matches no layer.
    """
    return Graph(spec.header, tuple(named(unrolled_layers(spec))))


def unrolled_layers(spec: Spec) -> list[Placed]:
    """The layers of a spec in the order of the data, without names.

    Raises:
        SpecError: as `unroll`.
    """
    features, classifier = unroll_items(spec.features), unroll_items(spec.classifier or ())
    features, classifier = apply_rewrites(spec, features, classifier)
    layers = [Placed("features", *item) for item in features]
    if spec.classifier is not None:
        if spec.pool is not None:
            layers.append(Placed("avgpool", *spec.pool))
        if not any(item.layer.flattens for item in classifier):
            layers.append(Placed("flatten", Flatten(), Origin(spec.header.places["classifier"])))
        layers += (Placed("classifier", *item) for item in classifier)
    if len(layers) > MAX_LAYERS:
        message = f"the spec has more than {MAX_LAYERS:,} layers once its repeats are unrolled"
        raise SpecError([Diagnostic("E009", message, spec.header.places["features"])])
    return layers


def unroll_items(items: Iterable[Item]) -> list[LayerItem]:
    """The layers of items, at most one more than the limit, however large the repeats are."""
    layers: Iterator[LayerItem] = (layer for item in items for layer in item.layers())
    return list(islice(layers, MAX_LAYERS + 1))


def apply_rewrites(spec: Spec, features: Layers, classifier: Layers) -> tuple[Layers, Layers]:
    """The layers of features and classifier after all rewrites, those of the oldest ancestor first.

    Raises:
        SpecError: E109, a rewrite of this spec matches no layer (an inherited one may match none), or no layer is left.
    """
    diagnostics: list[Diagnostic] = []
    for rewrite in spec.rewrites:
        stages = _stages(features)
        heads: list[Stage] = ["classifier"] * len(classifier)
        layers = [*features, *classifier]
        matched = any(rewrite.matches(item, stage) for item, stage in zip(layers, [*stages, *heads], strict=True))
        if not matched and rewrite.span.source.included_from is None:
            diagnostics.append(_no_match(rewrite, layers))
        features = _apply(rewrite, features, stages)
        classifier = _apply(rewrite, classifier, heads)
    if spec.rewrites and not (features and (classifier or spec.classifier is None)):
        message = f"the rewrites leave no layer in `{'classifier' if features else 'features'}`"
        diagnostics.append(Diagnostic("E109", message, spec.rewrites[-1].span))
    if diagnostics:
        raise SpecError(diagnostics)
    return features, classifier


def _stages(features: Sequence[LayerItem]) -> list[Stage]:
    """The stage of every layer; a pool ends its stage."""
    stage = 1
    stages: list[Stage] = []
    for item in features:
        stages.append(stage)
        stage += item.layer.ends_stage
    return stages


def _apply(rewrite: Rewrite, layers: Layers, stages: list[Stage]) -> Layers:
    """The layers after a rewrite, at most one more than the limit however many it inserts."""
    return list(islice(_rewritten(rewrite, layers, stages), MAX_LAYERS + 1))


def _rewritten(rewrite: Rewrite, layers: Layers, stages: list[Stage]) -> Iterator[LayerItem]:
    for item, stage in zip(layers, stages, strict=True):
        if not rewrite.matches(item, stage):
            yield item
            continue
        new = [LayerItem(layer, replace(origin, anchor=item.origin.span)) for layer, origin in rewrite.layers]
        if rewrite.action == "before":
            yield from new
        if rewrite.action in ("after", "before"):
            yield item
        if rewrite.action in ("after", "replace"):
            yield from new


def _no_match(rewrite: Rewrite, layers: Layers) -> Diagnostic:
    kinds = list(dict.fromkeys(item.layer.kind for item in layers))
    has_condition = rewrite.where or rewrite.stages is not None
    message = f"a rewrite matches no {rewrite.kind}{' under the conditions of `where`' if has_condition else ''}"
    note = Note("help", f"`vggc expand` shows every {rewrite.kind} and its options")
    if rewrite.kind not in kinds:
        note = help_word(rewrite.kind, kinds, "kinds in this spec")
    return Diagnostic("E109", message, rewrite.span, (note,))


def cut(graph: Graph, until: str) -> Graph:
    """The graph up to and including a node, by alias or path.

    Raises:
        SpecError: E302, there is no such node.
    """
    for position, node in enumerate(graph.nodes):
        if until in (node.alias, node.path):
            return Graph(graph.header, graph.nodes[: position + 1], node.alias, graph.nodes[position + 1 :])
    note = help_word(until, [node.alias for node in graph.nodes], "there are")
    raise SpecError([Diagnostic("E302", f"there is no layer `{until}`", None, (note,))])
