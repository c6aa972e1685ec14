"""The whole way, top to bottom: text -> Document -> Spec -> Graph -> Network."""

import os
from collections.abc import Iterable, Mapping

from vggc import expectations, shapes, unroll
from vggc.diagnostics import Source, SpecError
from vggc.frontend import complaints, inherit, spec
from vggc.frontend.document import Document, Table
from vggc.frontend.sources import read_source
from vggc.ir import Graph, Network


def compile(
    path_or_name: str | os.PathLike[str],
    overrides: Mapping[str, object] | None = None,
    *,
    until: str | None = None,
    max_memory: int = shapes.MAX_MEMORY,
) -> Network:
    """Compile the spec at a path, or the stock spec of that name.

    Args:
        path_or_name: the file, or a name such as `vgg16`.
        overrides: values laid over the spec's, such as `{"classes": 10, "input": [3, 64, 64]}`; keys may be dotted.
        until: the alias or path of the layer after which the network ends, such as `relu3_3`.
        max_memory: the bytes that the weights may take.

    Raises:
        SpecError: the spec is wrong; the error holds every diagnostic, with its place.
    """
    tables = [inherit.from_mapping(overrides)] if overrides else []
    return compile_source(read_source(path_or_name), tables, until=until, max_memory=max_memory)


def compile_source(
    source: Source,
    overrides: Iterable[Table] = (),
    *,
    until: str | None = None,
    max_memory: int = shapes.MAX_MEMORY,
) -> Network:
    """Compile a spec's text; as `compile`."""
    network = shapes.infer(read_graph(source, overrides, until=until), max_memory)
    if found := expectations.check(network):
        raise SpecError(found)
    return network


def read_graph(source: Source, overrides: Iterable[Table] = (), *, until: str | None = None) -> Graph:
    """The way up to the graph, for what needs no shapes.

    Raises:
        SpecError: the spec is wrong.
    """
    return graph_of(inherit.overridden(inherit.load(source), overrides), until=until)


def graph_of(document: Document, *, until: str | None = None) -> Graph:
    """The graph of a document that is whole: its ancestors merged in, its overrides laid over it.

    Raises:
        SpecError: the spec is wrong.
    """
    if found := complaints.check(document):
        raise SpecError(found)
    typed, found = spec.build(document)
    if found:
        raise SpecError(found)
    graph = unroll.unroll(typed)
    return graph if until is None else unroll.cut(graph, until)
