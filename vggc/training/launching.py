"""How the processes of a run find each other, which may take as long as it takes to start them by hand."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from torch import distributed
from torch.distributed import DistError

from vggc.base.errors import ProductError
from vggc.base.signals import exit_on_signal
from vggc.training.devices import Machine
from vggc.training.interruptions import stop_others
from vggc.training.run_output import Talk

if TYPE_CHECKING:
    from lightning.fabric import Fabric


@contextmanager
def launched(fabric: "Fabric", machine: Machine, talk: Talk) -> Iterator[None]:
    """Start the processes of a run and wait for those of other machines, interruptibly.

    What goes wrong in this block, before they have a folder in common, ends those that were started here.

    Raises:
        ProductError: they do not find each other.
    """
    speaks = fabric.local_rank == 0
    if machine.num_nodes > 1 and speaks:
        talk.say(_waiting(fabric, machine))

    def stop() -> None:
        stop_others(fabric)
        if speaks:
            talk.say("stopped before the run began; nothing was written")

    try:
        with exit_on_signal(stop):
            _launch(fabric, machine, stop)
        yield
    except BaseException:
        stop_others(fabric)
        raise


def disband() -> None:
    """Leave the group of processes, whose threads would else be there still when the process ends, and may abort it.

    The models that use the group must be gone: a model that goes after the group is the last to hold it, and then waits
    for threads that wait for Python's lock, which it has.
    """
    if distributed.is_available() and distributed.is_initialized():
        gc.collect()
        distributed.destroy_process_group()


def _launch(fabric: "Fabric", machine: Machine, stop: Callable[[], None]) -> None:
    try:
        fabric.launch()
    except (KeyboardInterrupt, SystemExit):
        stop()
        raise
    except DistError as error:
        raise ProductError(_not_found(fabric, machine, str(error))) from error


def _waiting(fabric: "Fabric", machine: Machine) -> str:
    said = f"waiting for the other machines at {_place(fabric)} (rank {fabric.global_rank} of {machine.processes})"
    by_hand = fabric.global_rank == 0 and not _environment(fabric).creates_processes_externally
    return f"{said}; {_command(fabric, machine)}" if by_hand else said


def _not_found(fabric: "Fabric", machine: Machine, reason: str) -> str:
    said = f"the processes of the run did not find each other at {_place(fabric)}: {reason.splitlines()[0]}"
    return f"{said}; {_command(fabric, machine) if machine.num_nodes > 1 else 'try again'}"


def _command(fabric: "Fabric", machine: Machine) -> str:
    """How a person starts the others, by the variables that Lightning goes by."""
    address, port = _place(fabric).rsplit(":", 1)
    number = "1" if machine.num_nodes == 2 else f"1 to {machine.num_nodes - 1}"
    return f"there, begin the same command with: MASTER_ADDR={address} MASTER_PORT={port} NODE_RANK={number}"


def _place(fabric: "Fabric") -> str:
    environment = _environment(fabric)
    return f"{environment.main_address}:{environment.main_port}"


def _environment(fabric: "Fabric") -> Any:
    return fabric.strategy.cluster_environment  # type: ignore[attr-defined]  # of every strategy with several processes
