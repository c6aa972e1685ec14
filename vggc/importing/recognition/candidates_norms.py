"""The ways back of norms and activations."""

from collections.abc import Iterator
from math import isclose
from typing import Any

from vggc.importing.reading.graph_values import Constant, Operation
from vggc.importing.recognition.views import Stack, View, Way, number
from vggc.layers import activation, norm
from vggc.layers.layer import Layer


def _unit(operation: Operation, written: bool) -> bool:
    """Whether scale and bias are 1 and 0; where `written`, only if they are no tensors of the file's own."""
    scale, bias = (each for each in operation.inputs[1:3] if isinstance(each, Constant))
    if written and (scale.origin is not None or bias.origin is not None):
        return False
    return bool((scale.array == 1).all() and not bias.array.any())


def _eps(operation: Operation) -> dict[str, Any]:
    eps = number(operation.attributes["epsilon"])
    return {} if eps == 1e-5 else {"eps": eps}


def batch_norm(view: View) -> Iterator[Stack]:
    """ONNX's momentum weighs the old statistics, torch's the new ones."""
    options: dict[str, Any] = _eps(view.first)
    momentum = round(1 - number(view.first.attributes["momentum"]), 6)
    if not isclose(momentum, 0.1):
        options["momentum"] = momentum
    if _unit(view.first, written=True):
        yield (norm.BatchNorm(**options, affine=False),)
    yield (norm.BatchNorm(**options),)


def instance_norm(view: View) -> Iterator[Stack]:
    """With a scale and a bias, unless they are 1 and 0."""
    if _unit(view.first, written=False):
        yield (norm.InstanceNorm(**_eps(view.first)),)
    yield (norm.InstanceNorm(**_eps(view.first), affine=True),)


def group_norm(view: View) -> Iterator[Stack]:
    """Norm by groups: its own operator, or an instance norm between two reshapes."""
    grouped = view.find("InstanceNormalization", "GroupNormalization")
    if grouped is None:
        return
    groups = grouped.attributes.get("num_groups", view.first.shape[1] if len(view.first.shape) > 1 else 1)
    yield (norm.GroupNorm(num_groups=groups, **_eps(grouped)),)
    yield (norm.GroupNorm(num_groups=groups, **_eps(grouped), affine=False),)


def layer_norm(view: View) -> Iterator[Stack]:
    """LayerNormalization, or its arithmetic."""
    if view.first.op == "LayerNormalization":
        yield (norm.LayerNorm(**_eps(view.first)),)
        return
    added = view.find("Add")
    if added is not None and added.constants and added.constants[0].size == 1:
        eps = number(added.constants[0].item())
        options: dict[str, Any] = {} if eps == 1e-5 else {"eps": eps}
        yield (norm.LayerNorm(**options),)
        yield (norm.LayerNorm(**options, elementwise_affine=False),)


def response(view: View) -> Iterator[Stack]:
    """LRN."""
    attributes = view.first.attributes
    found = {"alpha": attributes["alpha"], "beta": attributes["beta"], "k": attributes["bias"]}
    yield (_local_response(int(attributes["size"]), **found),)


def _local_response(width: int, **found: float) -> norm.LocalResponseNorm:
    options = {name: number(value) for name, value in found.items()}
    changed = {name: value for name, value in options.items() if value != norm.LocalResponseNorm.default(name)}
    return norm.LocalResponseNorm(size=width, **changed)


def spelled_response(view: View) -> Iterator[Stack]:
    """Squares, their mean over the neighbours, `(alpha * mean + k) ** beta`; beta may have been spelled out."""
    average = view.find("AveragePool")
    if average is None or len(view.x) != 4:
        return
    behind = view.operations[view.operations.index(average) + 1 :]
    alpha = next((each.constants[0] for each in behind if each.op == "Mul" and each.constants), None)
    k = next((each.constants[0] for each in behind if each.op == "Add" and each.constants), None)
    power = next((each.constants[0] for each in behind if each.op == "Pow" and each.constants), None)
    if alpha is None or k is None or not alpha.size == k.size == 1:
        return
    width = max(average.attributes["kernel"])
    betas = (power.item(),) if power is not None and power.size == 1 else (0.5, 1.0, 2.0, 3.0)
    for beta in betas:
        yield (_local_response(width, alpha=alpha.item(), beta=beta, k=k.item()),)


# --- activations ---


def by_alpha(kind: type[Layer], option: str) -> Way:
    """An activation with one number."""

    def way(view: View) -> Iterator[Stack]:
        value = number(view.first.attributes["alpha"])
        yield (kind(**({} if value == kind.default(option) else {option: value})),)

    return way


def prelu(view: View) -> Iterator[Stack]:
    """As many slopes as the file has."""
    count = view.first.constants[0].size if view.first.constants else 1
    yield (activation.PReLU(**({} if count == 1 else {"num_parameters": count})),)


def softplus(view: View) -> Iterator[Stack]:
    """Behind a product with beta, or plain."""
    if view.first.op == "Mul" and view.first.constants and view.first.constants[0].size == 1:
        beta = number(view.first.constants[0].item())
        if beta > 0:
            yield (activation.Softplus(beta=beta),)
    else:
        yield (activation.Softplus(),)


def gelu(view: View) -> Iterator[Stack]:
    """Gelu."""
    yield (activation.GELU(approximate=str(view.first.attributes["approximate"])),)  # type: ignore[arg-type]
