"""Graph: nodes in topological order, each with the values that it takes and the place that it comes from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from vggc.base.diagnostics import Span
from vggc.ir.header import Header
from vggc.layers.layer import Layer

MAX_LAYERS: Final = 10_000
INPUT: Final = "input"  # the name of the value that the network is given; every other value has the path of its node

Section = Literal["features", "avgpool", "flatten", "classifier"]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a layer comes from: an item of a spec, or a tool that made it without any text.

    `span` is the item. It is None where the layer is written in no text, and `made_by` then says what made it.
    `options` are the places of the options that are written, `part` is the place of the layer itself where that is not
    the whole item (the norm of a unit). `shared` are the places in `defaults`, which hold for many layers. `anchor` is
    the layer beside which, or instead of which, a rewrite put this one.
    """

    span: Span | None = None
    options: Mapping[str, Span] = field(default_factory=dict)
    part: Span | None = None
    shared: frozenset[Span] = frozenset()
    anchor: Span | None = None
    made_by: str = ""

    def place(self, option: str | None = None) -> Span | None:
        """The place to blame for an option, or for the layer; None where it is written in no text."""
        return self.options.get(option or "", self.part or self.span)

    def __str__(self) -> str:
        return str(self.span) if self.span is not None else self.made_by


@dataclass(frozen=True, slots=True)
class Node:
    """A layer in its place.

    `path` is torch's name for it (`features.4`), `alias` the name that people use (conv3_1, relu6). `inputs` are the
    values that it takes: paths of earlier nodes, or `INPUT`.
    """

    path: str
    alias: str
    section: Section
    layer: Layer
    origin: Origin
    inputs: tuple[str, ...]

    @property
    def value(self) -> str:
        """The name of the value that it computes."""
        return self.path

    @property
    def span(self) -> Span | None:
        """The item of the spec that it comes from; None where it is written in no text."""
        return self.origin.span


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes in topological order; the value of the last one is the output.

    `until` is the alias of the node after which the network was cut, and `rest` are the nodes after it.
    """

    header: Header
    nodes: tuple[Node, ...]
    until: str | None = None
    rest: tuple[Node, ...] = ()

    @property
    def whole(self) -> "Graph":
        """The graph before it was cut."""
        return Graph(self.header, (*self.nodes, *self.rest))

    def section(self, name: Section) -> tuple[Node, ...]:
        """The nodes of a section, in order."""
        return tuple(node for node in self.nodes if node.section == name)
