"""The commands about images: what a data set looks like, and how a trained network classifies an image."""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vggc.base.progress import Progress
from vggc.cli.options import SPEC, CompileOptions, data_source, overrides
from vggc.cli.output import progress_bars

if TYPE_CHECKING:
    from vggc.data.dataset import SplitName
    from vggc.data.images.decoding import Pixels
    from vggc.data.images.predict import Prediction


@click.command(short_help="Count images; print their mean and std.")
@click.argument("spec", required=False, type=SPEC)
@data_source
@overrides
@click.option("--split", type=click.Choice(["train", "test"]), default="train", show_default=True)
def stats(spec: str | None, data: str, assignments: tuple[str, ...], split: "SplitName") -> None:
    """Measure the images of a split: sizes, classes, mean and standard deviation per channel.

    With a SPEC the images are resized and cropped first, as its `preprocess` says.
    """
    if assignments and spec is None:
        raise click.UsageError("--set changes a spec, and none is named")
    network = CompileOptions(assignments).network(spec) if spec is not None else None
    from vggc.data.source_formats import open_source
    from vggc.data.statistics import measure, report

    source = open_source(data)
    with progress_bars() as progress:
        statistics = measure(source, split, network, progress)
    click.echo(report(source, split, network, statistics))


@click.command(short_help="Classify images by a trained ONNX file.")
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE.onnx")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@click.option("--top", type=click.IntRange(min=1), default=5, show_default=True, help="How many classes to name.")
@click.option("--json", "as_json", is_flag=True, help="One JSON array instead of the text.")
def predict(file: Path, images: tuple[str, ...], top: int, as_json: bool) -> None:
    """Classify images by an ONNX file, with the preprocessing and the class names that are in it.

    An IMAGE is a file, a folder, which means the images in it and below it, or - for an image on standard input.
    Neither torch nor onnx is needed.
    """
    from vggc.data.images.predict import OnnxClassifier

    classifier = OnnxClassifier(file)
    if classifier.preprocess is None and not classifier.input.raw:
        click.echo(f"{file} contains no preprocessing: values are scaled to [0, 1], and nothing else", err=True)
    places = _places(images)
    with progress_bars() as progress:
        predictions = list(classifier.predict(_decoded(places, progress), top))
    click.echo(_as_json(predictions) if as_json else _as_text(predictions))


def _places(images: Sequence[str]) -> list[str]:
    """The files, with those in folders."""
    from vggc.data.images.decoding import image_files

    places: list[str] = []
    for image in images:
        files = [str(path) for path in image_files(Path(image))] if Path(image).is_dir() else [image]
        if not files:
            raise click.UsageError(f"there are no images in {image}")
        places += files
    return places


def _decoded(places: Sequence[str], progress: Progress) -> "Iterator[tuple[str, Pixels]]":
    from vggc.data.images.decoding import read_pixels

    for done, place in enumerate(places):
        progress("classifying", done, len(places))
        yield place, read_pixels(sys.stdin.buffer.read() if place == "-" else Path(place), place)
    progress("classifying", len(places), len(places))


def _as_json(predictions: "Sequence[tuple[str, list[Prediction]]]") -> str:
    rows = [
        {
            "image": place,
            "top": [{"class": row.name, "index": row.index, "probability": row.probability} for row in top],
        }
        for place, top in predictions
    ]
    return json.dumps(rows, indent=1, ensure_ascii=False)


def _as_text(predictions: "Sequence[tuple[str, list[Prediction]]]") -> str:
    """A block for each image: its name, and a line for each class."""
    width = max(len(row.name) for _, top in predictions for row in top)
    return "\n".join(
        "\n".join([place, *(f"  {row.name:{width}}  {100 * row.probability:6.2f} %" for row in top)])
        for place, top in predictions
    )
