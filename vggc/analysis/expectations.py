"""What must hold of the whole network: the number of classes, and what the spec's `expect` says."""

from collections.abc import Iterator

from vggc.base.diagnostics import Diagnostic, Note
from vggc.base.words import dimensions
from vggc.ir.geometry import flatten_formula
from vggc.ir.header import Expectation
from vggc.ir.network import Network
from vggc.layers.answers import Shape


def broken(network: Network) -> list[Expectation]:
    """The expectations that do not hold."""
    return [expected for expected in network.header.expect if not _holds(expected, figure(network, expected))]


def check(network: Network) -> list[Diagnostic]:
    """What does not hold; a network that was cut is not checked."""
    if network.graph.until is not None:
        return []
    return [*_classes(network), *_expectations(network)]


def _classes(network: Network) -> Iterator[Diagnostic]:
    classes = network.header.classes
    if classes is None or not network.graph.section("classifier") or network.output == (classes.count,):
        return
    last = network.layers[-1]
    ending = "flatten" if network.output == (classes.count, 1, 1) else "linear: classes"
    notes = (
        Note("note", f"the last layer is {last.alias}, at {last.node.span}", last.node.span),
        Note("help", f"end the classifier with `{ending}`"),
    )
    message = f"the spec has {classes.count} classes, and the network's output is {dimensions(network.output)}"
    yield Diagnostic("E207", message, network.header.places["classes"], notes)


def _expectations(network: Network) -> Iterator[Diagnostic]:
    for expectation in broken(network):
        name, actual = expectation.key.removeprefix("max_"), figure(network, expectation)
        message = f"expected {_expected(expectation, name)}; the network has {_text(actual)}"
        yield Diagnostic("E301", message, expectation.span, tuple(_reasons(network, expectation, actual)))


def figure(network: Network, expectation: Expectation) -> int | Shape | None:
    """The figure that the expectation is about."""
    actual: int | Shape | None = getattr(network, expectation.key.removeprefix("max_"))
    return actual


def _holds(expectation: Expectation, actual: int | Shape | None) -> bool:
    if not expectation.key.startswith("max_"):
        return actual == expectation.value
    assert isinstance(actual, int)
    assert isinstance(expectation.value, int | float)
    return actual <= expectation.value


def _expected(expectation: Expectation, name: str) -> str:
    value = _text(expectation.value)
    return f"{name} {value}" if expectation.key == name else f"at most {value} {name}"


def _text(value: float | Shape | None) -> str:
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return str(list(value))
    return f"{value:,}" if isinstance(value, int) else f"{value:,.12g}"


def _reasons(network: Network, expectation: Expectation, actual: int | Shape | None) -> Iterator[Note]:
    if isinstance(actual, int) and isinstance(expectation.value, int | float):
        difference = actual - expectation.value
        yield Note("note", f"{_text(abs(difference))} {'more' if difference > 0 else 'fewer'}")
    if expectation.key == "flatten" and (formula := flatten_formula(network)):
        yield Note("note", f"flatten = {formula}")
    if expectation.key == "flatten" and actual is None:
        yield Note("note", "nothing is flattened without a classifier")
    if expectation.key == "output":
        last = network.layers[-1]
        yield Note("note", f"the last layer is {last.alias}, at {last.node.span}", last.node.span)
