"""Warnings: what compiles and is probably not meant. Each has a code and a name, by which a spec switches it off."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from vggc.base.codes import CODES
from vggc.base.diagnostics import Diagnostic, Note
from vggc.ir.network import Network, ShapedLayer

DEEP: Final = 10  # layers with weights; torch's default initialisation still trains AlexNet's 8
_VARIANCE_KEEPING: Final = ("kaiming_normal", "kaiming_uniform", "orthogonal")


def check(network: Network, allowed: Iterable[str] = ()) -> list[Diagnostic]:
    """The warnings for a network, without those that the spec or the caller allows, by name or code."""
    silent = {*allowed, *network.header.allow}
    active = [lint for code, lint in LINTS.items() if not {code, CODES[code].name} & silent]
    return [warning for lint in active for warning in lint(network)]


def _warning(code: str, message: str, layer: ShapedLayer, help: str) -> Diagnostic:
    silence = Note("note", f"if this is intended: `allow: [{CODES[code].name}]`")
    return Diagnostic(code, message, layer.node.span, (Note("help", help), silence))


def _deep_without_norm(network: Network) -> Iterator[Diagnostic]:
    weighted = [layer for layer in network.layers if layer.layer.is_weight_layer]
    normalized = any(layer.layer.group == "norm" and layer.layer.tensors(layer.input) for layer in network.layers)
    schemes = [network.header.init.get(layer.kind) for layer in weighted if layer.layer.weight_form == "kernel"]
    kept = any(scheme is not None and scheme.kind in _VARIANCE_KEEPING for scheme in schemes)
    normalizing = any(layer.layer.self_normalizing for layer in network.layers)
    if len(weighted) > DEEP and not (normalized or kept or normalizing):
        message = (
            f"{len(weighted)} layers with weights, no norm and no He initialisation: "
            "the signal fades on the way, and training stays at chance"
        )
        help = "`defaults: {conv: {norm: batch_norm}}`, or `init: {conv2d: {kaiming_normal: {nonlinearity: relu}}}`"
        yield _warning("W401", message, weighted[0], help)


def _neighbours(network: Network) -> Iterator[tuple[ShapedLayer, ShapedLayer]]:
    """Every layer after each layer whose value it takes."""
    layers = {layer.value: layer for layer in network.layers}
    for layer in network.layers:
        yield from ((layers[name], layer) for name in layer.inputs if name in layers)


def _dropout_before_norm(network: Network) -> Iterator[Diagnostic]:
    for first, second in _neighbours(network):
        if first.layer.group == "dropout" and second.layer.uses_batch_statistics:
            message = f"{first.kind} right before {second.kind}: the variance differs between training and inference"
            yield _warning("W402", message, first, "put the dropout after the norm (arXiv:1801.05134)")


def _dropout_before_pool(network: Network) -> Iterator[Diagnostic]:
    for first, second in _neighbours(network):
        if first.layer.group == "dropout" and second.layer.takes_maximum:
            message = f"{first.kind} right before {second.kind}: the maximum takes another value instead"
            yield _warning("W403", message, first, "put the dropout after the pool")


def _needless_bias(network: Network) -> Iterator[Diagnostic]:
    for first, second in _neighbours(network):
        has_bias = first.layer.weight_form == "kernel" and "bias" in first.layer.tensors(*first.shapes)
        on_purpose = "bias" in first.node.origin.options
        if has_bias and not on_purpose and second.layer.uses_batch_statistics:
            message = f"the bias of a convolution right before {second.kind} has no effect: the norm subtracts it again"
            help = "`bias: false`; or say `bias: true` to keep it, as torchvision does"
            yield _warning("W404", message, first, help)
            return  # the cause is nearly always one `defaults`, so once is enough


def _uneven_pool(network: Network) -> Iterator[Diagnostic]:
    for layer in network.layers:
        if layer.layer.has_uneven_windows(*layer.shapes):
            (_, height, width), (_, rows, columns) = layer.input, layer.output
            message = f"{layer.kind}: {rows}x{columns} does not divide the {height}x{width} map: its windows overlap"
            help = "choose a size that divides the map; other tools may not export this one"
            yield _warning("W405", message, layer, help)


def _softmax_last(network: Network) -> Iterator[Diagnostic]:
    last = network.layers[-1]
    if last.node.section == "classifier" and last.layer.gives_probabilities:
        message = f"{last.kind} is the last layer: torch's cross-entropy expects logits and applies it again"
        yield _warning("W406", message, last, "remove it; the argmax stays the same")


def _activation_last(network: Network) -> Iterator[Diagnostic]:
    last = network.layers[-1]
    gates = last.layer.group in ("activation", "dropout") and not last.layer.gives_probabilities
    if last.node.section == "classifier" and gates and network.graph.until is None:
        message = f"{last.kind} is the last layer, so the logits go through it"
        yield _warning("W407", message, last, "end the classifier with `{linear: classes}`")


LINTS: Final[dict[str, Callable[[Network], Iterator[Diagnostic]]]] = {
    "W401": _deep_without_norm,
    "W402": _dropout_before_norm,
    "W403": _dropout_before_pool,
    "W404": _needless_bias,
    "W405": _uneven_pool,
    "W406": _softmax_last,
    "W407": _activation_last,
}
