"""`vggc build`: a network compared with torch, and its products as text."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from vggc.backends.text import network_json, text_summary
from vggc.backends.torch import python_source
from vggc.base.staging import write_text
from vggc.drawing import svg_diagram
from vggc.ir.network import Network
from vggc.layers.answers import Shape

EXPORTS: Final = Path("exports")


@dataclass(frozen=True)
class Product:
    """A file of `exports/NAME/`."""

    path: Path
    text: str

    @property
    def stale(self) -> bool:
        """Whether the file is missing or has another content."""
        try:
            return self.path.read_text(encoding="utf-8") != self.text
        except (OSError, UnicodeDecodeError):
            return True


def products(network: Network, folder: Path | None = None) -> list[Product]:
    """The text products of a network; the same bytes on every machine."""
    return [Product(path, emit(network)) for path, emit in places(network, folder).items()]


def places(network: Network, folder: Path | None = None) -> dict[Path, Callable[[Network], str]]:
    """The paths of a network's products, and the function that writes each."""
    folder = folder or EXPORTS / network.stem
    return {
        folder / f"{network.name}.py": python_source.emit,
        folder / f"{network.name}.svg": svg_diagram.emit,
        folder / f"{network.name}.txt": text_summary.emit,
        folder / "network.json": network_json.emit,
    }


def write(product: Product) -> None:
    """Write a product unless the file has that content already.

    Raises:
        ProductError: it could not be written; what was there is unchanged.
    """
    if product.stale:
        write_text(product.path, product.text)


def cross_check(network: Network) -> Any:
    """Build the module on the meta device, and compare every shape and count of the analysis with it.

    Returns:
        the module, an `nn.Sequential` without memory.

    Raises:
        InternalError: they disagree.
    """
    from vggc.backends.torch import torch_module
    from vggc.verify.module_check import check_module

    module = torch_module.build(network)
    check_module(network, module)
    return module


def torchinfo_summary(network: Network, module: Any) -> str:
    """Torchinfo's table for one sample, and how its figures follow from ours.

    The module is on the meta device, and cannot be used afterwards: its layers return empty tensors of their shape.
    """
    import torchinfo

    for layer in network.layers:
        # The shapes were compared with torch already, and torch's meta device takes seconds to start: its first
        # forward pass imports the whole compiler.
        shape = layer.output
        module.get_submodule(layer.path).forward = partial(_empty, shape)
    statistics = torchinfo.summary(
        module, input_size=(1, *network.input), device="meta", mode="eval", depth=2, verbose=0,
        col_names=("output_size", "num_params", "mult_adds"),
    )  # fmt: skip
    return f"{statistics}\n{reconciliation(network, statistics.total_params, statistics.total_mult_adds)}"


def _empty(shape: Shape, x: Any) -> Any:
    return x.new_empty((len(x), *shape))


def reconciliation(network: Network, params: int, mult_adds: int) -> str:
    """What torchinfo counts otherwise, and why."""
    count = text_summary.TorchinfoCount.of(network)
    unexplained = mult_adds - sum(count)
    lines = [f"params: torchinfo {params:,}, vggc {network.params:,}"]
    lines.append(f"mult-adds: torchinfo {mult_adds:,}, vggc {count.macs:,} MACs")
    if count.bias:
        lines.append(f"  {count.bias:,} more: torchinfo counts a bias once for each output element")
    if count.transposed:
        lines.append(f"  {count.transposed:,} more: torchinfo counts transposed convolutions by the output's positions")
    if count.other:
        lines.append(f"  {count.other:,} more: torchinfo counts the parameters of norms and the like once")
    if unexplained:
        lines.append(f"  {unexplained:,} more that this version of torchinfo counts otherwise")
    return "\n".join(lines)
