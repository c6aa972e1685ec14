"""Where a run trains: devices, processes, determinism, and the versions of the packages that it depends on."""

import os
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final, Literal

import torch

from vggc.base.errors import ProductError
from vggc.base.version import __version__
from vggc.recipe.recipe import Train

if TYPE_CHECKING:
    from lightning.fabric import Fabric

PACKAGES: Final = ("torch", "lightning", "torchmetrics", "numpy", "pillow", "pyarrow", "scikit-learn", "onnxruntime")
_LAUNCHERS: Final = ("WORLD_SIZE", "SLURM_NTASKS", "MASTER_ADDR")  # variables by which processes find each other
_PRECISIONS: Final[dict[str, Any]] = {"32": "32-true", "16-mixed": "16-mixed", "bf16-mixed": "bf16-mixed"}


@dataclass(frozen=True)
class Devices:
    """The devices of a run, one process on each: `devices` on each of `num_nodes` machines."""

    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    devices: int = 1
    num_nodes: int = 1
    deterministic: bool = False

    @property
    def on_gpu(self) -> bool:
        """Whether the run trains on GPUs."""
        return self.accelerator == "gpu" or (self.accelerator == "auto" and torch.cuda.is_available())

    @property
    def processes(self) -> int:
        """The number of processes on all machines together."""
        return self.devices * self.num_nodes

    def check(self, recipe: Train) -> None:
        """Check that these devices exist and can train by the recipe; before anything is launched or written.

        Raises:
            ProductError: they cannot.
        """
        self.check_launcher()
        if recipe.batch_size < 2 * self.processes and self.processes > 1:
            raise ProductError(f"a batch of {recipe.batch_size} cannot be shared by {self.processes} processes")
        gpus = torch.cuda.device_count()
        if self.accelerator == "gpu" and not gpus:
            raise ProductError("torch finds no GPU here; leave --accelerator out, or write --accelerator cpu")
        if self.on_gpu and self.devices > gpus:
            raise ProductError(f"--devices {self.devices}: torch finds {gpus} here")
        if not self.on_gpu and recipe.precision == "16-mixed":
            raise ProductError("precision 16-mixed needs a GPU; on the CPU: --precision bf16-mixed, or 32")

    def check_launcher(self) -> None:
        """Check that a launcher such as torchrun is used for several machines, and started no process too many.

        Each process too many would train the whole run, in the same folder.

        Raises:
            ProductError: it did not.
        """
        if self.num_nodes > 1 and not any(variable in os.environ for variable in _LAUNCHERS):
            raise ProductError(
                f"--num-nodes {self.num_nodes}: start the command on every machine with torchrun or srun"
            )
        started = _environment_number("WORLD_SIZE") or 1
        on_this_machine = _environment_number("LOCAL_WORLD_SIZE") or started
        if started > self.processes:
            machines = f" --num-nodes {started // on_this_machine}" if started > on_this_machine else ""
            raise ProductError(
                f"{started} processes were started for this run (WORLD_SIZE), and it is for {self.processes}; "
                f"write --devices {on_this_machine}{machines}"
            )

    def fabric(self, precision: str) -> "Fabric":
        """Lightning's Fabric for these devices, not launched yet.

        Raises:
            ProductError: Lightning cannot provide it.
        """
        from lightning.fabric import Fabric

        try:
            return Fabric(
                accelerator="gpu" if self.on_gpu else "cpu",
                devices=self.devices,
                num_nodes=self.num_nodes,
                strategy="ddp" if self.processes > 1 else "auto",
                precision=_PRECISIONS[precision],
            )
        except (ValueError, RuntimeError) as error:
            raise ProductError(f"lightning cannot set this up: {str(error).splitlines()[0]}") from error


def _environment_number(variable: str) -> int | None:
    """A number that a launcher has written into the environment."""
    value = os.environ.get(variable, "")
    return int(value) if value.isdecimal() else None


def set_determinism(deterministic: bool) -> None:
    """Choose between the same numbers on every run and the fastest kernels."""
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(deterministic)
    torch.backends.cudnn.deterministic = deterministic
    torch.backends.cudnn.benchmark = not deterministic


def versions() -> dict[str, str]:
    """What the results depend on: packages, Python, the platform, the processors."""
    result = {"vggc": __version__, "python": platform.python_version(), "platform": platform.platform()}
    for name in PACKAGES:
        try:
            result[name] = version(name)
        except PackageNotFoundError:
            continue
    result["cpu"] = f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads"
    if torch.cuda.is_available():
        result["gpu"] = torch.cuda.get_device_name()
        result["cuda"] = str(torch.version.cuda)
        result["cudnn"] = str(torch.backends.cudnn.version())  # type: ignore[no-untyped-call]
    return result
