"""The `rewrite` of a spec: changes to inherited layers, where writing the whole list again would be too much."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

from vggc.base.diagnostics import Diagnostic, Note, SpecError, help_word
from vggc.frontend.spec.spec import LayerItem, Rewrite, Spec
from vggc.ir.graph import MAX_LAYERS

Lists = tuple[list[LayerItem], list[LayerItem]]


def rewritten(spec: Spec, features: list[LayerItem], classifier: list[LayerItem]) -> Lists:
    """The layers of features and classifier after all rewrites, the oldest ancestor's first.

    Raises:
        SpecError: E109, a rewrite of this very spec finds nothing to rewrite; an inherited one may have lost its layers
            to the heir.
    """
    found: list[Diagnostic] = []
    for rewrite in spec.rewrites:
        stages = _stages(features)
        heads: list[int | str] = ["classifier"] * len(classifier)
        placed = zip([*features, *classifier], [*stages, *heads], strict=True)
        touched = any(_meant(rewrite, item, stage) for item, stage in placed)
        if not touched and rewrite.span.source.included_from is None:
            found.append(_needless(rewrite, [*features, *classifier]))
        features = _limited(_carried_out(rewrite, features, stages))
        classifier = _limited(_carried_out(rewrite, classifier, heads))
    if spec.rewrites and not (features and (classifier or spec.classifier is None)):
        message = f"the rewrites leave no layer in `{'classifier' if features else 'features'}`"
        found.append(Diagnostic("E109", message, spec.rewrites[-1].span))
    if found:
        raise SpecError(found)
    return features, classifier


def _limited(layers: Iterator[LayerItem]) -> list[LayerItem]:
    """At most one layer more than the limit, however much the rewrites insert."""
    return list(islice(layers, MAX_LAYERS + 1))


def _stages(features: Sequence[LayerItem]) -> list[int | str]:
    """The stage of every layer, counted from 1; a pool ends its stage."""
    stage = 1
    stages: list[int | str] = []
    for item in features:
        stages.append(stage)
        stage += item.layer.ends_stage
    return stages


def _carried_out(rewrite: Rewrite, layers: Sequence[LayerItem], stages: Sequence[int | str]) -> Iterator[LayerItem]:
    for item, stage in zip(layers, stages, strict=True):
        if not _meant(rewrite, item, stage):
            yield item
            continue
        new = [LayerItem(layer, replace(origin, anchor=item.origin.span)) for layer, origin in rewrite.layers]
        if rewrite.action == "before":
            yield from new
        if rewrite.action in ("after", "before"):
            yield item
        if rewrite.action in ("after", "replace"):
            yield from new


def _meant(rewrite: Rewrite, item: LayerItem, stage: int | str) -> bool:
    if item.layer.kind != rewrite.kind:
        return False
    if rewrite.stages is not None and stage not in rewrite.stages:
        return False
    return all(getattr(item.layer, name) == value for name, value in rewrite.where.items())


def _needless(rewrite: Rewrite, layers: Sequence[LayerItem]) -> Diagnostic:
    kinds = list(dict.fromkeys(item.layer.kind for item in layers))
    condition = " with what `where` says" if rewrite.where or rewrite.stages is not None else ""
    note = help_word(rewrite.kind, kinds, "kinds in this spec") if rewrite.kind not in kinds else _conditions(rewrite)
    return Diagnostic("E109", f"a rewrite finds no {rewrite.kind}{condition}", rewrite.span, (note,))


def _conditions(rewrite: Rewrite) -> Note:
    return Note("help", f"`vggc expand` shows every {rewrite.kind} and its options")
