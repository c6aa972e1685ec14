"""What a run is asked for, and what it keeps of that for the day it is resumed."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vggc.backends.text import yaml_spec
from vggc.base.diagnostics import Diagnostic, Note, Source, SpecError
from vggc.base.errors import ProductError
from vggc.data import absolute
from vggc.frontend.text.sources import read_source, stock_folder, stock_names
from vggc.ir.network import Network
from vggc.pipeline import compile_source
from vggc.recipe.recipe import Train
from vggc.training.devices import Machine
from vggc.training.run_folder import RunFolder
from vggc.weights.key_matching import Matching


@dataclass(frozen=True)
class Request:
    """A run to be made: `network` with its recipe, on the images of `data` (words such as `folder:photos`).

    `folder` is None for a new run, whose folder is made when nothing can go wrong any more: at `output`, or under
    `name`. `weights` is a file to begin with instead of drawing, and `matching` says how its keys are taken.
    """

    network: Network
    data: str
    machine: Machine = field(default_factory=Machine)
    weights: Path | None = None
    matching: Matching = field(default_factory=Matching)
    name: str | None = None
    output: Path | None = None
    folder: RunFolder | None = None

    @property
    def recipe(self) -> Train:
        """The recipe of the spec.

        Raises:
            SpecError: E104, it has none.
        """
        if self.network.header.train is None:
            raise SpecError([_without_recipe(self.network)])
        return self.network.header.train

    def settings(self) -> dict[str, Any]:
        """What stands in `run.json`."""
        return {
            "data": self.data,
            "data_at": absolute(self.data),
            "seed": self.recipe.seed,
            "weights": str(self.weights) if self.weights is not None else None,
            "accelerator": self.machine.accelerator,
            "devices": self.machine.devices,
            "num_nodes": self.machine.num_nodes,
            "strategy": self.machine.strategy,
            "precision": self.recipe.precision,
            "deterministic": self.machine.deterministic,
        }


def _without_recipe(network: Network) -> Diagnostic:
    """The error, with the ways to a recipe: for this run, in a spec, or from a stock spec."""
    place = network.header.places["name"]
    recipe = "`train: {epochs: 10, batch_size: 64, optimizer: {sgd: {lr: 0.01, momentum: 0.9}}}`"
    is_stock = place.source.path is not None and place.source.path.parent == stock_folder()
    where = f"write a spec of your own with `extends: {network.name}` and" if is_stock else "add to the spec"
    have_one = [name for name in stock_names() if "\ntrain:" in read_source(name).text]
    notes = (
        Note("help", "for one run: --set train.epochs=10 --set train.batch_size=64 --set train.optimizer=adam"),
        Note("help", f"for all: {where} {recipe}"),
        Note("help", f"stock specs with a recipe: {', '.join(have_one)}"),
    )
    return Diagnostic("E104", f"{network.name} has no recipe to train by", place, notes)


def data_of(folder: RunFolder) -> str:
    """Words for the images of a run: as they were typed, where they mean the same from here.

    Raises:
        ProductError: the images are not where they were.
    """
    settings = folder.read_json("run.json")
    typed: str = settings["data"]
    whole: str = settings.get("data_at", absolute(typed))
    here = absolute(typed)
    found = next((each for each in (whole, here) if _is_there(each)), None)
    if found is None:
        raise ProductError(
            f"the images that {folder.path} was trained on, {whole}, are not there; say where they are: --data SOURCE"
        )
    return typed if found == here else found


def _is_there(words: str) -> bool:
    path = words.partition(":")[2]
    return not path or Path(path).exists()


def spec_text(network: Network) -> str:
    """The expanded spec of a network, as it stands in the folder of a run."""
    text = yaml_spec.emit(network.graph)
    return text


def network_of(folder: RunFolder) -> Network:
    """The network of a run.

    Raises:
        SpecError: its spec.yaml was changed, and is wrong now.
    """
    return compile_source(Source(str(folder.spec), folder.spec.read_text(encoding="utf-8"), path=folder.spec))


def check_resumable(folder: RunFolder, wanted: Network) -> None:
    """See that a run would go on as what it is: the same spec, and no fewer epochs.

    Raises:
        ProductError: it would not; the message names the first line that differs.
    """
    before = network_of(folder)
    old, new = before.header.train, wanted.header.train
    if old is None or new is None:
        raise ProductError(f"{folder.path}: the recipe is gone from the spec")
    was, now = _lines(before), _lines(wanted)
    differences = [
        *(f"it was begun with `{line.strip()}`" for line in was if line not in now),
        *(f"this says `{line.strip()}`" for line in now if line not in was),
    ]
    if was != now:
        raise ProductError(
            f"{folder.path} is a run of another spec: {'; '.join(differences[:4]) or 'the order differs'}. "
            "A run goes on with its own, and only `train.epochs` may grow; to begin another run leave --resume out"
        )
    if new.epochs < old.epochs:
        raise ProductError(f"{folder.path} was begun for {old.epochs} epochs, and cannot be resumed for {new.epochs}")
    if new.epochs > old.epochs and old.schedule is not None and old.schedule.whole_run:
        raise ProductError(
            f"{folder.path}: {old.schedule.kind} spreads over all {old.epochs} epochs, so {new.epochs} would have been "
            f"another schedule from the start; begin a new run, with --weights {folder.weights} to start from this one"
        )


def _lines(network: Network) -> list[str]:
    """The expanded spec without the number of epochs."""
    return [line for line in spec_text(network).splitlines() if not line.startswith("  epochs: ")]
