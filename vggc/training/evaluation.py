"""`evaluate`: how right a network is on a split of images, in torch or in onnxruntime."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torchmetrics.functional.classification import multiclass_confusion_matrix

from vggc.data import Batches
from vggc.data.base import Images
from vggc.errors import ProductError
from vggc.ir import Network
from vggc.progress import Progress, silent
from vggc.training.scores import Scores

BATCH_SIZE = 256

# Inputs (B, C, H, W) -> logits (B, classes), both on the CPU or both on the module's device.
Forward = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Evaluation:
    """Predictions of a split in its order, int64 (N,), and their scores."""

    scores: Scores
    labels: torch.Tensor
    predicted: torch.Tensor


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


def _evaluation(
    names: tuple[str, ...], labels: torch.Tensor, predicted: torch.Tensor, total_loss: float
) -> Evaluation:
    confusion = multiclass_confusion_matrix(predicted, labels, len(names), validate_args=False)
    return Evaluation(Scores.of(names, confusion, total_loss), labels, predicted)


def class_names(network: Network) -> tuple[str, ...]:
    """The names of a network's classes; their numbers where the spec has no names.

    Raises:
        ProductError: the network has no classes.
    """
    classes = network.spec.classes
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


def onnx_forward(path: Path) -> Forward:
    """An ONNX file in onnxruntime, on the CPU; one whose output is probabilities gives their logarithms.

    Raises:
        ProductError: it cannot be run, or takes something else than prepared images.
    """
    from vggc.verify.sessions import open_session

    session = open_session(str(path))
    (taken,) = session.get_inputs()
    if taken.type != "tensor(float)" or len(taken.shape) != 4:
        raise ProductError(f"not supported: {path} takes {taken.name} {taken.type} {taken.shape}, not prepared images")
    output = session.get_outputs()[0].name

    def forward(inputs: torch.Tensor) -> torch.Tensor:
        found: np.ndarray[Any, Any] = session.run([output], {taken.name: inputs.numpy()})[0]
        values = torch.from_numpy(np.asarray(found))
        return values.log() if output == "probabilities" else values

    return forward
