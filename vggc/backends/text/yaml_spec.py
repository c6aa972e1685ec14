"""Graph -> the canonical spec: every layer written out, every inherited value in place, one layer a line.

Compiling it gives the same network, exactly; expanding it gives the same text.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Final, get_args

from vggc.base.errors import ProductError
from vggc.base.records import Limits, Named, Record
from vggc.frontend.text.document import resolve
from vggc.ir.graph import Graph, Node
from vggc.ir.header import Classes, Expectation, Header
from vggc.ir.walk import is_chain
from vggc.layers.layer import Layer

CLASSES: Final = "classes"
_OUTPUTS: Final = ("out_features", "out_channels")  # the main options that are a number of outputs


def emit(graph: Graph) -> str:
    """The text of the canonical spec.

    Raises:
        ProductError: the graph has branches, and the language has no words for them.
    """
    if not is_chain(graph.nodes):
        raise ProductError(f"not supported: a spec of {graph.header.name}, which has branches")
    return "\n".join(_lines(graph)) + "\n"


def _lines(graph: Graph) -> Iterator[str]:
    yield from opening(graph.header)
    yield "features:"
    yield from _items(graph, "features")
    if any(node.section == "classifier" for node in graph.nodes):
        yield from (f"pool: {braced(layer_text(node.layer))}" for node in graph.nodes if node.section == "avgpool")
        yield "classifier:"
        yield from _items(graph, "classifier")
    else:
        # A graph that was cut after its features: what is left between them and the classifier ends them.
        yield from _items(graph, "avgpool")
        yield from _items(graph, "flatten")
        yield "classifier: none"
    yield from closing(graph.header)


def opening(header: Header) -> Iterator[str]:
    """The lines before the layers."""
    yield "vggc: 1"
    yield f"name: {value_text(header.name)}"
    yield f"input: {value_text(header.input)}"
    if header.classes is not None:
        yield f"classes: {classes_text(header.classes)}"


def _items(graph: Graph, section: str) -> Iterator[str]:
    counting = counting_node(graph)
    for node in graph.nodes:
        if node.section == section:
            yield f"  - {layer_text(node.layer, counts=node is counting)}"


def counting_node(graph: Graph) -> Node | None:
    """The last node of the classifier that has a number of outputs, if that is the number of the classes."""
    classes = graph.header.classes
    head = [node for node in graph.nodes if node.section == "classifier" and node.layer.main in _OUTPUTS]
    if classes is None or not head:
        return None
    layer, option = head[-1].layer, str(head[-1].layer.main)
    limits = (hint for hint in get_args(layer.annotation(option)) if isinstance(hint, Limits))
    counts = getattr(layer, option) == classes.count and any(limit.classes for limit in limits)
    return head[-1] if counts else None


def layer_text(layer: Layer, *, counts: bool = False) -> str:
    """An item: the kind, its main option, and the others that are not their defaults.

    `counts` says that the main option is the number of the classes, and refers to it.
    """
    options = layer.changed()
    if layer.main is not None:
        options = {layer.main: getattr(layer, layer.main)} | options
        if counts:
            options[layer.main] = CLASSES
    if list(options) == [layer.main]:
        return f"{layer.kind}: {value_text(options[str(layer.main)])}"
    return f"{layer.kind}: {value_text(options)}" if options else layer.kind


def braced(item: str) -> str:
    """An item of a block as one of a flow list."""
    return f"{{{item}}}" if ": " in item else item


def classes_text(classes: Classes) -> str:
    """The number of classes, or their names."""
    return value_text(classes.names) if classes.names is not None else str(classes.count)


def closing(header: Header) -> Iterator[str]:
    """The lines of everything that is no layer and no heading."""
    if header.init:
        schemes = (f"{key}: {record_text(scheme)}" for key, scheme in header.init.items())
        yield f"init: {{{', '.join(schemes)}}}"
    if header.expect:
        yield f"expect: {{{', '.join(map(expectation_text, header.expect))}}}"
    if header.allow:
        yield f"allow: {value_text(header.allow)}"
    if header.preprocess is not None:
        yield f"preprocess: {value_text(header.preprocess.changed())}"
    if header.train is not None:
        yield "train:"
        for name, value in header.train.changed().items():
            yield f"  {name}: {field_text(value)}"


def expectation_text(expectation: Expectation) -> str:
    """A key of `expect` and its value."""
    value = expectation.value
    whole = int(value) if isinstance(value, float) and value.is_integer() else value
    return f"{expectation.key}: {value_text(whole)}"


def field_text(value: object) -> str:
    """The value of a field of `train`, which may be a record of a vocabulary, such as an optimizer."""
    if isinstance(value, Record):
        return record_text(value)
    if isinstance(value, tuple) and value and isinstance(value[0], Record):
        return f"[{', '.join(map(record_text, value))}]"
    return value_text(value)


def record_text(record: Record) -> str:
    """A kind with its options, or alone."""
    assert isinstance(record, Named)
    options = record.changed()
    return f"{{{record.kind}: {value_text(options)}}}" if options else record.kind


def value_text(value: object) -> str:
    """A value in YAML's flow style, read back by the reader as the same value."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {value_text(item)}' for key, item in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{_joined(value)}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value if _PLAIN.fullmatch(value) and resolve(value) == value else json.dumps(value, ensure_ascii=False)
    return repr(value)


def _joined(values: Iterable[object]) -> str:
    return ", ".join(map(value_text, values))


# Words, paths upwards, and amounts.
_PLAIN = re.compile(
    r"[A-Za-z_][A-Za-z0-9_.-]*( [A-Za-z0-9_.-]+)*|(\.\./)+[A-Za-z_][A-Za-z0-9_./-]*|[0-9]+(\.[0-9]+)?[KMGT]"
)
