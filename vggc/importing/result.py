"""What an import gives, and how it is written: text and weights, both or neither."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vggc.backends.torch import torch_module
from vggc.base.diagnostics import Source, SpecError
from vggc.base.errors import ProductError, VerificationError
from vggc.base.staging import move_into_place, staging
from vggc.importing.writing.idiom import emit
from vggc.ir.graph import Graph
from vggc.model import Network
from vggc.pipeline import compile_source
from vggc.verify.report import Measurement
from vggc.weights.loading import assign, save_weights

if TYPE_CHECKING:
    import torch
    from torch import nn

MODELINE = "# yaml-language-server: $schema=vggc.schema.json"


@dataclass(frozen=True)
class Imported:
    """A spec that was recovered and verified.

    Attributes:
        text: the spec.
        network: what it compiles to.
        state: the weights, by the keys of the network's own state dict.
        report: what was measured.
    """

    text: str
    network: Network
    state: "Mapping[str, torch.Tensor]"
    report: Measurement


def compiled(graph: Graph, source: str) -> tuple[str, Network]:
    """The text of a spec for a graph, and the network that it compiles to.

    Raises:
        ProductError: the language does not allow something in it.
    """
    try:
        text = f"{MODELINE}\n# Imported from {_printable(source)}.\n{emit(graph)}"
        network = compile_source(Source(f"{graph.header.name}.yaml", text))
        return text, Network(network.graph, network.layers)
    except SpecError as error:
        raise ProductError(f"{source} cannot be written as a spec: {error}") from error


def _printable(source: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in source)


def loaded(network: Network, state: "Mapping[str, torch.Tensor]", source: str) -> "nn.Sequential":
    """The module of a recovered network with its weights.

    Raises:
        ProductError: the weights are not those of the network.
    """
    module = torch_module.allocate(network)
    report = assign(module, state, source)
    if not report.complete:
        raise ProductError(f"the weights are not those of {network.name}\n{report}")
    return module


def passed(imported: Imported) -> Imported:
    """The import, if it was verified.

    Raises:
        VerificationError: it was not.
    """
    if imported.report.verdict != "verified":
        raise VerificationError(imported.report)
    return imported


def write(imported: Imported, spec: Path | None, weights: Path | None) -> None:
    """Write the spec and the weights that belong to it; the spec is in its place once the weights are.

    Raises:
        ProductError: one could not be written.
    """
    if spec is None:
        _write_weights(imported, weights)
        return
    with staging(spec) as folder:
        staged = folder / spec.name
        staged.write_text(imported.text, encoding="utf-8", newline="\n")
        _write_weights(imported, weights)
        move_into_place(staged, spec)


def _write_weights(imported: Imported, weights: Path | None) -> None:
    if weights is not None:
        save_weights(loaded(imported.network, imported.state, imported.report.file), weights)
