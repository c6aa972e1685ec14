"""Whether a network and a source of images belong together, said before the first step."""

import json
import shlex
import warnings
from typing import Final

import torch

from vggc.base.errors import ProductError
from vggc.base.progress import Progress, silent
from vggc.base.words import dimensions
from vggc.data import parallel
from vggc.data.dataset import Images, Source, Split
from vggc.data.images.decoding import coloured
from vggc.data.preparation import prepare, too_small_or_large
from vggc.ir.network import Network
from vggc.layers.layer import pair
from vggc.recipe.recipe import Preprocess

_MAX_NAMES: Final = 100  # in a message


def check_fits(network: Network, source: Source) -> None:
    """Hold channels, classes and the size of the first images against the network.

    Class names that differ are a warning (`UserWarning`): the trained network would give its classes the spec's names.

    Raises:
        ProductError: they do not fit; the message holds the assignment that mends it.
    """
    check_channels(network, source)
    _check_classes(network, source)
    splits: tuple[Split, ...] = ("train", "test")
    for split in splits:
        _check_size(network, source.images(split))


def check_complete(network: Network, source: Source, progress: Progress = silent) -> None:
    """See that there are images of every class to train on, and that every test image can be taken as it is: the test
    comes last, and a run of hours should not come to nothing there.

    Args:
        network: which `source` fits.
        source: where the images are.
        progress: told the test images done.

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
    every = torch.arange(len(images))
    steps = prepare(network, images, every, progress=progress)

    def check(index: int) -> None:
        steps.image(images.pixels(index), images.place(index))

    for _ in parallel.each(check, every, "checking test images", progress):
        pass


def check_channels(network: Network, source: Source) -> None:
    """Hold the channels of the images against those of the input.

    Raises:
        ProductError: they differ.
    """
    channels, height, width = network.input
    if channels != source.channels:
        raise ProductError(
            f"the images of {source.words} are {coloured(source.channels)}, and the input of {network.name} is "
            f"{coloured(channels)}: --set input=[{source.channels},{height},{width}]{_and_their_mean(network, source)}"
        )


def _and_their_mean(network: Network, source: Source) -> str:
    """Mean and standard deviation have a value for each channel too."""
    steps = network.header.preprocess
    if steps is None or (steps.mean is None and steps.std is None):
        return ""
    return f", and the mean and std that `vggc stats --data {shlex.quote(source.words)}` prints"


def _check_classes(network: Network, source: Source) -> None:
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
    if classes.names is not None and (difference := names_differ(network.name, classes.names, source, "the spec")):
        way_out = f"to take the names of the images: --set {_assignment(source.classes)}"
        warnings.warn(f"{difference}; {way_out}", stacklevel=3)


def names_differ(network: str, names: tuple[str, ...], source: Source, where: str) -> str | None:
    """The sentence on names of classes in `where` that are not the source's: the first of them, and whether they are
    the same in another order.
    """
    if names == source.classes:
        return None
    place = next(i for i, (ours, theirs) in enumerate(zip(names, source.classes, strict=True)) if ours != theirs)
    how = "in another order" if sorted(names) == sorted(source.classes) else "differently"
    return (
        f"{network} names the classes {how}: class {place} is {source.classes[place]!r} in {source.words} and "
        f"{names[place]!r} in {where}"
    )


def _assignment(names: tuple[str, ...]) -> str:
    """The names as a word for the shell; of a great many, an example."""
    listed = json.dumps(names, ensure_ascii=False)
    return shlex.quote(f"classes={listed}") if len(names) <= _MAX_NAMES else "classes=[NAME, NAME...]"


def _check_size(network: Network, images: Images) -> None:
    """The first image stands for all here; every other one is held against it when it is decoded."""
    steps = network.header.preprocess or Preprocess()
    if steps.resize is not None or not len(images):
        return
    wanted = network.input[1], network.input[2]
    height, width = images.size(0)
    crop = pair(steps.crop) if steps.crop is not None else None
    fits = (height, width) == wanted if crop is None else height >= crop[0] and width >= crop[1]
    if not fits:
        raise too_small_or_large(images.place(0), (height, width), network.name, wanted)
