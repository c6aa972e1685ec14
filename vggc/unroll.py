"""Spec -> Graph: repeats become nodes, rewrites are carried out, and every node gets its names."""

from collections.abc import Iterable, Iterator
from itertools import islice

from vggc.diagnostics import Diagnostic, SpecError, help_word
from vggc.frontend.spec import Item, Repeat, Spec, Written
from vggc.ir import MAX_LAYERS, Graph, Node, Section
from vggc.layers.base import Layer
from vggc.layers.reshape import Flatten
from vggc.rewriting import rewritten

Placed = tuple[Section, Written]  # a layer, and where it stands


def unroll(spec: Spec) -> Graph:
    """Repeats become nodes, every node gets its path and alias, and a flatten stands where the classifier needs one.

    Raises:
        SpecError: E009, there are more than 10,000 layers; E109, a rewrite finds nothing to rewrite.
    """
    return Graph(spec, tuple(_named(placed(spec))))


def placed(spec: Spec) -> list[Placed]:
    """The layers of a spec in the order of the data, without names.

    Raises:
        SpecError: as `unroll`.
    """
    features, classifier = rewritten(spec, list(flat(spec.features)), list(flat(spec.classifier or ())))
    sections: list[Placed] = [("features", each) for each in features]
    if spec.classifier is not None:
        if spec.pool is not None:
            sections.append(("avgpool", spec.pool))
        if not any(isinstance(each.layer, Flatten) for each in classifier):
            sections.append(("flatten", Written(Flatten(), spec.places["classifier"])))
        sections += (("classifier", each) for each in classifier)
    if len(sections) > MAX_LAYERS:
        raise _too_many(spec)
    return sections


def flat(items: Iterable[Item]) -> Iterator[Written]:
    """The layers of items, at most one more than the limit, however large the repeats are."""
    return islice(_expanded(items), MAX_LAYERS + 1)


def _expanded(items: Iterable[Item]) -> Iterator[Written]:
    for item in items:
        if isinstance(item, Repeat):
            for _ in range(item.times):
                yield from _expanded(item.items)
        else:
            yield item


def _too_many(spec: Spec) -> SpecError:
    message = f"the spec has more than {MAX_LAYERS:,} layers once its repeats are unrolled"
    return SpecError([Diagnostic("E009", message, spec.places["features"])])


def _named(sections: Iterable[Placed]) -> Iterator[Node]:
    names = _Names()
    index: dict[str, int] = {}
    for section, written in sections:
        path: str = section
        if section in ("features", "classifier"):
            path = f"{section}.{index.setdefault(section, 0)}"
            index[section] += 1
        yield Node(path, names.next(section, written.layer), section, written)


class _Names:
    """Aliases as the literature counts: stages end with a pool, convolutions count within a stage; the layers of the
    classifier go on with the number after the last stage, so that VGG's are fc6, fc7 and fc8.
    """

    def __init__(self) -> None:
        self.stage, self.conv, self.fc = 1, 0, 0
        self.taken: set[str] = set()
        self.again: dict[str, int] = {}  # how often a name was wanted so far

    def next(self, section: Section, layer: Layer) -> str:
        if section in ("avgpool", "flatten"):
            return self._unique(section)
        if section == "features":
            return self._unique(self._feature(layer))
        return self._unique(self._classifier(layer))

    def _feature(self, layer: Layer) -> str:
        if layer.group == "pool":
            self.stage, self.conv = self.stage + 1, 0
            return f"pool{self.stage - 1}"
        if layer.group == "conv":
            self.conv += 1
            return f"conv{self.stage}_{self.conv}"
        return _numbered(layer.kind, f"{self.stage}_{self.conv}" if self.conv else str(self.stage))

    def _classifier(self, layer: Layer) -> str:
        if layer.group in ("linear", "conv"):
            self.fc = self.fc + 1 if self.fc else self._stages() + 1
            return f"fc{self.fc}"
        return _numbered(layer.kind, str(self.fc or self._stages()))

    def _stages(self) -> int:
        """Stages with a layer in them: the one that the last pool opened is empty."""
        return self.stage - 1 if self.conv == 0 else self.stage

    def _unique(self, name: str) -> str:
        unique = name
        while unique in self.taken:
            self.again[name] = self.again.get(name, 1) + 1
            unique = f"{name}_{self.again[name]}"
        self.taken.add(unique)
        return unique


def _numbered(kind: str, number: str) -> str:
    """relu3_3, and relu6_3_3 for a kind that ends in a digit itself."""
    return f"{kind}_{number}" if kind[-1].isdigit() else f"{kind}{number}"


def cut(graph: Graph, until: str) -> Graph:
    """The graph up to and including a node, by alias or path.

    Raises:
        SpecError: E302, there is no such node.
    """
    for position, node in enumerate(graph.nodes):
        if until in (node.alias, node.path):
            return Graph(graph.spec, graph.nodes[: position + 1], node.alias)
    names = [node.alias for node in graph.nodes]
    raise SpecError(
        [Diagnostic("E302", f"no layer is called `{until}`", None, (help_word(until, names, "there are"),))]
    )
