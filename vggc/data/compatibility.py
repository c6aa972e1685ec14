"""Whether a network and a source of images fit each other, checked before the first step."""

import json
import shlex
from typing import Final, get_args

import torch

from vggc.base.errors import ProductError
from vggc.base.progress import Progress, silent
from vggc.base.words import dimensions
from vggc.data import parallel
from vggc.data.dataset import ImageSource, SplitName
from vggc.data.images.decoding import colours
from vggc.data.torch_preprocessing import plan_preprocessing
from vggc.ir.network import Network

_MAX_NAMES: Final = 100  # in a message


def check_fits(network: Network, source: ImageSource) -> tuple[str, ...]:
    """Compare channels, classes and the size of the first images with those of the network.

    Returns:
        warnings: class names that differ, because the trained network would give its classes the spec's names.

    Raises:
        ProductError: they do not fit; the message contains the assignment that helps.
    """
    check_channels(network, source)
    warning = _check_classes(network, source)
    for split in get_args(SplitName):
        images = source.images(split)
        if len(images):
            plan_preprocessing(network, images, torch.tensor([0])).image(images.pixels(0), images.place(0))
    return () if warning is None else (warning,)


def check_complete(network: Network, source: ImageSource, progress: Progress = silent) -> None:
    """Check that there are images of every class to train on, and that every test image can be used.

    The test comes last, and a run of hours should not fail there.

    Args:
        network: which `source` fits.
        source: where the images are.
        progress: is told the test images done.

    Raises:
        ProductError: a class is empty, there is no test image, or one cannot be decoded or does not fit the network.
    """
    counts = torch.bincount(source.images("train").labels, minlength=len(source.classes)).tolist()
    if 0 in counts:
        name = source.classes[counts.index(0)]
        raise ProductError(f"{source.words} has no training images of {name}; add some, or leave the class out")
    images = source.images("test")
    if not len(images):
        raise ProductError(f"{source.words} has no test images; add some, or more images of each class")
    indices = torch.arange(len(images))
    plan = plan_preprocessing(network, images, indices, progress=progress)

    def check(index: int) -> None:
        plan.image(images.pixels(index), images.place(index))

    for _ in parallel.map_images(check, indices, "checking test images", progress):
        pass


def check_channels(network: Network, source: ImageSource) -> None:
    """Compare the channels of the images with those of the input.

    Raises:
        ProductError: they differ.
    """
    channels, height, width = network.input
    if channels != source.channels:
        raise ProductError(
            f"the images of {source.words} are {colours(source.channels)}, and the input of {network.name} is "
            f"{colours(channels)}: --set input=[{source.channels},{height},{width}]{_and_their_mean(network, source)}"
        )


def _and_their_mean(network: Network, source: ImageSource) -> str:
    """Mean and standard deviation have a value for each channel too."""
    steps = network.header.preprocess
    if steps is None or (steps.mean is None and steps.std is None):
        return ""
    return f", and the mean and std that `vggc stats --data {shlex.quote(source.words)}` prints"


def _check_classes(network: Network, source: ImageSource) -> str | None:
    """The warning if the names differ; raises ProductError if the number of classes does."""
    classes, count = network.header.classes, len(source.classes)
    if classes is None:
        raise ProductError(f"{network.name} has no classes; add `classes: {count}` and a classifier to train it")
    if classes.count != count:
        raise ProductError(
            f"{source.words} has {count} classes, and {network.name} has {classes.count}: --set classes={count}"
        )
    if network.output != (count,):
        raise ProductError(
            f"the output of {network.name} is {dimensions(network.output)}, and a classifier of {count} "
            f"classes is needed; end `classifier` with `linear: classes`"
        )
    difference = names_differ(network.name, classes.names or source.classes, source, "the spec")
    if difference is None:
        return None
    names = json.dumps(source.classes, ensure_ascii=False)
    assignment = shlex.quote(f"classes={names}") if count <= _MAX_NAMES else "classes=[NAME, NAME...]"
    return f"{difference}; to take the names of the images: --set {assignment}"


def names_differ(network: str, names: tuple[str, ...], source: ImageSource, where: str) -> str | None:
    """The sentence on names of classes in `where` that are not the source's: the first of them, and whether they are
    the same in another order; None if they are the same.
    """
    if names == source.classes:
        return None
    label = next(i for i, (name, other) in enumerate(zip(names, source.classes, strict=True)) if name != other)
    how = "in another order" if sorted(names) == sorted(source.classes) else "differently"
    return (
        f"{network} names the classes {how}: class {label} is {source.classes[label]!r} in {source.words} and "
        f"{names[label]!r} in {where}"
    )
