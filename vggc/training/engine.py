"""`train`: the whole way of a run, top to bottom."""

from datetime import datetime
from typing import TYPE_CHECKING

import torch
from torch import nn

from vggc.backends.torch import torch_module
from vggc.base.errors import ProductError
from vggc.base.extras import require
from vggc.data import Batches, Source, check_complete, open_source
from vggc.recipe.recipe import Train
from vggc.training import checkpoints
from vggc.training.devices import set_determinism, versions
from vggc.training.interruptions import explained, quiet_lightning
from vggc.training.launching import disband, launched
from vggc.training.request import Request, spec_text
from vggc.training.run_folder import RunFolder
from vggc.training.run_output import Talk
from vggc.training.splits import Split, unseen_classes

if TYPE_CHECKING:
    from lightning.fabric import Fabric

    from vggc.training.learner import Learner
    from vggc.weights.loading import WeightsReport


def train(request: Request, talk: Talk) -> RunFolder | None:
    """Train a network by its recipe, test it once, and write down everything.

    With several processes each of them runs this; only the first one writes, speaks, and returns the folder.

    Raises:
        ProductError: it cannot be trained like this, or training came to nothing; the message says what to do.
        SpecError: the spec has no recipe.
    """
    for package in ("matplotlib", "tensorboard", "torchmetrics", "lightning"):
        require(package, extra="train")
    from vggc.training import evaluation

    recipe = request.recipe
    request.machine.check(recipe)
    source = open_source(request.data)
    warnings = evaluation.fitting_warnings(request.network, source)
    split = _split(request, source)
    module, loaded = _module(request)
    set_determinism(request.machine.deterministic)
    with quiet_lightning():
        fabric = request.machine.fabric(recipe.precision)
        if fabric.is_global_zero:
            RunFolder.check_free(request.output)
            check_complete(request.network, source, talk.progress)
        with launched(fabric, request.machine, talk):
            folder = _prepare_folder(request, split) if fabric.is_global_zero else None
        with explained(fabric, folder, talk):
            path = fabric.broadcast(folder.path if folder is not None else None)
            assert path is not None
            folder = RunFolder(path)
            talk = talk if fabric.is_global_zero else Talk()
            _introduce(request, source, split, folder, fabric, talk)
            if loaded is not None:
                talk.say(str(loaded))
            for warning in (*warnings, *unseen_classes(split, source)):
                talk.say(f"warning: {warning}")
            learner = _learner(request, source, split, module, folder, fabric, talk)
            _fit(learner, folder)
            if fabric.is_global_zero:
                from vggc.training.finishing import finish

                finish(learner, request, source, folder)
            del learner
            disband()
            return folder if fabric.is_global_zero else None


# --- before the first step ---------------------------------------------------------------------------------------


def _split(request: Request, source: Source) -> Split:
    """The stored one of a run that is resumed, which has epochs left, and a checkpoint that is one."""
    labels = source.images("train").labels
    if request.folder is None:
        return Split.draw(labels, request.recipe)
    _check_resumption(request.folder, request.recipe)
    return Split.stored(request.folder, labels, request.data)


def _check_resumption(folder: RunFolder, recipe: Train) -> None:
    if folder.is_complete(recipe.epochs):
        more = f"for more epochs than its {recipe.epochs}: --set train.epochs={2 * recipe.epochs}"
        if recipe.schedule is not None and recipe.schedule.whole_run:
            more = f"begin a new run with its weights: --weights {folder.weights}"
        raise ProductError(f"{folder.path} is complete; {more}")
    checkpoints.check_last(folder)


def _module(request: Request) -> "tuple[nn.Sequential, WeightsReport | None]":
    """Drawn under the recipe's seed, or read from a file; what a run that is resumed had is loaded later."""
    if request.weights is not None and request.folder is None:
        from vggc.weights.loading import load_weights

        return load_weights(request.network, request.weights, request.matching, request.recipe.seed)
    return torch_module.materialize(request.network, request.recipe.seed), None


def _prepare_folder(request: Request, split: Split) -> RunFolder:
    """The folder with what is known before the first step."""
    folder = request.folder or RunFolder.create(request.network, request.name, request.output)
    folder.write("spec.yaml", spec_text(request.network))
    if request.folder is None:
        folder.write("seed", f"{request.recipe.seed}\n")
        split.store(folder, request.recipe)
        # The last of them: a folder that holds it can be resumed.
        folder.write_json("run.json", {**request.settings(), "started": datetime.now().isoformat(timespec="seconds")})
    folder.write_json("versions.json", versions())
    return folder


def _introduce(request: Request, source: Source, split: Split, folder: RunFolder, fabric: "Fabric", talk: Talk) -> None:
    """Say what is about to happen."""
    recipe, network = request.recipe, request.network
    counts = f"{len(split.training):,} training, {len(split.held_out):,} validation images"
    talk.say(f"{network.name} on {source.words}: {counts}, {len(source.classes)} classes, {network.params:,} params")
    for note in source.notes:
        talk.say(f"note: {note}")
    schedule = f", {recipe.schedule.kind}" if recipe.schedule is not None else ""
    device = "the CPU" if fabric.device.type == "cpu" else torch.cuda.get_device_name(fabric.device)
    several = f" in {fabric.world_size} processes" if fabric.world_size > 1 else ""
    talk.say(
        f"{recipe.optimizer.kind}{schedule}, {recipe.epochs} epochs, batch size {recipe.batch_size}, "
        f"seed {recipe.seed}, precision {recipe.precision}, on {device}{several}"
    )
    if request.machine.deterministic:
        talk.say(
            "deterministic: the same numbers on every run; slower on a GPU, where it rules the fastest kernels out"
        )
    if fabric.world_size > 1 and any(layer.layer.uses_batch_statistics for layer in network.layers):
        shared = "over all processes" if fabric.device.type == "cuda" else "in each process by its own images"
        talk.say(f"note: batch norm normalises {shared}")
    talk.say(f"writing to {folder.path}")


def _learner(
    request: Request,
    source: Source,
    split: Split,
    module: nn.Sequential,
    folder: RunFolder,
    fabric: "Fabric",
    talk: Talk,
) -> "Learner":
    """Data, model, optimizer and schedule, in the state in which the run begins or goes on."""
    from vggc.training.learner import Learner

    recipe, images = request.recipe, source.images("train")
    together = request.machine.strategy != "fsdp"

    def batches_of(indices: torch.Tensor, *, for_training: bool) -> Batches:
        share = for_training or together
        return Batches(
            images,
            indices,
            request.network,
            batch_size=recipe.batch_size,
            augment=recipe.augment if for_training else (),
            shuffle=for_training,
            seed=recipe.seed,
            device=fabric.device,
            rank=fabric.global_rank if share else 0,
            world_size=fabric.world_size if share else 1,
            progress=talk.progress,
        )

    made = Learner.prepare(
        fabric,
        request.network,
        module,
        batches_of(split.training, for_training=True),
        split.labels[split.training],
        batches_of(split.held_out, for_training=False) if len(split.held_out) else None,
        together=together,
        talk=talk,
    )
    if request.folder is not None and folder.last.exists():
        made.restore(folder.last)
    return made


# --- epochs ------------------------------------------------------------------------------------------------------


def _fit(learner: "Learner", folder: RunFolder) -> None:
    """Every epoch that is left, with a checkpoint behind each."""
    from vggc.training.loop import run_epoch
    from vggc.training.recording import Recorder

    history, recipe, talk = learner.history, learner.recipe, learner.talk
    recorder = Recorder(folder, history) if learner.fabric.is_global_zero else None
    if history.epochs:
        talk.say(f"going on behind epoch {len(history.epochs)} of {recipe.epochs}")
    for number in range(len(history.epochs), recipe.epochs):
        if history.waited >= (recipe.early_stop or recipe.epochs):
            talk.say(f"stopped early: {history.waited} epochs without a better validation accuracy")
            break
        run_epoch(learner, number)
        is_best = history.best is history.epochs[-1]
        checkpoints.save(learner.fabric, folder, learner.state(), best=is_best)
        if recorder is not None:
            recorder.epoch(history)
        talk.say(history.epochs[-1].line(recipe.epochs))
    if recorder is not None:
        recorder.close()
    learner.fabric.barrier()
