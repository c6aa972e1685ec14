"""`vggc new`: a commented child spec that compiles as it is, with suggested changes as comments.

What the parent cannot do with another input is adapted, and a comment says so. Each suggestion compiles and changes the
network if it is the only one that is uncommented.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from vggc.analysis import shapes
from vggc.authoring.adapting import Changes, adapted, features, restated, without_pools
from vggc.authoring.child_text import WIDTH, key_lines, keys
from vggc.backends.text.yaml_spec import layer_text, value_text
from vggc.base.diagnostics import Source, SpecError
from vggc.base.words import dimensions
from vggc.frontend.text import inherit
from vggc.frontend.text.document import plain
from vggc.frontend.text.sources import stock_folder
from vggc.ir.graph import Graph
from vggc.ir.network import Network
from vggc.layers.answers import Shape
from vggc.pipeline import compile_source, read_graph

SCHEMA: Final = "vggc.schema.json"
MAX_ITEMS: Final = 50  # of an inherited list that is shown

FIGURES_COMMENT: Final = (
    "The figures of this spec. If uncommented, vggc check fails when one changes; max_params: 40M is a budget."
)
SUGGESTIONS: Final = (
    ("width: 0.5", "half of all channels, in multiples of 8"),
    (
        "defaults: {conv: {norm: batch_norm, bias: false}}",
        "a norm after every convolution, and no needless bias",
    ),
    ("pool: 1", "the mean of every channel: the smallest head"),
    ("pool: none", "the head sees the whole map"),
    ("classifier: [{linear: classes}]", "a linear head"),
    ("classifier: [512, {linear: classes}]", "one hidden layer"),
    ("rewrite: [{after: max_pool2d, insert: {dropout2d: 0.1}}]", "against overfitting"),
    ("rewrite: [{replace: relu, with: silu}]", "another activation"),
)


@dataclass(frozen=True, slots=True)
class NewSpec:
    """What the user asks for: a child of a spec.

    `extends` is the parent, and `schema` the JSON Schema for editors, as the child refers to them. `target` is the file
    of the child. `input` is (C, H, W), `classes` their number or names; the parent's if None.
    """

    name: str
    extends: str
    target: Path
    schema: str = SCHEMA
    input: Shape | None = None
    classes: int | list[str] | None = None


class Child(NamedTuple):
    """The text of a new spec, and the network that it compiles to."""

    text: str
    network: Network


def start(new: NewSpec, parent: Source) -> Child:
    """The text of a new spec; nothing is written.

    Raises:
        SpecError: the parent does not compile, or does not take the input.
    """
    changes = _for_input(parent, new.input) if new.input is not None else {}
    if new.classes is not None:
        changes["classes"] = new.classes
    writer = _ChildWriter(
        new.target, {"vggc": 1, "name": new.name, "extends": new.extends}, changes, read_graph(parent)
    )
    text = f"# yaml-language-server: $schema={new.schema}\n{writer.text()}"
    return Child(text, compile_source(writer.source(text)))


def _for_input(parent: Source, input: Shape) -> Changes:
    rewrite = without_pools(parent, input)
    return {**rewrite, **adapted(parent, input, [inherit.from_mapping(rewrite)] if rewrite else [])}


def schema_file(target: Path) -> Path:
    """The JSON Schema for a spec: the one in a folder above, else the one beside it, which need not exist.

    Only folders in the working folder are searched.
    """
    beside = target.parent / SCHEMA
    here = Path.cwd()
    folders = [folder for folder in beside.resolve().parents if folder.is_relative_to(here)]
    schema = next((folder / SCHEMA for folder in folders if (folder / SCHEMA).is_file()), None)
    return beside if schema is None or schema == beside.resolve() else Path(os.path.relpath(schema))


def relative(file: Path, target: Path) -> str:
    """The path of a file from the target's folder."""
    return Path(os.path.relpath(file, target.parent)).as_posix()


def extends(parent: str, source: Source, target: Path) -> str:
    """The parent as the child refers to it: a stock spec by its name, a file by the path from the child."""
    assert source.path is not None
    is_stock = source.path.parent == stock_folder() and parent == source.path.stem
    return parent if is_stock else relative(source.path, target)


class _ChildWriter:
    def __init__(self, target: Path, head: Changes, changes: Changes, parent: Graph) -> None:
        self.target = target
        self.head = head
        self.parent = parent
        network = shapes.infer(read_graph(self.source(keys({**head, **changes}))))
        # If what the parent expects does not hold, the child has to expect its own figures.
        broken = restated(network)
        self.changes = {**changes, "expect": broken["expect"] | _figures(network)} if broken else changes
        self.network = compile_source(self.source(keys({**head, **self.changes})))

    def source(self, text: str) -> Source:
        return Source(str(self.target), text, path=self.target)

    def text(self) -> str:
        parts = [self._head(), self._suggestions(), self._expectations()]
        return "\n\n".join("\n".join(part) for part in map(list, parts) if part) + "\n"

    def _head(self) -> Iterator[str]:
        name, extends = self.head["name"], self.head["extends"]
        yield f"# {name}: {extends}, with the changes below. The whole spec: vggc expand {self.target}"
        for key, value in self.head.items():
            yield f"{key}: {value_text(value)}"
        for key in ("input", "classes"):
            if key not in self.changes and key in self.parent.header.places:
                inherited = {"input": self.parent.header.input, "classes": _classes(self.parent)}[key]
                yield _shortened(f"# {key}: {value_text(inherited)}  # inherited", f"# {key}: inherited")
        for key in ("input", "classes", "rewrite", "pool", "preprocess", "train"):
            if key in self.changes:
                yield from self._change(key, self.changes[key])

    def _change(self, key: str, value: Any) -> Iterator[str]:
        """A key with the reason for it, in a comment above or after it."""
        reasons = {
            "input": "channels, height, width",
            "preprocess": "as inherited, for this input",
            "train": "as inherited, for this input",
        }
        if key == "rewrite":
            yield self._why_rewrite()
        if key == "pool":
            yield from self._why_pool()
        line = f"{key}: {value_text(value)}"
        yield f"{line}  # {reasons[key]}" if key in reasons else line

    def _why_rewrite(self) -> str:
        height, width = self.network.input[1:]
        removed = len(self.parent.section("features")) - len(self.network.graph.section("features"))
        last = "the last pool" if removed == 1 else f"the last {removed} pools"
        return f"# A {height}x{width} input is too small for all inherited pools: without {last} it fits."

    def _why_pool(self) -> Iterator[str]:
        ends = dimensions(features(self.network.graph).output)
        pool = next(node.layer for node in self.parent.nodes if node.section == "avgpool")
        reason = f"# The features end at {ends}, which is too small a map for the inherited pool, {layer_text(pool)}"
        if pool.fixes_size():
            yield f"{reason}:"
            yield "# enlarging it would add weights and no information."
        else:
            yield f"{reason}."

    def _suggestions(self) -> Iterator[str]:
        suggestions = [(line, reason) for line, reason in SUGGESTIONS if self._changes_layers(line)]
        if not suggestions:
            return
        yield "# Suggestions; uncomment a line to change what is inherited:"
        width = max(len(line) for line, _ in suggestions)
        yield from (f"# {line:{width}}  # {reason}" for line, reason in suggestions)
        yield from self._features()

    def _changes_layers(self, line: str) -> bool:
        """Whether the spec compiles with one more line, to other layers."""
        if line.partition(":")[0] in self.changes:
            return False
        try:
            changed = shapes.infer(read_graph(self.source(keys({**self.head, **self.changes}) + line + "\n")))
        except SpecError:
            return False
        return [layer.layer for layer in changed.layers] != [layer.layer for layer in self.network.layers]

    def _features(self) -> Iterator[str]:
        """The inherited list of layers, for the user to change."""
        items = plain(inherit.load(self.source(keys(self.head))).entries["features"].value)
        assert isinstance(items, list)
        if len(items) <= MAX_ITEMS:
            yield from (f"# {line}" for line in key_lines("features", items))

    def _expectations(self) -> Iterator[str]:
        if "expect" in self.changes:
            yield "# What the parent expects, with the figures of this spec. vggc check fails when one changes."
            yield f"expect: {value_text(self.changes['expect'])}"
        else:
            yield f"# {FIGURES_COMMENT}"
            yield f"# expect: {value_text(_figures(self.network))}"


def _classes(graph: Graph) -> object:
    classes = graph.header.classes
    return None if classes is None else classes.names or classes.count


def _shortened(line: str, instead: str) -> str:
    return line if len(line) <= WIDTH else instead


def _figures(network: Network) -> Changes:
    flatten = {} if network.flatten is None else {"flatten": network.flatten}
    return {"params": network.params, "macs": network.macs, **flatten, "output": list(network.output)}
