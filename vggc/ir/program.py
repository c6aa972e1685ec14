"""What is exported: the layers as they are lowered, where their tensors come from, and what the passes did.

A network becomes a program whose steps are its layers. A pass takes a program and gives another one that computes the
same, or what the pass says that it computes; the network itself stays what everything is verified against.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

import numpy as np

from vggc.ir.graph import Node, Origin
from vggc.ir.network import Network, ShapedLayer
from vggc.ir.walk import without
from vggc.layers.answers import OnnxNode, Shape
from vggc.layers.layer import Layer

if TYPE_CHECKING:
    import torch

Array = np.ndarray[Any, np.dtype[Any]]
State = Callable[[str], Array]  # the float32 values of a tensor by its key in torch's state dict

BATCH: Final = "batch"


@dataclass(frozen=True, slots=True)
class Derived:
    """An initializer of the file: its name, its shape, and how it is computed from the network's state dict.

    `restore` is the inverse: from the values in a file to entries of a state dict that give them.
    """

    name: str
    shape: Shape
    compute: Callable[[State], Array]
    restore: Callable[[Array], Mapping[str, Array]]


@dataclass(frozen=True, slots=True)
class Step:
    """A layer as it is lowered.

    `tensors` are its initializers by the layer's own names for them. `value` is the name of the value that it computes:
    the path of a layer of the network, or its own path where the network has no such value. `inputs` are the names of
    the values that it takes.
    """

    layer: ShapedLayer
    tensors: Mapping[str, Derived]
    value: str
    inputs: tuple[str, ...]

    @property
    def path(self) -> str:
        """The name of its nodes."""
        return self.layer.path

    def nodes(self, opset: int) -> tuple[OnnxNode, ...]:
        """The ONNX nodes that it is lowered to.

        Raises:
            LoweringError: the opset has no form for it.
        """
        return self.layer.layer.onnx(*self.layer.shapes, opset=opset)


class Prologue(Protocol):
    """What comes before the network in a file: the network's input, computed from the file's."""

    @property
    def least_opset(self) -> int:
        """The oldest opset that has the nodes."""

    def nodes(self, opset: int) -> tuple[OnnxNode, ...]:
        """The nodes that compute the network's input `y` from the file's input `x`.

        Raises:
            LoweringError: the opset has no form for them.
        """

    def compute(self, x: "torch.Tensor") -> "torch.Tensor":
        """The same in torch, independently of the nodes."""


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of the file: numbers are fixed sizes, words are symbolic ones; the batch axis comes first."""

    name: str
    dims: tuple[int | str, ...]
    dtype: Literal["float32", "uint8"] = "float32"

    def __str__(self) -> str:
        return f"{self.name}[{', '.join(map(str, self.dims))}]"


@dataclass(frozen=True, slots=True)
class PassNote:
    """What a pass did, in a line; and in detail, one line each."""

    name: str
    summary: str
    details: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}: {self.summary}" + "".join(f"\n  {detail}" for detail in self.details)


@dataclass(frozen=True, slots=True)
class Program:
    """The steps from `input` to `output`, and what the passes did to them.

    `prologue` computes the network's input from the file's, where the two are not the same. `dynamic` says that the
    network's height and width are left open. `passes` are the names of the passes that were asked for.
    """

    network: Network
    steps: tuple[Step, ...]
    input: Port
    output: Port
    prologue: "Prologue | None" = None
    dynamic: bool = False
    passes: tuple[str, ...] = ()
    notes: tuple[PassNote, ...] = ()

    @property
    def values(self) -> frozenset[str]:
        """The names of the network's own values."""
        return frozenset(layer.path for layer in self.network.layers)

    def without(self, dropped: Iterable[Step]) -> tuple[Step, ...]:
        """The steps but for some, whose values are replaced by those of their first inputs."""
        return without(self.steps, {step.value for step in dropped})

    def noted(self, note: PassNote) -> "Program":
        """With one more note."""
        return replace(self, notes=(*self.notes, note))

    @property
    def least_opset(self) -> int:
        """The oldest opset in which what the passes added can be written."""
        return self.prologue.least_opset if self.prologue is not None else 0


def program(network: Network) -> Program:
    """The network as it is."""
    steps = tuple(step(layer) for layer in network.layers)
    output = "logits" if network.layers[-1].node.section == "classifier" else "features"
    return Program(network, steps, Port("input", (BATCH, *network.input)), Port(output, (BATCH, *network.output)))


def step(layer: ShapedLayer) -> Step:
    """A layer of the network, with its tensors as they are in the state dict."""
    tensors = {name: kept(f"{layer.path}.{name}", shape) for name, shape in layer.state.items()}
    return Step(layer, tensors, layer.path, layer.inputs)


def kept(key: str, shape: Shape) -> Derived:
    """A tensor as it is in the state dict."""
    return Derived(key, shape, lambda state: state(key), lambda values: {key: values})


def reshaped(tensor: Derived, shape: Shape, name: str) -> Derived:
    """The values of a tensor in another shape, under another name."""
    return Derived(
        name,
        shape,
        lambda state: tensor.compute(state).reshape(shape),
        lambda values: tensor.restore(values.reshape(tensor.shape)),
    )


def relayered(layer: ShapedLayer, kind: Layer, *shapes: Shape) -> ShapedLayer:
    """Another layer in the place of one, with inputs of those shapes.

    Raises:
        ShapeError: it cannot take them.
    """
    return ShapedLayer(replace(layer.node, layer=kind), shapes, kind.shape(*shapes))


def appended(program: Program, path: str, kind: Layer) -> Program:
    """The program with one more step at its end, which the network does not have, and which has no tensors."""
    last = program.steps[-1]
    x = last.layer.output
    node = Node(path, path, last.layer.node.section, kind, Origin(made_by=f"the pass {path}"), (last.value,))
    step = Step(ShapedLayer(node, (x,), kind.shape(x)), {}, path, (last.value,))
    return replace(program, steps=(*program.steps, step))


def named(steps: Iterable[Step]) -> str:
    """The steps by the names that people use."""
    return ", ".join(step.layer.alias for step in steps)
