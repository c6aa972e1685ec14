"""Where a run happens: devices, determinism, and the versions of what it depends on."""

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
_PRECISIONS: Final[dict[str, Any]] = {"32": "32-true", "16-mixed": "16-mixed", "bf16-mixed": "bf16-mixed"}


@dataclass(frozen=True)
class Machine:
    """The processes of a run: `devices` on each of `num_nodes` machines."""

    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    devices: int = 1
    num_nodes: int = 1
    strategy: Literal["auto", "ddp", "fsdp"] = "auto"
    deterministic: bool = False

    @property
    def on_gpu(self) -> bool:
        """Whether it trains on GPUs."""
        return self.accelerator == "gpu" or (self.accelerator == "auto" and torch.cuda.is_available())

    @property
    def processes(self) -> int:
        """How many there are in all."""
        return self.devices * self.num_nodes

    def check(self, recipe: Train) -> None:
        """Raise ProductError for what this machine cannot do; before anything is launched or written."""
        self._check_launcher()
        if recipe.batch_size < 2 * self.processes and self.processes > 1:
            raise ProductError(f"a batch of {recipe.batch_size} cannot be shared by {self.processes} processes")
        gpus = torch.cuda.device_count()
        if self.accelerator == "gpu" and not gpus:
            raise ProductError("torch sees no GPU here; leave --accelerator out, or write --accelerator cpu")
        if self.on_gpu and self.devices > gpus:
            raise ProductError(f"--devices {self.devices}: torch sees {gpus} here")
        if not self.on_gpu and recipe.precision == "16-mixed":
            raise ProductError("precision 16-mixed needs a GPU; on the CPU: --precision bf16-mixed, or 32")
        if self.strategy == "fsdp" and not self.on_gpu:
            raise ProductError("--strategy fsdp shards weights over GPUs; on the CPU: --strategy ddp")

    def _check_launcher(self) -> None:
        """More processes than this knows of would each make the whole run, in one folder."""
        started = _number("WORLD_SIZE") or 1
        here = _number("LOCAL_WORLD_SIZE") or started
        if started > self.processes:
            machines = f" --num-nodes {started // here}" if started > here else ""
            raise ProductError(
                f"{started} processes have been started for this run (WORLD_SIZE), and it is for {self.processes}; "
                f"write --devices {here}{machines}"
            )

    def fabric(self, precision: str) -> "Fabric":
        """Lightning's side of it; not launched yet.

        Raises:
            ProductError: Lightning cannot provide it.
        """
        from lightning.fabric import Fabric
        from lightning.fabric.strategies.fsdp import FSDPStrategy

        strategy: Any = FSDPStrategy(state_dict_type="full") if self.strategy == "fsdp" else self.strategy
        try:
            return Fabric(
                accelerator="gpu" if self.on_gpu else "cpu",
                devices=self.devices,
                num_nodes=self.num_nodes,
                strategy="ddp" if self.processes > 1 and strategy == "auto" else strategy,
                precision=_PRECISIONS[precision],
            )
        except (ValueError, RuntimeError) as error:
            raise ProductError(f"lightning cannot set this up: {str(error).splitlines()[0]}") from error


def _number(variable: str) -> int | None:
    """What torchrun and its like leave in the environment."""
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
    """What the figures depend on: packages, Python, the platform, the processors."""
    found = {"vggc": __version__, "python": platform.python_version(), "platform": platform.platform()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    found["cpu"] = f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads"
    if torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name()
        found["cuda"] = str(torch.version.cuda)
        found["cudnn"] = str(torch.backends.cudnn.version())  # type: ignore[no-untyped-call]
    return found
