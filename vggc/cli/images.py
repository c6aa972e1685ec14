"""The commands about images: what a data set looks like, and what a trained network says of an image."""

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
    from vggc.data.dataset import Split
    from vggc.data.images.decoding import Pixels
    from vggc.data.images.predict import Candidate


@click.command(short_help="Count images; print their mean and std.")
@click.argument("spec", required=False, type=SPEC)
@data_source
@overrides
@click.option("--split", type=click.Choice(["train", "test"]), default="train", show_default=True)
def stats(spec: str | None, data: str, assignments: tuple[str, ...], split: "Split") -> None:
    """Go over the images of a split: sizes, classes, mean and standard deviation per channel.

    With a SPEC the images are resized and cropped first, as its `preprocess` says.
    """
    if assignments and spec is None:
        raise click.UsageError("--set changes a spec, and none is named")
    network = CompileOptions(assignments).network(spec) if spec is not None else None
    from vggc.data import open_source
    from vggc.data.statistics import measure
    from vggc.data.statistics_text import report

    source = open_source(data)
    with progress_bars() as progress:
        found = measure(source, split, network, progress)
    click.echo(report(source, split, network, found))


@click.command(short_help="Say what a trained ONNX file makes of images.")
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE.onnx")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@click.option("--top", type=click.IntRange(min=1), default=5, show_default=True, help="How many classes to name.")
@click.option("--json", "as_json", is_flag=True, help="One JSON array instead of the text.")
def predict(file: Path, images: tuple[str, ...], top: int, as_json: bool) -> None:
    """Classify images by an ONNX file, with the preprocessing and the class names that are in it.

    An IMAGE is a file, a folder, which stands for the images in it and below it, or - for an image on standard input.
    Neither torch nor onnx is needed.
    """
    from vggc.data.images.predict import Classifier

    classifier = Classifier(file)
    if classifier.preprocess is None and not classifier.form.raw:
        click.echo(f"{file} says nothing of preprocessing: values are scaled to [0, 1], and that is all", err=True)
    places = _places(images)
    found = []
    with progress_bars() as progress:
        for place, candidates in classifier.predict(_decoded(places, progress), top):
            found.append((place, candidates))
    click.echo(_as_json(found) if as_json else _as_text(found))


def _places(images: Sequence[str]) -> list[str]:
    """The files that are meant."""
    from vggc.data.images.decoding import image_files

    places: list[str] = []
    for image in images:
        inside = [str(path) for path in image_files(Path(image))] if Path(image).is_dir() else [image]
        if not inside:
            raise click.UsageError(f"there are no images in {image}")
        places += inside
    return places


def _decoded(places: Sequence[str], progress: Progress) -> "Iterator[tuple[str, Pixels]]":
    from vggc.data.images.decoding import read_pixels

    for done, place in enumerate(places):
        progress("classifying", done, len(places))
        yield place, read_pixels(sys.stdin.buffer.read() if place == "-" else Path(place), place)
    progress("classifying", len(places), len(places))


def _as_json(found: "Sequence[tuple[str, list[Candidate]]]") -> str:
    rows = [
        {
            "image": place,
            "top": [{"class": each.name, "index": each.index, "probability": each.probability} for each in candidates],
        }
        for place, candidates in found
    ]
    return json.dumps(rows, indent=1, ensure_ascii=False)


def _as_text(found: "Sequence[tuple[str, list[Candidate]]]") -> str:
    """A block for each image: its name, and a line for each class."""
    width = max(len(each.name) for _, candidates in found for each in candidates)
    return "\n".join(
        "\n".join([place, *(f"  {each.name:{width}}  {100 * each.probability:6.2f} %" for each in candidates)])
        for place, candidates in found
    )
