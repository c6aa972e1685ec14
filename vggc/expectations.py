"""What must hold of the whole network: the number of classes, and what the spec's `expect` says."""

from collections.abc import Iterator

from vggc.diagnostics import Diagnostic, Note
from vggc.frontend.spec import Expectation
from vggc.ir import Network
from vggc.layers.base import Shape


def check(network: Network) -> list[Diagnostic]:
    """What does not hold; nothing is asked of a network that was cut short."""
    if network.graph.until is not None:
        return []
    return [*_classes(network), *_expectations(network)]


def _classes(network: Network) -> Iterator[Diagnostic]:
    classes = network.spec.classes
    if classes is None or network.spec.classifier is None or network.output == (classes.count,):
        return
    given = " x ".join(str(size) for size in network.output)
    last = network.layers[-1]
    notes = (
        Note("note", f"the last layer is {last.alias}, at {last.node.span}"),
        Note("help", "end the classifier with `linear: classes`"),
    )
    message = f"the spec has {classes.count} classes, and the network's output is {given}"
    yield Diagnostic("E207", message, network.spec.places["classes"], notes)


def _expectations(network: Network) -> Iterator[Diagnostic]:
    for expectation in network.spec.expect:
        name = expectation.key.removeprefix("max_")
        actual = getattr(network, name)
        if not _holds(expectation, actual):
            message = f"expected {name} {_bound(expectation)}, and the network has {_shown(actual)}"
            yield Diagnostic("E301", message, expectation.span, _difference(expectation, actual))


def _holds(expectation: Expectation, actual: int | Shape | None) -> bool:
    if not expectation.key.startswith("max_"):
        return actual == expectation.value
    assert isinstance(actual, int)
    assert isinstance(expectation.value, int | float)
    return actual <= expectation.value


def _bound(expectation: Expectation) -> str:
    most = "of at most " if expectation.key.startswith("max_") else ""
    return f"{most}{_shown(expectation.value)}"


def _shown(value: float | Shape | None) -> str:
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return str(list(value))
    return f"{value:,.0f}"


def _difference(expectation: Expectation, actual: int | Shape | None) -> tuple[Note, ...]:
    if not isinstance(actual, int) or not isinstance(expectation.value, int | float):
        return ()
    difference = actual - expectation.value
    return (Note("note", f"{abs(difference):,.0f} {'more' if difference > 0 else 'fewer'}"),)
