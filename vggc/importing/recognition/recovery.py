"""A chain -> layers with their tensors, or every node that is in the way."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from vggc.importing.normal_form.chain import Chain
from vggc.importing.reading.graph_values import OPEN_BATCH, Array, Constant, Operation, UnknownShapeError
from vggc.importing.recognition.candidates import candidates
from vggc.importing.recognition.matching import Match, match
from vggc.importing.recognition.views import AHEAD, number
from vggc.layers.dropout import Dropout
from vggc.layers.layer import Layer
from vggc.layers.norm import BatchNorm


@dataclass(frozen=True, eq=False)
class Found:
    """A layer, and its tensors by torch's names."""

    layer: Layer
    tensors: Mapping[str, Constant]


@dataclass(frozen=True)
class Refusal:
    """A node that no spec can say, and why."""

    node: str
    op: str
    why: str

    def __str__(self) -> str:
        return f"{self.node} ({self.op}): {self.why}"


def recover(chain: Chain) -> tuple[list[Found], list[Refusal]]:
    """The layers of a chain in order; what is not understood is refused, and the rest is read all the same."""
    found: list[Found] = []
    refused: list[Refusal] = []
    position = 0
    while position < len(chain.operations):
        best = _best(chain, position)
        if best is not None:
            found += (Found(layer, tensors) for layer, tensors in zip(best.layers, best.tensors, strict=True))
            position += best.length
            continue
        end = chain.next_place(position)
        refused += _refusals(chain.operations[position:end])
        position = end
    known = [each for each in refused if each.why]
    return found, known or [Refusal(each.node, each.op, "its shape is not known") for each in refused]


def _best(chain: Chain, position: int) -> Match | None:
    """The layers that explain the most operations from a place on."""
    value = chain.places[position]
    ahead = chain.operations[position : position + AHEAD]
    end = chain.next_place(position)
    piece = chain.operations[position:end]
    if any("why" in each.attributes for each in piece):
        return None
    starts = {each.op for each in piece if value in each.data}
    best: Match | None = None
    for layers in candidates(chain.shapes[value], ahead, starts):
        found = match(layers, chain, position)
        if found is not None and (best is None or found.length > best.length):
            best = found
    return best or _dropout(chain.operations[position]) or _still_norm(chain, position)


def _dropout(operation: Operation) -> Match | None:
    """A Dropout, which the layer itself would leave out of a file."""
    if operation.op != "Dropout":
        return None
    return Match((Dropout(p=number(operation.attributes["p"])),), ({},), 1)


def _still_norm(chain: Chain, position: int) -> Match | None:
    """Products and sums by channel in a row: a batch norm whose statistics stand still, (x - mean) * weight + bias."""
    shape = chain.shapes[chain.places[position]]
    if _by_channel(chain.operations[position], shape) is None:
        return None
    channels = shape[1]
    mean, weight, bias = np.zeros(channels), np.ones(channels), np.zeros(channels)
    length = scaled = 0
    for operation in chain.operations[position:]:
        by = _by_channel(operation, shape)
        if by is None or position + length + 1 not in chain.places:
            break
        if operation.op == "Mul":
            weight, bias, scaled = weight * by, bias * by, 1
        elif scaled:
            bias = bias + by
        else:
            mean = mean - by
        length += 1
    if not length:
        return None
    eps = 1e-5
    assert BatchNorm.default("eps") == eps
    values = {"weight": weight, "bias": bias, "running_mean": mean, "running_var": np.full(channels, 1 - eps)}
    tensors = {name: Constant(value.astype(np.float32)) for name, value in values.items()}
    return Match((BatchNorm(),), (tensors,), length)


def _by_channel(operation: Operation, shape: tuple[int, ...]) -> Array | None:
    """One number for every channel that a Mul or Add works with; None for anything else."""
    if operation.op not in ("Mul", "Add") or len(operation.data) != 1 or operation.shape != shape:
        return None
    constant = operation.constants[0]
    if constant.shape not in ((1,) * len(shape), (1, shape[1], *(1,) * (len(shape) - 2))):
        return None
    return np.broadcast_to(constant.ravel(), (shape[1],))


# --- refusals ---


def _refusals(operations: tuple[Operation, ...]) -> Iterator[Refusal]:
    """One operation that is no layer, or a knot: what joins its branches, and what would be no layer anyway."""
    for operation in operations:
        error = operation.attributes.get("why")
        if isinstance(error, UnknownShapeError):
            yield _refusal(operation, "")
        elif error is not None:
            yield _refusal(operation, str(error))
        elif len(set(operation.data)) > 1:
            yield _refusal(operation, "joins branches, and a spec is one sequence of layers")
        elif len(operations) == 1:
            yield _refusal(operation, _unfitting(operation))


def _refusal(operation: Operation, why: str) -> Refusal:
    label, op = operation.made_of[-1]
    return Refusal(label, op, why)


def _unfitting(operation: Operation) -> str:
    options = ", ".join(f"{name} {_word(value)}" for name, value in sorted(operation.attributes.items()))
    constants = ", ".join(f"a constant of shape {_word(array.shape)}" for array in operation.constants)
    said = "; ".join(filter(None, (options, constants)))
    return f"no layer of vggc does that{f': {said}' if said else ''}"


def _word(value: object) -> str:
    """A value in a message; an open batch is no number there."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(_word, value))}]"
    if isinstance(value, float):
        return f"{value:g}"
    return "batch" if value == OPEN_BATCH else str(value)
