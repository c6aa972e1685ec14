"""`train`: a whole run, from top to bottom."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import nn

from vggc.base.extras import require
from vggc.data.batches import Batches, BatchSettings
from vggc.data.compatibility import check_complete, check_fits
from vggc.data.dataset import ImageSource
from vggc.data.source_formats import open_source
from vggc.training import checkpoints
from vggc.training.devices import set_determinism, versions
from vggc.training.failures import reported_failures
from vggc.training.processes import launched, leave_process_group, quiet_lightning
from vggc.training.request import TrainingRequest
from vggc.training.run_folder import RunFolder
from vggc.training.run_output import RunOutput
from vggc.training.splits import TrainingSplit, missing_class_warnings

if TYPE_CHECKING:
    from lightning.fabric import Fabric

    from vggc.training.training_state import TrainingData, TrainingState


@dataclass(frozen=True)
class _Run:
    """A run whose processes have been launched; `output` prints in the first of them alone."""

    request: TrainingRequest
    source: ImageSource
    split: TrainingSplit
    fabric: "Fabric"
    folder: RunFolder
    output: RunOutput


def train(request: TrainingRequest, output: RunOutput) -> RunFolder | None:
    """Train a network by its recipe, test it once, and write the files of the run.

    With several processes each of them calls this; only the first one writes, prints, and returns the folder.

    Raises:
        ProductError: it cannot be trained like this, or training failed; the message says what to do.
        SpecError: the spec has no recipe.
    """
    for package in ("matplotlib", "tensorboard", "torchmetrics", "lightning"):
        require(package, extra="train")
    recipe = request.recipe
    request.devices.check(recipe)
    source = open_source(request.data)
    warnings = check_fits(request.network, source)
    request.start.check(recipe)
    split = request.start.split(source.images("train").labels, request)
    module, weights_report = request.start.module(request.network, recipe)
    set_determinism(request.devices.deterministic)
    with quiet_lightning():
        fabric = request.devices.fabric(recipe.precision)
        if fabric.is_global_zero:
            check_complete(request.network, source, output.progress)
        with launched(fabric):
            folder = _write_folder(request, split) if fabric.is_global_zero else None
        with reported_failures(fabric, folder, output):
            path = fabric.broadcast(folder.path if folder is not None else None)
            assert path is not None
            first_output = output if fabric.is_global_zero else RunOutput()
            run = _Run(request, source, split, fabric, RunFolder(path), first_output)
            _introduce(run)
            if weights_report is not None:
                run.output.say(str(weights_report))
            for warning in (*warnings, *missing_class_warnings(split, source)):
                run.output.warn(warning)
            _train_and_test(run, module)
            leave_process_group()
            return folder


# --- before the first step ---------------------------------------------------------------------------------------


def _write_folder(request: TrainingRequest, split: TrainingSplit) -> RunFolder:
    folder = request.start.folder(request, split)
    folder.write_json("versions.json", versions())
    return folder


def _introduce(run: _Run) -> None:
    """Print what is trained, on what, and where."""
    recipe, network, fabric, say = run.request.recipe, run.request.network, run.fabric, run.output.say
    counts = f"{len(run.split.training):,} training, {len(run.split.validation):,} validation images"
    classes = f"{len(run.source.classes)} classes, {network.params:,} params"
    say(f"{network.name} on {run.source.words}: {counts}, {classes}")
    for note in run.source.notes:
        say(f"note: {note}")
    schedule = f", {recipe.schedule.kind}" if recipe.schedule is not None else ""
    device = "the CPU" if fabric.device.type == "cpu" else torch.cuda.get_device_name(fabric.device)
    processes = f" in {fabric.world_size} processes" if fabric.world_size > 1 else ""
    say(
        f"{recipe.optimizer.kind}{schedule}, {recipe.epochs} epochs, batch size {recipe.batch_size}, "
        f"seed {recipe.seed}, precision {recipe.precision}, on {device}{processes}"
    )
    if run.request.devices.deterministic:
        say("deterministic: the same numbers on every run; slower on a GPU, which cannot use its fastest kernels")
    if fabric.world_size > 1 and any(layer.layer.uses_batch_statistics for layer in network.layers):
        over = "over all processes" if fabric.device.type == "cuda" else "in each process over its own images"
        say(f"note: batch norm normalises {over}")
    say(f"writing to {run.folder.path}")


def _training_data(run: _Run) -> "TrainingData":
    from vggc.training.training_state import TrainingData

    recipe, split, fabric = run.request.recipe, run.split, run.fabric
    images = run.source.images("train")
    for_validation = BatchSettings(
        recipe.batch_size, device=fabric.device, rank=fabric.global_rank, world_size=fabric.world_size
    )
    for_training = replace(for_validation, augment=recipe.augment, shuffle=True, seed=recipe.seed)

    def batches(indices: torch.Tensor, settings: BatchSettings) -> Batches:
        return Batches(images, indices, run.request.network, settings, run.output.progress)

    training = batches(split.training, for_training)
    validation = batches(split.validation, for_validation) if len(split.validation) else None
    return TrainingData(training, split.labels[split.training], validation)


# --- epochs ------------------------------------------------------------------------------------------------------


def _train_and_test(run: _Run, module: nn.Sequential) -> None:
    from vggc.training.final_test import finish
    from vggc.training.training_state import TrainingState

    state = TrainingState.first(run.fabric, run.request.network, module, _training_data(run), run.output)
    run.request.start.restore(state)
    _fit(state, run.folder)
    if run.fabric.is_global_zero:
        finish(state, run.request, run.source, run.folder)


def _fit(state: "TrainingState", folder: RunFolder) -> None:
    """Train every epoch that is left, with a checkpoint after each."""
    from vggc.training.loop import run_epoch
    from vggc.training.metrics_files import MetricsFiles

    recipe, output = state.recipe, state.output
    metrics = MetricsFiles(folder, state.history) if state.fabric.is_global_zero else None
    for number in range(len(state.history.epochs), recipe.epochs):
        history = state.history
        if history.epochs_since_best >= (recipe.early_stop or recipe.epochs):
            output.say(f"stopped early: {history.epochs_since_best} epochs without a better validation accuracy")
            break
        run_epoch(state, number)
        checkpoints.save(state.fabric, folder, state.state_dict(), best=history.best is history.epochs[-1])
        if metrics is not None:
            metrics.write_epoch(history)
        output.say(history.epochs[-1].line(recipe.epochs))
    if metrics is not None:
        metrics.close()
    state.fabric.barrier()
