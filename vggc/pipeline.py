"""The compiler from end to end: text -> Document -> Spec -> Graph -> Network."""

import os
from collections.abc import Iterable, Mapping

from vggc.analysis import expectations, shapes
from vggc.base.diagnostics import Source, SpecError
from vggc.frontend.schema import messages
from vggc.frontend.spec import spec, unroll
from vggc.frontend.text import inherit
from vggc.frontend.text.document import Document, Table
from vggc.frontend.text.sources import read_source
from vggc.ir.graph import Graph
from vggc.ir.network import Network


def compile(
    path_or_name: str | os.PathLike[str],
    overrides: Mapping[str, object] | None = None,
    *,
    until: str | None = None,
    max_memory: int = shapes.MAX_MEMORY,
) -> Network:
    """Compile the spec at a path, or the stock spec of that name; the arguments are those of `vggc.compile`.

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
    if diagnostics := expectations.check(network):
        raise SpecError(diagnostics)
    return network


def read_graph(source: Source, overrides: Iterable[Table] = (), *, until: str | None = None) -> Graph:
    """The layers of a spec without their shapes.

    Raises:
        SpecError: the spec is wrong.
    """
    return graph_of(inherit.override(inherit.load(source), overrides), until=until)


def graph_of(document: Document, *, until: str | None = None) -> Graph:
    """The graph of a complete document: its parents are merged in, and its overrides are laid over it.

    Raises:
        SpecError: the spec is wrong.
    """
    graph = unroll.unroll(spec_of(document))
    return graph if until is None else unroll.cut(graph, until)


def spec_of(document: Document) -> spec.Spec:
    """The spec of a document: its items as they are written, with the short forms expanded.

    Raises:
        SpecError: the spec is wrong.
    """
    if diagnostics := messages.check(document):
        raise SpecError(diagnostics)
    typed, diagnostics = spec.build(document)
    if diagnostics:
        raise SpecError(diagnostics)
    return typed
