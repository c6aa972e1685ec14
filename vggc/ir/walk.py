"""The one fold over a graph: every analysis and every lowering is a step of it."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Protocol, TypeVar

from vggc.ir.graph import INPUT


class Computation(Protocol):
    """Whatever computes a value of other values: a node, a shaped layer, a step of a program."""

    @property
    def value(self) -> str:
        """The name of the value that it computes."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the values that it takes: those of earlier computations, or `INPUT`."""


C = TypeVar("C", bound=Computation)
D = TypeVar("D", bound="_DataclassComputation")
V = TypeVar("V")


class _DataclassComputation(Computation, Protocol):
    __dataclass_fields__: ClassVar[dict[str, Any]]


def walk(nodes: Sequence[C], start: V, step: Callable[[C, tuple[V, ...]], V]) -> Iterator[tuple[C, V]]:
    """Every node with its value, in order.

    Args:
        nodes: in topological order.
        start: the value of `INPUT`.
        step: computes the value of a node from those of its inputs.

    A value is dropped after its last use, so no more is kept than a later node needs. Nothing is computed before the
    caller asks for the next node.
    """
    values = {INPUT: start}
    for node, unused in zip(nodes, last_uses(nodes), strict=True):
        value = step(node, tuple([values[name] for name in node.inputs]))
        values[node.value] = value
        yield node, value
        for name in unused:
            del values[name]


def last_uses(nodes: Sequence[Computation]) -> list[list[str]]:
    """For every node, the values that nothing after it takes."""
    last = {node.value: position for position, node in enumerate(nodes)}
    last[INPUT] = 0
    last |= {name: position for position, node in enumerate(nodes) for name in node.inputs}
    unused: list[list[str]] = [[] for _ in nodes]
    for name, position in last.items() if nodes else ():
        unused[position].append(name)
    return unused


def peak(nodes: Sequence[C], start: int, size: Callable[[C], int]) -> int:
    """The most that is alive at once: all values that the node at work or a later one takes, and its own.

    Args:
        nodes: in topological order.
        start: the size of the input.
        size: of a node's value.
    """
    sizes = {INPUT: start}
    alive = most = start
    for node, unused in zip(nodes, last_uses(nodes), strict=True):
        sizes[node.value] = size(node)
        alive += sizes[node.value]
        most = max(most, alive)
        alive -= sum(sizes[name] for name in unused)
    return most


def without(nodes: Sequence[D], dropped: Collection[str]) -> tuple[D, ...]:
    """The nodes but for those that compute the dropped values; what took such a value takes that node's first input."""
    names: dict[str, str] = {}
    kept = []
    for node in nodes:
        inputs = tuple([names.get(name, name) for name in node.inputs])
        if node.value in dropped:
            names[node.value] = inputs[0]
        else:
            kept.append(node if inputs == node.inputs else replace(node, inputs=inputs))
    return tuple(kept)


def is_chain(nodes: Iterable[Computation]) -> bool:
    """Whether every node takes the value of the one before it, and nothing else."""
    before = INPUT
    for node in nodes:
        if node.inputs != (before,):
            return False
        before = node.value
    return True
