"""`vggc new`: a commented child spec that compiles as it is written, with the knobs that a person turns.

What another input makes impossible in the parent is adapted, and the comment says so. Every knob in a comment compiles
and changes the network when it is the only one that is turned.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

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
from vggc.layers.layer import Shape
from vggc.pipeline import compile_source, read_graph

SCHEMA: Final = "vggc.schema.json"
MAX_ITEMS: Final = 50  # of an inherited list that is shown

AS_THEY_ARE: Final = (
    "The figures as they are. Uncommented, vggc check fails when one changes; max_params: 40M is a budget."
)
KNOBS: Final = (
    ("width: 0.5", "half of all channels, in multiples of 8"),
    (
        "defaults: {conv: {norm: batch_norm, bias: false}}",
        "a norm behind every convolution, and no needless bias",
    ),
    ("pool: 1", "the mean of every channel: the smallest head"),
    ("pool: none", "the head sees the whole map"),
    ("classifier: [{linear: classes}]", "a linear head"),
    ("classifier: [512, {linear: classes}]", "one hidden layer"),
    ("rewrite: [{after: max_pool2d, insert: {dropout2d: 0.1}}]", "against overfitting"),
    ("rewrite: [{replace: relu, with: silu}]", "another activation"),
)


@dataclass(frozen=True)
class Start:
    """A spec to begin with: its text, and the network that it compiles to."""

    text: str
    network: Network


def start(
    name: str,
    parent: Source,
    extends: str,
    target: Path,
    *,
    input: Shape | None = None,
    classes: int | list[str] | None = None,
    schema: str = SCHEMA,
) -> Start:
    """The child of a spec, not yet written.

    Args:
        name: what it is called.
        parent: its parent.
        extends: the parent, as the child names it.
        target: the file that it will be.
        input: (C, H, W); the parent's if left out.
        classes: how many, or their names; the parent's if left out.
        schema: the JSON Schema, as the child names it for editors.

    Raises:
        SpecError: the parent does not compile, or does not take the input.
    """
    changes = _for_input(parent, input) if input is not None else {}
    if classes is not None:
        changes["classes"] = classes
    child = _Child(target, {"vggc": 1, "name": name, "extends": extends}, changes, read_graph(parent))
    text = f"# yaml-language-server: $schema={schema}\n{child.text()}"
    return Start(text, compile_source(child.source(text)))


def _for_input(parent: Source, input: Shape) -> Changes:
    rewrite = without_pools(parent, input)
    return {**rewrite, **adapted(parent, input, [inherit.from_mapping(rewrite)] if rewrite else [])}


def schema_file(target: Path) -> Path:
    """The JSON Schema for a spec, which need not exist: beside it, unless a folder above has one.

    Folders outside the working folder are not looked into.
    """
    beside = target.parent / SCHEMA
    here = Path.cwd()
    above = [each for each in [beside.resolve().parent, *beside.resolve().parents[1:]] if each.is_relative_to(here)]
    found = next((folder / SCHEMA for folder in above if (folder / SCHEMA).is_file()), None)
    return beside if found is None or found == beside.resolve() else Path(os.path.relpath(found))


def relative(file: Path, target: Path) -> str:
    """A file as it is named in the target's folder."""
    return Path(os.path.relpath(file, target.parent)).as_posix()


def extends(parent: str, source: Source, target: Path) -> str:
    """A parent as a child names it: a stock spec by its name, a file by the path from the child."""
    assert source.path is not None
    is_stock = source.path.parent == stock_folder() and parent == source.path.stem
    return parent if is_stock else relative(source.path, target)


class _Child:
    def __init__(self, target: Path, head: Changes, changes: Changes, parent: Graph) -> None:
        self.target = target
        self.head = head
        self.parent = parent
        network = shapes.infer(read_graph(self.source(keys({**head, **changes}))))
        # What the parent expects is stated again where it does not hold; so are the figures beside it then.
        stated = restated(network)
        self.changes = {**changes, "expect": stated["expect"] | _figures(network)} if stated else changes
        self.network = compile_source(self.source(keys({**head, **self.changes})))

    def source(self, text: str) -> Source:
        return Source(str(self.target), text, path=self.target)

    def text(self) -> str:
        parts = [self._head(), self._knobs(), self._expectations()]
        return "\n\n".join("\n".join(part) for part in map(list, parts) if part) + "\n"

    def _head(self) -> Iterator[str]:
        name, extends = self.head["name"], self.head["extends"]
        yield f"# {name}: {extends}, and what is said here. The whole: vggc expand {self.target}"
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
        """A key with the reason why it is there, above it or, where that is short, behind it."""
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
        before, after = (sum(n.section == "features" for n in g.nodes) for g in (self.parent, self.network.graph))
        last = "the last pool" if before - after == 1 else f"the last {before - after} pools"
        return (
            f"# A {height}x{width} input is too small for all pools that the features inherit: without {last} it fits."
        )

    def _why_pool(self) -> Iterator[str]:
        ends = dimensions(features(self.network.graph).output)
        pool = next(node.layer for node in self.parent.nodes if node.section == "avgpool")
        why = f"# The features end at {ends}, which is too small a map for the inherited pool, {layer_text(pool)}"
        if pool.fixes_size():
            yield f"{why}:"
            yield "# to enlarge it would add weights and no information."
        else:
            yield f"{why}."

    # --- knobs ---

    def _knobs(self) -> Iterator[str]:
        turned = [(knob, words) for knob, words in KNOBS if self._turns(knob)]
        if not turned:
            return
        yield "# Knobs, each inherited until its line is uncommented:"
        width = max(len(knob) for knob, _ in turned)
        yield from (f"# {knob:{width}}  # {words}" for knob, words in turned)
        yield from self._layers()

    def _turns(self, knob: str) -> bool:
        """Whether the spec compiles with one more key, and means other layers."""
        if knob.partition(":")[0] in self.changes:
            return False
        try:
            turned = shapes.infer(read_graph(self.source(keys({**self.head, **self.changes}) + knob + "\n")))
        except SpecError:
            return False
        return [each.layer for each in turned.layers] != [each.layer for each in self.network.layers]

    def _layers(self) -> Iterator[str]:
        """The inherited list of layers, which one would change."""
        items = plain(inherit.load(self.source(keys(self.head))).entries["features"].value)
        assert isinstance(items, list)
        if len(items) <= MAX_ITEMS:
            yield from (f"# {line}" for line in key_lines("features", items))

    def _expectations(self) -> Iterator[str]:
        if "expect" in self.changes:
            yield "# What the parent expects, with the figures of this spec. vggc check fails when one changes."
            yield f"expect: {value_text(self.changes['expect'])}"
        else:
            yield f"# {AS_THEY_ARE}"
            yield f"# expect: {value_text(_figures(self.network))}"


def _classes(graph: Graph) -> object:
    classes = graph.header.classes
    return None if classes is None else classes.names or classes.count


def _shortened(line: str, instead: str) -> str:
    return line if len(line) <= WIDTH else instead


def _figures(network: Network) -> Changes:
    found: Changes = {"params": network.params, "macs": network.macs}
    if network.flatten is not None:
        found["flatten"] = network.flatten
    return {**found, "output": list(network.output)}
