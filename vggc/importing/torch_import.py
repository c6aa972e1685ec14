"""`vggc import --torch`: a model's modules in order, verified against what the model itself computes."""

import copy
import importlib
import os
import sys
from collections import Counter
from collections.abc import Mapping
from contextlib import redirect_stdout

import torch
from torch import nn

from vggc.base.errors import ProductError
from vggc.base.progress import Progress, silent
from vggc.base.words import dimensions
from vggc.importing.checking import check
from vggc.importing.recognition.torch_modules import MORE, ModuleLayer, read_modules
from vggc.importing.result import Imported, compiled, loaded, passed
from vggc.importing.writing.sections import graph_of, idiomatic, legal_name
from vggc.ir.network import Network
from vggc.ir.program import PassNote, program
from vggc.layers.answers import Shape
from vggc.layers.reshape import Identity
from vggc.verify.report import Measurement
from vggc.verify.sessions import Array, Run, State


def find_model(name: str) -> nn.Module:
    """The model of `module:attribute`: an instance, a class, or a function without arguments. Runs the module's code.

    Raises:
        ProductError: there is no such thing, or its code fails.
    """
    module, _, path = name.partition(":")
    folder = os.getcwd()
    sys.path.insert(0, folder)
    try:
        with redirect_stdout(sys.stderr):  # what the code prints is no part of the spec
            model = importlib.import_module(module)
            for attribute in path.split("."):
                model = getattr(model, attribute)
            if callable(model) and not isinstance(model, nn.Module):
                model = model()
    except Exception as error:  # it is not our code, and may raise anything
        raise ProductError(f"{name} cannot be built: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(folder)
    if not isinstance(model, nn.Module):
        raise ProductError(f"{name} is {type(model).__qualname__}, and no torch.nn.Module")
    return model


def import_torch(model: nn.Module, input: Shape, *, name: str | None = None, progress: Progress = silent) -> Imported:
    """Recover the spec and the weights of a model whose modules run one after the other; nothing is written.

    It is assumed that the model runs its modules in order, with a flatten before the first linear layer; running it
    verifies that this is so.

    Args:
        model: an `nn.Sequential`, or a model of that shape such as torchvision's VGG; it is left as it is.
        input: (C, H, W) of an image.
        name: of the network; the class's name if left out.
        progress: told the passes done.

    Raises:
        ProductError: a module is none that a spec can express; all such modules are named.
        VerificationError: the model computes something else, or that cannot be decided.
    """
    source = name or type(model).__qualname__
    modules, refused = read_modules(model, input)
    if refused:
        listed = "\n".join(f"  {refusal}" for refusal in refused)
        raise ProductError(f"{source} cannot be written as a spec:\n{listed}")
    if not modules or modules[0].layer.flattens:
        modules.insert(0, ModuleLayer(Identity(), ""))
    network_name = legal_name(source.rpartition(":")[2].rpartition(".")[2].lower())
    graph = graph_of(network_name, input, idiomatic(input, [module.layer for module in modules]))
    text, network = compiled(graph, source)
    original = _TorchOriginal(model, network, modules, source)
    report = Measurement(file=source, network=network.name, notes=_notes(model, modules))
    check(program(network), loaded(network, original.state(), source), original, None, report, progress)
    if report.verdict == "mismatch":
        report.reason += f"; {MORE}"
    return passed(Imported(text, network, original.state(), report))


def _notes(model: nn.Module, modules: list[ModuleLayer]) -> list[PassNote]:
    notes = [f"{sum(module.path != '' for module in modules)} modules are {len(modules)} layers"]
    if any(getattr(module, "inplace", False) for module in model.modules()):
        notes.append("`inplace` is left out: it changes no value")
    return [PassNote("note", note) for note in notes]


class _TorchOriginal:
    """A copy of the model on the CPU, in float32 and eval mode.

    `names` are the names of the model's tensors by the keys of the network's.
    """

    def __init__(self, model: nn.Module, network: Network, modules: list[ModuleLayer], source: str) -> None:
        if any(tensor.is_meta for tensor in model.state_dict().values()):
            raise ProductError(f"{source} is on the meta device, and has no weights")
        self.source = source
        self.model = copy.deepcopy(model).cpu().float().eval()
        self.names = {
            f"{layer.path}.{name}": f"{module.path}.{name}".removeprefix(".")
            for layer, module in zip(network.layers, modules, strict=True)
            for name in layer.layer.tensors(layer.input) | layer.layer.buffers(layer.input)
        }

    def state(self) -> Mapping[str, torch.Tensor]:
        """The weights by the network's keys."""
        own = self.model.state_dict()
        return {key: own[name].clone() for key, name in self.names.items()}

    def run(self, x: torch.Tensor) -> Array:
        """The model's own output."""
        return self._output(x, {})

    def with_weights(self, weights: State) -> tuple[Run, State]:
        """The model with other weights; those that several layers share are left as they are."""
        uses = Counter(self.names.values())
        taken = {key: values for key, values in weights.items() if uses[self.names[key]] == 1}
        replaced = {self.names[key]: values for key, values in taken.items()}
        return lambda x: self._output(x, replaced), taken

    def _output(self, x: torch.Tensor, replaced: State) -> Array:
        try:
            with torch.no_grad(), redirect_stdout(sys.stderr):
                output = torch.func.functional_call(self.model, dict(replaced), (x,))
        except Exception as error:  # it is not our code, and may raise anything
            raise ProductError(f"{self.source} fails on an input of {dimensions(x.shape)}: {error}") from error
        if not isinstance(output, torch.Tensor):
            raise ProductError(f"{self.source} returns {type(output).__qualname__}, and a spec has one output")
        values: Array = output.numpy()
        return values
