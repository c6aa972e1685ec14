"""`vggc eval`: how well a network classifies the images of a split, in torch or in onnxruntime."""

from collections.abc import Callable
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
from vggc.data.batches import Batches, BatchSettings
from vggc.data.compatibility import check_fits, names_differ
from vggc.data.dataset import Images, ImageSource, SplitName
from vggc.data.source_formats import open_source
from vggc.ir.network import Network
from vggc.training.run_folder import RunFolder
from vggc.training.scores import Scores
from vggc.training.splits import missing_classes
from vggc.weights.loading import load_weights

BATCH_SIZE: Final = 256
DEFAULT_DATA: Final = "digits"

# Inputs (B, C, H, W) -> logits (B, classes), both on the CPU or both on the module's device.
Forward = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Evaluation:
    """Predictions for a split in its order, int64 (N,), and their scores; `data` names the source of the images."""

    scores: Scores
    labels: torch.Tensor
    predicted: torch.Tensor
    data: str = ""
    warnings: tuple[str, ...] = ()


def evaluate(
    network: Network,
    forward: Forward,
    images: Images,
    device: str | torch.device = "cpu",
    progress: Progress = silent,
) -> Evaluation:
    """Predict the class of every image, preprocessed as the network's spec says.

    Raises:
        ProductError: there are no images, or one cannot be preprocessed.
    """
    if not len(images):
        raise ProductError("there are no images to evaluate on")
    batches = Batches(images, torch.arange(len(images)), network, BatchSettings(BATCH_SIZE, device=device), progress)
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
    split: SplitName,
    *,
    device: str = "cpu",
    progress: Progress = silent,
) -> Evaluation:
    """Evaluate a run, a file of weights, or an ONNX file.

    Args:
        target: the folder of a run, an ONNX file, or a file of weights.
        network: the network of the weights; a run and an ONNX file have their own.
        data: the source of the images; if left out, that of the run, otherwise the digits.
        split: which images of the source.
        device: where torch computes.
        progress: is told the images done.

    Raises:
        ProductError: the target, the network and the images do not fit each other.
    """
    is_onnx, is_run = target.suffix == ".onnx", target.is_dir()
    if network is not None and (is_onnx or is_run):
        raise ProductError(f"{target} contains its own spec; leave {network.name} out")
    if is_onnx:
        if device != "cpu":
            raise ProductError(f"--device {device} is for torch, and {target} is run by onnxruntime; leave it out")
        return _evaluate_onnx(target, open_source(data or DEFAULT_DATA), split, progress)
    weights = target
    if is_run:
        run = RunFolder.open(target)
        network, weights = run.network(), run.weights
        if not weights.exists():
            raise ProductError(f"{target} has finished no epoch; go on with: vggc train --resume {target}")
        data = data or run.data()
    if network is None:
        raise _without_spec(target)
    source = open_source(data or DEFAULT_DATA)
    warnings = check_fits(network, source)
    forward = module_forward(load_weights(network, weights, offered=())[0], torch_device(device))
    evaluation = evaluate(network, forward, source.images(split), device, progress)
    return _with_warnings(evaluation, source, split, warnings)


def _without_spec(target: Path) -> ProductError:
    if target.exists():
        return ProductError(f"name the spec that the weights belong to: vggc eval {target} SPEC")
    return ProductError(f"there is no {target}: name the folder of a run, weights with their spec, or an ONNX file")


def _evaluate_onnx(path: Path, source: ImageSource, split: SplitName, progress: Progress) -> Evaluation:
    """Evaluate an ONNX file in onnxruntime, from decoded images, with the preprocessing that is in the file.

    Raises:
        ProductError: it cannot be run, or its classes are not the source's.
    """
    from vggc.data.images.predict import OnnxClassifier

    classifier, images, count = OnnxClassifier(path), source.images(split), len(source.classes)
    names = tuple(classifier.classes or source.classes)
    if len(names) != count:
        raise ProductError(f"{source.words} has {count} classes, and {path} has {len(names)}")
    labels = images.labels.tolist()
    decoded = ((images.place(index), images.pixels(index)) for index in range(len(images)))
    predicted, total_loss = [], 0.0
    for done, (_, predictions) in enumerate(classifier.predict(decoded, count + 1)):
        if len(predictions) != count:
            raise ProductError(f"{source.words} has {count} classes, and {path} has {len(predictions)}")
        probability = next(prediction.probability for prediction in predictions if prediction.index == labels[done])
        predicted.append(predictions[0].index)
        total_loss -= log(max(probability, float_info.min))
        progress("evaluating", done + 1, len(images))
    evaluation = _evaluation(names, images.labels, torch.tensor(predicted), total_loss)
    difference = names_differ(path.name, names, source, "the file")
    warnings = (f"{difference}; classes are compared by their numbers",) if difference else ()
    return _with_warnings(evaluation, source, split, warnings)


def _with_warnings(
    evaluation: Evaluation, source: ImageSource, split: SplitName, warnings: tuple[str, ...]
) -> Evaluation:
    if names := missing_classes(evaluation.labels, source.classes):
        warnings += (f"no {split} image is of {names}, so the figures do not measure how they are recognised",)
    return replace(evaluation, data=source.words, warnings=warnings)


def torch_device(name: str) -> torch.device:
    """The device of that name.

    Raises:
        ProductError: torch has no such device here.
    """
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ProductError(f"--device {name}: {str(error).splitlines()[0]}") from error
    return device
