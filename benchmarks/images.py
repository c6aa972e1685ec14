"""Batches of images on one core, relative to the least that a loader must do."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from benchmarks.measure import Plan, in_fresh_process, in_turn, ratios, warm
from benchmarks.row import Row

if TYPE_CHECKING:
    import torch

    from vggc.data.batches import Batches

IMAGES: Final = 4096  # of CIFAR-10's size


def rows(plan: Plan) -> Iterator[Row]:
    """Shuffled, cropped with padding and flipped, relative to the same images in order and only normalised."""
    ours, theirs = in_fresh_process(_epochs, plan)
    note = f"{IMAGES / min(ours):,.0f} images of 32x32 a second"
    yield Row("batches, cropped and flipped", "gathered and normalised", 3.0, ratios(ours, theirs), note=note)


def _epochs(plan: Plan) -> list[list[float]]:
    import torch

    torch.set_num_threads(1)
    pixels = torch.randint(0, 256, (IMAGES, 3, 32, 32), dtype=torch.uint8)
    batches = _batches(pixels)
    return in_turn("images", plan.rounds(9), warm(lambda: list(map(len, batches))), warm(lambda: _plain(pixels)))


def _plain(pixels: "torch.Tensor") -> None:
    import torch

    mean, std = torch.full((3, 1, 1), 0.5), torch.full((3, 1, 1), 0.25)
    for indices in torch.arange(IMAGES).split(128):  # type: ignore[no-untyped-call]
        (pixels[indices].float() / 255).sub_(mean).div_(std)


def _batches(pixels: "torch.Tensor") -> "Batches":
    import torch

    from vggc.data.batches import Batches, BatchSettings
    from vggc.data.dataset import ArrayImages
    from vggc.model import compile

    network = compile("vgg16_bn_cifar10")
    recipe = network.header.train
    assert recipe is not None
    images = ArrayImages(pixels.permute(0, 2, 3, 1).numpy(), torch.arange(IMAGES) % 10, "made-up images")
    return Batches(images, torch.arange(IMAGES), network, BatchSettings(128, augment=recipe.augment, shuffle=True))
