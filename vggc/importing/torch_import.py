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
from vggc.layers.layer import Shape
from vggc.layers.reshape import Identity
from vggc.verify.report import Measurement
from vggc.verify.sessions import Array, Run, State


def find_model(name: str) -> nn.Module:
    """The model of `module:attribute`: an instance, a class, or a function without arguments. Runs the module's code.

    Raises:
        ProductError: there is no such thing, or its code fails.
    """
    module, _, attribute = name.partition(":")
    here = os.getcwd()
    sys.path.insert(0, here)
    try:
        with redirect_stdout(sys.stderr):  # what the code prints is no part of the spec
            found = importlib.import_module(module)
            for part in attribute.split("."):
                found = getattr(found, part)
            model = found() if callable(found) and not isinstance(found, nn.Module) else found
    except Exception as error:  # it is not our code, and may raise anything
        raise ProductError(f"{name} cannot be made: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(here)
    if not isinstance(model, nn.Module):
        raise ProductError(f"{name} is {type(model).__qualname__}, and no torch.nn.Module")
    return model


def import_torch(model: nn.Module, input: Shape, *, name: str | None = None, progress: Progress = silent) -> Imported:
    """Recover the spec and the weights of a model whose modules run one behind the other; nothing is written.

    The order of the modules, and a flatten before the first linear layer, are taken for what the model does; that this
    is so is verified by running it.

    Args:
        model: an `nn.Sequential`, or a model of that shape such as torchvision's VGG; it is left as it is.
        input: (C, H, W) of an image.
        name: of the network; the class's name if left out.
        progress: told the passes done.

    Raises:
        ProductError: a module is none that a spec can say; all such modules are named.
        VerificationError: the model computes something else, or nobody can tell.
    """
    source = name or type(model).__qualname__
    placed, refused = read_modules(model, input)
    if refused:
        listed = "\n".join(f"  {each}" for each in refused)
        raise ProductError(f"{source} cannot be written as a spec:\n{listed}")
    if not placed or placed[0].layer.flattens:
        placed.insert(0, ModuleLayer(Identity(), ""))
    network_name = legal_name(source.rpartition(":")[2].rpartition(".")[2].lower())
    graph = graph_of(network_name, input, idiomatic(input, [each.layer for each in placed]))
    text, network = compiled(graph, source)
    original = _Original(model, network, placed, source)
    report = Measurement(
        file=source, network=network.name, notes=[PassNote("note", each) for each in _notes(model, placed)]
    )
    module = loaded(network, original.state(), source)
    check(program(network), module, original.run, None, original.reweighed, report, progress)
    if report.verdict == "mismatch":
        report.reason += f"; {MORE}"
    return passed(Imported(text, network, original.state(), report))


def _notes(model: nn.Module, placed: list[ModuleLayer]) -> list[str]:
    modules = [each for each in placed if each.path]
    notes = [f"{len(modules)} modules are {len(placed)} layers"]
    if any(getattr(module, "inplace", False) for module in model.modules()):
        notes.append("`inplace` is left out: it changes no value")
    return notes


class _Original:
    """A copy of the model on the CPU, in float32 and eval mode; its tensors go by the names of the network's."""

    def __init__(self, model: nn.Module, network: Network, placed: list[ModuleLayer], source: str) -> None:
        if any(each.is_meta for each in model.state_dict().values()):
            raise ProductError(f"{source} is on the meta device, and has no weights")
        self.source = source
        self.model = copy.deepcopy(model).cpu().float().eval()
        self.names = {  # of the network's tensors, in the model
            f"{shaped.path}.{name}": f"{each.path}.{name}".removeprefix(".")
            for shaped, each in zip(network.layers, placed, strict=True)
            for name in shaped.layer.tensors(shaped.input) | shaped.layer.buffers(shaped.input)
        }

    def state(self) -> Mapping[str, torch.Tensor]:
        """The weights by the network's names."""
        own = self.model.state_dict()
        return {name: own[theirs].clone() for name, theirs in self.names.items()}

    def run(self, x: torch.Tensor) -> Array:
        """The model's own output."""
        return self._run(x, {})

    def reweighed(self, weights: State) -> tuple[Run, State]:
        """The model with other weights, where no two layers share them."""
        uses = Counter(self.names.values())
        taken = {name: values for name, values in weights.items() if uses[self.names[name]] == 1}
        replaced = {self.names[name]: values for name, values in taken.items()}
        return lambda x: self._run(x, replaced), taken

    def _run(self, x: torch.Tensor, replaced: State) -> Array:
        try:
            with torch.no_grad(), redirect_stdout(sys.stderr):
                output = torch.func.functional_call(self.model, dict(replaced), (x,))
        except Exception as error:  # it is not our code, and may raise anything
            raise ProductError(f"{self.source} fails on an input of {dimensions(x.shape)}: {error}") from error
        if not isinstance(output, torch.Tensor):
            raise ProductError(f"{self.source} gives {type(output).__qualname__}, and a spec has one output")
        values: Array = output.numpy()
        return values
