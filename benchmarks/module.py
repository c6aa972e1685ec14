"""The torch module with its weights."""

from collections.abc import Iterator

from benchmarks import peers
from benchmarks.measure import MIB, Plan, forget_peak, in_fresh_process, in_turn, once, peak, progress, ratios, resident
from benchmarks.row import Row


def rows(plan: Plan) -> Iterator[Row]:
    """Beside a module whose weights are drawn twice; and its memory beside the bytes of its weights."""
    network = plan.network()
    ours, theirs = in_turn(
        "module", plan.rounds(7), once(network.module), once(lambda: peers.twice_initialised(network))
    )
    yield Row("module with weights", "initialised twice, as torchvision", 0.7, ratios(ours, theirs))
    yield Row("its peak memory", "its weights", 1.05).measured(lambda: _memory(plan))


def _memory(plan: Plan) -> list[float]:
    progress("module: memory")
    return [in_fresh_process(_relative_peak, plan) for _ in range(plan.rounds(3))]


def _relative_peak(plan: Plan) -> float:
    from vggc.backends import torch_module

    network = plan.network()
    torch_module.build(network)
    forget_peak()
    before = resident()
    network.module()
    return (peak() - before) / (network.weight_bytes / MIB)
