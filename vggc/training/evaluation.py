"""`evaluate`: how right a network is on a split of images, in torch or in onnxruntime."""

import warnings as warnings_module
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import log
from pathlib import Path
from sys import float_info
from typing import Final

import torch
from torch import nn
from torchmetrics.functional.classification import multiclass_confusion_matrix

from vggc.base.errors import ProductError
from vggc.base.progress import Progress, silent
from vggc.data import Batches, Source, check_fits, open_source
from vggc.data.dataset import Images, Split
from vggc.data.fitting import names_differ
from vggc.ir.network import Network
from vggc.training.request import data_of, network_of
from vggc.training.run_folder import RunFolder
from vggc.training.scores import Scores
from vggc.training.splits import absent
from vggc.weights.loading import load_weights

BATCH_SIZE: Final = 256
DEFAULT_DATA: Final = "digits"

# Inputs (B, C, H, W) -> logits (B, classes), both on the CPU or both on the module's device.
Forward = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Evaluation:
    """Predictions of a split in its order, int64 (N,), and their scores; `data` are the words for the images."""

    scores: Scores
    labels: torch.Tensor
    predicted: torch.Tensor
    data: str = ""
    warnings: tuple[str, ...] = ()


def evaluate(
    network: Network,
    forward: Forward,
    images: Images,
    *,
    batch_size: int = BATCH_SIZE,
    device: str | torch.device = "cpu",
    progress: Progress = silent,
) -> Evaluation:
    """Predict the class of every image, prepared as the network's spec says.

    Raises:
        ProductError: there are no images, or one cannot be prepared.
    """
    if not len(images):
        raise ProductError("there are no images to evaluate on")
    batches = Batches(
        images, torch.arange(len(images)), network, batch_size=batch_size, device=device, progress=progress
    )
    predicted, total_loss = [], 0.0
    for done, (inputs, labels, _) in enumerate(batches, start=1):
        logits = forward(inputs).float()
        total_loss += float(nn.functional.cross_entropy(logits.double(), labels, reduction="sum"))
        predicted.append(logits.argmax(1).cpu())
        progress("evaluating", done, len(batches))
    return _evaluation(class_names(network), images.labels, torch.cat(predicted), total_loss)


def _evaluation(names: tuple[str, ...], labels: torch.Tensor, predicted: torch.Tensor, total_loss: float) -> Evaluation:
    confusion = multiclass_confusion_matrix(predicted, labels, len(names), validate_args=False)
    return Evaluation(Scores.of(names, confusion, total_loss), labels, predicted)


def class_names(network: Network) -> tuple[str, ...]:
    """The names of a network's classes; their numbers where the spec has no names.

    Raises:
        ProductError: the network has no classes.
    """
    classes = network.header.classes
    if classes is None:
        raise ProductError(f"{network.name} has no classes to evaluate")
    return classes.names or tuple(map(str, range(classes.count)))


def module_forward(module: nn.Module, device: str | torch.device = "cpu") -> Forward:
    """A torch module in evaluation mode."""
    module = module.to(device).eval()

    def forward(inputs: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            logits: torch.Tensor = module(inputs)
        return logits

    return forward


def evaluate_target(
    target: Path,
    network: Network | None,
    data: str | None,
    split: Split,
    *,
    device: str = "cpu",
    progress: Progress = silent,
) -> Evaluation:
    """Evaluate what lies at a path.

    Args:
        target: the folder of a run, an ONNX file, or a file of weights.
        network: whose weights they are; a run and an ONNX file say it themselves.
        data: words for the images; those of the run, otherwise the digits, if left out.
        split: which of them.
        device: where torch computes.
        progress: told the images done.

    Raises:
        ProductError: the target, the network and the images do not fit each other.
    """
    if network is not None and (target.is_dir() or target.suffix == ".onnx"):
        raise ProductError(f"{target} holds its own spec; leave {network.name} out")
    if target.suffix == ".onnx":
        if device != "cpu":
            raise ProductError(f"--device {device} is for torch, and {target} is run by onnxruntime; leave it out")
        return evaluate_onnx(target, open_source(data or DEFAULT_DATA), split, progress)
    weights = target
    if target.is_dir():
        folder = RunFolder.open(target)
        network, weights = network_of(folder), folder.weights
        if not weights.exists():
            raise ProductError(f"{target} has finished no epoch; go on with: vggc train --resume {target}")
        data = data or data_of(folder)
    if network is None:
        raise _without_spec(target)
    source = open_source(data or DEFAULT_DATA)
    warnings = fitting_warnings(network, source)
    forward = module_forward(load_weights(network, weights, offered=())[0], torch_device(device))
    found = evaluate(network, forward, source.images(split), device=device, progress=progress)
    return replace(found, data=source.words, warnings=(*warnings, *_unseen(found, source, split)))


def _without_spec(target: Path) -> ProductError:
    if target.exists():
        return ProductError(f"name the spec that the weights belong to: vggc eval {target} SPEC")
    return ProductError(f"there is no {target}: name the folder of a run, weights with their spec, or an ONNX file")


def evaluate_onnx(path: Path, source: Source, split: Split, progress: Progress = silent) -> Evaluation:
    """Evaluate an ONNX file in onnxruntime, from decoded images, with what the file itself says of preprocessing.

    Raises:
        ProductError: it cannot be run, or its classes are not the source's.
    """
    from vggc.data.images.predict import Classifier

    classifier, images, count = Classifier(path), source.images(split), len(source.classes)
    names = tuple(classifier.classes or source.classes)
    if len(names) != count:
        raise ProductError(f"{source.words} has {count} classes, and {path} has {len(names)}")
    labels = images.labels.tolist()
    decoded = ((images.place(index), images.pixels(index)) for index in range(len(images)))
    predicted, total_loss = [], 0.0
    for done, (_, candidates) in enumerate(classifier.predict(decoded, count + 1)):
        if len(candidates) != count:
            raise ProductError(f"{source.words} has {count} classes, and {path} has {len(candidates)}")
        probability = next(each.probability for each in candidates if each.index == labels[done])
        predicted.append(candidates[0].index)
        total_loss -= log(max(probability, float_info.min))
        progress("evaluating", done + 1, len(images))
    found = _evaluation(names, images.labels, torch.tensor(predicted), total_loss)
    difference = names_differ(path.name, names, source, "the file")
    warnings = (f"{difference}; the figures go by the numbers of the classes",) if difference else ()
    return replace(found, data=source.words, warnings=(*warnings, *_unseen(found, source, split)))


def _unseen(found: Evaluation, source: Source, split: Split) -> Iterator[str]:
    if names := absent(found.labels, source.classes):
        yield f"no {split} image is of {names}, so the figures say nothing of how they are recognised"


def fitting_warnings(network: Network, source: Source) -> tuple[str, ...]:
    """See that images and network fit; what is worth a warning.

    Raises:
        ProductError: they do not fit.
    """
    with warnings_module.catch_warnings(record=True) as caught:
        warnings_module.simplefilter("always")
        check_fits(network, source)
    return tuple(str(each.message) for each in caught)


def torch_device(name: str) -> torch.device:
    """The device of that name.

    Raises:
        ProductError: torch has none of that name here.
    """
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ProductError(f"--device {name}: {str(error).splitlines()[0]}") from error
    return device
