"""A chain -> layers with their tensors, or every node in the way.

At every cut of the chain the kinds yield candidates; a candidate that lowers to the next operations is a match, and the
longest match is taken.
"""

from collections.abc import Iterator
from typing import Final

from vggc.importing.normal_form.chain import Chain, affine_as_batch_norm
from vggc.importing.reading.graph_values import OPEN_BATCH, NormalOperation, UnknownShapeError
from vggc.importing.recognition.matching import Match, RecoveredLayer, match
from vggc.layers import all_kinds
from vggc.layers.layer import Layer
from vggc.layers.operation import Lookahead

_AHEAD: Final = 16  # operations that a candidate may look at; the longest lowering has fewer


def recover(chain: Chain) -> tuple[list[RecoveredLayer], list[str]]:
    """The layers of a chain in order, and the nodes that are none with the reason, one a line.

    After such a node the rest is read all the same.
    """
    layers: list[RecoveredLayer] = []
    refused: list[tuple[NormalOperation, str]] = []
    position = 0
    while position < len(chain.operations):
        best = _longest_match(chain, position)
        if best is None:
            chain = affine_as_batch_norm(chain, position)
            best = _longest_match(chain, position)
        if best is None:
            end = chain.next_cut(position)
            refused += _refusals(chain.operations[position:end])
            position = end
        else:
            layers += best.layers
            position += best.length
    known = [(operation, reason) for operation, reason in refused if reason]
    return layers, [_refusal(operation, reason or "its shape is not known") for operation, reason in known or refused]


def _longest_match(chain: Chain, position: int) -> Match | None:
    """The candidate that explains the most operations from a cut on; the first one of several."""
    matches = (match(layers, chain, position) for layers in _candidates(chain, position))
    return max(filter(None, matches), key=lambda match: match.length, default=None)


def _candidates(chain: Chain, position: int) -> Iterator[tuple[Layer, ...]]:
    """The layers that the operations from a cut on may be, by every kind that may begin with one that takes its value.

    There are none where an operation before the next cut is unreadable.
    """
    value = chain.cuts[position]
    ahead = chain.operations[position : position + _AHEAD]
    piece = chain.operations[position : chain.next_cut(position)]
    if any("why" in operation.attributes for operation in piece):
        return
    starts = {operation.op: operation for operation in reversed(piece) if value in operation.data}
    for kind in all_kinds().values():
        for operator in kind.onnx_operators:
            if operator in starts:
                yield from kind.from_onnx(Lookahead(chain.shapes[value], starts[operator], ahead))


# --- refusals ---


def _refusals(operations: tuple[NormalOperation, ...]) -> Iterator[tuple[NormalOperation, str]]:
    """One operation that is no layer, or a knot: what joins its branches, and what would be no layer anyway.

    There is no reason where the shapes are not known, because of a node before.
    """
    for operation in operations:
        error = operation.attributes.get("why")
        if error is not None:
            yield operation, "" if isinstance(error, UnknownShapeError) else str(error)
        elif len(set(operation.data)) > 1:
            yield operation, "joins branches, and a spec is one sequence of layers"
        elif len(operations) == 1:
            yield operation, _no_layer(operation)


def _refusal(operation: NormalOperation, reason: str) -> str:
    label, op = operation.nodes[-1]
    return f"{label} ({op}): {reason}"


def _no_layer(operation: NormalOperation) -> str:
    options = ", ".join(f"{name} {_word(value)}" for name, value in sorted(operation.attributes.items()))
    constants = ", ".join(f"a constant of shape {_word(constant.shape)}" for constant in operation.constants)
    details = "; ".join(filter(None, (options, constants)))
    return f"no layer of vggc does that{f': {details}' if details else ''}"


def _word(value: object) -> str:
    """A value in a message; an open batch is no number there."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(_word, value))}]"
    if isinstance(value, float):
        return f"{value:g}"
    return "batch" if value == OPEN_BATCH else str(value)
