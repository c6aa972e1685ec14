"""The torch module with its weights."""

from collections.abc import Callable, Iterator
from functools import partial

from benchmarks import peers
from benchmarks.measure import MIB, Plan, forget_peak, in_fresh_process, in_turn, once, peak, progress, ratios, resident
from benchmarks.row import Row
from vggc.model import Network

TWICE = "initialised twice, as torchvision"


def rows(plan: Plan) -> Iterator[Row]:
    """Relative to a module that is initialised twice, warm and as the first of its process; and its memory."""
    network = plan.network()
    sides = once(network.module), once(lambda: peers.twice_initialised(network))
    yield Row("module with weights", TWICE, 0.7, ratios(*in_turn("module", plan.rounds(9), *sides)))

    sides = (
        partial(in_fresh_process, _first, plan, Network.module),
        partial(in_fresh_process, _first, plan, peers.twice_initialised),
    )
    yield Row("the first of its process", TWICE, 0.7, ratios(*in_turn("first module", plan.rounds(9), *sides)))
    yield Row("its peak memory", "its weights", 1.05).measured(lambda: _memory(plan))


def _first(plan: Plan, build: Callable[[Network], object]) -> float:
    from vggc.backends.torch import torch_module  # noqa: F401  # imports torch

    network = plan.network()
    return once(lambda: build(network))()


def _memory(plan: Plan) -> list[float]:
    progress("module: memory")
    return [in_fresh_process(_relative_peak, plan) for _ in range(plan.rounds(3))]


def _relative_peak(plan: Plan) -> float:
    from vggc.backends.torch import torch_module  # noqa: F401  # imports torch

    network = plan.network()
    forget_peak()
    before = resident()
    module = network.module()
    assert sum(parameter.numel() for parameter in module.parameters()) == network.params
    return (peak() - before) / (network.weight_bytes / MIB)
