"""A step of training: the engine relative to a loop that is written by hand, on the same images in memory."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from benchmarks.measure import Plan, in_turn, once, quickest, ratios
from benchmarks.row import Row

if TYPE_CHECKING:
    import torch

    from vggc.data.dataset import Images
    from vggc.model import Network

PEER: str = "a plain loop over a DataLoader"
SAME: str = "a plain loop over the same batches"

SMALL: str = "a small VGG, 8x8 digits"
NARROW: str = "vgg11_bn, a quarter as wide, 32x32"
BUDGET: float = 1.0  # seconds of each side in a round, of which the quickest epoch counts


def rows(plan: Plan) -> Iterator[Row]:
    """An epoch of each network; the plain loops have the same batch size, model, loss and optimizer.

    An ordinary loop takes its batches from torch's DataLoader; a loop over the engine's own batches shows the cost of
    Lightning and of the book-keeping.
    """
    for what, network, images in ((SMALL, _small(), 1024), (NARROW, _narrow(), 256)):
        sides = [quickest(once(side), BUDGET) for side in _sides(network, _images(network, images))]
        engine, loader, batches = in_turn(f"training: {what}", plan.rounds(15), *sides)
        yield Row(f"{what}: an epoch", PEER, 1.0, ratios(engine, loader), note=_speed(images, engine))
        yield Row("what the engine adds", SAME, values=ratios(engine, batches))


def _speed(images: int, seconds: list[float]) -> str:
    return f"{images / sorted(seconds)[len(seconds) // 2]:,.0f} images/s"


def _small() -> "Network":
    from vggc.model import compile

    overrides = {"input": [1, 8, 8], "classes": 10, "features": [16, "M", 32, "M"], "pool": "none",
                 "classifier": [64, {"linear": "classes"}], "train": RECIPE}  # fmt: skip
    return compile("vgg11", overrides)


def _narrow() -> "Network":
    from vggc.model import compile

    overrides = {"input": [3, 32, 32], "classes": 10, "width": 0.25, "pool": "none",
                 "classifier": [{"linear": "classes"}], "train": RECIPE}  # fmt: skip
    return compile("vgg11_bn", overrides)


RECIPE: dict[str, Any] = {
    "epochs": 1000, "batch_size": 64, "validation": 0, "optimizer": {"sgd": {"lr": 0.01, "momentum": 0.9}},
}  # fmt: skip


def _images(network: "Network", number: int) -> "Images":
    import numpy as np
    import torch

    from vggc.data.dataset import ArrayImages

    channels, height, width = network.input
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (number, height, width, channels), dtype=np.uint8)
    return ArrayImages(pixels, torch.from_numpy(random.integers(0, 10, number)), "random pixels")


def _sides(network: "Network", images: "Images") -> list[Callable[[], object]]:
    """An epoch by the engine, over torch's DataLoader, and over the engine's own batches."""
    import torch

    from vggc.data.batches import Batches, BatchSettings

    indices = torch.arange(len(images))
    batches = Batches(images, indices, network, BatchSettings(64, shuffle=True))
    inputs = torch.stack([torch.from_numpy(images.pixels(i)).permute(2, 0, 1) for i in range(len(images))]) / 255
    dataset = torch.utils.data.TensorDataset(inputs, images.labels)
    loader = torch.utils.data.DataLoader(dataset, batch_size=64, shuffle=True)
    return [
        _engine(network, images, batches),
        partial(_plain, *_model(network), loader),
        partial(_plain, *_model(network), batches),
    ]


def _model(network: "Network") -> tuple["torch.nn.Module", "torch.optim.Optimizer"]:
    import torch

    module = network.module()
    return module, torch.optim.SGD(module.parameters(), lr=0.01, momentum=0.9)


def _plain(module: "torch.nn.Module", optimizer: "torch.optim.Optimizer", batches: Any) -> None:
    """An epoch as in tutorials: loss and accuracy are summed up as Python numbers."""
    import torch

    total, correct = 0.0, 0
    module.train()
    for batch in batches:
        inputs, labels = batch[:2]
        logits = module(inputs)
        loss = torch.nn.functional.cross_entropy(logits, labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        total += loss.item()
        correct += int((logits.argmax(1) == labels).sum())


def _engine(network: "Network", images: "Images", batches: Any) -> Callable[[], object]:
    from vggc.training.devices import Devices
    from vggc.training.loop import run_epoch
    from vggc.training.run_output import RunOutput
    from vggc.training.training_state import TrainingData, TrainingState

    fabric = Devices(accelerator="cpu").fabric("32")
    fabric.launch()
    state = TrainingState.first(fabric, network, network.module(), TrainingData(batches, images.labels), RunOutput())
    numbers = count()
    return lambda: run_epoch(state, next(numbers))
