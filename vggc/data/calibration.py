"""Images to find the ranges of an int8 network with: a folder of them, or the training images of a data source."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from vggc.base.errors import ProductError
from vggc.base.progress import Progress, silent
from vggc.data.images.decoding import Pixels, colours, image_files, read_pixels
from vggc.data.images.preprocessing import preprocessed
from vggc.ir.program import Array, Program
from vggc.recipe.recipe import Preprocess

MOST_IMAGES: Final = 256  # more hardly change the ranges

_Image = tuple[str, Callable[[], Pixels]]  # where it comes from, and how it is read


def calibration_inputs(program: Program, words: str, progress: Progress = silent) -> list[Array]:
    """Inputs of the file in batches of one: at most 256 images, spread evenly over all that there are.

    Args:
        program: what will be exported.
        words: a folder, whose images are taken with those of the folders in it; or a source of training images, such as
            `cifar10:PATH`.
        progress: is told the images prepared.

    Raises:
        ProductError: there are no images, or one does not become the network's input.
    """
    images = _of_folder(Path(words)) if Path(words).is_dir() else _of_source(words)
    if not images:
        raise ProductError(f"--calibration {words}: there are no images in it")
    inputs = []
    progress("reading images", 0, len(images))
    for done, (place, read) in enumerate(images, start=1):
        inputs.append(np.ascontiguousarray(_input(program, place, read())[np.newaxis]))
        progress("reading images", done, len(images))
    return inputs


def _of_folder(folder: Path) -> list[_Image]:
    files = image_files(folder)
    selected = [files[index] for index in _spread(len(files))]
    return [(str(file), partial(read_pixels, file, str(file))) for file in selected]


def _of_source(words: str) -> list[_Image]:
    from vggc.data.source_formats import SOURCES, open_source

    if words.partition(":")[0] not in SOURCES:
        raise ProductError(
            f"--calibration {words}: there is no such folder, and no such source of images; "
            "name a folder of images, or a source such as cifar10:PATH"
        )
    images = open_source(words).images("train")
    return [(images.place(index), partial(images.pixels, index)) for index in _spread(len(images))]


def _spread(count: int) -> list[int]:
    """Indices spread evenly over `count`."""
    selected = min(count, MOST_IMAGES)
    return [i * count // selected for i in range(selected)]


def _input(program: Program, place: str, pixels: Pixels) -> Array:
    network = program.network
    channels, height, width = network.input
    if pixels.shape[2] != channels:
        raise ProductError(
            f"{place} is {colours(pixels.shape[2])}, and {network.name} takes {colours(channels)}; convert it first"
        )
    steps = network.header.preprocess or Preprocess()
    x = preprocessed(pixels, steps, place, network.name, (height, width))  # also of raw images, to check their size
    return pixels if program.input.dtype == "uint8" else x
