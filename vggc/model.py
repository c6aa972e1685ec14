"""The network of the public API: the IR's data, with methods that build products from it."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from vggc import pipeline
from vggc.analysis.shapes import MAX_MEMORY
from vggc.ir import network as ir

if TYPE_CHECKING:
    from torch import nn

    from vggc.drawing.notebook_html import ShapeTable


class Network(ir.Network):
    """A compiled spec: its layers with their shapes, its figures, and methods that build products from it.

    Shapes are (C, H, W) or (F,), without the batch axis. Counts are per sample, memory is in bytes of float32.
    """

    @property
    def table(self) -> "ShapeTable":
        """A line for each layer and the totals: what `vggc shapes` prints, and a table in a notebook."""
        from vggc.drawing.notebook_html import ShapeTable

        return ShapeTable(self)

    def _repr_html_(self) -> str:
        """The picture, the table and the totals, for a notebook."""
        from vggc.drawing import notebook_html

        return notebook_html.emit(self)

    def module(self, init: bool = True, seed: int = 0) -> "nn.Sequential":
        """The network as a torch module on the CPU, in training mode.

        Args:
            init: initialise the weights by the spec's `init`; if False the module stays on the meta device, without
                memory.
            seed: of the initialisation.
        """
        from vggc.backends.torch import torch_module

        return torch_module.materialize(self, seed) if init else torch_module.build(self)


def compile(
    path_or_name: str | os.PathLike[str],
    overrides: Mapping[str, object] | None = None,
    *,
    until: str | None = None,
    max_memory: int = MAX_MEMORY,
) -> Network:
    """Compile the spec at a path, or the stock spec of that name.

    Args:
        path_or_name: the file, or a name such as `vgg16`.
        overrides: values laid over the spec's, such as `{"classes": 10, "input": [3, 64, 64]}`; keys may be dotted.
        until: the alias or path of the layer after which the network ends, such as `relu3_3`.
        max_memory: the bytes that the weights may take.

    Raises:
        SpecError: the spec is wrong; the error holds every diagnostic, with its place.
    """
    network = pipeline.compile(path_or_name, overrides, until=until, max_memory=max_memory)
    return Network(network.graph, network.layers)
