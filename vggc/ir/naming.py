"""Layers in a row -> nodes: every layer gets its path and its alias, and takes the value of the one before it."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from vggc.ir.graph import INPUT, Node, Origin, Section
from vggc.layers.layer import Layer


class Placed(NamedTuple):
    """A layer, the section that it belongs to, and where it comes from."""

    section: Section
    layer: Layer
    origin: Origin


def named(layers: Iterable[Placed]) -> Iterator[Node]:
    """The nodes of layers in a row."""
    names = _Aliases()
    counts: dict[str, int] = {}
    before = INPUT
    for section, layer, origin in layers:
        path: str = section
        if section in ("features", "classifier"):
            path = f"{section}.{counts.setdefault(section, 0)}"
            counts[section] += 1
        yield Node(path, names.next(section, layer), section, layer, origin, (before,))
        before = path


class _Aliases:
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
        if layer.ends_stage:
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
